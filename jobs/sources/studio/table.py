"""One table of a YouTube Studio export: its role, told by its columns, and its typed rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import polars as pl

from jobs.channel.records import Reject
from jobs.sources.csv.columns import (
    TIME,
    not_whole,
    parsed,
    text,
    unreadable,
    with_parsed,
    with_whole_number,
)
from jobs.sources.csv.table import LINE, header_of, read_rows
from jobs.sources.document import text_file, trouble_told
from jobs.sources.location import shown
from jobs.sources.source import SourceError
from jobs.sources.text import one_line
from jobs.sources.values import durations, times

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date
    from pathlib import Path

Role = Literal["totals", "chart", "table", "split"]

DAY = "date"
ITEM = "content"
TITLE = "video title"
PUBLISHED = "video publish time"
DURATION = "duration"

_DIMENSIONS = frozenset(
    {
        *("geography", "traffic source", "viewer age", "viewer gender", "device type", "cities"),
        *("subscription status", "subscription source", "playlist", "operating system"),
        *("content type", "new and returning viewers", "subtitles and cc", "playback location"),
    }
)
_METRICS = frozenset(
    {
        *("views", "engaged views", "subscribers", "watch time (hours)", "impressions"),
        *("impressions click-through rate (%)", "average view duration", "likes", "dislikes"),
        *("average percentage viewed (%)", "subscribers gained", "subscribers lost", "shares"),
        *("comments added", "unique viewers", "estimated revenue (usd)", "your estimated revenue"),
        *("average views per viewer", "returning viewers", "new viewers", "hypes"),
        *("likes (vs. dislikes) (%)", "casual viewers", "regular viewers", "stayed to watch (%)"),
    }
)
_COUNTERS = ("views", "engaged views", "subscribers", "likes", "comments added")
_TEXTS = (ITEM, TITLE, PUBLISHED, DURATION, DAY)
_TOTAL = "Total"
_ITEM_ID = r"^[A-Za-z0-9_-]{11}$"
_PUBLISHED_FORM = "%b %d, %Y"
_DAY_FORMS = ("iso", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y", "%d.%m.%Y", _PUBLISHED_FORM)


def role_of(header: Collection[str]) -> Role | None:
    """Return what a table with these columns is in an export, or None if it is of none."""
    columns = set(header)
    if columns >= {ITEM, TITLE}:
        return "chart" if DAY in columns else "table"
    metrics, others = columns & _METRICS, columns - _METRICS
    if not metrics:
        return None
    if others == {DAY}:
        return "totals"
    return "split" if others & _DIMENSIONS and others <= {*_DIMENSIONS, DAY} else None


def role_at(path: Path) -> Role | None:
    """Return the role of the file at *path*, or None for what is of no export."""
    try:
        return role_of(header_of(text_file(str(path)).head()))
    except SourceError:
        return None


class StudioTable:
    """
    A table that was read. rows: those that can be used, an empty cell being null.

    rows has `date` (days), `content`, `video title`, `video publish time` (times), `duration`
    (seconds) and the counters, each only where the table has it.
    """

    def __init__(self, role: Role, path: Path) -> None:
        self.role = role
        self.name = path.name
        self.modified_at = text_file(str(path)).modified_at
        self.rejects: list[Reject] = []
        self._location = str(path)
        self.rows = self._sound(self._read())

    @property
    def engaged_only(self) -> bool:
        """Whether it tells engaged views, and not all."""
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

    def _read(self) -> pl.DataFrame:
        frames: list[pl.DataFrame] = []
        with trouble_told(self._location), text_file(self._location).open() as file:
            for batch in read_rows(file, {*_TEXTS, *_COUNTERS}):
                frames.append(batch.frame)
                self.rejects += [self._reject(each.line, each.problem) for each in batch.damage]
        rows = pl.concat(frames) if frames else pl.DataFrame()
        if rows.is_empty():
            raise SourceError(self._location, "holds a header and no rows")
        # The first row of a table sums up all others.
        return rows.filter(pl.col(ITEM) != _TOTAL) if ITEM in rows.columns else rows

    def _sound(self, rows: pl.DataFrame) -> pl.DataFrame:
        told = set(rows.columns)
        problems = []
        if DAY in told:
            rows = _with_days(rows)
            problems.append(pl.coalesce(unreadable(DAY, "date"), _missing(DAY)))
        if ITEM in told:
            wrong = ~pl.col(ITEM).str.contains(_ITEM_ID)
            problems.append(
                pl.when(wrong).then(pl.format("content is no video's id: '{}'", pl.col(ITEM)))
            )
        if PUBLISHED in told:
            read = times.reader(_PUBLISHED_FORM, "UTC", None)
            rows = with_parsed(rows, PUBLISHED, read, TIME)
            problems.append(unreadable(PUBLISHED, "date"))
        if DURATION in told:
            rows = with_parsed(rows, DURATION, durations.read, pl.Int64())
            problems.append(unreadable(DURATION, "duration"))
        counters = [name for name in _COUNTERS if name in told]
        for name in counters:
            rows = with_whole_number(rows, name)
            problems.append(not_whole(name))
        rows = rows.with_columns(pl.coalesce(problems).alias("problem"))
        bad = rows.filter(pl.col("problem").is_not_null()).select(LINE, "problem")
        self.rejects += [self._reject(line, problem) for line, problem in bad.iter_rows()]
        typed = [name for name in (DAY, PUBLISHED, DURATION, *counters) if name in told]
        return rows.filter(pl.col("problem").is_null()).select(
            LINE,
            *(text(name) for name in (ITEM, TITLE) if name in told),
            *(parsed(name).alias(name) for name in typed),
        )

    def _reject(self, line: int, problem: str) -> Reject:
        return Reject(shown(self._location), line, one_line(problem))


def _missing(column: str) -> pl.Expr:
    return pl.when(pl.col(column) == "").then(pl.lit(f"{column} is missing"))


def _with_days(rows: pl.DataFrame) -> pl.DataFrame:
    """Of the forms that read all days, the one is right by which they follow each other."""
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
