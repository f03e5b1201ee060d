"""
The columns of an export that only an owner sees, as the fields of `records.Figures`.

Shares are written in per cent, times as a clock or in hours, either as Studio writes them or as a
spreadsheet saved them. A cell that cannot be read is unknown, and costs no row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from jobs.sources.csv.columns import filled, parsed, with_parsed, with_whole_number
from jobs.sources.values import durations, numbers
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WHOLE: Final = {
    "impressions": "impressions",
    "unique viewers": "viewers",
    "new viewers": "new_viewers",
    "returning viewers": "returning_viewers",
    "subscribers": "subscribers",
    "subscribers gained": "subscribers_gained",
    "subscribers lost": "subscribers_lost",
}
_SCALED: Final = {
    "impressions click-through rate (%)": ("click_through", 0.01),
    "average percentage viewed (%)": ("viewed", 0.01),
    "stayed to watch (%)": ("stayed", 0.01),
    "watch time (hours)": ("watch_s", 3600),
    "watch time (minutes)": ("watch_s", 60),
}
_CLOCK: Final = {"average view duration": "view_s"}
_VIEWERS: Final = ("viewers", "new_viewers", "returning_viewers")
_MOST_SHARE: Final = {"click_through": 1.0, "stayed": 1.0, "viewed": 50.0}

_MARK: Final = " figure"

COLUMNS: Final = frozenset({*_WHOLE, *_SCALED, *_CLOCK})
"""The columns that are read, by their English names."""


def field_of(column: str) -> str:
    """Return the field of `records.Figures` that *column* gives."""
    return _WHOLE.get(column) or _CLOCK.get(column) or _SCALED[column][0]


def with_figures(rows: pl.DataFrame, problems: list[str]) -> pl.DataFrame:
    """
    Add to *rows* of text what their `COLUMNS` give, each in a column that `figure` names.

    Adds a clause to *problems* for each column with cells that cannot be read. What counts viewers
    is unknown where it is zero: Studio writes that for spans of which it does not know them.
    """
    for column in [name for name in rows.columns if name in COLUMNS]:
        rows = _parsed(rows, column)
        value, field = parsed(column), field_of(column)
        good = value.is_not_null()
        if field in _MOST_SHARE:
            good = good & value.is_between(0, _MOST_SHARE[field])
        if field not in {"subscribers", *_MOST_SHARE}:
            good = good & (value >= 0)
        bad = rows.filter(filled(column) & ~good)[column]
        if not bad.is_empty():
            cells = counted(len(bad), "cell")
            problems.append(f"{cells} of {column} cannot be read, the first: '{bad[0][:40]}'")
        if field in _VIEWERS:
            good = good & (value != 0)
        rows = rows.with_columns(pl.when(good).then(value).alias(column_of(field)))
        rows = rows.drop(value.meta.output_name())
    return rows


def _parsed(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    if column in _WHOLE:
        return with_whole_number(rows, column)
    if column in _CLOCK:
        return with_parsed(rows, column, durations.read, pl.Int64())
    field, scale = _SCALED[column]
    read = numbers.decimals_reader(cell for cell in rows[column].unique() if cell)
    rows = with_parsed(rows, column, read, pl.Float64())
    if field != "watch_s":
        # Two digits after the point, and not what a computer makes of a hundredth of them.
        return rows.with_columns((parsed(column) * scale).round(8))
    return rows.with_columns((parsed(column) * scale).round(0).cast(pl.Int64))


def figures_of(row: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return the *fields* of a row of `with_figures` that are known."""
    found = {field: row.get(column_of(field)) for field in fields}
    return {field: value for field, value in found.items() if value is not None}


def figure_columns(rows: pl.DataFrame) -> list[str]:
    """Return the names of the columns that `with_figures` added to *rows*."""
    return [name for name in rows.columns if name.endswith(_MARK)]


def fields_in(rows: pl.DataFrame) -> list[str]:
    """Return the fields that *rows* have a column of."""
    return [name.removesuffix(_MARK) for name in figure_columns(rows)]


def column_of(field: str) -> str:
    """Return the name of the column of *field* that `with_figures` adds."""
    return f"{field}{_MARK}"
