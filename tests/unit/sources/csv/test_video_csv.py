"""Video-list CSVs: the latest facts of items, and their counters at each time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import ItemRecord, ItemSnapshot
from jobs.sources.source import SourceError
from tests.unit.sources.csv.csv_text import read_csv

if TYPE_CHECKING:
    from jobs.sources.csv.csv_source import CsvSource

HEADER = (
    "snapshot_utc,channel_id,channel_title,video_id,published_at,title,duration_iso8601,"
    "category_id,view_count,like_count,comment_count\n"
)
CHANNEL = "UC-pdFydi9ooxEfATh3KoiIw"
VIDEO = "f6x1WVSR-4U"
FIRST, SECOND = datetime(2026, 1, 28, tzinfo=UTC), datetime(2026, 2, 4, tzinfo=UTC)


def read(rows: str, header: str = HEADER) -> CsvSource:
    """Read *rows* below *header*."""
    return read_csv(header + rows, "videos.csv")


def row(**cells: str) -> str:
    """Return a sound row, with *cells* in place of its own."""
    sound = {
        "snapshot_utc": "2026-01-28",
        "channel_id": CHANNEL,
        "channel_title": "Steven",
        "video_id": VIDEO,
        "published_at": "2026-01-04T17:15:08Z",
        "title": "A title",
        "duration_iso8601": "PT10M5S",
        "category_id": "28",
        "view_count": "100",
        "like_count": "10",
        "comment_count": "1",
    }
    return ",".join((sound | cells).values()) + "\n"


def test_a_row_is_an_item_and_a_snapshot() -> None:
    """A row gives the video's facts and its counters at that time."""
    reading = read(row()).read(CHANNEL)
    assert reading.items == [
        ItemRecord(
            id=VIDEO,
            title="A title",
            published_at=datetime(2026, 1, 4, 17, 15, 8, tzinfo=UTC),
            duration_s=605,
            url=f"https://www.youtube.com/watch?v={VIDEO}",
            category="28",
        )
    ]
    assert reading.item_snapshots == [ItemSnapshot(VIDEO, FIRST, views=100, likes=10, comments=1)]


def test_a_later_snapshot_updates_the_item() -> None:
    """A video that is listed twice is one item with its latest facts and both snapshots."""
    later = row(snapshot_utc="2026-02-04", title="New title", view_count="90")
    reading = read(later + row()).read(CHANNEL)
    assert [item.title for item in reading.items] == ["New title"]
    assert [(one.observed_at, one.views) for one in reading.item_snapshots] == [
        (FIRST, 100),
        (SECOND, 90),
    ]


def test_hidden_counters_are_unknown() -> None:
    """A hidden counter is unknown; a video without counters is an item without a snapshot."""
    hidden = row(video_id="b", view_count="", like_count="", comment_count="")
    reading = read(row(like_count="") + hidden).read(CHANNEL)
    assert [item.id for item in reading.items] == [VIDEO, "b"]
    assert reading.item_snapshots == [ItemSnapshot(VIDEO, FIRST, views=100, comments=1)]


def test_facts_may_be_missing() -> None:
    """A row with ids, time and one counter is enough."""
    source = read(f"2026-01-28,{CHANNEL},v,5\n", "snapshot_utc,channel_id,video_id,view_count\n")
    reading = source.read(CHANNEL)
    assert reading.items == [ItemRecord(id="v", title="v")]
    assert reading.item_snapshots == [ItemSnapshot("v", FIRST, views=5)]


def test_a_duration_of_zero_is_unknown() -> None:
    """A stream that has not ended has no length yet."""
    (item,) = read(row(duration_iso8601="P0D")).read(CHANNEL).items
    assert item.duration_s is None


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"channel_id": ""}, "channel_id is missing"),
        ({"video_id": " "}, "video_id is missing"),
        ({"snapshot_utc": ""}, "snapshot_utc is missing"),
        ({"snapshot_utc": "28/01/2026"}, "snapshot_utc is not a date: '28/01/2026'"),
        ({"published_at": "soon"}, "published_at is not a date: 'soon'"),
        ({"duration_iso8601": "10m"}, "duration_iso8601 is not a duration: '10m'"),
        ({"view_count": "-1"}, "view_count is negative: '-1'"),
        ({"like_count": "#NAME?"}, "like_count is not a whole number: '#NAME?'"),
        ({"comment_count": "1e3"}, "comment_count is not a whole number: '1e3'"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_reason(cells: dict[str, str], reason: str) -> None:
    """One bad row is named with line and reason, and costs none of the others."""
    source = read(row(title='"two\nlines"') + row(**cells) + row(video_id="c"))
    assert [item.id for item in source.read(CHANNEL).items] == [VIDEO, "c"]
    assert [(reject.line, reject.reason) for reject in source.rejects] == [(4, reason)]


def test_the_last_of_several_rows_of_one_time_counts() -> None:
    """Repeated rows are counted, contradicting ones rejected, and the last one stands."""
    source = read(row(view_count="7") + row() + row())
    assert [one.views for one in source.read(CHANNEL).item_snapshots] == [100]
    assert [(reject.line, reject.channel_id) for reject in source.rejects] == [(2, CHANNEL)]
    assert source.describe() == (
        "video list, 1 channel, 1 item, 1 row, 2026-01-28, 1 row rejected, 1 row repeated"
    )


def test_the_same_video_id_on_two_channels_is_two_items() -> None:
    """Items belong to their channel: an id may occur on several."""
    source = read(row() + row(channel_id="other"))
    assert len(source.read(CHANNEL).items) == len(source.read("other").items) == 1
    assert source.read("other").items[0].url is None


def test_a_file_without_a_usable_row_is_an_error() -> None:
    """Where no row can be used, the error gives the first reason."""
    with pytest.raises(SourceError, match=r"no usable row.*line 2: channel_id is missing"):
        read(row(channel_id=""))


def test_an_unknown_channel_is_an_error() -> None:
    """A channel that the file does not know is not an empty one."""
    with pytest.raises(SourceError, match="has no channel nobody"):
        read(row()).read("nobody")


def followed(column: str) -> str:
    """A list of the Data API's answers that reads two videos on four days, named by *column*."""
    rows = "".join(
        f"2026-01-0{day},{video},{CHANNEL},2025-12-24T10:00:00Z,{day * 100}\n"
        for day in range(1, 5)
        for video in (VIDEO, "a6x1WVSR-4U")
    )
    return f"{column},video_id,channel_id,published_at,view_count\n{rows}"


@pytest.mark.parametrize("column", ["run_datetime_utc", "checked_at", "Tracked At", "snapshot"])
def test_items_that_are_followed_have_a_snapshot_for_each_reading(column: str) -> None:
    """Programs that follow videos call the time of a reading by many names."""
    source = read_csv(followed(column))
    assert not source.rejects
    assert len(source.read(CHANNEL).item_snapshots) == 8


def test_items_that_are_followed_at_no_known_time_are_refused() -> None:
    """The last of several readings is not the only one, and publication is not its time."""
    with pytest.raises(SourceError, match="no column that is known to say when each was read") as e:
        read_csv(followed("wann"))
    assert "6 more rows of its 2 items" in str(e.value)
    assert "not read: wann" in str(e.value)
