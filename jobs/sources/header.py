"""The first line of a text that is not blank, read as the names of columns."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from jobs.channel.text import one_line
from jobs.sources.text import decode, lines_of, pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE = "line"
"""The column with the line of the file on which a row begins; no column of a file is called so."""

MOST_COLUMNS = 2000
"""Of a table with more no source is made."""

_DELIMITERS = (",", ";", "\t")
_LONGEST = 64 * 1024
_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Header:
    """
    The columns of a table.

    names: in lower case, each once; none if there are fewer than two, or too many. delimiter: what
    separates cells. line: where the header stands in the file, counted from 1.
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
    delimiter = _delimiter(first)
    names = _names(first, delimiter)
    return Header(names if 1 < len(names) <= MOST_COLUMNS else (), delimiter, blank + 1)


def is_table(head: bytes) -> bool:
    """Whether the first two lines of *head* have the same number of cells: prose seldom does."""
    lines = [line for line in lines_of(decode(head).text) if line.strip()]
    delimiter = _delimiter(lines[0]) if lines else ","
    cells = [len(row) for row in csv.reader(lines[:_LOOKED_AT], delimiter=delimiter)]
    return len(cells) > 1 and cells[0] == cells[1] > 1


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _names(line: str, delimiter: str) -> list[str]:
    """A column without a usable name, or with one already taken, gets its number as its name."""
    names: dict[str, None] = {}
    cells = next(csv.reader([line[:_LONGEST]], delimiter=delimiter), [])
    for number, cell in enumerate(cells, start=1):
        name = one_line(cell).lstrip("\ufeff").lower()
        if name in names or name in {"", LINE} or _means_several(name):
            name = f"column {number}"
            while name in names:
                name += "'"
        names[name] = None
    return list(names)


def _means_several(name: str) -> bool:
    """Whether polars would take *name* for a pattern that other columns fit."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))
