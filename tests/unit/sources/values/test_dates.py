"""Dates as people write them: judged by column, and never guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from jobs.sources.values import dates


def read(*cells: str, **kept: object) -> list[str | None]:
    """Read a column, and return its times as short texts."""
    column = dates.read_column(cells, **kept)  # type: ignore[arg-type]  # one test each
    found = map(column.read, cells)
    return [None if each is None else f"{each:%Y-%m-%d %H:%M}" for each in found]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2023/7/9", "2023-07-09 00:00"),
        ("2023年7月9日", "2023-07-09 00:00"),
        ("2023년 7월 9일", "2023-07-09 00:00"),
        ("2023. 7. 9.", "2023-07-09 00:00"),
        ("09.07.2023", "2023-07-09 00:00"),
        ("7/19/2023 6:05 PM", "2023-07-19 18:05"),
        ("19/07/2023 18:05", "2023-07-19 18:05"),
        ("9-Jul-23", "2023-07-09 00:00"),
        ("Jul 9, 2023", "2023-07-09 00:00"),
        ("July 9th, 2023", "2023-07-09 00:00"),
        ("9. Juli 2023", "2023-07-09 00:00"),
        ("9 juil. 2023", "2023-07-09 00:00"),
        ("9 de jul. de 2023", "2023-07-09 00:00"),
        ("9 जुल॰ 2023", "2023-07-09 00:00"),
        ("9 июля 2023", "2023-07-09 00:00"),
        ("So., 09 Jul 2023 02:00:00 +0200", "2023-07-09 00:00"),
        ("Sun, 09 Jul 2023 04:00:00 EST", "2023-07-09 09:00"),
        ("Sun Jul  9 04:00:00 2023", "2023-07-09 04:00"),
        ("9\u00a0Ju\u00adli 2023", "2023-07-09 00:00"),
        ("9 Jul 2023 10:00 +9999", None),
        ("9 Jul 2023 10:00 -0060", None),
        ("\u0668", None),
        ("1/2", None),
        ("Jul 9", None),
        ("9 julep 2023", None),
        ("2023-02-30", None),
        ("May", None),
        ("top 500", None),
    ],
)
def test_a_date_alone(cell: str, expected: str | None) -> None:
    """Each form that a source writes is read; what is none of them is no date."""
    assert read(cell) == [expected]


@pytest.mark.parametrize(
    "cells",
    [
        ("30 December", "31 December", "1 January"),
        ("12月30日", "12月31日", "1月1日"),
        ("12월 30일", "12월 31일", "1월 1일"),
        ("30 tháng 12", "31 tháng 12", "1 tháng 1"),
        ("30 Desember", "31 Desember", "1 Januari"),
    ],
)
def test_a_year_turns_in_any_language(cells: tuple[str, ...]) -> None:
    """Rows run forwards or backwards from the year that is known."""
    assert [each and each[:4] for each in read(*cells, year=2025)] == ["2025", "2025", "2026"]
    assert [each and each[:4] for each in read(*cells[::-1], year=2026)] == ["2026", "2025", "2025"]


def test_dates_without_a_year_need_an_order_or_a_first_day() -> None:
    """A list by views would turn the year at every other row: it is not read, and says why."""
    cells = ("9 May", "3 March", "30 June", "8 March", "1 May")
    column = dates.read_column(cells, year=2025)
    assert (column.values, column.unordered) == ({}, True)
    assert [each and each[:7] for each in read(*cells, first=date(2025, 4, 1))] == [
        "2025-05",
        "2026-03",
        "2025-06",
        "2026-03",
        "2025-05",
    ]


def test_a_column_of_a_spreadsheets_days() -> None:
    """Saved as numbers they count from 1899; one number among dates is none."""
    assert read("45292", "45293.75") == ["2024-01-01 00:00", "2024-01-02 18:00"]
    assert read("45292", "2024-01-02") == [None, "2024-01-02 00:00"]


def test_the_month_stands_first_where_nothing_decides_and_someone_said_so() -> None:
    """A cell that can be read in one way still decides for all."""
    assert read("3/4/2023 08:30", month_first=True) == ["2023-03-04 08:30"]
    assert read("3/4/2023", "14/4/2023", month_first=True)[0] == "2023-04-03 00:00"


def test_day_and_month_are_told_apart_by_their_column() -> None:
    """One cell that can be read in one way decides for all; where none does, none is a date."""
    assert read("3/4/2023", "3/14/2023") == ["2023-03-04 00:00", "2023-03-14 00:00"]
    assert read("3/4/2023", "14/4/2023") == ["2023-04-03 00:00", "2023-04-14 00:00"]
    assert read("1/5/2023", "1/6/2023", "1/7/2023")[0] == "2023-01-05 00:00"
    assert read("3/4/2023", "5/9/2023") == [None, None]
    assert dates.read_column(["3/4/2023", "5/9/2023"]).ambiguous


def test_the_future_has_not_come_out() -> None:
    """Of two readings, that is taken which is not in the future."""
    now = datetime(2023, 3, 20, tzinfo=UTC)
    assert read("3/4/2023", now=now) == ["2023-03-04 00:00"]


def test_a_year_turns_where_months_begin_again() -> None:
    """Dates without a year get the first one's, and the next after December; backwards, too."""
    assert read("30 December", "2 January", year=2022) == ["2022-12-30 00:00", "2023-01-02 00:00"]
    assert read("Jan 2", "Jan 1", "Dec 31", year=2022)[2] == "2021-12-31 00:00"
    assert read("Jan 2", form="%b %d", year=2022) == ["2022-01-02 00:00"]
    assert read("Feb 29", form="%b %d", year=2024) == ["2024-02-29 00:00"]
    assert dates.read_column(["30 December"]).yearless


def test_months_are_no_days() -> None:
    """A column of months says so."""
    for cells in (["2022-11", "2022-12"], ["Nov 2022", "Dec 2022"], ["2022年11月"]):
        assert dates.read_column(cells).monthly


def test_another_form_in_a_column_of_iso_is_damage() -> None:
    """A date that was cut short is not read as an earlier day."""
    assert read("2023-01-17", "2023-01-1") == ["2023-01-17 00:00", None]
    assert read("1700000000") == ["2023-11-14 22:13"]
    assert read("2023-01-17", "1700000000") == ["2023-01-17 00:00", None]
    assert read("2023-01-17", "1700000000", mixed=True)[1] == "2023-11-14 22:13"


def test_times_without_a_zone_are_in_the_columns() -> None:
    """A zone that is given counts for what has none of its own."""
    berlin = ZoneInfo("Europe/Berlin")
    assert read("9 Jul 2023 10:00", zone=berlin) == ["2023-07-09 08:00"]
    assert read("2023-07-09T10:00", zone=berlin) == ["2023-07-09 08:00"]
    assert read("9 Jul 2023 10:00 GMT", zone=berlin) == ["2023-07-09 10:00"]
