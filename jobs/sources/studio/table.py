"""One table of a YouTube Studio export, as typed rows, and what it says of itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from jobs.channel.records import Reject
from jobs.channel.text import one_line
from jobs.sources.csv.columns import (
    dates_are_months,
    missing,
    named,
    not_whole,
    parsed,
    text,
    unreadable,
    unreadable_date,
    with_dates,
    with_parsed,
    with_whole_number,
)
from jobs.sources.csv.table import read_rows
from jobs.sources.document import file_errors
from jobs.sources.header import LINE
from jobs.sources.source import SourceError, shown
from jobs.sources.studio import figures
from jobs.sources.studio.names import english
from jobs.sources.studio.role import DAY, DIMENSIONS, ITEM, TITLE, Role
from jobs.sources.values import durations
from jobs.sources.values.totals import is_total

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.sources.csv.table import Damage
    from jobs.sources.document import Text

PUBLISHED = "video publish time"
DURATION = "duration"

_COUNTERS = ("views", "engaged views", "subscribers", "likes", "comments added")
_READ = (ITEM, TITLE, PUBLISHED, DURATION, DAY, *_COUNTERS)
_WITH_FIGURES = (Role.TOTALS, Role.TABLE, Role.SPLIT)
_ITEM_ID = r"^[A-Za-z0-9_-]{11}$"
_CUT_AT = re.compile(r"(?<!\d)\d{2,4}(?!\d)")
"""The number in a note below a table, in any language: it shows so many rows, and no more."""


class StudioTable:
    """
    A table that was read. rows: those that can be used; an empty cell is null.

    rows has `date` (days), `content`, `video title`, `video publish time` (times), `duration`
    (seconds) and the counters, each only where the table has it, and what `figures` made of it. Of
    a split only the row of totals is read.
    total: the views in its row of totals, which are of the column *total_of*. total_figures: what
    else that row has. cut_at: how many rows it says that it shows. monthly: its days are months.
    unread: its columns that are not read. cautions: clauses on what could not be read.
    """

    _came_and_went = frozenset(
        figures.column_of(field) for field in ("subscribers_gained", "subscribers_lost")
    )

    def __init__(self, role: Role, text: Text) -> None:
        self.role = role
        self.name = text.name
        self.modified_at = text.modified_at
        self.rejects: list[Reject] = []
        self.location = text.location
        self.total: int | None = None
        self.total_of = ""
        self.total_figures: dict[str, Any] = {}
        self.cautions: list[str] = []
        self.cut_at: int | None = None
        self.monthly = False
        names = english(text.header.names)
        self.columns = len(names)
        self._wanted = {
            *_READ,
            *(figures.COLUMNS if role in _WITH_FIGURES else ()),
            *(DIMENSIONS if role is Role.SPLIT else ()),
        }
        self.unread = [name for name in names if name not in self._wanted]
        rows = self._read(text, names)
        self.rows = rows.clear() if role is Role.SPLIT else self._sound(rows)

    @property
    def engaged_only(self) -> bool:
        """Whether it has engaged views, and not all views."""
        return "engaged views" in self.rows.columns and "views" not in self.rows.columns

    def days(self) -> list[date]:
        """Return the first and the last day, if it has days."""
        if DAY not in self.rows.columns or self.rows.is_empty():
            return []
        return list(self.rows.select(pl.min(DAY), pl.max(DAY).alias("last")).row(0))

    def counter(self, name: str) -> pl.Expr:
        """
        Return a counter, or null where the table has none.

        Engaged views stand in for views, and subscribers gained less those lost for the net.
        """
        if name == "views" and self.engaged_only:
            return pl.col("engaged views").alias(name)
        if name in self.rows.columns:
            return pl.col(name)
        if name == "subscribers" and self._came_and_went <= set(self.rows.columns):
            came, went = (pl.col(each) for each in sorted(self._came_and_went))
            return (came - went).alias(name)
        return pl.lit(None, pl.Int64).alias(name)

    def _read(self, text: Text, names: Sequence[str]) -> pl.DataFrame:
        """The rows as text, without those that speak of the table."""
        theirs = {
            their: ours
            for their, ours in zip(text.header.names, names, strict=True)
            if ours in self._wanted
        }
        frames: list[pl.DataFrame] = []
        with file_errors(self.location), text.open() as file:
            for batch in read_rows(file, text.header, theirs):
                frames.append(batch.frame.rename(theirs))
                self._note_damage(batch.damage)
        rows = pl.concat(frames) if frames else pl.DataFrame()
        if rows.is_empty():
            raise SourceError(self.location, "holds a header and no rows")
        if self.role in _WITH_FIGURES:
            rows = figures.with_figures(rows, self.cautions)
        first = next(name for name in rows.columns if name in {ITEM, DAY, *DIMENSIONS})
        return self._without_notes(rows, first)

    def _without_notes(self, rows: pl.DataFrame, first: str) -> pl.DataFrame:
        """Take out the row of totals, and the note that says where a table was cut."""
        rows = with_parsed(rows, first, is_total, pl.Boolean())
        totals = rows.filter(parsed(first))
        rows = rows.filter(~parsed(first)).drop(f"{first} parsed")
        if not totals.is_empty():
            view_column = next((c for c in ("views", "engaged views") if c in rows.columns), None)
            if view_column is not None:
                self.total_of = view_column
                read = with_whole_number(totals, view_column).select(parsed(view_column))
                self.total = read.to_series()[0]
            fields = figures.fields_in(totals)
            self.total_figures = figures.figures_of(totals.row(0, named=True), fields)
        if first != ITEM or len(rows.columns) <= len((ITEM, LINE)):
            return rows
        read_of = {first, LINE, *figures.figure_columns(rows)}
        others = [name for name in rows.columns if name not in read_of]
        alone = pl.all_horizontal(pl.col(name) == "" for name in others)
        noted = alone & ~pl.col(first).str.contains(_ITEM_ID)
        for note in rows.filter(noted)[first]:
            self._note(note)
        return rows.filter(~noted)

    def _note_damage(self, damage: Sequence[Damage]) -> None:
        for each in damage:
            if each.alone and _CUT_AT.search(each.alone):
                self._note(each.alone)
            else:
                self.rejects.append(self._reject(each.line, each.problem))

    def _note(self, note: str) -> None:
        found = _CUT_AT.search(note)
        if found is not None:
            self.cut_at = int(found[0])

    def _sound(self, rows: pl.DataFrame) -> pl.DataFrame:
        columns = set(rows.columns)
        problems: list[pl.Expr] = []
        if DAY in columns:
            rows = with_dates(rows, DAY, "iso", "UTC", None)
            self.monthly = dates_are_months(rows, DAY)
            tomorrow = datetime.now(UTC) + timedelta(days=1)
            future = pl.when(parsed(DAY) > tomorrow).then(named(DAY, "is in the future"))
            problems.append(future)
            problems.append(pl.coalesce(unreadable_date(DAY), missing(DAY)))
        if ITEM in columns:
            wrong = ~pl.col(ITEM).str.contains(_ITEM_ID)
            problems.append(
                pl.when(wrong).then(pl.format("content is not a video id: '{}'", pl.col(ITEM)))
            )
        if PUBLISHED in columns:
            rows = with_dates(rows, PUBLISHED, "iso", "UTC", None)
            problems.append(unreadable_date(PUBLISHED))
        if DURATION in columns:
            rows = with_parsed(rows, DURATION, durations.read, pl.Int64())
            problems.append(unreadable(DURATION, "duration"))
        counters = [name for name in _COUNTERS if name in columns]
        for name in counters:
            rows = with_whole_number(rows, name)
            problems.append(not_whole(name))
        rows = rows.with_columns(pl.coalesce(problems).alias("problem"))
        bad = rows.filter(pl.col("problem").is_not_null()).select(LINE, "problem")
        self.rejects += [self._reject(line, problem) for line, problem in bad.iter_rows()]
        typed = [name for name in (PUBLISHED, DURATION, *counters) if name in columns]
        return rows.filter(pl.col("problem").is_null()).select(
            LINE,
            *([parsed(DAY).dt.date().alias(DAY)] if DAY in columns else []),
            *(text(name) for name in (ITEM, TITLE) if name in columns),
            *(parsed(name).alias(name) for name in typed),
            *figures.figure_columns(rows),
        )

    def _reject(self, line: int, problem: str) -> Reject:
        return Reject(shown(self.location), line, one_line(problem))
