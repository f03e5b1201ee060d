"""A channel that is removed leaves nothing, and takes nothing with it that is not its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from jobs.channel.records import SourceRef
from jobs.store import StoredRecommendation
from tests.unit.store.samples import reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore


async def _fill(store: ChannelStore, channel_id: str) -> None:
    told = reading(channel_id)
    await store.register(told.channel, [SourceRef("csv", f"{channel_id}.csv")])
    await store.save_readings([told])
    analysis = await store.save_analysis(channel_id, "f", {"a": 1})
    await store.save_recommendations(
        analysis, [StoredRecommendation("k", "t", "a", {"n": 1}, "weak evidence")]
    )
    await store.save_rendering(analysis, None, "html", "report.html")


async def test_removed_channel_leaves_nothing(store: ChannelStore) -> None:
    """Items, counters, analyses and what was made of them go with it."""
    await _fill(store, "UC1")
    assert await store.remove("UC1")
    assert await store.channels() == []
    left = (await store.counts(["UC1"]))["UC1"]
    assert not any(asdict(left).values())
    assert await store.sources_of("UC1") == []
    assert await store.report_paths(["UC1"]) == {}


async def test_removing_one_leaves_the_others(store: ChannelStore) -> None:
    """The neighbour has what it had."""
    await _fill(store, "UC1")
    await _fill(store, "UC2")
    before = (await store.counts(["UC2"]))["UC2"]
    await store.remove("UC1")
    assert (await store.counts(["UC2"]))["UC2"] == before
    assert await store.report_path("UC2") == "report.html"


async def test_removing_what_is_not_there_says_so(store: ChannelStore) -> None:
    """Twice removed is removed once."""
    await _fill(store, "UC1")
    assert await store.remove("UC1")
    assert not await store.remove("UC1")
