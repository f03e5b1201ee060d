"""Who is speaking: each line logged during a job carries job_id, job_name, queue and attempt."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import structlog

from runner.errors import Retry
from runner.telemetry.fast_lines import ShortLogger
from runner.telemetry.job_log import LOGGER_NAME

if TYPE_CHECKING:
    from contextvars import ContextVar

    from runner.context import Context
    from runner.middleware import Handler

_log = ShortLogger(LOGGER_NAME)


def _variable(name: str) -> ContextVar[Any]:
    """structlog's own variable of *name*: setting it directly is what `bind_contextvars` does."""
    token = structlog.contextvars.bind_contextvars(**{name: None})[name]
    structlog.contextvars.reset_contextvars(**{name: token})
    variable: ContextVar[Any] = token.var
    return variable


_job_id, _job_name, _queue, _attempt = _variables = tuple(
    _variable(name) for name in ("job_id", "job_name", "queue", "attempt")
)


async def log_context(ctx: Context, call_next: Handler, /) -> Any:
    """
    Bind the job's identity for the attempt, and log its start and end with its duration.

    Of a chore, such as a poll, that is told at DEBUG.

    The level of the logger `LOGGER_NAME` switches these lines off. The traceback of a failure is
    not logged here: that is the log reporter's.
    """
    tokens = (
        _job_id.set(ctx.job_id),
        _job_name.set(ctx.job.name),
        _queue.set(ctx.queue),
        _attempt.set(ctx.attempt),
    )
    # A worker's attempt has a task of its own, and what is bound there ends with it.
    borrowed = ctx.board is None
    started = time.perf_counter()
    level = logging.DEBUG if ctx.job.is_chore else logging.INFO
    told = _log.is_enabled_for(level)
    try:
        if told:
            _log.log(level, "job started")
        result = await call_next(ctx)
        if told:
            _log.log(level, "job done", duration_ms=_since_ms(started))
    except Retry as signal:
        _tell(level, "job asks to run again", started, reason=str(signal))
        raise
    except asyncio.CancelledError:
        _tell(level, "job cancelled", started)
        raise
    except Exception as error:
        name = type(error).__name__
        _tell(logging.WARNING, "job failed", started, error=name, message=_text(error))
        raise
    finally:
        if borrowed:
            for variable, token in zip(_variables, tokens, strict=True):
                variable.reset(token)
    return result


def _tell(level: int, event: str, started: float, **fields: str) -> None:
    if _log.is_enabled_for(level):
        _log.log(level, event, duration_ms=_since_ms(started), **fields)


def _since_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _text(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 -- a job's own __str__ may do anything
        return "(its message could not be formatted)"
