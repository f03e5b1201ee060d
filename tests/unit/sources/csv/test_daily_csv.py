"""Daily-counter CSVs: every readable row is a snapshot, every other one a reject."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import ChannelSnapshot, Platform
from jobs.sources.source import SourceError
from tests.unit.sources.csv.csv_text import mapping_named, read_csv

if TYPE_CHECKING:
    from jobs.sources.csv.csv_source import CsvSource

HEADER = "date_utc,channel_id,channel_title,subscribers,views,videos\n"
CHANNEL = "UC-pdFydi9ooxEfATh3KoiIw"


def read(rows: str, header: str = HEADER, mapping: str | None = None) -> CsvSource:
    """Read *rows* below *header*."""
    return read_csv(header + rows, "daily.csv", mapping)


def day(number: int) -> datetime:
    """Return a day of January 2026."""
    return datetime(2026, 1, number, tzinfo=UTC)


def test_rows_become_snapshots_by_time() -> None:
    """A channel's rows are its snapshots, in the order of time, with empty cells as unknown."""
    source = read(f"2026-01-18,{CHANNEL},Steven,,110,7\n2026-01-17,{CHANNEL},Old name,1000,100,7\n")
    reading = source.read(CHANNEL)
    assert reading.channel_snapshots == [
        ChannelSnapshot(day(17), subscribers=1000, views=100, items=7),
        ChannelSnapshot(day(18), subscribers=None, views=110, items=7),
    ]
    assert reading.channel.title == "Steven"
    assert reading.channel.platform is Platform.YOUTUBE
    assert reading.channel.url == f"https://www.youtube.com/channel/{CHANNEL}"
    assert source.observed_at == day(18)


def test_zero_and_empty_are_not_the_same() -> None:
    """Zero is a counter; an empty cell is an unknown one."""
    (snapshot,) = read(f"2026-01-17,{CHANNEL},S,0,,\n").read(CHANNEL).channel_snapshots
    assert (snapshot.subscribers, snapshot.views, snapshot.items) == (0, None, None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-01-17,,S,1,2,3", "channel_id is missing"),
        (",c,S,1,2,3", "date_utc is missing"),
        ("17.01.2026,c,S,1,2,3", "date_utc is not a date: '17.01.2026'"),
        ("2026-02-30,c,S,1,2,3", "date_utc is not a date: '2026-02-30'"),
        ("2026-01-17,c,S,-1,2,3", "subscribers is negative: '-1'"),
        ("2026-01-17,c,S,1,many,3", "views is not a whole number: 'many'"),
        ("2026-01-17,c,S,1,2,3.5", "videos is not a whole number: '3.5'"),
        ("2026-01-17,c,S,1,99999999999999999999,3", "views is not a whole number: '9999999999"),
        ("2026-01-17,c,S, D,1,2,3", "has 7 cells instead of 6"),
        ('2026-01-17,c,"S,1,2,3', "has a stray or open quote"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_reason(row: str, reason: str) -> None:
    """One bad row is named with line and reason, and costs none of the others."""
    good = f"2026-01-17,{CHANNEL},S,1,2,3\n2026-01-18,{CHANNEL},S,1,2,3\n"
    source = read(f'2026-01-16,{CHANNEL},"two\nlines",1,2,3\n{row}\n{good}')
    assert len(source.read(CHANNEL).channel_snapshots) == 3
    (reject,) = source.rejects
    assert reject.line == 4
    assert reject.reason.startswith(reason)
    assert reject.location == "/d/daily.csv"
    assert source.describe().endswith("3 rows, 2026-01-16 to 2026-01-18, 1 row rejected")


def test_rejects_belong_to_their_channel() -> None:
    """A channel's reading holds its own rejected rows and no others."""
    source = read("2026-01-17,a,A,1,2,3\n2026-01-17,b,B,1,2,3\n2026-01-18,b,B,-1,2,3\n")
    assert list(source.read("a").rejects) == []
    assert [reject.line for reject in source.read("b").rejects] == [4]


def test_the_last_of_several_rows_of_one_day_counts() -> None:
    """Repeated rows are counted, contradicting ones rejected, and the last one stands."""
    same, other = "2026-01-17,c,C,1,2,3\n", "2026-01-17,c,C,1,9,3\n"
    source = read(other + same + same)
    assert [snapshot.views for snapshot in source.read("c").channel_snapshots] == [2]
    assert [(reject.line, reject.reason) for reject in source.rejects] == [
        (2, "contradicts line 4, which counts")
    ]
    assert source.describe().endswith("1 row, 2026-01-17, 1 row rejected, 1 row repeated")


def test_a_row_without_counters_is_no_snapshot_and_no_error() -> None:
    """A day without counters leaves a gap, and no reject."""
    source = read("2026-01-17,c,C,1,2,3\n2026-01-18,c,C,,,\n")
    assert len(source.read("c").channel_snapshots) == 1
    assert not source.rejects


def test_falling_counters_are_kept() -> None:
    """A counter that falls is a fact of the source."""
    snapshots = read("2026-01-17,c,C,1,20,3\n2026-01-18,c,C,1,10,3\n").read("c").channel_snapshots
    assert [snapshot.views for snapshot in snapshots] == [20, 10]


def test_columns_may_come_in_any_order_and_company() -> None:
    """Columns are found by name, whatever their order, case and neighbours."""
    source = read("5,x,2026-01-17,c\n", header="Views;Note;DATE_UTC;Channel_ID\n".replace(";", ","))
    assert source.read("c").channel_snapshots == [ChannelSnapshot(day(17), views=5)]
    assert source.read("c").channel.title == "c"


def test_a_row_of_two_platforms_is_two_channels() -> None:
    """A row with counters of YouTube and Twitch is two channels; one without either is one."""
    header = "snapshot_at,vtuber_id,youtube_subscribers,youtube_total_views,twitch_followers\n"
    source = read(
        "2026-01-17T08:00:00+08:00,ab,10,20,30\n2026-01-18T08:00:00+08:00,ab,,,31\n"
        "2026-01-17T08:00:00+08:00,cd,1,,\n2026-01-1,cd,1,2,3\n",
        header=header,
        mapping=mapping_named("vtuber_daily"),
    )
    assert [(channel.id, channel.platform) for channel in source.channels()] == [
        ("ab", Platform.YOUTUBE),
        ("twitch:ab", Platform.STREAM),
        ("cd", Platform.YOUTUBE),
    ]
    assert source.read("ab").channel_snapshots == [ChannelSnapshot(day(17), 10, 20)]
    assert [one.subscribers for one in source.read("twitch:ab").channel_snapshots] == [30, 31]
    assert [reject.line for reject in source.rejects] == [5]


def test_a_file_without_a_usable_row_is_an_error() -> None:
    """Where no row can be used, the error gives the first reason."""
    with pytest.raises(
        SourceError, match=r"no usable row.*line 2: views is negative: '-5'"
    ) as error:
        read("2026-01-17,c,C,1,-5,3\n")
    assert "\n" not in str(error.value)


def test_an_unknown_channel_is_an_error() -> None:
    """A channel that the file does not know is not an empty one."""
    with pytest.raises(SourceError, match="has no channel nobody"):
        read("2026-01-17,c,C,1,2,3\n").read("nobody")
