"""A tab: what it reads from Redis, its tables, and the line above them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.containers import Vertical
from textual.widgets import Static

from runner.operations.words import shown
from runner.terminal.live_table import LiveTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult

    from runner.operations.session import OperatorSession
    from runner.terminal.live_table import Line
    from runner.terminal.orders import Target


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look at Redis found: the line above the tables, and each table's lines."""

    told: str
    lines: Sequence[Sequence[Line]] = field(default_factory=tuple)


class Pane(Vertical):
    """The content of a tab. words: the filter."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Each table's columns, by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self._told = Static(classes="told")
        self.tables = [
            LiveTable(columns, id=f"{type(self).__name__.lower()}-{name}")
            for name, columns in self.COLUMNS.items()
        ]

    def compose(self) -> ComposeResult:
        """Lay the tables out below the line."""
        yield self._told
        yield from self.tables

    async def look(self, session: OperatorSession) -> Reading:
        """Read what the pane shows."""
        raise NotImplementedError

    def show(self, reading: Reading) -> None:
        """Show what was read, as far as the filter lets it through."""
        self._told.update(Text("\n".join(map(shown, reading.told.splitlines()))))
        for table, lines in zip(self.tables, reading.lines, strict=True):
            table.show([line for line in lines if _fits(line, self.shown_words)])

    @property
    def shown_words(self) -> str:
        """The part of the filter that is for the rows as they are shown."""
        return self.words

    @property
    def table(self) -> LiveTable:
        """The table with the cursor."""
        return next((one for one in self.tables if one.has_focus), self.tables[0])

    def chosen(self, kinds: tuple[type[Target], ...]) -> list[Target]:
        """What an order that takes *kinds* would be for."""
        return [one for one in self.table.chosen if isinstance(one, kinds)]


def short(job_id: str) -> str:
    """An id by its beginning, if it is long; `id=` finds it by that."""
    return job_id if len(job_id) <= _SHORT else f"{job_id[: _SHORT - 1]}…"


_SHORT = 16


def _fits(line: Line, words: str) -> bool:
    told = " ".join(shown(cell) for cell in line.cells).casefold()
    return all(word in told for word in words.casefold().split())
