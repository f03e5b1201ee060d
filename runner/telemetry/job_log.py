"""
Keep the last lines that a running attempt has logged, to show them with the job.

`KeepLines` is a structlog processor. A job that logs nothing costs nothing; one that logs a lot
keeps only its last lines.
"""

from __future__ import annotations

from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from runner.codec import text_of
from runner.redaction import redacted, scrubbed

if TYPE_CHECKING:
    from structlog.typing import EventDict

LOGGER_NAME = "runner.job"
"""The logger of "job started", "job done" and "job failed", which need not be kept."""

_LINE_CHARACTERS = 500
_LEADING_FIELDS = ("timestamp", "level", "event")
_REDUNDANT_FIELDS = frozenset({"logger", "job_id", "job_name", "queue", "attempt", "trace_id"})
_TRACEBACK_FIELDS = frozenset({"exc_info", "stack_info", "stack", "exception"})


class Attempt(Protocol):
    """The running attempt, which holds its lines."""

    lines: deque[str] | None


running: ContextVar[Attempt | None] = ContextVar("running", default=None)
"""The attempt that runs in this task, or that started it."""


class KeepLines:
    """Keeps the last *most* lines of each attempt, with secrets redacted."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, _: object, __: str, event: EventDict) -> EventDict:
        """Keep the line, and pass *event* on unchanged."""
        attempt = running.get()
        if attempt is not None and event.get("logger") != LOGGER_NAME:
            if attempt.lines is None:
                attempt.lines = deque(maxlen=self._most)
            attempt.lines.append(_line(event))
        return event


def _line(event: EventDict) -> str:
    parts = [scrubbed(text_of(event.get(name, ""))) for name in _LEADING_FIELDS]
    skipped = {*_LEADING_FIELDS, *_REDUNDANT_FIELDS, *_TRACEBACK_FIELDS}
    rest = {
        name: value
        for name, value in event.items()
        if name not in skipped and not name.startswith("_")
    }
    parts += [f"{text_of(name)}={text_of(value)}" for name, value in _redacted(rest).items()]
    return " ".join(" ".join(parts).split())[:_LINE_CHARACTERS]


def _redacted(fields: dict[str, Any]) -> dict[str, Any]:
    try:
        return redacted(fields)
    except Exception as broken:  # noqa: BLE001 -- what a job logs may be anything
        return {"fields": f"({type(broken).__name__} while they were read)"}
