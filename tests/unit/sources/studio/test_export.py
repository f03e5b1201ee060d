"""Exports of YouTube Studio: a folder is a channel, its days are gains, its videos are items."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import ChannelGain, ItemGain, ItemSnapshot
from jobs.sources import Skipped, SourceError, discover, open_source
from jobs.sources.studio.role import role_of

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.channel.records import ChannelReading
    from tests.unit.sources.conftest import Write

FOLDER = "Content 2025-06-13_2025-06-16 Bench and Grain"
NEW, OLD = "UWQNrpakgcA", "-i5vAKwX_bY"
TOTALS = "Date,Views\n2025-06-13,0\n2025-06-14,12\n2025-06-15,\n2025-06-16,0\n"
CHART = "Date,Content,Video title,Video publish time,Duration,Views\n" + "".join(
    f'2025-06-{day},{NEW},New,"Jun 15, 2025",9,{views}\n'
    for day, views in ((13, 0), (14, 1), (15, 0), (16, 8))
)
TABLE = (
    "Content,Video title,Video publish time,Duration,Views,Subscribers,Likes,Comments added\n"
    "Total,,,,100,7,9,9\n"
    f'{NEW},New,"Jun 15, 2025",9,9,1,,2\n {OLD},"Old, but good","Sep 29, 2022",61,80,,5,1\n'
)


async def reading_of(location: str) -> ChannelReading:
    """Open the source and read its only channel."""
    source = await open_source(location)
    (channel,) = source.channels()
    return source.read(channel.id)


async def test_a_folder_is_a_channel(write: Write, tmp_path: Path) -> None:
    """Totals are its gains, the chart those of its videos, the table its items less the total."""
    for name, text in (("Totals.csv", TOTALS), ("Chart data.csv", CHART), ("Table.csv", TABLE)):
        write(f"{FOLDER}/{name}", text)
    reading = await reading_of(str(tmp_path / FOLDER))

    assert reading.channel.title == "Bench and Grain"
    assert reading.channel.id.startswith("title:")
    assert reading.channel.successes_only is None
    assert [(item.id, item.title, item.duration_s) for item in reading.items] == [
        (NEW, "New", 9),
        (OLD, "Old, but good", 61),
    ]
    assert reading.items[1].published_at == datetime(2022, 9, 29, tzinfo=UTC)
    assert not reading.channel_snapshots
    assert not reading.rejects


async def test_leading_zeros_are_no_observations(write: Write) -> None:
    """Zeros before the first other day are left out, later zeros and gaps are not."""
    totals = await reading_of(write("c/Totals.csv", TOTALS))
    assert totals.channel_gains == [
        ChannelGain(date(2025, 6, 14), views=12),
        ChannelGain(date(2025, 6, 16), views=0),
    ]
    chart = await reading_of(write("d/Chart data.csv", CHART))
    assert chart.item_gains == [
        ItemGain(NEW, date(2025, 6, 14), 1),
        ItemGain(NEW, date(2025, 6, 15), 0),
        ItemGain(NEW, date(2025, 6, 16), 8),
    ]


async def test_a_chart_alone_lists_successes_only(write: Write) -> None:
    """It has only the most viewed videos, which show nothing of the others."""
    chart = await reading_of(write("d/Chart data.csv", CHART))
    assert chart.channel.successes_only


async def test_a_part_is_no_counter(write: Write, tmp_path: Path) -> None:
    """A video older than the range has no counter; without a range every video has one."""
    alone = await reading_of(write("c/Table data.csv", TABLE))
    newest = datetime(2025, 6, 15, tzinfo=UTC)
    assert alone.item_snapshots == [
        ItemSnapshot(NEW, newest, views=9, comments=2),
        ItemSnapshot(OLD, newest, views=80, likes=5, comments=1),
    ]
    write("c/Totals.csv", TOTALS)
    with_range = await reading_of(str(tmp_path / "c"))
    end = datetime(2025, 6, 16, 23, 59, 59, tzinfo=UTC)
    assert with_range.item_snapshots == [ItemSnapshot(NEW, end, views=9, comments=2)]


@pytest.mark.parametrize(
    "days",
    [
        ("12-06-2025", "13-06-2025", "14-06-2025"),
        ("6/12/2025", "6/13/2025", "6/14/2025"),
        ('"Jun 12, 2025"', '"Jun 13, 2025"', '"Jun 14, 2025"'),
    ],
)
async def test_days_that_a_spreadsheet_saved_again_are_understood(
    write: Write, days: tuple[str, ...]
) -> None:
    """The form in which days follow each other is taken; net subscribers may be negative."""
    rows = "".join(f"{day},5,-1\r\n" for day in days)
    reading = await reading_of(write("c/Totals.csv", f"Date,Views,Subscribers\r\n{rows}"))
    assert reading.channel_gains == [ChannelGain(date(2025, 6, day), 5, -1) for day in (12, 13, 14)]


async def test_ambiguous_days_are_read_as_they_follow_each_other(write: Write) -> None:
    """1/2 is the second of January where 1/1 and 1/3 are its neighbours."""
    reading = await reading_of(
        write("c/Totals.csv", "Date,Views\n1/1/2022,5\n1/2/2022,6\n1/3/2022,7\n")
    )
    assert [gain.day.month for gain in reading.channel_gains] == [1, 1, 1]


async def test_engaged_views_are_taken_for_views_and_it_says_so(write: Write) -> None:
    """They stand in for views where there are no others."""
    source = await open_source(write("c/Totals.csv", "Date,Engaged views\n2025-06-13,5\n"))
    assert "engaged views taken for views" in source.describe()
    both = "Date,Engaged views,Views\n2025-06-13,5,8\n"
    assert (await reading_of(write("d/Totals.csv", both))).channel_gains[0].views == 8


async def test_damaged_rows_are_rejected(write: Write) -> None:
    """A row with a wrong cell is named, and costs no other."""
    source = await open_source(
        write(
            "c/Table data.csv", f'{TABLE}short,Bad,"Jun 1, 2025",9,9,1,1,2\n{OLD},x,soon,9,1,,,\n'
        )
    )
    assert [(each.line, each.reason) for each in source.rejects] == [
        (5, "content is not a video id: 'short'"),
        (6, "video publish time is not a date: 'soon'"),
    ]


async def test_splits_are_named_and_left_out(write: Write, tmp_path: Path) -> None:
    """A table by country is of no day or video; alone it is refused, with what is needed."""
    path = write("c/Table data.csv", "Geography,Views\nTotal,15\nUS,9\n")
    with pytest.raises(SourceError, match=r"is a split.*Export Totals, or Table data by content"):
        await open_source(path)
    write("c/Totals.csv", TOTALS)
    split, export = await discover(str(tmp_path))
    assert isinstance(split, Skipped)
    assert not isinstance(export, Skipped | SourceError)
    assert export.ref.kind == "studio"


def test_columns_decide_the_role() -> None:
    """The names of files do not count."""
    assert role_of(["date", "views"]) == "totals"
    assert role_of(["date", "geography", "views"]) == "split"
    assert role_of(["date", "channel", "views"]) is None
    assert role_of(["content", "video title", "views"]) == "table"
    assert role_of(["date", "content", "video title", "views"]) == "chart"


async def test_an_id_in_the_folders_name_is_the_channels(write: Write) -> None:
    """With an id in the folder's name, the export and the feed are one channel."""
    channel_id = "UCsXVk37bltHxD1rDPwtNM8Q"
    reading = await reading_of(write(f"Studio {channel_id}/Totals.csv", TOTALS))
    assert reading.channel.id == channel_id
