"""
Logging: structlog in front, the standard library behind, one renderer for both.

Every line, arq's and uvicorn's too, goes to standard error, and carries the time in UTC, its
level, its logger and what the running job has bound (see `middleware/log_context.py`).
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from runner.errors import ConfigurationError
from runner.telemetry.fast_lines import ShortFormatter, as_json, as_text, use
from runner.telemetry.job_log import KeepLines

if TYPE_CHECKING:
    from structlog.typing import Processor

LogFormat = Literal["console", "json"]
"""`console` for a person, `json` for a machine: one object on each line."""

_WITH_HANDLERS_OF_THEIR_OWN = ("arq", "uvicorn", "uvicorn.access", "uvicorn.error")


def configure_logging(
    format: LogFormat = "console",  # noqa: A002 -- the word that LOG_FORMAT uses
    level: str = "INFO",
    *,
    colors: bool | None = None,
    stream: TextIO | None = None,
    job_lines: int = 0,
) -> None:
    """
    Send all log lines at or above *level* to standard error, rendered as *format*.

    It can be called again, and must be after something else configured `logging`: the `arq`
    command does so just before it starts a worker. Handlers of others on the root logger stay.

    colors: None means: if *stream* is a terminal.
    stream: instead of standard error.
    job_lines: how many of an attempt's last lines are kept with it; 0 for none.

    Raises:
        ConfigurationError: *format* or *level* is not a known one.
    """
    stream = stream if stream is not None else sys.stderr
    shared: list[Processor] = [*_SHARED, *((KeepLines(job_lines),) if job_lines else ())]
    handler = _StructuredHandler(stream)
    colors = stream.isatty() if colors is None else colors
    handler.setFormatter(
        ShortFormatter(
            render=as_json if format == "json" else as_text,
            processors=[
                ProcessorFormatter.remove_processors_meta,
                *_renderers(format, colors=colors),
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _drop_color_message],
        )
    )
    root = logging.getLogger()
    root.setLevel(_known_level(level))
    for old in [h for h in root.handlers if isinstance(h, _StructuredHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    for name in _WITH_HANDLERS_OF_THEIR_OWN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    # httpx logs each request's whole URL, and a webhook's URL is a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    processors = [
        structlog.stdlib.filter_by_level,
        *shared,
        ProcessorFormatter.wrap_for_formatter,
    ]
    # On a terminal lines have colours, and nobody reads thousands a second.
    use([] if colors and format == "console" else processors)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Module-level loggers made before this call would otherwise keep what they first saw.
        cache_logger_on_first_use=False,
    )


class LogThrottle:
    """
    Lets one line in *interval_s* seconds through for each key, so that a fault cannot flood.

    It remembers as many keys as it is asked for: use keys of a small, fixed set.
    """

    def __init__(self, interval_s: float = 60.0) -> None:
        self._interval_s = interval_s
        self._last: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def admit(self, key: str = "") -> int | None:
        """None: hold this line back. A number: log it; so many were held back before it."""
        now = time.monotonic()
        last = self._last.get(key)
        if last is not None and now - last < self._interval_s:
            self._held_back[key] = self._held_back.get(key, 0) + 1
            return None
        self._last[key] = now
        return self._held_back.pop(key, 0)


class _StructuredHandler(logging.StreamHandler[TextIO]):
    """Ours, to be found and replaced when logging is configured again."""


def _renderers(format: str, *, colors: bool) -> list[Processor]:  # noqa: A002 -- as above
    if format == "console":
        return [
            structlog.dev.ConsoleRenderer(
                colors=colors,
                # The default renders local variables, and with them secrets, when rich is there.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    if format == "json":
        return [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    raise ConfigurationError(f"log format {format!r} is neither console nor json")


def _known_level(level: str) -> int:
    known = logging.getLevelNamesMapping()
    try:
        return known[level.strip().upper()]
    except KeyError:
        names = ", ".join(name for name, number in known.items() if number)
        raise ConfigurationError(f"log level {level!r} is none of {names}") from None


def _drop_color_message(
    logger: object,  # noqa: ARG001 -- a processor's signature
    method: str,  # noqa: ARG001
    event: structlog.typing.EventDict,
) -> structlog.typing.EventDict:
    """uvicorn puts its message into the record a second time, with colours."""
    event.pop("color_message", None)
    return event


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
