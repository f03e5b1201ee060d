"""Third stage: run one attempt, and name how it ended. Everything that a job raises ends here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import structlog
from arq.worker import Retry as ArqRetry

from runner.codec import ErrorRecord
from runner.errors import ArgumentsError, Bury, Retry
from runner.retry import linear
from runner.worker.outcome import Aborted, Dead, Done, Outcome, Released, Retrying

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.context import Context
    from runner.middleware import Handler
    from runner.on_arq.function import PlainFunction
    from runner.retry import Backoff

_log = structlog.get_logger("runner.execute")

_LONGEST_DELAY_S = 10 * 366 * 86_400.0


class Stop(Enum):
    """Why the worker cancelled a running job."""

    RELEASE = "the worker is shutting down"
    ABORT = "somebody asked for it"
    LOST = "another worker holds the job now"


@dataclass(frozen=True, slots=True)
class Policy:
    """How one worker treats one job: the composed handler, and the rules of its retries."""

    handler: Handler
    max_retries: int
    backoff: Backoff
    keep_result_s: float | None
    decide: Callable[[Policy, int, BaseException], Outcome]
    plain: PlainFunction | None = None
    """Set for a plain arq function, which is run in arq's way."""


async def execute(policy: Policy, ctx: Context) -> Outcome:
    """
    Run one attempt, and say how it ended.

    Raises:
        CancelledError: The worker cancelled it; the worker knows why.
    """
    try:
        result = await policy.handler(ctx)
    except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 -- a job may raise anything, SystemExit too
        return policy.decide(policy, ctx.attempt, error)
    return Done(result)


def decide(policy: Policy, attempt: int, error: BaseException) -> Outcome:
    """What follows in a job of ours when *attempt* (from 1) ended with *error*. Pure."""
    if isinstance(error, Retry) and not error.charge:
        return Released(max(0.0, error.delay_s or 0.0))
    record = ErrorRecord.of(error)
    hopeless = isinstance(error, Bury | ArgumentsError)
    if hopeless or attempt > policy.max_retries:
        return Dead(record)
    if isinstance(error, ArqRetry) and error.defer_score is not None:
        return Retrying(max(0.0, error.defer_score / 1000), record)
    return Retrying(_delay_s(policy.backoff, attempt - 1), record)


def _delay_s(backoff: Backoff, count: int) -> float:
    """A backoff may be anybody's code; broken, it must not lose the job that failed."""
    try:
        delay_s = backoff(count)
        if delay_s <= _LONGEST_DELAY_S:
            return max(0.0, delay_s)
        problem = f"it gave {delay_s} s"
    except Exception as error:  # noqa: BLE001
        problem = f"{type(error).__name__}: {error}"
    _log.error("backoff is broken, the default is used", problem=problem)
    return linear()(count)


def cancelled(policy: Policy, attempt: int, why: Stop | None) -> Outcome | None:
    """What follows when a running attempt was cancelled; None: nothing may be written."""
    match why:
        case Stop.RELEASE:
            return Released()
        case Stop.ABORT:
            return Aborted(ErrorRecord("CancelledError", "aborted while running", ""))
        case Stop.LOST:
            return None
        case None:
            # The job itself let a cancellation out: an exception like any other.
            return policy.decide(policy, attempt, RuntimeError("the job cancelled itself"))
