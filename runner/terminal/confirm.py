"""The question before an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from runner.operations.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

_NAMED = 8


class Confirm(ModalScreen[bool]):
    """Asks *question*, with its meaning and the targets; returns whether the answer was yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "dismiss(True)"),
        ("n,q,escape,ctrl+c", "dismiss(False)"),
    ]

    def __init__(self, question: str, meaning: str, names: Sequence[str]) -> None:
        super().__init__()
        self._question = question
        self._meaning = meaning
        self._names = names

    def compose(self) -> ComposeResult:
        """Lay it out as a box."""
        with Vertical(classes="box"):
            yield Static(Text(shown(self._question), style="bold"))
            yield Static(Text(self._meaning))
            if len(self._names) > 1:
                yield Static(Text("\n".join(f"  {name}" for name in self._listed())))
            yield Static(Text.assemble(("y", "bold"), " yes   ", ("n", "bold"), " no"))

    def _listed(self) -> list[str]:
        more = len(self._names) - _NAMED
        named = [shown(name) for name in self._names[:_NAMED]]
        return [*named, f"and {more:,} more"] if more > 0 else named
