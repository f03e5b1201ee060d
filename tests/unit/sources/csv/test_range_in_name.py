"""A range in the name of a file or folder is one of the signs of what a list counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.sources import open_source
from jobs.sources.csv.csv_source import CsvSource

if TYPE_CHECKING:
    from tests.unit.sources.conftest import Write

INSTAGRAM = (
    "Post ID,Account ID,Account username,Description,Publish time,Permalink,Date,Views,Reach\n"
    "71,178,baker,Fresh,08/13/2024 08:30,https://e.example/1,Total,900,90\n"
    "72,178,baker,Old,01/02/2023 08:30,https://e.example/2,Total,12,9\n"
)
TIKTOK = (
    "Video title,Video link,Post time,Total views\n"
    "Fresh,https://e.example/1,2024-08-13,900\nOld,https://e.example/2,2023-01-02,12\n"
)
LIST = (
    "video_id,channel_title,title,published_at,view_count\n"
    "aaaaaaaaaaa,baker,Fresh,2024-08-13,900\nbbbbbbbbbbb,baker,Old,2023-01-02,12\n"
)


@pytest.mark.parametrize("text", [INSTAGRAM, TIKTOK, LIST], ids=["instagram", "tiktok", "api"])
@pytest.mark.parametrize(
    "name",
    [
        "posts_2024-08-01_2024-08-28.csv",
        "Aug-01-2024_Aug-28-2024_77.csv",
        "20240801-20240828/posts.csv",
    ],
)
async def test_an_item_older_than_the_range_has_no_counter(
    write: Write, name: str, text: str
) -> None:
    """It was counted in part; the list was read at the end of the range."""
    source = await open_source(write(f"c/{name}", text))
    assert isinstance(source, CsvSource)
    (channel,) = source.channels()
    reading = source.read(channel.id)
    assert len(reading.items) == 2
    (snapshot,) = reading.item_snapshots
    assert (snapshot.views, f"{snapshot.observed_at:%Y-%m-%d}") == (900, "2024-08-28")
    assert {str(each.first) for each in reading.item_figures} <= {"2024-08-01"}
    assert reading.scope
    assert reading.scope.words() == "counters of 2024-08-01 to 2024-08-28"
    assert "1 older item counted only from about 2024-08-01 on" in source.describe()


async def test_a_range_that_items_contradict_is_of_something_else(write: Write) -> None:
    """An item came out after it: what the list counts is not known by its name."""
    source = await open_source(write("c/list_2023-01-01_2023-06-30.csv", LIST))
    (channel,) = source.channels()
    reading = source.read(channel.id)
    assert len(reading.item_snapshots) == 2
    assert reading.scope is None


async def test_days_outside_the_range_are_said(write: Write) -> None:
    """Name and table contradict each other: which is right, only their owner knows."""
    days = "".join(f"2024-09-{day:02},{day},1\n" for day in range(1, 12))
    path = write("c/o_2024-08-01_2024-08-28.csv", f"Date,Video views,Profile views\n{days}")
    source = await open_source(path)
    expected = "its days, 2024-09-01 to 2024-09-11, are not those in its name"
    assert expected in source.describe()
