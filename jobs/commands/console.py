"""The console that tables are printed on."""

from __future__ import annotations

from runner.commands.console import SafeConsole

_UNBOUND = 10_000


def table_console() -> SafeConsole:
    """Return a console for tables; where it is no terminal, nothing is cut."""
    console = SafeConsole()
    return console if console.is_terminal else SafeConsole(width=_UNBOUND)
