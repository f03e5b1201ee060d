"""
The line of a text that names its columns: the first that can, below blank lines and titles.

    header_of   the columns, what separates cells, and the line on which the table begins
    is_data     whether that line holds values instead: then the table has no names
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import BytesIO
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from jobs.sources.text import decode, lines_of, pieces, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LINE = "line"
"""The column with the line of the file on which a row begins; no column of a file is called so."""

MOST_COLUMNS = 2000
"""Of a table with more no source is made."""

_DELIMITERS = (",", ";", "\t", "|")
_LONGEST = 64 * 1024
_LOOKED_AT = 20
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""The first line by which Excel is told what separates cells."""

_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")
_NUMBER = re.compile(r"(?!(?:19|20)\d\d$)[-+]?\d[\d.,' ]*%?")
_FEWEST_NUMBERS = 2


@dataclass(frozen=True, slots=True)
class Header:
    """
    The columns of a table.

    names: as `plain` makes them, each once; none if there are fewer than two, or too many.
    delimiter: what separates cells. line: where the header stands in the file, counted from 1.
    """

    names: Sequence[str]
    delimiter: str
    line: int


def header_of(head: bytes) -> Header:
    """Read the header in *head*, the beginning of a text."""
    text = b"".join(piece.text for piece in pieces(BytesIO(head), len(head)))
    lines = lines_of(text.decode())
    blank = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    first = lines[blank] if blank < len(lines) else ""
    told = _SEP.fullmatch(first.strip(" \r\n"))
    top = blank + 1 if told else blank
    delimiter = told[1] if told and told[1] in _DELIMITERS else None
    at = _first_names(lines, top, delimiter)
    return _at_line(lines, at, delimiter)


def header_at(head: bytes, line: int) -> Header:
    """Read the header that stands in *line* of *head*, counted from 1, as someone said."""
    text = b"".join(piece.text for piece in pieces(BytesIO(head), len(head)))
    return _at_line(lines_of(text.decode()), line - 1, None)


def _at_line(lines: Sequence[str], at: int, delimiter: str | None) -> Header:
    line = lines[at] if at < len(lines) else ""
    delimiter = delimiter or _delimiter(line)
    names = _names(line, delimiter)
    return Header(names if 1 < len(names) <= MOST_COLUMNS else (), delimiter, at + 1)


def is_table(head: bytes) -> bool:
    """Whether the first two rows of *head* have the same number of cells: prose seldom does."""
    lines = lines_of(decode(head).text)[header_of(head).line - 1 :]
    lines = [line for line in lines if line.strip()]
    delimiter = _delimiter(lines[0]) if lines else ","
    # A cell may go on over many lines: a description does.
    cells = [len(row) for row in islice(csv.reader(lines, delimiter=delimiter), 2)]
    return len(cells) > 1 and cells[0] == cells[1] > 1


def is_data(names: Sequence[str]) -> bool:
    """
    Whether *names* are values: a table without a header begins with its first row.

    A table with a column for each day, or each year, has those for names, but for its first ones.
    """
    filled = [name for name in names if not name.startswith("column ")]
    dates = sum(_DATE.fullmatch(name) is not None for name in filled)
    numbers = sum(_NUMBER.fullmatch(name) is not None for name in filled)
    if dates:
        return numbers > 0 or 2 * dates < len(filled)
    return numbers >= _FEWEST_NUMBERS


def _first_names(lines: Sequence[str], top: int, delimiter: str | None) -> int:
    """Return the first line from *top* on that could be names: titles of reports are passed."""
    rows = list(_rows(lines, top, delimiter))
    for (at, cells), following in pairwise(rows):
        if len([cell for cell in cells if cell.strip()]) > 1:
            return rows[0][0] if at == rows[0][0] or not _could_name(cells, following[1]) else at
    return top


def _could_name(cells: Sequence[str], following: Sequence[str]) -> bool:
    """Whether a line below a title is a header: as wide as the next, and without a value."""
    return len(cells) == len(following) and not is_data([plain(cell) for cell in cells])


def _rows(
    lines: Sequence[str], top: int, delimiter: str | None
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the cells of some lines that are not blank, each line by itself."""
    found = 0
    for at in range(top, len(lines)):
        line = lines[at]
        if not line.strip():
            continue
        mark = delimiter or _delimiter(line)
        yield at, next(csv.reader([line[:_LONGEST]], delimiter=mark), [])
        found += 1
        if found == _LOOKED_AT:
            return


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _names(line: str, delimiter: str) -> list[str]:
    """A column without a usable name, or with one already taken, gets its number as its name."""
    names: dict[str, None] = {}
    cells = next(csv.reader([line[:_LONGEST]], delimiter=delimiter), [])
    for number, cell in enumerate(cells, start=1):
        name = plain(cell)[:_LONGEST]
        if name in names or name in {"", LINE} or _means_several(name):
            name = f"column {number}"
            while name in names:
                name += "'"
        names[name] = None
    return list(names)


def _means_several(name: str) -> bool:
    """Whether polars would take *name* for a pattern that other columns fit."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))
