"""Tables and facts as lines for a terminal: fitted to its width, or whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from runner.operations.words import shown
from runner.wording import NOTHING, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_GAP: Final = "  "
_SHORTEST: Final = 4
_ENOUGH: Final = 40
"""Cells of a long text that are worth more than another column."""

_ELLIPSIS: Final = "…"

STATE_COLORS: Final = {
    "ready": "blue",
    "running": "green",
    "scheduled": "magenta",
    "retrying": "yellow",
    "parked": "yellow",
    "waiting": "yellow",
    "dead": "red",
    "done": "",
}
"""The colours of the states of jobs, as on the pages."""


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a table.

    Attributes:
        heading: What stands above it. The first column of times gets their offset from UTC, too.
        value: What a row has there: a text, a number, a time, or None.
        right: Whether it is set to the right.
        least: Cells to which it is cut where room is short, later columns first; None: never.
        spare: Whether it is left out where there is nothing in it, or no room for it, later
            columns first.
        color: The colour of its values, or of a row's; empty for the terminal's own.
    """

    heading: str
    value: Callable[[Any], object]
    right: bool = False
    least: int | None = None
    spare: bool = False
    color: str | Callable[[Any], str] = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings, below a title if it has one; without rows it is nothing."""

    columns: Sequence[Column]
    rows: Sequence[Any]
    title: str = ""

    def lines(self, room: int | None) -> Iterator[str]:
        """Return its lines, of *room* cells at most; None: nothing is cut or left out."""
        if not self.rows:
            return
        if self.title:
            yield ""
            yield click.style(shown(self.title), bold=True)
        cells = [_Cells.of(column, self.rows) for column in self.columns]
        _name_zone(cells)
        if room is not None:
            _fit(cells, room)
        shown_ones = [one for one in cells if one.width]
        shown_ones[-1].is_last = True
        yield _GAP.join(one.head() for one in shown_ones)
        for place, row in enumerate(self.rows):
            yield _GAP.join(one.cell(place, row) for one in shown_ones).rstrip()


@dataclass(frozen=True, slots=True)
class Facts:
    """Values beside their labels; long ones go on below themselves."""

    facts: Mapping[str, str]

    def lines(self, room: int | None) -> Iterator[str]:
        """Return its lines, of *room* cells at most; None: each value is one line."""
        labels = [shown(label) for label in self.facts]
        width = max(map(_wide, labels), default=0)
        for label, value in zip(labels, self.facts.values(), strict=True):
            left = None if room is None else max(_SHORTEST, room - width - len(_GAP))
            for number, part in enumerate(_wrapped(shown(value), left)):
                head = label if number == 0 else ""
                yield (click.style(_padded(head, width), dim=True) + _GAP + part).rstrip()


@dataclass(frozen=True, slots=True)
class Lines:
    """
    Texts below each other; nothing in them can steer the terminal.

    indent: before each. whole: leave them as they are, as the lines of a traceback.
    """

    texts: Sequence[str]
    color: str = ""
    bold: bool = False
    indent: int = 0
    whole: bool = False

    def lines(self, room: int | None) -> Iterator[str]:
        """Return their lines, broken between words after *room* cells."""
        left = None if room is None or self.whole else max(_SHORTEST, room - self.indent)
        for text in self.texts:
            for part in _wrapped(shown(text), left):
                yield " " * self.indent + _styled(part, self.color, bold=self.bold)


@dataclass(frozen=True, slots=True)
class Remark:
    """What was found of one thing: a mark in its colour, the thing's name, and what to say."""

    mark: str
    color: str
    name: str
    texts: Sequence[str]

    def lines(self, room: int | None) -> Iterator[str]:
        """Return its lines, of *room* cells at most; None: each text is one line."""
        head = f"{self.mark:<{_MARK}}{_GAP}{shown(self.name):<{_NAME}}{_GAP}"
        lead = _styled(head[:_MARK], self.color) + head[_MARK:]
        left = None if room is None else max(_SHORTEST, room - _wide(head))
        for text in self.texts:
            for part in _wrapped(shown(text), left):
                yield (lead + part).rstrip()
                lead = " " * _wide(head)


_MARK: Final = 7
_NAME: Final = 23


@dataclass(slots=True)
class _Cells:
    """The texts of one column; a width of 0 leaves it out."""

    column: Column
    values: list[object]
    texts: list[str]
    heading: str
    width: int = 0
    is_last: bool = False

    @staticmethod
    def of(column: Column, rows: Sequence[Any]) -> _Cells:
        values = [column.value(row) for row in rows]
        found = _Cells(column, values, [shown(one) for one in values], shown(column.heading))
        if not column.spare or any(text not in {"", NOTHING} for text in found.texts):
            found.measure()
        return found

    def measure(self) -> None:
        self.width = max(1, _wide(self.heading), *map(_wide, self.texts))

    @property
    def least(self) -> int:
        """A heading is never cut."""
        least = self.column.least
        return self.width if least is None else min(self.width, max(least, _wide(self.heading)))

    def head(self) -> str:
        return click.style(self._placed(self.heading), dim=True)

    def cell(self, place: int, row: Any) -> str:
        text, value = self._placed(self.texts[place]), self.values[place]
        if value is None or value == 0 or text.strip() == NOTHING:
            return click.style(text, dim=True)
        color = self.column.color
        return _styled(text, color if isinstance(color, str) else color(row))

    def _placed(self, text: str) -> str:
        cut = _cut(text, self.width)
        if self.is_last and not self.column.right:
            return cut
        return _padded(cut, self.width, right=self.column.right)


def _name_zone(cells: Sequence[_Cells]) -> None:
    for one in cells:
        if one.width and any(isinstance(value, datetime) for value in one.values):
            one.heading = f"{one.heading} ({zone()})".lstrip()
            one.measure()
            return


def _fit(cells: Sequence[_Cells], room: int) -> None:
    """Leave spare columns out, then cut others, the last first, until a row has *room*."""
    for one in reversed(cells):
        wanted = [max(each.least, min(each.width, _ENOUGH)) for each in cells if each.width]
        if one.column.spare and sum(wanted) + len(_GAP) * (len(wanted) - 1) > room:
            one.width = 0
    kept = [one for one in cells if one.width]
    excess = sum(one.width for one in kept) + len(_GAP) * (len(kept) - 1) - room
    cut_ones = [one for one in reversed(kept) if one.column.least is not None]
    for hard, one in [(hard, one) for hard in (False, True) for one in cut_ones]:
        bound = min(one.width, _SHORTEST) if hard else one.least
        cut = max(0, min(excess, one.width - bound))
        one.width -= cut
        excess -= cut


def _styled(text: str, color: str, *, bold: bool = False) -> str:
    if not color and not bold:
        return text
    return click.style(text, fg=color or None, bold=bold or None)


def _wide(text: str) -> int:
    """How many cells *text* takes: a character may take two, or none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, width: int) -> str:
    if _wide(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1).rstrip() + _ELLIPSIS


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blank = " " * (width - _wide(text))
    return blank + text if right else text + blank


def _wrapped(text: str, width: int | None) -> list[str]:
    """*text* in lines of *width* cells, broken between words where that can be."""
    if width is None or _wide(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if _wide(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _folded(word, width)
        lines += whole
    return [*lines, line]


def _folded(word: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(word, width) if _wide(word) > width else [word]
