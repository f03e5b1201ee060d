"""Real daily counters and video lists, against a count of the same files by the csv module."""

from __future__ import annotations

import csv
import gzip
import re
import unicodedata
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.sources import open_source
from tests.real_data import data_path
from tests.unit.sources.csv.csv_text import mapping_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobs.channel.records import ChannelReading
    from jobs.sources import Source

Row = dict[str, str]
VIDEO_FILES = ("videos_2026-01.csv.gz", "videos_2026-02.csv.gz")


def rows_of(path: Path) -> list[Row]:
    """Read a file with nothing but the standard library."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def readings_of(source: Source) -> dict[str, ChannelReading]:
    """Read all channels of a source."""
    return {channel.id: source.read(channel.id) for channel in source.channels()}


def number(cell: str) -> int | None:
    """Return a cell as a number, or None where it is empty."""
    return int(cell) if cell else None


async def test_daily_snapshots_are_all_read() -> None:
    """Every row of the daily counters is a snapshot of its channel, with the same numbers."""
    path = data_path("channel_daily", "daily_snapshots.csv.gz")
    rows = rows_of(path)
    expected = defaultdict(list)
    for row in rows:
        observed_at = datetime.strptime(row["date_utc"], "%Y-%m-%d").replace(tzinfo=UTC)
        counters = (int(row["subscribers"]), int(row["views"]), int(row["videos"]))
        expected[row["channel_id"]].append((observed_at, *counters))

    source = await open_source(str(path))
    read = {
        channel_id: [
            (one.observed_at, one.subscribers, one.views, one.items)
            for one in reading.channel_snapshots
        ]
        for channel_id, reading in readings_of(source).items()
    }

    assert read == {channel_id: sorted(counters) for channel_id, counters in expected.items()}
    assert (len(read), sum(map(len, read.values()))) == (162, 2522)
    assert not source.rejects
    assert source.describe() == (
        "daily counters, 162 channels, 2,522 rows, 2026-01-17 to 2026-02-10"
    )


@pytest.mark.parametrize(("name", "count"), [(VIDEO_FILES[0], 3132), (VIDEO_FILES[1], 4755)])
async def test_video_lists_are_all_read(name: str, count: int) -> None:
    """Every row of a video list is a snapshot of its video, with the same numbers."""
    path = data_path("channel_daily", name)
    expected = {
        (row["channel_id"], row["video_id"], datetime.fromisoformat(row["snapshot_utc"])): tuple(
            number(row[column]) for column in ("view_count", "like_count", "comment_count")
        )
        for row in rows_of(path)
    }

    source = await open_source(str(path))
    read = {
        (channel_id, one.item_id, one.observed_at): (one.views, one.likes, one.comments)
        for channel_id, reading in readings_of(source).items()
        for one in reading.item_snapshots
    }

    assert read == expected
    assert len(read) == count
    assert not source.rejects


async def test_video_lists_share_their_items() -> None:
    """Both lists together have as many videos and snapshots as an independent count finds."""
    paths = [data_path("channel_daily", name) for name in VIDEO_FILES]
    rows = [row for path in paths for row in rows_of(path)]
    sources = [await open_source(str(path)) for path in paths]
    read = [
        (channel_id, reading)
        for source in sources
        for channel_id, reading in readings_of(source).items()
    ]

    items = {(channel_id, item.id) for channel_id, reading in read for item in reading.items}
    snapshots = [one for _, reading in read for one in reading.item_snapshots]
    assert items == {(row["channel_id"], row["video_id"]) for row in rows}
    assert (len(items), len(snapshots)) == (5100, 7887)
    _compare_facts(rows, read)


def _composed(title: str) -> str:
    return unicodedata.normalize("NFC", re.sub("[ \t]+", " ", title).strip())


def _compare_facts(rows: Sequence[Row], read: Sequence[tuple[str, ChannelReading]]) -> None:
    """Titles and dates are those of the files, composed, but for outer and double spaces."""
    titles = {(row["channel_id"], row["video_id"], _composed(row["title"])) for row in rows}
    dates = {(row["video_id"], datetime.fromisoformat(row["published_at"])) for row in rows}
    items = [(channel_id, item) for channel_id, reading in read for item in reading.items]
    assert {(channel_id, item.id, item.title) for channel_id, item in items} <= titles
    assert {(item.id, item.published_at) for _, item in items} == dates


async def test_two_platforms_in_one_file_are_all_read() -> None:
    """The virtual YouTubers' rows are snapshots on either platform, under the platform's own id."""
    path = data_path("vtuber_daily", "daily.csv.gz")
    rows = rows_of(path)
    named = {row["vtuber_id"]: row for row in rows_of(path.with_name("channels.csv.gz"))}
    expected: defaultdict[str, list[datetime]] = defaultdict(list)
    for row in rows:
        who, at = named[row["vtuber_id"]], datetime.fromisoformat(row["snapshot_at"])
        if row["youtube_subscribers"] or row["youtube_total_views"]:
            expected[who["youtube_channel_id"] or row["vtuber_id"]].append(at)
        if row["twitch_followers"]:
            expected[f"twitch:{(who['twitch_login'] or row['vtuber_id']).lower()}"].append(at)

    source = await open_source(str(path), mapping=mapping_named("vtuber_daily"))
    read = {
        channel_id: [one.observed_at for one in reading.channel_snapshots]
        for channel_id, reading in readings_of(source).items()
    }

    assert read == {channel_id: sorted(times) for channel_id, times in expected.items()}
    assert (len(rows), len(read)) == (127_522, 3_338)
    assert not source.rejects
