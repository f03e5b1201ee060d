"""The list of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from runner.terminal.bindings import KEYS

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Help(ModalScreen[None]):
    """Lists every key until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,question_mark,q,enter,ctrl+c", "dismiss(None)")
    ]

    def compose(self) -> ComposeResult:
        """Lay it out as a box."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for one in KEYS:
            table.add_row(f"[bold]{one.shown}[/]", one.sentence)
        with VerticalScroll(classes="box"):
            yield Static(
                "Small letters look, CAPITALS change something and ask first.\n", markup=False
            )
            yield Static(table)
