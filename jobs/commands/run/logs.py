"""A run's log: whole in a file, and what a person should see above the progress bars."""

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
"""It says with a traceback what "job failed" has said in one line."""


@contextmanager
def run_logs(path: Path, console: Console) -> Iterator[None]:
    """
    For the block, write all log lines to *path*, JSON, and warnings in short to *console*.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    screen = _Screen(console)
    root = logging.getLogger()
    with path.open("w", encoding="utf-8") as file:
        configure_logging("json", "INFO", stream=file)
        root.addHandler(screen)
        # A full disk shows in what the jobs say; a traceback for each lost line hides it.
        logging.raiseExceptions = False
        try:
            yield
        finally:
            logging.raiseExceptions = True
            root.removeHandler(screen)
            configure_logging("console", "WARNING")


class _Screen(logging.Handler):
    """Prints through the console that also moves the bars, so that neither tears the other."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print *record* in one line; what cannot be printed is left to the file."""
        if record.name in _NOT_SHOWN:
            return
        with contextlib.suppress(Exception):
            self._console.print(_line(record), soft_wrap=not self._console.is_terminal)


def _line(record: logging.LogRecord) -> Text:
    # structlog hands on its event as the record's message: a dict.
    event: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {}
    text = str(event.get("event", record.getMessage() if not event else ""))
    told = {name: event[name] for name in _SHOWN_FIELDS if event.get(name)}
    fields = ", ".join(f"{name} {value}" for name, value in told.items())
    style = "red" if record.levelno >= logging.ERROR else "yellow"
    return Text.assemble(("! ", style), f"{text}{': ' if fields else ''}{fields}")
