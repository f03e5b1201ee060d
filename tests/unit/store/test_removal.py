"""A removed channel leaves nothing behind, and takes nothing of others with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from jobs.channel.records import SourceRef
from jobs.store import StoredRecommendation
from tests.unit.store.samples import reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore


async def _fill(store: ChannelStore, channel_id: str) -> None:
    given = reading(channel_id)
    await store.channels.register(given.channel, [SourceRef("csv", f"{channel_id}.csv")])
    await store.readings.save([given])
    analysis = await store.analyses.save(channel_id, "f", {"a": 1})
    await store.analyses.save_recommendations(
        analysis, [StoredRecommendation("k", "t", "a", {"n": 1}, "weak evidence")]
    )
    await store.renderings.save(analysis, None, "html", "report.html")


async def test_removed_channel_leaves_nothing(store: ChannelStore) -> None:
    """Items, counters, analyses and what was made of them go with it."""
    await _fill(store, "UC1")
    assert await store.channels.remove("UC1")
    assert await store.channels.all() == []
    left = (await store.channels.counts(["UC1"]))["UC1"]
    assert not any(asdict(left).values())
    assert await store.channels.sources_of("UC1") == []
    assert await store.renderings.report_paths(["UC1"]) == {}


async def test_removing_one_leaves_the_others(store: ChannelStore) -> None:
    """The other channel keeps everything."""
    await _fill(store, "UC1")
    await _fill(store, "UC2")
    before = (await store.channels.counts(["UC2"]))["UC2"]
    await store.channels.remove("UC1")
    assert (await store.channels.counts(["UC2"]))["UC2"] == before
    assert await store.renderings.report_path("UC2") == "report.html"


async def test_removing_what_is_not_there_says_so(store: ChannelStore) -> None:
    """Twice removed is removed once."""
    await _fill(store, "UC1")
    assert await store.channels.remove("UC1")
    assert not await store.channels.remove("UC1")
