"""A table whose rows change in place: nothing flickers, and the cursor stays on its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.text import Text
from textual.widgets import DataTable

from runner.operations.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_WIDEST = 200
"""Characters of a cell, at most: arguments and errors can be long."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row. key: stays the same while the cells change. target: what it shows."""

    key: str
    cells: tuple[object, ...]
    target: object
    style: str = ""


class LiveTable(DataTable[Text]):
    """Shows lines under *columns*, which map headings to "left" or "right"."""

    def __init__(self, columns: Mapping[str, str], *, id: str) -> None:  # noqa: A002 -- Textual's
        super().__init__(cursor_type="row", id=id)
        self._headings = columns
        self._lines: dict[str, Line] = {}
        self._drawn: dict[str, tuple[Text, ...]] = {}
        self._narrowest: list[int] = []
        self._marked: set[str] = set()

    def on_mount(self) -> None:
        """Add the columns."""
        for place, (heading, kind) in enumerate(self._headings.items()):
            label = Text(heading if place else f" {heading}", justify=_side(kind))
            self.add_column(label, key=heading)
            self._narrowest.append(label.cell_len)

    @property
    def chosen(self) -> list[object]:
        """The targets of the marked rows; without marks, of the selected row."""
        if self._marked:
            return [line.target for key, line in self._lines.items() if key in self._marked]
        return [] if (selected := self.selected) is None else [selected]

    @property
    def selected(self) -> object | None:
        """The target of the row under the cursor."""
        key = self._key_at_cursor()
        return None if key is None else self._lines[key].target

    def mark(self) -> None:
        """Mark or unmark the row under the cursor, and go to the next."""
        key = self._key_at_cursor()
        if key is not None:
            self._marked ^= {key}
            self._draw()
            self.action_cursor_down()

    def mark_all(self) -> None:
        """Mark every row."""
        self._marked = set(self._lines)
        self._draw()

    def unmark(self) -> None:
        """Remove all marks."""
        self._marked = set()
        self._draw()

    def show(self, lines: Sequence[Line]) -> None:
        """Show *lines*; rows that are gone lose their marks."""
        self._lines = {line.key: line for line in lines}
        self._marked &= self._lines.keys()
        self._draw()

    def _key_at_cursor(self) -> str | None:
        keys = list(self._drawn)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def _draw(self) -> None:
        wanted = {key: self._cells(line) for key, line in self._lines.items()}
        with self.app.batch_update():
            self._fit(wanted)
            if list(wanted) == list(self._drawn):
                self._change(wanted)
            else:
                self._replace(wanted)
        self._drawn = wanted

    def _fit(self, wanted: Mapping[str, tuple[Text, ...]]) -> None:
        """
        Make the columns as wide as their cells, before anything is painted.

        Textual would measure them when it is idle, and show cells cut off until then.
        """
        for place, column in enumerate(self.ordered_columns):
            widths = [cells[place].cell_len for cells in wanted.values()]
            column.content_width = max(self._narrowest[place], *widths, 0)

    def _change(self, wanted: Mapping[str, tuple[Text, ...]]) -> None:
        columns = list(self.columns)
        for key, cells in wanted.items():
            for column, old, new in zip(columns, self._drawn[key], cells, strict=True):
                if old != new:
                    self.update_cell(key, column.value or "", new, update_width=True)

    def _replace(self, wanted: Mapping[str, tuple[Text, ...]]) -> None:
        at_cursor, row, top = self._key_at_cursor(), self.cursor_row, self.scroll_y
        self.clear()
        for key, cells in wanted.items():
            self.add_row(*cells, key=key)
        places = {key: place for place, key in enumerate(wanted)}
        self.move_cursor(row=places.get(at_cursor or "", row), scroll=False)
        self.call_after_refresh(self.scroll_to, y=top, animate=False)

    def _cells(self, line: Line) -> tuple[Text, ...]:
        mark = "●" if line.key in self._marked else " "
        return tuple(
            Text(
                ("" if place else mark) + shown(cell)[:_WIDEST],
                style=line.style,
                justify=_side(kind),
            )
            for place, (cell, kind) in enumerate(
                zip(line.cells, self._headings.values(), strict=True)
            )
        )


def _side(kind: str) -> Literal["left", "right"]:
    return "right" if kind == "right" else "left"
