"""The console that tables are printed on."""

from __future__ import annotations

from rich.console import Console

_UNBOUND = 10_000


def table_console() -> Console:
    """Return a console for tables; where it is no terminal, nothing is cut."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_UNBOUND)
