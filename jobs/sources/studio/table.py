"""One table of a YouTube Studio export, as typed rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from jobs.channel.records import Reject
from jobs.channel.text import one_line
from jobs.sources.csv.columns import (
    TIME,
    missing,
    not_whole,
    parsed,
    text,
    unreadable,
    with_parsed,
    with_whole_number,
)
from jobs.sources.csv.table import read_rows
from jobs.sources.document import file_errors
from jobs.sources.header import LINE
from jobs.sources.source import SourceError, shown
from jobs.sources.studio.role import DAY, ITEM, TITLE
from jobs.sources.values import durations, times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.sources.document import Text
    from jobs.sources.studio.role import Role

PUBLISHED = "video publish time"
DURATION = "duration"

_COUNTERS = ("views", "engaged views", "subscribers", "likes", "comments added")
_TEXTS = (ITEM, TITLE, PUBLISHED, DURATION, DAY)
_TOTAL = "Total"
_ITEM_ID = r"^[A-Za-z0-9_-]{11}$"
_PUBLISHED_FORM = "%b %d, %Y"
_DAY_FORMS = ("iso", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y", "%d.%m.%Y", _PUBLISHED_FORM)


class StudioTable:
    """
    A table that was read. rows: those that can be used; an empty cell is null.

    rows has `date` (days), `content`, `video title`, `video publish time` (times), `duration`
    (seconds) and the counters, each only where the table has it.
    """

    def __init__(self, role: Role, text: Text) -> None:
        self.role = role
        self.name = text.name
        self.modified_at = text.modified_at
        self.rejects: list[Reject] = []
        self.location = text.location
        self.rows = self._sound(self._read(text))

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
        """Return a counter, or null where the table has none; engaged views stand in for views."""
        if name == "views" and self.engaged_only:
            return pl.col("engaged views").alias(name)
        return pl.col(name) if name in self.rows.columns else pl.lit(None, pl.Int64).alias(name)

    def _read(self, text: Text) -> pl.DataFrame:
        frames: list[pl.DataFrame] = []
        with file_errors(self.location), text.open() as file:
            for batch in read_rows(file, text.header, {*_TEXTS, *_COUNTERS}):
                frames.append(batch.frame)
                self.rejects += [self._reject(each.line, each.problem) for each in batch.damage]
        rows = pl.concat(frames) if frames else pl.DataFrame()
        if rows.is_empty():
            raise SourceError(self.location, "holds a header and no rows")
        # The first row of a table is the sum of all others.
        return rows.filter(pl.col(ITEM) != _TOTAL) if ITEM in rows.columns else rows

    def _sound(self, rows: pl.DataFrame) -> pl.DataFrame:
        columns = set(rows.columns)
        problems = []
        if DAY in columns:
            rows = _with_days(rows)
            problems.append(pl.coalesce(unreadable(DAY, "date"), missing(DAY)))
        if ITEM in columns:
            wrong = ~pl.col(ITEM).str.contains(_ITEM_ID)
            problems.append(
                pl.when(wrong).then(pl.format("content is not a video id: '{}'", pl.col(ITEM)))
            )
        if PUBLISHED in columns:
            read = times.reader(_PUBLISHED_FORM, "UTC", None)
            rows = with_parsed(rows, PUBLISHED, read, TIME)
            problems.append(unreadable(PUBLISHED, "date"))
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
        typed = [name for name in (DAY, PUBLISHED, DURATION, *counters) if name in columns]
        return rows.filter(pl.col("problem").is_null()).select(
            LINE,
            *(text(name) for name in (ITEM, TITLE) if name in columns),
            *(parsed(name).alias(name) for name in typed),
        )

    def _reject(self, line: int, problem: str) -> Reject:
        return Reject(shown(self.location), line, one_line(problem))


def _with_days(rows: pl.DataFrame) -> pl.DataFrame:
    """Choose the form that reads the most days, and of several the one that makes them follow."""
    cells = rows[DAY].unique(maintain_order=True).to_list()
    read = times.reader(max(_DAY_FORMS, key=lambda form: _fitness(form, cells)), "UTC", None)

    def day(cell: str) -> date | None:
        found = read(cell)
        return None if found is None else found.date()

    return with_parsed(rows, DAY, day, pl.Date())


def _fitness(form: str, cells: Sequence[str]) -> tuple[int, int]:
    read = times.reader(form, "UTC", None)
    days = [found.toordinal() for cell in cells if (found := read(cell)) is not None]
    return len(days), sum(after - before == 1 for before, after in pairwise(days))
