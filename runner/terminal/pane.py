"""A tab: what it reads from Redis, its tables and the line above them."""

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
    """What was read: the lines above the tables, those of each table, and what stands below."""

    summary: str | Text
    lines: Sequence[Sequence[Line]] = field(default_factory=tuple)
    below: str | Text = ""


class Pane(Vertical):
    """The content of a tab. words: the filter."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """The columns of each table, by the table's name."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self._summary = Static(classes="summary")
        self._below = Static(classes="summary")
        self.tables = [
            LiveTable(columns, id=f"{type(self).__name__.lower()}-{name}")
            for name, columns in self.COLUMNS.items()
        ]

    def compose(self) -> ComposeResult:
        """Lay out the lines, the tables below them, and what is below those."""
        yield self._summary
        yield from self.tables
        yield self._below

    async def look(self, session: OperatorSession) -> Reading:
        """Read what the pane shows."""
        raise NotImplementedError

    def show(self, reading: Reading) -> None:
        """Show what was read and passes the filter."""
        self._summary.update(_text(reading.summary))
        self._below.update(_text(reading.below))
        for table, lines in zip(self.tables, reading.lines, strict=True):
            table.show([line for line in lines if _fits(line, self.shown_words)])

    @property
    def shown_words(self) -> str:
        """The part of the filter that applies to rows as they are shown."""
        return self.words

    @property
    def table(self) -> LiveTable:
        """The table that has the focus."""
        return next((one for one in self.tables if one.has_focus), self.tables[0])

    def chosen(self, kinds: tuple[type[Target], ...]) -> list[Target]:
        """The targets of an order for *kinds*."""
        return [one for one in self.table.chosen if isinstance(one, kinds)]


def _text(given: str | Text) -> Text:
    return given if isinstance(given, Text) else Text("\n".join(map(shown, given.splitlines())))


def short(job_id: str) -> str:
    """The beginning of a long id; `id=` finds the job by it."""
    return job_id if len(job_id) <= _SHORT else f"{job_id[: _SHORT - 1]}…"


_SHORT = 16


def _fits(line: Line, words: str) -> bool:
    text = " ".join(shown(cell) for cell in line.cells).casefold()
    return all(word in text for word in words.casefold().split())
