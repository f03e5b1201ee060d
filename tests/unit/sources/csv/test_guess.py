"""A proposed mapping reads the list that it was made of, and says what it could not tell."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.sources import SourceError, open_source
from jobs.sources.open_source import mapping_for

if TYPE_CHECKING:
    from tests.unit.sources.conftest import Write

DAYS = [date(2023, 5, 1) + timedelta(days=at) for at in range(20)]


async def mapped(write: Write, text: str, name: str = "my list.csv") -> tuple[dict[str, str], str]:
    """Return the columns of the proposal for *text*, and how the list is described by it."""
    path = write(name, text)
    proposal = mapping_for(path)
    source = await open_source(path, mapping=write("map.toml", proposal))
    return tomllib.loads(proposal)["columns"], source.describe()


async def test_a_log_of_a_channel(write: Write) -> None:
    """Counters that rise stay counters; the channel gets the name of the file."""
    rows = "".join(f"{day:%d.%m.%Y};{1000 + at};{9 * at}\n" for at, day in enumerate(DAYS))
    columns, described = await mapped(write, f"Tag;Followers;Foo\n{rows}")
    assert columns == {"observed_at": "tag", "subscribers": "followers"}
    assert "1 of 3 columns not read: foo" in described
    assert "1 channel, 20 rows" in described


async def test_what_falls_is_proposed_as_gains(write: Write) -> None:
    """A column of views by day is what came in on each."""
    rows = "".join(f"{day},{100 + 37 * at % 50}\n" for at, day in enumerate(DAYS))
    columns, _ = await mapped(write, f"Date,Plays\n{rows}")
    assert columns == {"observed_at": "date", "gained_views": "plays"}


async def test_a_list_of_episodes(write: Write) -> None:
    """Items with their publication; YouTube's ids are known by their looks."""
    rows = "".join(f"q1w2e3r4t{at:02},Nr {at},{day},{at}\n" for at, day in enumerate(DAYS))
    columns, described = await mapped(write, f"Clip,Name,Out,Total comments\n{rows}")
    assert columns["item_id"] == "clip"
    assert columns["published_at"] == "out"
    assert "20 items" in described


async def test_a_known_name_counts_before_one_that_may_mean_the_same(write: Write) -> None:
    """Of a list of items only fields of items are proposed, however their words are joined."""
    rows = "".join(f"{at},Nr {at},{day},{at},{2 * at},7,90\n" for at, day in enumerate(DAYS))
    header = "Id,Title,post_time,Reactions,Likes,New Subscribers,Impressions"
    columns, described = await mapped(write, f"{header}\n{rows}")
    assert columns == {
        "item_id": "id",
        "title": "title",
        "published_at": "post_time",
        "likes": "likes",
        "impressions": "impressions",
    }
    assert "2 of 7 columns not read: reactions, new subscribers" in described


async def test_what_nobody_can_tell_is_asked(write: Write) -> None:
    """Two readings of a date, and dates without a year, get a line that says so."""
    two = mapping_for(write("a.csv", "Day,Followers\n3/4/2023,5\n5/9/2023,6\n"))
    assert 'observed_at = "day"  # day or month first?' in two
    none = mapping_for(write("b.csv", "Day,Followers\n30 May,5\n31 May,6\n"))
    assert "year = 2000  # of the first row" in none


@pytest.mark.parametrize(
    ("text", "reason"),
    [("a,b\n", "holds a header and no rows"), ("mood,x y\ngood,no\nbad,no\n", "no column that")],
)
def test_what_cannot_be_mapped_says_so(write: Write, text: str, reason: str) -> None:
    """It names the columns."""
    with pytest.raises(SourceError, match=reason):
        mapping_for(write("a.csv", text))


async def test_what_only_an_owner_sees_is_mapped(write: Write) -> None:
    """A list that someone made of Studio's columns keeps its impressions, and whose it is."""
    rows = "".join(f"{at},{day:%d-%m-%Y},{9 * at},{at + 5},3\n" for at, day in enumerate(DAYS))
    names = "ID,Video Publish Time,Impressions,Views,YouTube Premium (USD)"
    columns, _ = await mapped(write, f"{names}\n{rows}")
    assert columns["impressions"] == "impressions"
    assert 'platform = "youtube"' in mapping_for(write("again.csv", f"{names}\n{rows}"))
