"""Add job_id, job_name, queue and attempt to each line logged during a job."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog

from runner import clock
from runner.codec import text_of
from runner.ending import Kind
from runner.redaction import hiding, scrubbed
from runner.telemetry.fast_lines import FastLogger
from runner.telemetry.job_log import LOGGER_NAME

if TYPE_CHECKING:
    from contextvars import ContextVar

    from runner.context import Context
    from runner.ending import Ending
    from runner.middleware import Handler

_log = FastLogger(LOGGER_NAME)

_MESSAGE_CHARACTERS = 2_000
_READ_CHARACTERS = 2 * _MESSAGE_CHARACTERS


def bound_variable(name: str) -> ContextVar[Any]:
    """Return structlog's variable for *name*; `bind_contextvars` would set the same one."""
    token = structlog.contextvars.bind_contextvars(**{name: None})[name]
    structlog.contextvars.reset_contextvars(**{name: token})
    variable: ContextVar[Any] = token.var
    return variable


_job_id, _job_name, _queue, _attempt = _variables = tuple(
    bound_variable(name) for name in ("job_id", "job_name", "queue", "attempt")
)


async def log_context(ctx: Context, call_next: Handler, /) -> Any:
    """
    Bind the job's identity for the attempt, and log its end with the duration; at DEBUG its start.

    One line a job: each costs half as much as a short job. What runs now, pages and commands say.
    The level of the logger `LOGGER_NAME` can switch these lines off. The log reporter logs a
    failure's traceback, not this middleware.
    """
    tokens = (
        _job_id.set(ctx.job_id),
        _job_name.set(ctx.job.name),
        _queue.set(ctx.queue),
        _attempt.set(ctx.attempt),
    )
    # In a worker each attempt has its own task, and the bindings end with it.
    shared_task = ctx.board is None
    started = clock.monotonic()
    level = logging.INFO
    logs = _log.is_enabled_for(level)
    try:
        if logs and _log.is_enabled_for(logging.DEBUG):
            _log.log(logging.DEBUG, "job started")
        result = await call_next(ctx)
        if logs:
            _log.log(level, "job done", duration_ms=_since_ms(started))
    except BaseException as error:
        _log_ending(ctx, ctx.ended_by(error), level, started)
        raise
    finally:
        if shared_task:
            for variable, token in zip(_variables, tokens, strict=True):
                variable.reset(token)
    return result


def _log_ending(ctx: Context, ending: Ending, level: int, started: float) -> None:
    with hiding(ctx.secrets()):
        text = scrubbed(text_of(ending.error)[:_READ_CHARACTERS])[:_MESSAGE_CHARACTERS]
    match ending.kind:
        case Kind.RETRY | Kind.FREE_RETRY:
            _log_end(level, "job asks to run again", started, reason=text)
        case Kind.STOPPED:
            _log_end(level, "job cancelled", started)
        case Kind.BURY | Kind.FAILURE:
            name = type(ending.error).__name__
            _log_end(logging.WARNING, "job failed", started, error=name, message=text)


def _log_end(level: int, event: str, started: float, **fields: str) -> None:
    if _log.is_enabled_for(level):
        _log.log(level, event, duration_ms=_since_ms(started), **fields)


def _since_ms(started: float) -> float:
    return round((clock.monotonic() - started) * 1000, 1)
