"""What a row of a table stands for, where no layout knows its columns."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.sources import SourceError, open_source
from jobs.sources.csv.row_step import row_step
from jobs.sources.document import Document
from jobs.sources.source import UnrecognisedError
from tests.unit.sources.csv.csv_text import read_csv

if TYPE_CHECKING:
    from tests.unit.sources.conftest import Write

WEEKS = [date(2024, 1, 1) + timedelta(days=7 * n) for n in range(12)]
RANGES = [(day, day + timedelta(days=6)) for day in WEEKS]


def table(name: str, cells: list[str], more: str = "") -> str:
    """Return a table with the column *name* before two of numbers, and a word in each row."""
    rows = "".join(
        f"{cell};{1000 + 7 * n};{n % 3}{f';{more} {n}{chr(97 + n)}' if more else ''}\n"
        for n, cell in enumerate(cells)
    )
    return f"{name};zzz;yyy{';title' if more else ''}\n{rows}"


def step(text: str) -> str | None:
    """Return the step of the table *text*."""
    return row_step(Document("/d/x.csv", "x.csv", text.encode()))


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("fecha", [f"{day:%d/%m/%Y}" for day in WEEKS], "weekly"),
        ("x", [f"{a:%Y-%m-%d} - {b:%Y-%m-%d}" for a, b in RANGES], "weekly"),
        ("fecha", [f"{a:%d/%m/%Y} a {b:%d/%m/%Y}" for a, b in RANGES], "weekly"),
        ("x", [f"{day:%b %d}" for day in WEEKS], "weekly"),
        ("x", [f"2024-W{n:02}" for n in range(1, 12)], "weekly"),
        ("x", [f"KW {n}" for n in range(1, 12)], "weekly"),
        ("x", [f"Semana {n} 2024" for n in range(1, 12)], "weekly"),
        ("x", [f"第{n}週" for n in range(1, 12)], "weekly"),
        ("Semana", [str(n) for n in range(1, 12)], "weekly"),
        ("Month", ["January", "February", "March", "April"], "monthly"),
        ("mes", ["enero 2024", "febrero 2024", "marzo 2024"], "monthly"),
        ("x", ["2024-01", "2024-02", "2024-03"], "monthly"),
        ("Quartal", [f"Q{n} 2024" for n in range(1, 5)], "quarterly"),
        ("year", ["2019", "2020", "2021", "2022"], "yearly"),
        ("x", [f"2024-01-{n:02}" for n in range(1, 12)], "daily"),
        ("views", [str(100 + n) for n in range(12)], None),
        ("x", ["2024-01-01", "2024-01-03", "2024-01-20", "2024-02-02"], None),
        ("x", ["2024-01-01", "2024-01-08"], None),
    ],
)
def test_the_step_of_a_table(name: str, cells: list[str], expected: str | None) -> None:
    """By gaps, spans, numbers of weeks and months, or the column's name, in any language."""
    assert step(table(name, cells)) == expected


def test_a_list_of_items_that_come_out_each_week_is_not_weekly() -> None:
    """Its days are those on which they came out."""
    assert step(table("published", list(map(str, WEEKS)), "How to bake")) is None


def test_an_unknown_table_by_week_says_so_and_what_to_do() -> None:
    """Its columns are named, too: it may hold counters."""
    text = table("settimana del", [f"{day:%d/%m/%Y}" for day in WEEKS])
    with pytest.raises(UnrecognisedError) as error:
        read_csv(text)
    assert "is weekly, and of no known layout: its rows are weeks, not days" in str(error.value)
    assert "Export it by day" in str(error.value)


async def test_a_known_table_whose_cells_name_weeks_is_refused_as_weekly(write: Write) -> None:
    """Not as one with unreadable dates."""
    rows = "".join(f"2024-W{n:02},100,5\n" for n in range(1, 9))
    path = write("c/Overview.csv", f"Fecha,Visualizaciones de vídeos,Visitas al perfil\n{rows}")
    with pytest.raises(SourceError, match=r"is weekly: its rows are weeks.*Export it by day"):
        await open_source(path)
