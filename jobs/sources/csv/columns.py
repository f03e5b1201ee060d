"""
Cells of text to values, and what is wrong with cells that hold none.

Each column is parsed once a batch, into a column beside it that `parsed` names: null where the
cell is empty or unreadable. `unreadable` describes what could not be read, for a `Reject`.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from jobs.sources.values import dates, numbers, times

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import date

TIME = pl.Datetime("us", "UTC")
"""How points in time are held: microseconds, in UTC."""

A_MONTH = "is a month, and no day"
_SHOWN_CHARACTERS = 40


def text(column: str) -> pl.Expr:
    """Return the cell, or null if it is empty."""
    return pl.when(filled(column)).then(pl.col(column))


def filled(column: str) -> pl.Expr:
    """Whether anything is in the cell."""
    return pl.col(column) != ""


def missing(column: str) -> pl.Expr:
    """Describe an empty cell; null if it is not empty."""
    return pl.when(~filled(column)).then(pl.lit(f"{column} is missing"))


def with_whole_number(
    frame: pl.DataFrame, column: str, *, thousands: str = "", missing: Collection[str] = ()
) -> pl.DataFrame:
    """
    Add the cells of *column* as whole numbers, as `values.numbers` reads them.

    thousands: the mark between thousands, where someone said which it is. Cells that are one of
    *missing* are emptied.
    """
    if missing:
        empty = pl.col(column).str.to_lowercase().is_in([each.lower() for each in missing])
        frame = frame.with_columns(pl.when(~empty).then(pl.col(column)).otherwise(pl.lit("")))
    found = frame.select(pl.col(column).cast(pl.Int64, strict=False)).to_series()
    if found.null_count() > frame.select(~filled(column)).to_series().sum():
        # A second look costs more than the first, and is seldom needed.
        distinct = frame[column].unique()
        read = numbers.reader((cell for cell in distinct if cell), thousands)
        values = pl.Series([read(cell) for cell in distinct], dtype=pl.Int64)
        found = frame[column].replace_strict(distinct, values, return_dtype=pl.Int64)
    return frame.with_columns(found.alias(_parsed_name(column)))


def with_decimals(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Add the cells of *column* as numbers, as `values.numbers` reads those with decimals."""
    read = numbers.decimals_reader(cell for cell in frame[column].unique() if cell)
    return with_parsed(frame, column, read, pl.Float64())


def bad_counter(column: str) -> pl.Expr:
    """Describe what is wrong with a counter; an empty cell is no counter and no mistake."""
    negative = pl.when(parsed(column) < 0).then(named(column, "is negative"))
    return pl.coalesce(not_whole(column), negative)


def not_whole(column: str) -> pl.Expr:
    """Describe a cell that is no whole number; it may be negative, as a net gain is."""
    return pl.when(filled(column) & parsed(column).is_null()).then(
        named(column, "is not a whole number")
    )


def with_parsed(
    frame: pl.DataFrame, column: str, parse: Callable[[str], object], dtype: pl.DataType
) -> pl.DataFrame:
    """Add what *parse* makes of the cells of *column*. Each distinct cell is parsed once."""
    if frame.is_empty():  # polars would lose the type
        return frame.with_columns(pl.lit(None, dtype=dtype).alias(_parsed_name(column)))
    distinct = frame[column].unique()
    values = pl.Series([parse(cell) for cell in distinct], dtype=dtype)
    found = frame[column].replace_strict(distinct, values, return_dtype=dtype)
    return frame.with_columns(found.alias(_parsed_name(column)))


def with_dates(
    frame: pl.DataFrame,
    column: str,
    form: str,
    time_zone: str,
    year: int | None,
    *,
    first: date | None = None,
) -> pl.DataFrame:
    """
    Add the cells of *column* as times.

    form: `iso` for all that `values.dates` reads, `mdy` for the same with the month first where
    nothing else decides, else one of `times.reader`. first: dates without a year are of the year
    from this day on. Where dates were understood and cannot be told apart, `unreadable_date` says
    so.
    """
    by_column = form in {"iso", "mdy"}
    if not by_column and (form in times.OWN_FORMS or dates.names_a_year(form)):
        frame = with_parsed(frame, column, times.reader(form, time_zone, year), TIME)
        return frame.with_columns(pl.lit("is not a date").alias(_why_name(column)))
    zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    own = None if by_column else form
    found = dates.read_column(
        frame[column], zone, year, form=own, first=first, month_first=form == "mdy"
    )
    frame = with_parsed(frame, column, found.read, TIME)
    return frame.with_columns(pl.lit(_why(found)).alias(_why_name(column)))


def _why(found: dates.Column) -> str:
    if found.ambiguous:
        return "may be one of two days, say by [dates] in a mapping which"
    if found.unordered:
        return "has no year, and the rows are not in order of time"
    if found.yearless:
        return "has no year, say by [dates] year in a mapping which, or put it into the file's name"
    return A_MONTH if found.monthly else "is not a date"


def dates_are_months(frame: pl.DataFrame, column: str) -> bool:
    """Whether `with_dates` found that the cells of *column* name months, and no days."""
    return not frame.is_empty() and frame[_why_name(column)][0] == A_MONTH


def unreadable_date(column: str) -> pl.Expr:
    """Describe a cell of `with_dates` that is no date, or not one date."""
    return pl.when(filled(column) & parsed(column).is_null()).then(
        named(column, pl.col(_why_name(column)))
    )


def parsed(column: str) -> pl.Expr:
    """Return the value parsed from the cell, or null if there is none."""
    return pl.col(_parsed_name(column))


def unreadable(column: str, kind: str) -> pl.Expr:
    """Describe a cell that holds something from which no value could be parsed."""
    return pl.when(filled(column) & parsed(column).is_null()).then(
        named(column, f"is not a {kind}")
    )


def named(column: str, problem: str | pl.Expr) -> pl.Expr:
    """Describe the *problem* of a cell, with its column and the beginning of what it holds."""
    shown = pl.col(column).str.slice(0, _SHOWN_CHARACTERS)
    what = pl.lit(problem) if isinstance(problem, str) else problem
    return pl.format("{} {}: '{}'", pl.lit(column), what, shown)


def _parsed_name(column: str) -> str:
    return f"{column} parsed"


def _why_name(column: str) -> str:
    return f"{column} is no date"
