"""Whole tables, page by page: every row once, in the order of its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.store import pages
from tests.unit.store.samples import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.store import ChannelStore

COLUMNS = ("channel_id", "item_id", "observed_at", "views")


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a page have two rows, so that a table has many."""
    monkeypatch.setattr(pages, "_PAGE", 2)
    pages._first.cache_clear()
    yield
    pages._first.cache_clear()


async def _all(store: ChannelStore, channel_id: str | None = None) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    while page := await store.tables.page(
        "item-snapshots", COLUMNS, channel_id=channel_id, after=found[-1][:3] if found else None
    ):
        found += page
    return found


async def test_every_row_comes_once(store: ChannelStore) -> None:
    """Across the ends of pages and of channels."""
    for channel_id in ("UC1", "UC2", "UC3"):
        await store.readings.save([reading(channel_id, items=5)])
    found = await _all(store)
    assert [row[:2] for row in found] == [
        (f"UC{channel}", f"v{item}") for channel in (1, 2, 3) for item in range(5)
    ]


async def test_one_channel_comes_alone(store: ChannelStore) -> None:
    """The rows of the others are not among its own."""
    for channel_id in ("UC1", "UC2", "UC3"):
        await store.readings.save([reading(channel_id, items=3)])
    assert {row[0] for row in await _all(store, "UC2")} == {"UC2"}


async def test_analysed_channels_come_page_by_page(store: ChannelStore) -> None:
    """Each once, however many analyses it has."""
    for channel_id in ("UC1", "UC2", "UC3"):
        await store.readings.save([reading(channel_id)])
        for fingerprint in "ab":
            await store.analyses.save(channel_id, fingerprint, {})
    assert await store.analyses.channel_ids(limit=2) == ["UC1", "UC2"]
    assert await store.analyses.channel_ids("UC2", limit=2) == ["UC3"]
