"""
The last lines that a running attempt has logged, kept with it for whoever looks at the job.

`KeepLines` is a structlog processor. A job that logs nothing pays nothing; one that logs without
end keeps its last lines only.
"""

from __future__ import annotations

from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from runner.telemetry.redaction import redacted

if TYPE_CHECKING:
    from structlog.typing import EventDict

LOGGER_NAME = "runner.job"
"""The logger of "job started", "job done", "job failed": lines that tell nothing new of a job."""

_LINE_CHARACTERS = 500
_OF_THE_LINE = ("timestamp", "level", "event")
_KNOWN_ANYWAY = frozenset({"logger", "job_id", "job_name", "queue", "attempt", "trace_id"})
_UNFIT = frozenset({"exc_info", "stack_info", "stack", "exception"})


class Attempt(Protocol):
    """What runs now, and keeps its lines."""

    lines: deque[str] | None


running: ContextVar[Attempt | None] = ContextVar("running", default=None)
"""The attempt that the present task runs, or was started by."""


class KeepLines:
    """Keeps the last *most* lines of each attempt, secrets redacted by their names."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, _: object, __: str, event: EventDict) -> EventDict:
        """Write the line down; it goes on as it is."""
        attempt = running.get()
        if attempt is not None and event.get("logger") != LOGGER_NAME:
            if attempt.lines is None:
                attempt.lines = deque(maxlen=self._most)
            attempt.lines.append(_line(event))
        return event


def _line(event: EventDict) -> str:
    parts = [str(event.get(name, "")) for name in _OF_THE_LINE]
    skipped = {*_OF_THE_LINE, *_KNOWN_ANYWAY, *_UNFIT}
    rest = {
        name: value
        for name, value in event.items()
        if name not in skipped and not name.startswith("_")
    }
    parts += [f"{name}={value}" for name, value in redacted(rest).items()]
    return " ".join(" ".join(parts).split())[:_LINE_CHARACTERS]
