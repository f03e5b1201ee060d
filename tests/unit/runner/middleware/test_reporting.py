"""What is reported of a failure; a reporter never harms a job."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from runner.errors import ArgumentsError, Bury
from runner.middleware.reporting import Reporting
from runner.redaction import REDACTED
from runner.retry import Retry
from runner.worker.claim import Claim
from runner.worker.held import Held

if TYPE_CHECKING:
    from runner.context import Context
    from runner.reporters import Failure
    from tests.unit.runner.middleware.conftest import MakeContext

_GROUP_OF_RETRIES = ExceptionGroup("both", [Retry(1), ExceptionGroup("one", [Retry(2)])])


class _Recorder:
    """A reporter that keeps what it is given."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    async def report(self, failure: Failure, /) -> None:
        self.failures.append(failure)


async def _attempt(reporter: Any, ctx: Context, error: BaseException, limit_s: float = 5) -> None:
    async def handler(_: Context) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await Reporting(reporter, limit_s=limit_s)(ctx, handler)
    assert raised.value is error


async def test_reporting_hands_over_the_failure(make_context: MakeContext) -> None:
    """The reporter gets the exception, the job, its attempt, and its arguments by name."""
    reporter = _Recorder()
    error = ValueError("bad")

    await _attempt(reporter, make_context(args=("UC1",), attempt=2), error)

    (failure,) = reporter.failures
    assert failure.exception is error
    assert (failure.job_id, failure.job_name) == ("j1", "analyze_channel")
    assert (failure.queue, failure.attempt, failure.final) == ("analytics", 2, False)
    assert failure.arguments == {"channel_id": "UC1"}


async def test_reporting_redacts_by_position_too(make_context: MakeContext) -> None:
    """A secret is hidden by name and by position; so is what the job names as one."""
    reporter = _Recorder()
    ctx = make_context(args=("UC1", "s3cret"), kwargs={"email": "me@example.org"})

    await _attempt(reporter, ctx, ValueError("bad"))

    assert reporter.failures[0].arguments == {
        "channel_id": "UC1",
        "api_token": REDACTED,
        "email": REDACTED,
    }


async def test_reporting_copes_with_too_many_arguments(make_context: MakeContext) -> None:
    """A body that fits no signature is reported like any other."""
    reporter = _Recorder()

    await _attempt(reporter, make_context(args=(1, 2, 3, 4)), ArgumentsError("x", "too many"))

    assert reporter.failures[0].arguments["argument 4"] == 4


@pytest.mark.parametrize(
    ("error", "attempt", "final"),
    [
        (ValueError(), 5, False),
        (ValueError(), 6, True),
        (Bury("never"), 1, True),
        (ArgumentsError("x", "bad"), 1, True),
        (Retry(1), 6, True),
    ],
)
async def test_reporting_knows_the_last_attempt(
    error: Exception, attempt: int, *, final: bool, make_context: MakeContext
) -> None:
    """A failure is final when no retry will follow."""
    reporter = _Recorder()

    await _attempt(reporter, make_context(attempt=attempt), error)

    assert [failure.final for failure in reporter.failures] == [final]


@pytest.mark.parametrize(
    "signal", [Retry(1), Retry(1, charge=False), asyncio.CancelledError(), _GROUP_OF_RETRIES]
)
async def test_reporting_passes_signals_by(
    signal: BaseException, make_context: MakeContext
) -> None:
    """A job that raises a signal, or is cancelled, has not failed."""
    reporter = _Recorder()

    await _attempt(reporter, make_context(), signal)

    assert reporter.failures == []


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        ExceptionGroup("both", [Retry(1), ValueError()]),
        BaseExceptionGroup("exit", [SystemExit()]),
    ],
)
async def test_reporting_reports_whatever_a_job_dies_of(
    error: BaseException, make_context: MakeContext
) -> None:
    """An exit is a failure like any other, and so is a group with a real error in it."""
    reporter = _Recorder()

    await _attempt(reporter, make_context(), error)

    assert [failure.exception for failure in reporter.failures] == [error]


async def test_reporting_reports_a_job_that_cancels_itself(make_context: MakeContext) -> None:
    """In a worker, a cancellation that the worker did not ask for is the job's failure."""
    reporter = _Recorder()
    ctx = make_context(board=Held(Claim("j1", b"j1", "t", b"", 0.0, 0.0, 1), 0))

    await _attempt(reporter, ctx, asyncio.CancelledError())

    assert [str(one.exception) for one in reporter.failures] == ["the job cancelled itself"]


class _Broken:
    """A reporter that fails."""

    async def report(self, failure: Failure, /) -> None:
        raise ConnectionError(failure.job_id)


class _Hanging:
    """A reporter that never returns."""

    async def report(self, failure: Failure, /) -> None:
        await asyncio.Event().wait()
        raise NotImplementedError(failure)


@pytest.mark.parametrize(
    ("reporter", "error"), [(_Broken(), "ConnectionError"), (_Hanging(), "TimeoutError")]
)
async def test_reporting_never_replaces_the_jobs_own_error(
    reporter: Any, error: str, make_context: MakeContext
) -> None:
    """A reporter that fails or hangs is logged; the job's own error is raised."""
    with structlog.testing.capture_logs() as lines:
        await _attempt(reporter, make_context(), ValueError("the job's"), limit_s=0.01)

    assert [(line["event"], line["error"]) for line in lines] == [("reporter failed", error)]


async def test_reporting_stays_out_of_a_success(make_context: MakeContext) -> None:
    """An attempt that returns is not reported."""
    reporter = _Recorder()

    async def handler(_: Context) -> str:
        return "result"

    assert await Reporting(reporter)(make_context(), handler) == "result"
    assert reporter.failures == []
