"""
A short way for the lines that a worker writes about every attempt.

Through structlog, the standard library and structlog again a line takes 40 µs of CPU, twice what a
job that does nothing takes. These lines are all of one kind, so one record is made, without looking
for its caller, and rendered by one expression: a quarter of that. Handlers of others get a record
like any other. A process whose structlog is configured by somebody else keeps its own way.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from pydantic_core import to_json
from structlog.stdlib import ProcessorFormatter

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger
    from structlog.typing import Processor

_EVENT_WIDTH = 30
_LEVEL_WIDTH = 9
_TO_QUOTE = frozenset(" \t=\r\n\"'")


class ShortRecord(logging.LogRecord):
    """An event with its fields. Its message, for whoever renders it otherwise, has them all."""

    def __init__(self, logger: str, level: int, event: str, fields: dict[str, Any]) -> None:
        super().__init__(logger, level, __file__, 0, event, None, None)
        self.event = event
        self.fields = fields

    def getMessage(self) -> str:  # noqa: N802 -- of the standard library
        """Say the event and its fields."""
        return " ".join([self.event, *_pairs(self.fields)])


class ShortFormatter(ProcessorFormatter):
    """structlog's formatter, which knows how to render a `ShortRecord` by *render*."""

    def __init__(
        self, *, render: Callable[[ShortRecord], str], processors: list[Processor], **options: Any
    ) -> None:
        super().__init__(processors=processors, **options)
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        if isinstance(record, ShortRecord):
            return self._render(record)
        return super().format(record)


class ShortLogger:
    """Writes events to the logger *name* by the short way, where `use` has opened it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._levels = logging.getLogger(name)
        self._long: BoundLogger = structlog.stdlib.get_logger(name)

    def is_enabled_for(self, level: int) -> bool:
        """Whether a line of *level* would be written."""
        return self._levels.isEnabledFor(level)

    def log(self, level: int, event: str, **fields: Any) -> None:
        """Write *event* with *fields* and what is bound; the caller has asked for the level."""
        if structlog.get_config()["processors"] != _ours:
            self._long.log(level, event, **fields)
            return
        for name, value in structlog.contextvars.get_contextvars().items():
            fields.setdefault(name, value)
        self._levels.handle(ShortRecord(self._name, level, event, fields))


def use(processors: list[Processor]) -> None:
    """Open the short way for as long as structlog's *processors* are these."""
    _ours[:] = processors


def as_json(record: ShortRecord) -> str:
    """One JSON object."""
    line = {
        **record.fields,
        "event": record.event,
        "logger": record.name,
        "level": record.levelname.lower(),
        "timestamp": _time_of(record),
    }
    return to_json(line, fallback=repr).decode()


def as_text(record: ShortRecord) -> str:
    """As structlog's console renderer has it, without colours."""
    level, event = record.levelname.lower(), record.event
    pairs = " ".join(_pairs(record.fields))
    return (
        f"{_time_of(record)} [{level:<{_LEVEL_WIDTH}}] {event:<{_EVENT_WIDTH}} "
        f"[{record.name}] {pairs}"
    )


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def _pairs(fields: dict[str, Any]) -> list[str]:
    return [f"{name}={_shown(fields[name])}" for name in sorted(fields)]


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return repr(value)
    return value if _TO_QUOTE.isdisjoint(value) else repr(value)


_ours: list[Processor] = []
