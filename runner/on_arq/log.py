"""
arq's own log lines about plain functions, word for word, on its logger `arq.worker`.

Alerts and dashboards made for arq read these lines. They replace those that
`middleware/log_context.py` writes for jobs made by `@job`.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arq.connections import log_redis_info
from arq.utils import args_to_string, truncate
from redis.exceptions import RedisError

from runner import clock, wall_clock
from runner.codec import ErrorRecord
from runner.redaction import scrubbed, without_secrets
from runner.worker.outcome import (
    Aborted,
    Dead,
    Done,
    Expired,
    Failed,
    Outcome,
    Parked,
    Released,
    Retrying,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from arq.connections import ArqRedis

    from runner.context import Context
    from runner.worker.counts import JobCounts
    from runner.worker.held import Held

_log = logging.getLogger("arq.worker")

_LATE_MS = 1200


def _with_safe_traceback(record: logging.LogRecord) -> bool:
    """Let formatters of the standard library write a traceback without secrets."""
    if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
        record.exc_text = ErrorRecord.of(record.exc_info[1]).traceback.rstrip()
    return True


_log.addFilter(_with_safe_traceback)


@dataclass(slots=True)
class AttemptLines:
    """What arq logs about one attempt. ref: the job as arq names it."""

    ref: str
    log_results: bool
    _started: float = 0.0

    def started(self, ctx: Context) -> None:
        """Log that the job starts."""
        self._started = clock.monotonic()
        now_ms = wall_clock.now_ms()
        if not _log.isEnabledFor(logging.INFO):
            return
        extra = f" try={ctx.attempt}" if ctx.attempt > 1 else ""
        late_ms = now_ms - ctx.due_ms
        if late_ms > _LATE_MS:
            extra += f" delayed={late_ms / 1000:0.2f}s"
        waited_s = now_ms / 1000 - ctx.enqueued_at.timestamp()
        shown = _shown(lambda: scrubbed(args_to_string(ctx.args, dict(ctx.kwargs))))
        _log.info("%6.2fs → %s(%s)%s", waited_s, self.ref, shown, extra)

    def ended(self, outcome: Outcome | None) -> None:
        """Log how the job ended; nothing if another worker holds it now (None)."""
        took_s = clock.monotonic() - self._started if self._started else 0.0
        match outcome:
            case Done(result=result):
                _log.info("%6.2fs ← %s ● %s", took_s, self.ref, self._shown_result(result))
            case Retrying(delay_s=delay_s, error=error) if error.error.endswith(".Retry"):
                _log.info("%6.2fs ↻ %s retrying job in %0.2fs", took_s, self.ref, delay_s)
            case Retrying() | Released():
                _log.info("%6.2fs ↻ %s cancelled, will be run again", took_s, self.ref)
            case Aborted():
                _log.info("%6.2fs ⊘ %s aborted", took_s, self.ref)
            case Failed(exception=BaseException() as error):
                self._failed(took_s, error)

    def out_of_tries(self, ctx: Context, max_tries: int) -> None:
        """Log that the job has no try left, and does not start."""
        waited_s = (wall_clock.now_ms() - ctx.enqueued_ms) / 1000
        _log.warning("%6.2fs ! %s max retries %d exceeded", waited_s, self.ref, max_tries)

    def hook_failed(self, hook: str) -> None:
        """Log that a hook raised; call it in the `except` block."""
        _log.exception("%s: %s failed; the job's own outcome stands", self.ref, hook)

    def _failed(self, took_s: float, error: BaseException) -> None:
        reason = _shown(lambda: scrubbed(str(error)))
        line = "%6.2fs ! %s failed, %s: %s"
        extra = {"extra": without_secrets(_extra_of(error))}
        _log.error(
            line, took_s, self.ref, type(error).__name__, reason, exc_info=error, extra=extra
        )

    def _shown_result(self, result: Any) -> str:
        if result is None or not self.log_results or not _log.isEnabledFor(logging.INFO):
            return ""
        return _shown(lambda: scrubbed(truncate(repr(result))))


def refused(held: Held, refusal: Outcome) -> None:
    """Log that a job was claimed that cannot run here."""
    job_id, envelope = held.claim.job_id, held.envelope
    match refusal:
        case Dead() if held.claim.body is None:
            _log.warning("job %s expired", job_id)
        case Dead(error=error) if envelope is None:
            _log.error("deserializing job %s failed: %s", job_id, error.message)
        case Aborted() if envelope is not None:
            waited_s = (wall_clock.now_ms() - envelope.enqueued_ms) / 1000
            _log.info("%6.2fs ⊘ %s:%s aborted before start", waited_s, job_id, envelope.name)
        case Expired(error=error) if envelope is not None:
            _log.warning("job %s:%s expired: %s", job_id, envelope.name, error.message)
        case Parked(label=name):
            _log.warning(
                "job %s, function %r not found: parked for a worker that has it", job_id, name
            )


async def started(names: Collection[str], redis: ArqRedis) -> None:
    """Log that the worker starts."""
    _log.info("Starting worker for %d functions: %s", len(names), ", ".join(names))
    if _log.isEnabledFor(logging.INFO):
        # It is only information, and Redis may not permit the command.
        with contextlib.suppress(RedisError, OSError):
            await log_redis_info(redis, _log.info)


def stopping(signal_name: str, counts: JobCounts, *, ongoing: int, waited: bool) -> None:
    """Log that a signal stops the worker; *waited*: its jobs have had their time to finish."""
    _log.info(
        "shutdown on %s%s ◆ %d jobs complete ◆ %d failed ◆ %d retries ◆ %d %s",
        signal_name,
        ", wait complete" if waited else "",
        counts.complete,
        counts.failed,
        counts.retried,
        ongoing,
        "ongoing to cancel" if waited else "to be completed",
    )


def health(info: str) -> None:
    """Log the line that `arq --check` reads."""
    _log.info("recording health: %s", info)


def _extra_of(error: BaseException) -> Any:
    """Return the `extra` of an exception, which arq logs, too."""
    try:
        extra = getattr(error, "extra", None)
        return extra() if callable(extra) else extra
    except Exception:  # noqa: BLE001 -- a job's own code may do anything
        return None


def _shown(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as broken:  # noqa: BLE001 -- likewise: a __repr__ or __str__ may raise
        return f"<{type(broken).__name__} while it was formatted>"
