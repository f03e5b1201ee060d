"""Third stage: run one attempt, and name how it ended. Everything that a job raises ends here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from arq.worker import Retry as ArqRetry

from runner.codec import ErrorRecord
from runner.errors import ArgumentsError, Bury, Retry
from runner.outcome import Aborted, Dead, Done, Outcome, Released, Retrying

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.context import Context
    from runner.middleware import Handler
    from runner.retry import Backoff


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
    decide: Callable[[Policy, int, Exception], Outcome]


async def execute(policy: Policy, ctx: Context) -> Outcome:
    """
    Run one attempt, and say how it ended.

    Raises:
        CancelledError: The worker cancelled it; the worker knows why.
    """
    try:
        result = await policy.handler(ctx)
    except Exception as error:  # noqa: BLE001 -- a job may raise anything; it becomes an outcome
        return policy.decide(policy, ctx.attempt, error)
    return Done(result)


def decide(policy: Policy, attempt: int, error: Exception) -> Outcome:
    """What follows in a job of ours when *attempt* (from 1) ended with *error*. Pure."""
    if isinstance(error, Retry) and not error.charge:
        return Released(error.delay_s or 0.0)
    record = ErrorRecord.of(error)
    hopeless = isinstance(error, Bury | ArgumentsError)
    if hopeless or attempt > policy.max_retries:
        return Dead(record)
    if isinstance(error, ArqRetry) and error.defer_score is not None:
        return Retrying(error.defer_score / 1000, record)
    return Retrying(max(0.0, policy.backoff(attempt - 1)), record)


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
