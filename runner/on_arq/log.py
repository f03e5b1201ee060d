"""
arq's own log lines about plain functions, word for word, on its logger `arq.worker`.

Alerts and dashboards of people who used arq before read these lines. They take the place of those
that `middleware/log_context.py` writes for jobs made by `@job`.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arq.connections import log_redis_info
from arq.utils import args_to_string, truncate
from redis.exceptions import RedisError

from runner.worker.outcome import Aborted, Dead, Done, Failed, Outcome, Released, Retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from arq.connections import ArqRedis

    from runner.context import Context
    from runner.worker.counts import JobCounts
    from runner.worker.held import Held

_log = logging.getLogger("arq.worker")

_LATE_MS = 1200


@dataclass(slots=True)
class AttemptLines:
    """What arq logs about one attempt. ref: the job as arq names it."""

    ref: str
    log_results: bool
    _started_ms: int = 0

    def started(self, ctx: Context) -> None:
        """The job starts now."""
        self._started_ms = _now_ms()
        if not _log.isEnabledFor(logging.INFO):
            return
        extra = f" try={ctx.attempt}" if ctx.attempt > 1 else ""
        late_ms = self._started_ms - ctx.due_ms
        if late_ms > _LATE_MS:
            extra += f" delayed={late_ms / 1000:0.2f}s"
        waited_s = self._started_ms / 1000 - ctx.enqueued_at.timestamp()
        shown = _shown(lambda: args_to_string(ctx.args, dict(ctx.kwargs)))
        _log.info("%6.2fs → %s(%s)%s", waited_s, self.ref, shown, extra)

    def ended(self, outcome: Outcome | None) -> None:
        """The job ended so; None: another worker has it now, and has the say."""
        took_s = (_now_ms() - self._started_ms) / 1000 if self._started_ms else 0.0
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
        """The job has been tried often enough, and is not started."""
        waited_s = time.time() - ctx.enqueued_at.timestamp()
        _log.warning("%6.2fs ! %s max retries %d exceeded", waited_s, self.ref, max_tries)

    def hook_failed(self, hook: str) -> None:
        """A hook raised, and is called within its `except`."""
        _log.exception("%s: %s failed; the job's own outcome stands", self.ref, hook)

    def _failed(self, took_s: float, error: BaseException) -> None:
        reason = _shown(lambda: str(error))
        line = "%6.2fs ! %s failed, %s: %s"
        extra = {"extra": _extra_of(error)}
        _log.error(
            line, took_s, self.ref, type(error).__name__, reason, exc_info=error, extra=extra
        )

    def _shown_result(self, result: Any) -> str:
        if result is None or not self.log_results or not _log.isEnabledFor(logging.INFO):
            return ""
        return _shown(lambda: truncate(repr(result)))


def refused(held: Held, refusal: Outcome) -> None:
    """A job was claimed that cannot be run here and now."""
    job_id, envelope = held.claim.job_id, held.envelope
    match refusal:
        case Dead() if held.claim.body is None:
            _log.warning("job %s expired", job_id)
        case Dead(error=error) if envelope is None:
            _log.error("deserializing job %s failed: %s", job_id, error.message)
        case Aborted() if envelope is not None:
            waited_s = (_now_ms() - envelope.enqueued_ms) / 1000
            _log.info("%6.2fs ⊘ %s:%s aborted before start", waited_s, job_id, envelope.name)
        case Released(unknown_name=str() as name):
            _log.warning("job %s, function %r not found: left in its queue", job_id, name)


async def started(names: Collection[str], redis: ArqRedis) -> None:
    """The worker starts."""
    _log.info("Starting worker for %d functions: %s", len(names), ", ".join(names))
    if _log.isEnabledFor(logging.INFO):
        # This is information only, and Redis may not permit the command.
        with contextlib.suppress(RedisError, OSError):
            await log_redis_info(redis, _log.info)


def stopping(signal_name: str, counts: JobCounts, *, ongoing: int, waited: bool) -> None:
    """A signal asked the worker to stop; *waited*: its jobs have had their time to finish."""
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
    """The line that `arq --check` reads has changed."""
    _log.info("recording health: %s", info)


def _extra_of(error: BaseException) -> Any:
    """What an exception has to add: arq asks it for `extra`."""
    try:
        extra = getattr(error, "extra", None)
        return extra() if callable(extra) else extra
    except Exception:  # noqa: BLE001 -- a job's own code may do anything
        return None


def _shown(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as broken:  # noqa: BLE001 -- likewise: an own __repr__ or __str__
        return f"<{type(broken).__name__} while it was formatted>"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
