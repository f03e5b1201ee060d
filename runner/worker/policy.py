"""How a worker treats a job: the rules of its attempts, and what follows when one ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from runner.checks import LONGEST_S, shown
from runner.codec import ErrorRecord, text_of
from runner.ending import Kind, ending_of
from runner.retry import Limited, linear
from runner.worker.outcome import Aborted, Dead, Outcome, Released, Retrying, Stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from runner.context import Context
    from runner.definition import JobDefinition
    from runner.middleware import Handler
    from runner.retry import Backoff

_log = structlog.get_logger("runner.execute")

_LEAST_FREE_DELAY_S = 1.0
"""A retry that costs nothing may follow another for ever: at once, that would be a busy loop."""


class Attempt(Protocol):
    """
    An attempt that the worker may stop.

    why_stopped: set when the worker cancels it. afterwards: runs once its outcome is settled.
    """

    why_stopped: Stop | None
    afterwards: Callable[[], Coroutine[Any, Any, None]] | None


Decide = Callable[["Policy", int, BaseException], Outcome]
"""What follows when an attempt, counted from 1, ends with an error."""

DecideStopped = Callable[["Policy", int, BaseException, Stop | None], Outcome | None]
"""The same for a cancelled attempt; None: write nothing, the claim was lost."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The options of a job that sets none itself."""

    max_retries: int
    backoff: Backoff
    keep_result_s: float | None
    timeout_s: float | None


def decide(policy: Policy, attempt: int, error: BaseException) -> Outcome:
    """Return what follows when *attempt* (from 1) of a `@job` ended with *error*. Pure."""
    ending = ending_of(error, was_stopped=False)
    if ending.is_final(attempt=attempt, max_retries=policy.max_retries):
        return Dead(ErrorRecord.of(ending.error))
    delay_s = ending.delay_s
    if delay_s is None:
        delay_s = _delay_s(policy.backoff, attempt - 1)
    if ending.kind is Kind.FREE_RETRY:
        holds_lane = issubclass(type(ending.error), Limited)
        return Released(max(_LEAST_FREE_DELAY_S, delay_s), holds_lane)
    return Retrying(delay_s, ErrorRecord.of(ending.error))


def decide_stopped(
    policy: Policy, attempt: int, error: BaseException, why: Stop | None
) -> Outcome | None:
    """Return what follows when an attempt of a `@job` was cancelled; None: write nothing."""
    match why:
        case Stop.RELEASE:
            return Released()
        case Stop.ABORT:
            return Aborted(ErrorRecord("CancelledError", "aborted while running", ""))
        case Stop.LOST:
            return None
        case None:
            # Not the worker, but the job's own code cancelled it: an error like any other.
            return policy.decide(policy, attempt, error)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    The composed handler of one job in one worker, and the rules of its attempts.

    keep_result_s: None for ever, 0 not at all. run: replaces `execute`, for plain arq functions.
    is_given_back: whether the job runs again elsewhere when its worker stops.
    """

    handler: Handler
    max_retries: int
    backoff: Backoff
    keep_result_s: float | None
    timeout_s: float | None = None
    decide: Decide = decide
    decide_stopped: DecideStopped = decide_stopped
    run: Callable[[Policy, Context, Attempt], Awaitable[Outcome | None]] | None = None
    is_given_back: bool = True

    @classmethod
    def of(cls, job: JobDefinition, handler: Handler, defaults: Defaults) -> Policy:
        """Return the policy of *job*: its own options, and *defaults* for the others."""
        own = job.options_of_worker
        return cls(
            handler=handler,
            max_retries=_first(own.max_retries, defaults.max_retries),
            backoff=own.backoff or defaults.backoff,
            keep_result_s=_first(own.keep_result_s, defaults.keep_result_s),
            timeout_s=_first(own.timeout_s, defaults.timeout_s),
        )


def _first(own: Any, default: Any) -> Any:
    return default if own is None else own


def _delay_s(backoff: Backoff, count: int) -> float:
    """A backoff may be a user's own code: if it is broken, the job must still be retried."""
    try:
        delay_s = backoff(count)
        if -LONGEST_S <= delay_s <= LONGEST_S:  # which NaN is not
            return max(0.0, delay_s)
        problem = f"it gave {shown(delay_s)} s"
    except BaseException as error:  # noqa: BLE001
        problem = f"{type(error).__name__}: {text_of(error)}"
    _log.error("backoff is broken, the default is used", problem=problem)
    return linear()(count)
