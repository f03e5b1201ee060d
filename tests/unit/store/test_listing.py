"""Channels for a list, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.store.samples import reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore


async def test_pages_give_each_channel_once_with_its_last_counters(store: ChannelStore) -> None:
    """Channels come by id, readings oldest first."""
    for number in range(5):
        await store.readings.save([reading(f"UC{number}")])
    first = await store.channels.page(limit=3)
    rest = await store.channels.page(after=first[-1].channel.id, limit=3)

    assert [one.channel.id for one in first + rest] == [f"UC{number}" for number in range(5)]
    assert first[0].readings == [(12_300, 1_000_000 + day) for day in range(5)]
    assert first[0].analysed_at is None
    assert first[0].failing == ""


async def test_text_is_found_in_title_and_id_as_it_is_written(store: ChannelStore) -> None:
    """Letter case does not matter; a per cent sign is only itself."""
    for number in range(3):
        await store.readings.save([reading(f"UC{number}")])
    await store.analyses.save("UC1", "f" * 64, {"a": 1})

    assert [one.channel.id for one in await store.channels.page(text="channel uc1")] == ["UC1"]
    assert (await store.channels.page(text="UC1"))[0].analysed_at is not None
    assert await store.channels.page(text="%") == []
