"""
Cells of text to values, and what is wrong with cells that hold none.

Each column is parsed once a batch, into a column beside it that `parsed` names: null where the
cell is empty or unreadable. `unreadable` describes what could not be read, for a `Reject`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

TIME = pl.Datetime("us", "UTC")
"""How points in time are held: microseconds, in UTC."""

_WHOLE_NUMBER = r"^\+?(-?\d{1,18})(?:\.0*)?$"
_SPREADSHEET_NUMBER = r"^\d(?:\.\d+)?E\+\d{1,2}$"
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
    Add the cells of *column* as whole numbers.

    `12.0` is one, and so is `2.28E+11`, which is how spreadsheets shorten one; `12.5`, `1e3` and
    `NaN` are not, nor is `1,200` unless *thousands* is the comma. Cells that are one of *missing*
    are emptied.
    """
    if missing:
        empty = pl.col(column).str.to_lowercase().is_in([each.lower() for each in missing])
        frame = frame.with_columns(pl.when(~empty).then(pl.col(column)).otherwise(pl.lit("")))
    cell = pl.col(column)
    if thousands:
        cell = cell.str.replace_all(thousands, "", literal=True)
    number = cell.cast(pl.Int64, strict=False)
    found = frame.select(number).to_series()
    if found.null_count() > frame.select(~filled(column)).to_series().sum():
        # A second look costs more than the first, and is seldom needed.
        shortened = pl.when(cell.str.contains(_SPREADSHEET_NUMBER)).then(
            cell.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
        )
        whole = cell.str.extract(_WHOLE_NUMBER).cast(pl.Int64, strict=False)
        found = frame.select(pl.coalesce(number, whole, shortened)).to_series()
    return frame.with_columns(found.alias(_parsed_name(column)))


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


def parsed(column: str) -> pl.Expr:
    """Return the value parsed from the cell, or null if there is none."""
    return pl.col(_parsed_name(column))


def unreadable(column: str, kind: str) -> pl.Expr:
    """Describe a cell that holds something from which no value could be parsed."""
    return pl.when(filled(column) & parsed(column).is_null()).then(
        named(column, f"is not a {kind}")
    )


def named(column: str, problem: str) -> pl.Expr:
    """Describe the *problem* of a cell, with its column and the beginning of what it holds."""
    shown = pl.col(column).str.slice(0, _SHOWN_CHARACTERS)
    return pl.format("{} {}: '{}'", pl.lit(column), pl.lit(problem), shown)


def _parsed_name(column: str) -> str:
    return f"{column} parsed"
