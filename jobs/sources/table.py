"""
A CSV document as a table of text cells, each row with its line in the file.

Rows are split by the `csv` module, for it alone tells lines and miscounted rows: polars'
own reader refuses a whole file for one stray quote. All that follows is done in polars.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import polars as pl

from jobs.records import Reject
from jobs.sources.location import shown
from jobs.sources.source import SourceError
from jobs.sources.text import decode, one_line, storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.sources.document import Document

LINE = "line"
"""The column with the line of the file, counted from 1, on which a row begins."""

_DELIMITERS = (",", ";", "\t")
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as text, the rows that are no rows, and how many lines had a guessed encoding."""

    frame: pl.DataFrame
    rejects: Sequence[Reject]
    guessed_lines: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Sequence[str]
    problem: str | None = None


def header_of(content: bytes) -> Sequence[str]:
    """Return the column names in the first line of *content*, or none if it has no columns."""
    lines = _lines(decode(content[:_HEAD_BYTES]).text)
    first = next((line for line in lines if line.strip()), "")
    names = _names(first, _delimiter(first))
    return names if len(names) > 1 else ()


def read_table(document: Document) -> Table:
    """
    Split *document* into rows. The first line that is not blank names the columns.

    A row with too few or too many cells, or with a quote that is not closed, becomes a reject;
    reading goes on with the line after it. Blank rows are passed over.

    Raises:
        SourceError: There is no row at all.
    """
    decoded = decode(document.content)
    lines = _lines(storable(decoded.text))
    top = next((at for at, line in enumerate(lines) if line.strip()), 0)
    delimiter = _delimiter(lines[top])
    names = _names(lines[top], delimiter)
    rows = list(_rows(lines, top + 1, len(names), delimiter))
    if not rows:
        raise SourceError(document.location, "holds a header and no rows")
    rejects = [
        Reject(shown(document.location), row.line, row.problem) for row in rows if row.problem
    ]
    sound = [row for row in rows if row.problem is None]
    return Table(_frame(names, sound), rejects, decoded.guessed_lines)


def _lines(text: str) -> list[str]:
    """Lines end as in a text file; `str.splitlines` would also end them at odd characters."""
    return list(StringIO(text, newline=""))


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _names(header: str, delimiter: str) -> list[str]:
    """A column without a name, or with one already taken, gets its number as its name."""
    names: list[str] = []
    cells = next(csv.reader([header[:_HEAD_BYTES]], delimiter=delimiter), [])
    for number, cell in enumerate(cells, start=1):
        name = one_line(cell).lstrip("\ufeff").lower()
        names.append(f"column {number}" if name in {"", LINE, *names} else name)
    return names


def _rows(lines: Sequence[str], top: int, width: int, delimiter: str) -> Iterator[_Row]:
    """After damage it starts anew one line further on: an open quote swallows what follows it."""
    while top < len(lines):
        for row, following in _rows_until_damage(lines, top, width, delimiter):
            top = following
            if row.problem or any(map(str.strip, row.cells)):
                yield row


def _rows_until_damage(
    lines: Sequence[str], top: int, width: int, delimiter: str
) -> Iterator[tuple[_Row, int]]:
    """Gives rows with the index of the line after each, and ends at the first damaged one."""
    rest = (lines[at] for at in range(top, len(lines)))
    reader = csv.reader(rest, delimiter=delimiter, strict=True)
    start = top
    try:
        for cells in reader:
            following = top + reader.line_num
            if cells and len(cells) != width:
                problem = f"has {len(cells)} cells instead of {width}"
                yield _Row(start + 1, (), problem), start + 1
                return
            yield _Row(start + 1, cells), following
            start = following
    except csv.Error as error:
        yield _Row(start + 1, (), f"has a stray or open quote ({error})"), start + 1


def _frame(names: Sequence[str], rows: Sequence[_Row]) -> pl.DataFrame:
    columns = zip(*(row.cells for row in rows), strict=True) if rows else [()] * len(names)
    texts = [
        pl.Series(name, cells, dtype=pl.String).str.strip_chars()
        for name, cells in zip(names, columns, strict=True)
    ]
    lines = pl.Series(LINE, [row.line for row in rows], dtype=pl.UInt32)
    return pl.DataFrame([*texts, lines])
