"""What an export says of its scope: steps, cuts, and ranges that nobody names."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.channel.scope import Measure, Scope
from jobs.sources import SourceError, open_source
from jobs.sources.studio.signs import counted_from
from jobs.sources.values.steps import Step, step_of

if TYPE_CHECKING:
    from jobs.channel.records import ChannelReading
    from tests.unit.sources.conftest import Write

HEADER = "Content,Video title,Video publish time,Duration,Views,Likes\n"
NEW = datetime(2023, 6, 30, tzinfo=UTC)


def video(number: int, published: str, views: int, likes: int = 1) -> str:
    """Return a row of a table of videos."""
    return f'vid{number:08},V{number},"{published}",60,{views},{likes}\n'


async def read(location: str) -> ChannelReading:
    """Open a source of one channel and read it."""
    source = await open_source(location)
    return source.read(source.channels()[0].id)


@pytest.mark.parametrize(
    ("days", "step"),
    [(1, Step.DAY), (7, Step.WEEK), (30, Step.MONTH), (91, Step.QUARTER), (365, Step.YEAR)],
)
def test_steps_are_told_by_gaps(days: int, step: Step) -> None:
    """A few days that are missing make no other step."""
    every = [date(2020, 1, 1) + timedelta(days=days * number) for number in range(9)]
    assert step_of(every) is step
    assert step_of([*every[:3], *every[4:]]) is step
    assert step_of([date(2020, 1, 1)]) is Step.DAY


@pytest.mark.parametrize(
    ("cells", "step"),
    [
        (["2023-01-02", "2023-01-09", "2023-01-16"], "weekly"),
        (["2023-01-01", "2023-02-01", "2023-03-01", "2023-04-01"], "monthly"),
        (["2023-01", "2023-02"], "monthly"),
        (["Jan 2023", "Feb 2023"], "monthly"),
        (["2023-01-01", "2023-01-11", "2023-01-21"], "not daily"),
    ],
)
async def test_what_is_not_by_day_is_not_read_as_days(
    write: Write, cells: list[str], step: str
) -> None:
    """A week's views are never a day's: the step is named, and what to do."""
    rows = "".join(f"{cell},70\n" for cell in cells)
    with pytest.raises(SourceError, match=rf"Totals.csv is {step}.*Export it by day"):
        await open_source(write("c/Totals.csv", f"Date,Views\n{rows}"))


async def test_a_weekly_table_beside_others_is_left_out_and_said(
    write: Write, tmp_path: object
) -> None:
    """What can be used of an export is."""
    write("c/Totals.csv", "Date,Views\n2023-01-02,70\n2023-01-09,80\n2023-01-16,75\n")
    write("c/Table data.csv", HEADER + video(1, "Jan 3, 2023", 5))
    reading = await read(f"{tmp_path}/c")
    assert not reading.channel_gains
    assert reading.scope
    assert reading.scope.cautions == ("Totals.csv is weekly: its rows are weeks, not days",)


async def test_a_cut_table_lists_successes_only(write: Write) -> None:
    """Rows that are half of the total, or a note below them, show that others are missing."""
    rows = video(1, "Jan 3, 2023", 60) + video(2, "Jan 4, 2023", 40)
    reading = await read(write("c/Table data.csv", f"{HEADER}Total,,,,250,9\n{rows}"))
    assert reading.channel.successes_only
    assert reading.scope
    assert reading.scope.whole is False
    clause = "cut: the 100 views listed are 40 % of the 250 in its total"
    assert reading.scope.cautions == (clause,)
    assert (
        clause
        in (
            await open_source(write("d/Table data.csv", f"{HEADER}Total,,,,250,9\n{rows}"))
        ).describe()
    )
    whole = await read(write("e/Table data.csv", f"{HEADER}Total,,,,110,9\n{rows}"))
    assert whole.channel.successes_only is None
    for note in ("Showing top 500 results,,,,,", "上位 500 件の結果を表示しています"):
        noted = await read(write(f"{len(note)}/t.csv", f"{HEADER}{rows}{note}\n"))
        assert noted.channel.successes_only
        assert len(noted.items) == 2
        assert not noted.rejects


async def test_the_range_in_a_folders_name_counts(write: Write) -> None:
    """An older video only gained its views in the range; the export was made at its end."""
    rows = video(1, "Feb 3, 2020", 60) + video(2, "May 4, 2023", 40)
    reading = await read(write("Content 2023-05-01_2023-05-28 Some Show/t.csv", HEADER + rows))
    (snapshot,) = reading.item_snapshots
    assert (snapshot.item_id, snapshot.views) == ("vid00000002", 40)
    assert snapshot.observed_at == datetime(2023, 5, 28, 23, 59, 59, tzinfo=UTC)
    assert reading.scope
    assert (reading.scope.first, reading.scope.last) == (date(2023, 5, 1), date(2023, 5, 28))
    assert reading.scope.cautions[0].startswith("1 older item counted only from about 2023-05-01")


async def test_counts_below_zero_show_a_range(write: Write) -> None:
    """No lifetime has minus two likes: videos up to the newest such one have no counter."""
    rows = "".join(
        video(day, f"May {day}, 2023", 100 - day, -2 if day == 4 else 3) for day in range(1, 9)
    )
    reading = await read(write("c/t.csv", HEADER + rows))
    assert [each.item_id for each in reading.item_snapshots] == [
        f"vid{day:08}" for day in range(5, 9)
    ]
    assert len(reading.items) == 8


def test_views_that_break_off_at_an_age_show_a_range() -> None:
    """Ten times the views from one age on is a range of Studio's; a rise of a channel is none."""
    ages = range(0, 180, 5)
    broken = [(NEW - timedelta(days=age), 900 if age < 90 else 80, False) for age in ages]
    assert counted_from(broken) == NEW - timedelta(days=85)
    risen = [(NEW - timedelta(days=age), 900 - 4 * age, False) for age in ages]
    assert counted_from(risen) is None
    odd = [(NEW - timedelta(days=age), 900 if age < 60 else 80, False) for age in ages]
    assert counted_from(odd) is None


@pytest.mark.parametrize(
    ("days", "clause"),
    [
        ([5, 6, 7, 7, 5, 6], "1 day is in Totals.csv twice, with other numbers: the last counts"),
        (list(range(20)), "the views of Totals.csv never fall from one day to the next: they are"),
        ([5, -6, 7, 8, 9], "1 day of Totals.csv have views below zero"),
    ],
)
async def test_days_that_are_odd_are_said(write: Write, days: list[int], clause: str) -> None:
    """They are read, since nothing says that they are wrong; the reader should know."""
    again = [*range(1, len(days)), len(days) - 1] if clause.startswith("1 day is") else None
    dates = again or range(1, len(days) + 1)
    rows = "".join(f"2023-05-{day:02},{views}\n" for day, views in zip(dates, days, strict=True))
    reading = await read(write("c/Totals.csv", f"Date,Views\n{rows}"))
    assert reading.scope
    assert [each[: len(clause)] for each in reading.scope.cautions] == [clause]


def test_a_scope_is_kept_as_json() -> None:
    """What goes into the store comes out."""
    scope = Scope(
        date(2023, 5, 1),
        date(2023, 5, 2),
        (Measure.GAINS,),
        "Pacific",
        whole=False,
        cautions=("x",),
    )
    assert Scope.from_json(scope.as_json()) == scope
    assert scope.words() == "gains of 2023-05-01 to 2023-05-02, by Pacific days"
    assert Scope.from_json(Scope().as_json()) == Scope()


async def test_days_in_the_future_are_damage(write: Write) -> None:
    """Nothing came in on a day that has not been."""
    rows = "2023-05-01,5\n2023-05-02,6\n2190-05-03,7\n"
    reading = await read(write("c/Totals.csv", f"Date,Views\n{rows}"))
    assert len(reading.channel_gains) == 2
    assert "is in the future" in reading.rejects[0].reason


async def test_a_log_of_counters_is_no_export_of_gains(write: Write) -> None:
    """Numbers that only rise, by little of what they are, are counters; it says so."""
    rows = "".join(f"2023-05-{day:02},{5000 + day},{900_000 + 700 * day}\n" for day in range(1, 15))
    log = await read(write("c/log.csv", f"date,subscribers,views\n{rows}"))
    assert not log.channel_gains
    assert (log.channel_snapshots[0].subscribers, log.channel_snapshots[0].views) == (5001, 900_700)
    assert log.scope
    assert log.scope.measures == (Measure.COUNTERS,)
    assert "log.csv is taken for a log of counters" in log.scope.cautions[0]
    rows = "".join(f"2023-05-{day:02},{day % 3 - 1},{900 + 7 * day}\n" for day in range(1, 15))
    export = await read(write("d/Totals.csv", f"Date,Subscribers,Views\n{rows}"))
    assert not export.channel_snapshots
    assert len(export.channel_gains) == 14
