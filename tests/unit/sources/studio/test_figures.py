"""What only an owner sees: each figure has its span, in any language and however it was saved."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import FROM_THE_FIRST, ChannelGain, Figures, ItemFigures
from jobs.sources import open_source
from jobs.sources.values.numbers import decimals_reader
from tests.real_data import data_path

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.channel.records import ChannelReading
    from jobs.sources.source import Source
    from tests.unit.sources.conftest import Write

ONE, TWO = "q1w2e3r4t5y", "-zX9_cV8bN7"
FIRST, LAST = date(2024, 1, 1), date(2024, 1, 28)
FOLDER = "Content 2024-01-01_2024-01-28 Bench and Grain"
TABLE = (
    "Content,Video title,Video publish time,Duration,Views,Watch time (hours),Subscribers,"
    "Average view duration,Average percentage viewed (%),Impressions,"
    "Impressions click-through rate (%),Unique viewers,Stayed to watch (%)\n"
    "Total,,,,1000,52.5,12,0:03:09,41.2,20000,3.1,0,\n"
    f'{ONE},New,"Jan 3, 2024",460,700,36.75,10,0:03:09,41.1,12000,4.36,650,71.5\n'
    f'{TWO},Old,"Mar 9, 2021",500,300,15.75,,,,8000,1.2,,\n'
)


async def opened(location: str) -> tuple[Source, ChannelReading]:
    """Open the source and read its only channel."""
    source = await open_source(location)
    (channel,) = source.channels()
    return source, source.read(channel.id)


async def test_a_table_gives_figures_of_its_range(write: Write) -> None:
    """Of each video, older ones too; empty cells and viewers that Studio does not know are none."""
    source, reading = await opened(write(f"{FOLDER}/Table data.csv", TABLE))
    assert reading.item_figures == [
        ItemFigures(
            item_id=ONE,
            first=FIRST,
            last=LAST,
            views=700,
            impressions=12_000,
            click_through=0.0436,
            watch_s=132_300,
            view_s=189,
            viewed=0.411,
            stayed=0.715,
            viewers=650,
            subscribers=10,
        ),
        ItemFigures(
            item_id=TWO,
            first=FIRST,
            last=LAST,
            views=300,
            impressions=8_000,
            click_through=0.012,
            watch_s=56_700,
        ),
    ]
    assert reading.channel_figures == [
        Figures(
            first=FIRST,
            last=LAST,
            views=1_000,
            impressions=20_000,
            click_through=0.031,
            watch_s=189_000,
            view_s=189,
            viewed=0.412,
            subscribers=12,
        )
    ]
    assert "not read" not in source.describe()


async def test_without_a_range_figures_are_of_a_lifetime(write: Write) -> None:
    """They begin with the first day that there is."""
    _, reading = await opened(write("c/Table data.csv", TABLE))
    assert {one.first for one in reading.item_figures} == {FROM_THE_FIRST}


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("Taux de clics par impression (%)", "4,36", 0.0436),
        ("インプレッションのクリック率 (%)", "4.36", 0.0436),
        ("Thumbnail-Klickrate (%)", "4,36 %", 0.0436),
        ("Impressions click-through rate (%)", "4.36%", 0.0436),
    ],
)
async def test_shares_are_known_in_any_language(
    write: Write, name: str, cell: str, expected: float
) -> None:
    """A decimal comma and a sign for per cent are what a spreadsheet makes of them."""
    table = f'Content,Video title,Views,"{name}"\n{ONE},One,700,"{cell}"\n'
    _, reading = await opened(write("c/Table.csv", table))
    assert [one.click_through for one in reading.item_figures] == [expected]


async def test_days_have_figures(write: Write) -> None:
    """Those of Totals, less the days before the channel began; net subscribers are a difference."""
    totals = (
        "Date,Views,Impressions,Impressions click-through rate (%),Subscribers gained,"
        "Subscribers lost\n"
        "2024-01-01,0,0,,0,0\n2024-01-02,10,200,2.5,3,1\n2024-01-03,12,,,,\n"
    )
    source, reading = await opened(write("c/Totals.csv", totals))
    day = date(2024, 1, 2)
    assert reading.channel_figures == [
        Figures(
            first=day,
            last=day,
            views=10,
            impressions=200,
            click_through=0.025,
            subscribers_gained=3,
            subscribers_lost=1,
        )
    ]
    assert reading.channel_gains == [
        ChannelGain(day, 10, 2),
        ChannelGain(date(2024, 1, 3), 12, None),
    ]
    assert "not read" not in source.describe()


async def test_the_total_of_a_split_is_the_channels(write: Write, tmp_path: Path) -> None:
    """Unless it is not the sum of the days beside it: then it is of something else."""
    write("c/Totals.csv", "Date,Views\n2024-01-01,40\n2024-01-02,60\n")
    split = "Traffic source,Views,Impressions\nTotal,{},2000\nSearch,60,2000\n"
    write("c/Table data.csv", split.format(100))
    _, reading = await opened(str(tmp_path / "c"))
    assert reading.channel_figures == [
        Figures(first=date(2024, 1, 1), last=date(2024, 1, 2), views=100, impressions=2_000)
    ]
    write("c/Table data.csv", split.format(400))
    source, reading = await opened(str(tmp_path / "c"))
    assert not reading.channel_figures
    assert "is not that of the days in Totals.csv" in source.describe()


async def test_a_cell_that_cannot_be_read_costs_no_row(write: Write) -> None:
    """It is unknown, and the line of the source says so."""
    table = TABLE.replace("4.36", "n/a").replace("0:03:09,41.1", "0:03:09,-3")
    source, reading = await opened(write(f"{FOLDER}/Table data.csv", table))
    assert [(one.click_through, one.viewed) for one in reading.item_figures] == [
        (None, None),
        (0.012, None),
    ]
    assert len(reading.items) == 2
    assert "1 cell of impressions click-through rate (%) cannot be read, the first: 'n/a'" in (
        source.describe()
    )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["4.36", "0.5", "12"], [4.36, 0.5, 12]),
        (["4,36 %", "100 %"], [4.36, 100]),
        (["1,183,689.3666", "250.1"], [1_183_689.3666, 250.1]),
        (["1.183.689,3666"], [1_183_689.3666]),
        (["1,184", "2.5"], [1_184, 2.5]),
        (["1.184", "2,5"], [1_184, 2.5]),
        (["1,184", "12,5"], [1.184, 12.5]),
        (["1\u202f183,5"], [1_183.5]),
        (["0,123"], [0.123]),
        (["1.184"], [1.184]),
        (["1,184"], [None]),
        (["1.5", "2,5"], [None, None]),
        (["-", "1.5", "1.5x", "1e3", ""], [None, 1.5, None, None, None]),
    ],
)
def test_decimals_are_judged_by_their_column(
    cells: list[str], expected: list[float | None]
) -> None:
    """Where a mark may separate thousands or decimals, other cells decide, or none is read."""
    read = decimals_reader(cells)
    assert [read(cell) for cell in cells] == expected


@pytest.mark.parametrize(
    ("folder", "total", "items"),
    [
        ("b_music_2007_2025", (846_508, 0.0139, 81), 316),
        ("c_traffic_source_28d", (3_279_288, 0.0949, 95), 0),
        ("d_shorts_365d", (50_929, 0.0168, None), 442),
        ("g_community_lifetime", (748_855, 0.0306, None), 220),
    ],
)
async def test_real_exports(folder: str, total: tuple[int, float, int | None], items: int) -> None:
    """Their totals and videos are read, and no column of these is left."""
    source, reading = await opened(str(data_path("studio_exports", folder)))
    (channel,) = reading.channel_figures
    assert (channel.impressions, channel.click_through, channel.view_s) == total
    assert len(reading.item_figures) == items
    assert "impressions" not in source.describe()
