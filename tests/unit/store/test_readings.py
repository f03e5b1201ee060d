"""What sources have is saved once, updated by later readings, and kept as history."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import (
    ChannelReading,
    ChannelRecord,
    ChannelSnapshot,
    ItemRecord,
    ItemSnapshot,
    Platform,
)
from jobs.store import NotStoredError, StoreError, SyncCounts
from tests.real_data import data_path
from tests.unit.store.samples import CHANNEL, DAY, START, reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore

NAIVE = datetime(2026, 1, 17)  # noqa: DTZ001 -- the fault under test


async def test_first_save_is_all_new(store: ChannelStore) -> None:
    """Distinct items and snapshots are counted as they are stored."""
    assert await store.readings.save([reading(items=3, days=5)]) == SyncCounts(3, 0, 8, 0)


async def test_saving_again_changes_nothing(store: ChannelStore) -> None:
    """The same readings a second time are all known, and the data is the same to the last bit."""
    await store.readings.save([reading()])
    before = (await store.readings.load("UC0")).fingerprint
    assert await store.readings.save([reading()]) == SyncCounts(0, 3, 0, 8)
    assert (await store.readings.load("UC0")).fingerprint == before


async def test_repeated_rows_count_once(store: ChannelStore) -> None:
    """Two sources with the same data make one item and one snapshot each."""
    assert await store.readings.save([reading(), reading()]) == SyncCounts(3, 0, 8, 0)


async def test_more_rows_are_added(store: ChannelStore) -> None:
    """Only what was not there is new."""
    await store.readings.save([reading(items=3, days=5)])
    assert await store.readings.save([reading(items=4, days=7)]) == SyncCounts(1, 3, 3, 8)


@pytest.mark.parametrize("at_once", [True, False])
async def test_item_becomes_what_was_read_last(store: ChannelStore, *, at_once: bool) -> None:
    """The last title, date and length win; what a later source lacks stays."""
    given = [
        replace(reading(days=0), items=[ItemRecord("v", "Old", START, 60, "u", "28")]),
        replace(reading(days=0), items=[ItemRecord("v", "New", None, 61, None, "")]),
        replace(reading(days=0), items=[ItemRecord("v", "", None, None)]),
    ]
    given = [replace(one, item_snapshots=()) for one in given]
    for group in [given] if at_once else [[one] for one in given]:
        await store.readings.save(group)
    items = (await store.readings.load("UC0")).items
    assert items.select("title", "published_at", "duration_s", "category").rows() == [
        ("New", START, 61, "28")
    ]


async def test_falling_counter_is_kept(store: ChannelStore) -> None:
    """Counters at another time are another row, also when they are lower."""
    falling = [ItemSnapshot("v0", START + n * DAY, views) for n, views in enumerate((90, 80, 85))]
    for snapshot in falling:
        await store.readings.save([replace(reading(days=0), item_snapshots=[snapshot])])
    found = (await store.readings.load("UC0")).item_snapshots
    assert found["views"].to_list() == [90, 80, 85]


@pytest.mark.parametrize("at_once", [True, False])
async def test_sources_complete_a_snapshot(store: ChannelStore, *, at_once: bool) -> None:
    """Two sources with different counters of one time make one row with both."""
    given = [
        replace(reading(), channel_snapshots=[ChannelSnapshot(START, subscribers=12_300)]),
        replace(reading(), channel_snapshots=[ChannelSnapshot(START, views=5, items=0)]),
    ]
    for group in [given] if at_once else [[one] for one in given]:
        await store.readings.save(group)
    assert (await store.readings.load("UC0")).daily.rows() == [(START, 12_300, 5, 0)]


async def test_channels_keep_their_items_apart(store: ChannelStore) -> None:
    """An item id that two channels use is two items."""
    await store.readings.save([reading("UC0")])
    assert await store.readings.save([reading("UC1")]) == SyncCounts(3, 0, 8, 0)


async def test_more_rows_than_a_chunk(store: ChannelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are written in chunks, and none is lost at their ends."""
    monkeypatch.setattr("jobs.store.upsert._CHUNK", 7)
    assert await store.readings.save([reading(items=23, days=7)]) == SyncCounts(23, 0, 30, 0)


async def test_large_channel_is_saved_whole(store: ChannelStore) -> None:
    """Two thousand items with a snapshot each go in, and come out again."""
    assert await store.readings.save([reading(items=2_000, days=65)]) == SyncCounts(
        2_000, 0, 2_065, 0
    )
    data = await store.readings.load("UC0")
    assert (data.items.height, data.item_snapshots.height, data.daily.height) == (2_000, 2_000, 65)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (replace(reading(), item_snapshots=[ItemSnapshot("absent", START, 1)]), NotStoredError),
        (replace(reading(), channel_snapshots=[ChannelSnapshot(START, views=2**63)]), StoreError),
        (replace(reading(), channel_snapshots=[ChannelSnapshot(NAIVE, views=1)]), StoreError),
    ],
    ids=["snapshot without item", "counter too large", "time without zone"],
)
async def test_sync_is_saved_whole_or_not_at_all(
    store: ChannelStore, wrong: ChannelReading, error: type[StoreError]
) -> None:
    """A reading that cannot be stored leaves nothing of its sync behind, the channel included."""
    with pytest.raises(error) as caught:
        await store.readings.save([reading(), wrong])
    assert "\n" not in str(caught.value)
    assert await store.channels.all() == []


@pytest.mark.parametrize("readings", [[], [reading("UC0"), reading("UC1")]])
async def test_one_channel_at_a_time(store: ChannelStore, readings: list[ChannelReading]) -> None:
    """A sync is of exactly one channel; anything else is the caller's mistake."""
    with pytest.raises(ValueError, match="exactly one channel"):
        await store.readings.save(readings)


async def test_real_daily_counters_are_all_stored(store: ChannelStore) -> None:
    """162 real channels: as many snapshots as the file has distinct rows, and none on repeat."""
    path = data_path("channel_daily", "daily_snapshots.csv.gz")
    channels: defaultdict[str, list[ChannelSnapshot]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(f"{row['date_utc'][:10]}T00:00:00+00:00")
            channels[row["channel_id"]].append(
                ChannelSnapshot(at, int(row["subscribers"]), int(row["views"]), int(row["videos"]))
            )
    readings = [
        ChannelReading(ChannelRecord(key, key, Platform.YOUTUBE), channel_snapshots=snapshots)
        for key, snapshots in channels.items()
    ]
    saved = [await store.readings.save([one]) for one in readings]
    assert (len(saved), sum(one.snapshots_new for one in saved)) == (162, 2_522)
    again = [await store.readings.save([one]) for one in readings]
    assert sum(one.snapshots_new for one in again) == 0
    assert sum(one.snapshots_known for one in again) == 2_522


async def test_saving_readings_registers_the_channel(store: ChannelStore) -> None:
    """A channel need not be registered first; its record comes with a reading."""
    await store.channels.register(CHANNEL, [])
    await store.readings.save([reading()])
    found = await store.channels.find(CHANNEL.id)
    assert found == replace(CHANNEL, title="Channel UC0")


async def test_tags_and_live_come_back(store: ChannelStore) -> None:
    """Tags come back one a line, with single spaces; a reading without tags changes nothing."""
    given = ItemRecord("v", "A", tags=("one", " two\nwords ", "", "三"), live=True)
    for item in (given, ItemRecord("v", "A")):
        await store.readings.save([replace(reading(days=0), items=[item], item_snapshots=())])
    items = (await store.readings.load("UC0")).items
    assert items.select("tags", "live").rows() == [("one\ntwo words\n三", True)]


async def test_live_that_turns_out_false_is_kept(store: ChannelStore) -> None:
    """False is a value and replaces another one; only None is not."""
    for live in (True, False, None):
        item = ItemRecord("v", "A", live=live)
        await store.readings.save([replace(reading(days=0), items=[item], item_snapshots=())])
    assert (await store.readings.load("UC0")).items["live"].to_list() == [False]
