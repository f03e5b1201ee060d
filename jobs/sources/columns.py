"""
Cells of text to values, and what is wrong with those that are none.

Each kind of value has two expressions: the value (null where the cell is empty or unreadable),
and the problem (null where there is none), which ends up in a `Reject`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

TIME = pl.Datetime("us", "UTC")
"""How points in time are held: microseconds, in UTC."""

_WHOLE_NUMBER = r"^\+?(-?\d{1,18})(?:\.0*)?$"
_SHOWN_CHARACTERS = 40


def text(column: str) -> pl.Expr:
    """Return the cell, or null if it is empty."""
    return pl.when(_filled(column)).then(pl.col(column))


def missing(column: str) -> pl.Expr:
    """Say that the cell is empty, if it is."""
    return pl.when(~_filled(column)).then(pl.lit(f"{column} is missing"))


def whole_number(column: str) -> pl.Expr:
    """Return the cell as a whole number; `12.0` is one, `12.5`, `1,200` and `NaN` are not."""
    return pl.col(column).str.extract(_WHOLE_NUMBER).cast(pl.Int64)


def bad_counter(column: str) -> pl.Expr:
    """Say what is wrong with a counter; an empty cell is none, and nothing is wrong with it."""
    number = whole_number(column)
    return (
        pl.when(_filled(column) & number.is_null())
        .then(_named(column, "is not a whole number"))
        .when(number < 0)
        .then(_named(column, "is negative"))
    )


def with_parsed(
    frame: pl.DataFrame, column: str, parse: Callable[[str], object], dtype: pl.DataType
) -> pl.DataFrame:
    """
    Add what *parse* makes of the cells of *column*, to be had by `parsed`.

    Every distinct cell is parsed once: a column of days has few.
    """
    distinct = frame[column].unique()
    values = pl.Series([parse(cell) for cell in distinct], dtype=dtype)
    found = frame[column].replace_strict(distinct, values, return_dtype=dtype)
    return frame.with_columns(found.alias(_parsed_name(column)))


def parsed(column: str) -> pl.Expr:
    """Return what was made of the cell, or null if nothing could be."""
    return pl.col(_parsed_name(column))


def unreadable(column: str, kind: str) -> pl.Expr:
    """Say that nothing could be made of the cell, though something is in it."""
    return pl.when(_filled(column) & parsed(column).is_null()).then(_named(column, f"is no {kind}"))


def _filled(column: str) -> pl.Expr:
    return pl.col(column) != ""


def _parsed_name(column: str) -> str:
    return f"{column} parsed"


def _named(column: str, problem: str) -> pl.Expr:
    shown = pl.col(column).str.slice(0, _SHOWN_CHARACTERS)
    return pl.format("{} {}: '{}'", pl.lit(column), pl.lit(problem), shown)
