"""One attempt, and the outcome that follows."""

from __future__ import annotations

import asyncio
import math
import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import arq.worker
import pytest

from runner import Bury, Context, Retry, job
from runner.errors import ArgumentsError, ConfigurationError
from runner.retry import linear
from runner.worker.execute import execute
from runner.worker.outcome import Aborted, Dead, Done, Released, Retrying, Stop
from runner.worker.policy import Policy, decide, decide_stopped

if TYPE_CHECKING:
    from runner.codec import ErrorRecord
    from runner.middleware import Handler
    from runner.retry import Backoff


_CANCELLED = asyncio.CancelledError()


@job(queue="default")
async def tidy(ctx: Context) -> None:
    """Stand for any job."""
    raise NotImplementedError(ctx)


def _policy(
    handler: Handler | None = None, *, max_retries: int = 2, backoff: Backoff | None = None
) -> Policy:
    return Policy(handler or tidy.coroutine, max_retries, backoff or linear(), 0)


def _ctx(attempt: int = 1) -> Context:
    return Context(tidy, "j1", "default", attempt, 2, 0)


def _error_of(outcome: Any) -> ErrorRecord:
    assert isinstance(outcome, Retrying | Dead | Aborted)
    return outcome.error


def test_decide_retries_an_error_by_the_backoff_until_the_retries_are_spent() -> None:
    """With two retries, two failures are retried after 10 and 20 s, and the third is final."""
    error = ValueError("broken")

    first, second, third = (decide(_policy(), attempt, error) for attempt in (1, 2, 3))

    assert isinstance(first, Retrying)
    assert isinstance(second, Retrying)
    assert (first.delay_s, second.delay_s) == (10, 20)
    assert isinstance(third, Dead)
    assert [_error_of(one).message for one in (first, second, third)] == ["broken"] * 3


@pytest.mark.parametrize("error", [TimeoutError("too slow"), ExceptionGroup("two", [OSError()])])
def test_decide_retries_every_kind_of_error(error: Exception) -> None:
    """A timeout costs an attempt like any other exception."""
    assert isinstance(decide(_policy(), 1, error), Retrying)


@pytest.mark.parametrize("error", [Bury("no such channel"), ArgumentsError("tidy", "x: missing")])
def test_decide_buries_at_once_what_no_retry_would_change(error: Exception) -> None:
    """`Bury` and arguments that do not fit end the job at its first attempt."""
    assert isinstance(decide(_policy(max_retries=99), 1, error), Dead)


def test_decide_lets_a_job_choose_its_delay() -> None:
    """`Retry(5)` runs again after 5 s, `Retry()` by the backoff; each costs an attempt."""
    asked, unasked = decide(_policy(), 1, Retry(5)), decide(_policy(), 1, Retry())

    assert isinstance(asked, Retrying)
    assert isinstance(unasked, Retrying)
    assert (asked.delay_s, unasked.delay_s) == (5, 10)
    assert isinstance(decide(_policy(), 3, Retry(5)), Dead)


def test_decide_takes_arqs_retry_too() -> None:
    """`arq.Retry(defer=…)` in a `@job` means what it means in arq."""
    outcome = decide(_policy(), 1, arq.worker.Retry(defer=1.5))

    assert isinstance(outcome, Retrying)
    assert outcome.delay_s == 1.5


@pytest.mark.parametrize(
    ("asked", "delay_s"),
    [
        (Retry(60, charge=False), 60),
        (Retry(timedelta(minutes=1), charge=False), 60),
        (Retry(charge=False), 30),
        (Retry(0, charge=False), 1),
        (Retry(-5, charge=False), 1),
        (Retry(1e-9, charge=False), 1),
    ],
)
def test_decide_parks_without_charge_where_the_job_asks_for_it(
    asked: Retry, delay_s: float
) -> None:
    """`Retry(…, charge=False)` gives the job back after a second at least, never in a busy loop."""
    assert decide(_policy(), 3, asked) == Released(delay_s)


def test_decide_waits_a_second_before_a_free_retry_if_the_backoff_is_shorter() -> None:
    """Without a delay the job's backoff sets it, and may be 0."""
    policy = _policy(backoff=lambda _: 0.0)

    assert decide(policy, 1, Retry(charge=False)) == Released(1)


@pytest.mark.parametrize("delay_s", [math.nan, math.inf, "5", True, 1e30, object(), timedelta.max])
def test_retry_refuses_a_delay_that_is_no_time(delay_s: Any) -> None:
    """Where it is raised, so that the traceback shows the place."""
    with pytest.raises(ConfigurationError, match="Retry: delay_s is"):
        Retry(delay_s)


def test_decide_never_waits_a_negative_time() -> None:
    """A backoff below zero retries at once."""
    outcome = decide(_policy(backoff=lambda _: -5.0), 1, ValueError())

    assert isinstance(outcome, Retrying)
    assert outcome.delay_s == 0


@pytest.mark.parametrize(
    "broken", [lambda count: 1 / count, lambda _: math.nan, lambda _: math.inf, lambda _: None]
)
def test_decide_falls_back_to_the_default_when_the_backoff_is_broken(broken: Backoff) -> None:
    """A backoff that raises, or returns no time, must not lose the job that failed."""
    outcome = decide(_policy(backoff=broken), 1, ValueError())

    assert isinstance(outcome, Retrying)
    assert outcome.delay_s == 10


async def test_execute_names_a_return_done() -> None:
    """The handler's return value is the result."""

    async def handler(ctx: Context) -> str:
        return ctx.job_id

    assert await execute(_policy(handler), _ctx()) == Done("j1")


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), BaseExceptionGroup("two", [SystemExit()])]
)
async def test_execute_makes_a_failure_of_an_exit(error: BaseException) -> None:
    """A job that calls `sys.exit` fails, and does not end its worker."""

    async def handler(_: Context) -> None:
        raise error

    assert _error_of(await execute(_policy(handler), _ctx())).error == type(error).__name__


async def test_execute_lets_its_callers_cancellation_through() -> None:
    """Outside a worker, a cancellation is the caller's."""

    async def handler(_: Context) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await execute(_policy(handler), _ctx())


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
async def test_execute_ends_by_ctrl_c_only_where_that_raises(handler: Any) -> None:
    """Where something else handles SIGINT, a KeyboardInterrupt is the job's own failure."""

    async def interrupted(_: Context) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    try:
        if handler is signal.SIG_IGN:
            outcome = await execute(_policy(interrupted), _ctx())
            assert _error_of(outcome).error == "KeyboardInterrupt"
        else:
            with pytest.raises(KeyboardInterrupt):
                await execute(_policy(interrupted), _ctx())
    finally:
        signal.signal(signal.SIGINT, before)


def test_cancelled_by_a_shutdown_is_nobodys_fault() -> None:
    """The job goes back to its queue, with its attempts as they were."""
    assert decide_stopped(_policy(), 3, _CANCELLED, Stop.RELEASE) == Released()


def test_cancelled_by_an_abort_has_ended() -> None:
    """The job ends, and its result says why."""
    outcome = decide_stopped(_policy(), 1, _CANCELLED, Stop.ABORT)

    assert isinstance(outcome, Aborted)
    assert outcome.error.message == "aborted while running"


def test_cancelled_for_a_lost_claim_writes_nothing() -> None:
    """Another worker has the job: this attempt has no outcome."""
    assert decide_stopped(_policy(), 1, _CANCELLED, Stop.LOST) is None


def test_cancelled_by_itself_is_a_failure() -> None:
    """A cancellation that the worker did not ask for is the job's own error, and is retried."""
    outcome = decide_stopped(_policy(), 1, _CANCELLED, None)

    assert isinstance(outcome, Retrying)
    assert outcome.error.message == "the job cancelled itself"
