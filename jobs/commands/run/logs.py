"""A run's log: all of it in a file, and warnings above the progress bars."""

from __future__ import annotations

import contextlib
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.text import Text

from runner.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

_SHOWN_FIELDS = ("job_name", "error", "message", "reason")
_NOT_SHOWN = ("runner.reporters.log",)
"""It repeats with a traceback what "job failed" says in one line."""


@contextmanager
def run_logs(path: Path, console: Console) -> Iterator[None]:
    """
    During the block, write all log lines to *path* as JSON, and warnings in short to *console*.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    screen = _Screen(console)
    root = logging.getLogger()
    with path.open("w", encoding="utf-8") as file:
        configure_logging("json", "INFO", stream=file)
        root.addHandler(screen)
        # The jobs report a full disk; a traceback for each lost line would hide that.
        logging.raiseExceptions = False
        try:
            yield
        finally:
            logging.raiseExceptions = True
            root.removeHandler(screen)
            configure_logging("console", "WARNING")


class _Screen(logging.Handler):
    """Prints through the console of the progress bars, so that neither overwrites the other."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print *record* in one line; what cannot be printed is only in the file."""
        if record.name in _NOT_SHOWN:
            return
        with contextlib.suppress(Exception):
            self._console.print(_line(record), soft_wrap=not self._console.is_terminal)


def _line(record: logging.LogRecord) -> Text:
    # structlog passes its event, a dict, as the record's message.
    event: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {}
    text = str(event.get("event", record.getMessage() if not event else ""))
    values = {name: event[name] for name in _SHOWN_FIELDS if event.get(name)}
    fields = ", ".join(f"{name} {value}" for name, value in values.items())
    style = "red" if record.levelno >= logging.ERROR else "yellow"
    return Text.assemble(("! ", style), f"{text}{': ' if fields else ''}{fields}")
