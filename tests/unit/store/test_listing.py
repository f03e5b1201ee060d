"""Channels for a list, page by page, by what changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.channel.records import SourceRef, SourceResult, SyncOutcome
from jobs.channel.summary import ReportSummary
from tests.unit.store.samples import reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore


async def changed(store: ChannelStore, channel_id: str, change: float) -> None:
    """Save a report of the channel whose last week is *change* from the usual."""
    analysis = await store.analyses.save(channel_id, f"f{change}", {"a": 1})
    summary = ReportSummary(change, {"headline": f"{change} {channel_id}"}, {"gains": [1, None]})
    await store.renderings.save(analysis, None, "html", "report.html", summary=summary)


async def ids(store: ChannelStore, limit: int, text: str = "") -> list[list[str]]:
    """Return the ids of all pages of *limit* channels."""
    pages: list[list[str]] = []
    place = None
    while not pages or place is not None:
        found, place = await store.channels.page(after=place, text=text, limit=limit)
        pages.append([one.channel.id for one in found])
    return pages


async def test_pages_give_each_channel_once_those_that_changed_most_first(
    store: ChannelStore,
) -> None:
    """Equal changes and channels without a report have an order, too; no page is empty."""
    for number in range(7):
        await store.readings.save([reading(f"UC{number}")])
    for channel_id, change in (("UC1", 0.0), ("UC2", 0.5), ("UC3", 2.25), ("UC4", 0.5)):
        await changed(store, channel_id, change)
    order = ["UC3", "UC4", "UC2", "UC1", "UC0", "UC5", "UC6"]
    for limit in (1, 2, 3, 4, 5, 7, 8):
        pages = await ids(store, limit)
        assert [one for page in pages for one in page] == order
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert pages[-1]


async def test_channel_has_what_its_newest_report_says(store: ChannelStore) -> None:
    """A new report takes the place of the former; a chart or another format says nothing."""
    await store.readings.save([reading("UC0")])
    await store.readings.save([reading("UC1")])
    await changed(store, "UC0", 1.0)
    await changed(store, "UC0", 3.0)
    analysis = await store.analyses.save("UC0", "f", {"a": 1})
    await store.renderings.save(analysis, "daily-views", "svg", "views.svg")
    (first, second), _ = await store.channels.page()
    assert first.summary == {"headline": "3.0 UC0"}
    assert first.made_at is not None
    assert (second.summary, second.made_at) == (None, None)
    found = await store.renderings.summary("UC0")
    assert found is not None
    assert found[0] == ReportSummary(3.0, {"headline": "3.0 UC0"}, {"gains": [1, None]})
    assert await store.renderings.summary("UC1") is None
    assert await store.renderings.summaries_of(["UC0", "UC1", "UC9"]) == {
        "UC0": (3.0, {"headline": "3.0 UC0"})
    }


async def test_text_is_found_in_title_and_id_as_it_is_written(store: ChannelStore) -> None:
    """Letter case does not matter; a per cent sign is only itself."""
    for number in range(3):
        await store.readings.save([reading(f"UC{number}")])
    await changed(store, "UC1", 1.0)
    assert await ids(store, 5, "channel uc1") == [["UC1"]]
    assert await ids(store, 5, "UC") == [["UC1", "UC0", "UC2"]]
    assert await ids(store, 5, "%") == [[]]


async def test_unreadable_is_a_channel_without_a_source_that_could_be_read(
    store: ChannelStore,
) -> None:
    """One of two sources that fails leaves a channel readable; the reason is the source's own."""
    good, bad = SourceRef("csv", "good.csv"), SourceRef("csv", "bad.csv")
    at = datetime(2026, 5, 1, tzinfo=UTC)
    for channel_id, sources in (("UC0", [bad]), ("UC1", [good, bad]), ("UC2", [good])):
        found = reading(channel_id)
        await store.channels.register(found.channel, sources)
        results = [
            SourceResult(bad, at, SyncOutcome.FAILED, "it is gone")
            if one is bad
            else SourceResult(good, at, SyncOutcome.READ, reading=found)
            for one in sources
        ]
        for _ in range(2):
            await store.syncs.save(channel_id, results)
    total, (only,) = await store.channels.unreadable()
    assert total == 1
    assert (only.channel.id, only.reason, only.failures) == ("UC0", "it is gone", 2)
    assert (only.succeeded_at, only.due_at) == (None, None)
    listed, _ = await store.channels.page()
    assert {one.channel.id: one.sync.problem for one in listed} == {
        "UC0": "it is gone",
        "UC1": "it is gone",
        "UC2": "",
    }
