"""
Configure logging: structlog in front, the standard library behind, one renderer for both.

Every line, including arq's and uvicorn's, goes to standard error with the time in UTC, its level,
its logger and what the running job has bound (see `middleware/log_context.py`).
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from runner import clock
from runner.errors import ConfigurationError
from runner.telemetry.fast_lines import FastFormatter, FastHandler, as_json, as_text, enable_for
from runner.telemetry.job_log import KeepLines
from runner.telemetry.safe_lines import (
    console_renderer,
    json_renderer,
    without_secrets_in_line,
)

if TYPE_CHECKING:
    from structlog.typing import Processor

LogFormat = Literal["console", "json"]
"""`console` for people, `json` for machines: one object per line."""

_LOGGERS_WITH_HANDLERS = ("arq", "uvicorn", "uvicorn.access", "uvicorn.error")


def configure_logging(
    format: LogFormat = "console",  # noqa: A002 -- named like LOG_FORMAT
    level: str = "INFO",
    *,
    colors: bool | None = None,
    stream: TextIO | None = None,
    job_lines: int = 0,
) -> None:
    """
    Send all log lines at or above *level* to standard error, rendered as *format*.

    Call it again if something else configures `logging` later, as the `arq` command does just
    before it starts a worker. Other handlers on the root logger stay.

    colors: None means only if *stream* is a terminal.
    stream: instead of standard error.
    job_lines: how many of an attempt's last lines are kept with it; 0 for none.

    Raises:
        ConfigurationError: *format* or *level* is unknown.
    """
    stream = stream if stream is not None else sys.stderr
    _chosen[:] = [format]
    shared: list[Processor] = [*_SHARED, *((KeepLines(job_lines),) if job_lines else ())]
    colors = stream.isatty() if colors is None else colors
    handler = FastHandler(
        stream,
        FastFormatter(
            render=as_json if format == "json" else as_text,
            processors=[
                ProcessorFormatter.remove_processors_meta,
                *_renderers(format, colors=colors),
            ],
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                _drop_color_message,
                *shared,
            ],
        ),
    )
    _handle_all_with(handler, _known_level(level))
    processors = [
        structlog.stdlib.filter_by_level,
        *shared,
        ProcessorFormatter.wrap_for_formatter,
    ]
    # On a terminal lines have colours, and need not be fast.
    enable_for([] if colors and format == "console" else processors)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Otherwise module-level loggers used before this call would keep the old configuration.
        cache_logger_on_first_use=False,
    )


def make_defaults_safe() -> None:
    """
    Make structlog's defaults safe, if nobody has configured it: no secrets and no local variables.

    Its own would print each variable of each frame of a failed job.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            without_secrets_in_line,
            *console_renderer(colors=sys.stdout.isatty()),
        ]
    )


def log_format() -> LogFormat:
    """Return the format that `configure_logging` was given last; `console` before that."""
    return _chosen[-1]


def _handle_all_with(handler: logging.Handler, level: int) -> None:
    """Let *handler* write the lines of every logger, replacing our earlier handler."""
    root = logging.getLogger()
    root.setLevel(level)
    for old in [h for h in root.handlers if isinstance(h, FastHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    for name in _LOGGERS_WITH_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    _quiet_twins()
    # httpx logs each request's whole URL, and a webhook's URL is a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _quiet_twins() -> None:
    """Take away console handlers below the root's: it writes their lines, too, as Django's."""
    consoles = {sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__}
    for logger in list(logging.getLogger().manager.loggerDict.values()):
        if not isinstance(logger, logging.Logger) or not logger.propagate:
            continue
        for handler in logger.handlers[:]:
            if type(handler) is logging.StreamHandler and handler.stream in consoles:
                logger.removeHandler(handler)


class LogThrottle:
    """
    Admits one line per key every *interval_s* seconds, so that a fault cannot flood the log.

    It remembers every key, so use a small, fixed set of keys.
    """

    def __init__(self, interval_s: float = 60.0) -> None:
        self._interval_s = interval_s
        self._last: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def admit(self, key: str = "") -> int | None:
        """Return None to hold this line back, or how many were held back before this one."""
        now = clock.monotonic()
        last = self._last.get(key)
        if last is not None and now - last < self._interval_s:
            self._held_back[key] = self._held_back.get(key, 0) + 1
            return None
        self._last[key] = now
        return self._held_back.pop(key, 0)


def _renderers(format: str, *, colors: bool) -> list[Processor]:  # noqa: A002 -- as above
    if format == "console":
        return console_renderer(colors=colors)
    if format == "json":
        return json_renderer()
    raise ConfigurationError(f"log format {format!r} is neither console nor json")


def _known_level(level: str) -> int:
    known = logging.getLevelNamesMapping()
    try:
        return known[level.strip().upper()]
    except KeyError:
        names = ", ".join(name for name, number in known.items() if number)
        raise ConfigurationError(f"log level {level!r} is not one of {names}") from None


def _drop_color_message(
    logger: object,  # noqa: ARG001 -- a processor's signature
    method: str,  # noqa: ARG001
    event: structlog.typing.EventDict,
) -> structlog.typing.EventDict:
    """Drop the coloured copy of the message that uvicorn adds to its records."""
    event.pop("color_message", None)
    return event


_chosen: list[LogFormat] = ["console"]

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    without_secrets_in_line,
]
