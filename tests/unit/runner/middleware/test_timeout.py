"""Time limits of attempts."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING

import pytest

from runner.middleware.timeout import Timeout

if TYPE_CHECKING:
    from runner.context import Context
    from tests.unit.runner.middleware.conftest import MakeContext


async def _hang(_: Context) -> None:
    await asyncio.Event().wait()


async def test_timeout_of_the_job_goes_before_the_workers(make_context: MakeContext) -> None:
    """The error names the job, the limit and whose it is, and shows where the job was."""
    with pytest.raises(TimeoutError) as raised:
        await Timeout(default_s=60)(make_context(impatient=True), _hang)

    assert str(raised.value) == "impatient did not end within 0.05 s, its own timeout"
    assert "Event().wait()" in "".join(traceback.format_exception(raised.value))


async def test_timeout_of_the_worker_holds_for_jobs_that_name_none(
    make_context: MakeContext,
) -> None:
    """A job without a limit of its own has its worker's."""
    with pytest.raises(TimeoutError, match=r"within 0\.01 s, its worker's timeout"):
        await Timeout(default_s=0.01)(make_context(), _hang)


async def test_timeout_none_means_no_limit(make_context: MakeContext) -> None:
    """Without any limit the job just runs."""

    async def handler(_: Context) -> str:
        return "result"

    assert await Timeout()(make_context(), handler) == "result"


async def test_timeout_leaves_the_jobs_own_timeout_error_alone(make_context: MakeContext) -> None:
    """A TimeoutError from a library inside the job is not the job's timeout."""
    own = TimeoutError("the database took too long")

    async def handler(_: Context) -> None:
        raise own

    with pytest.raises(TimeoutError) as raised:
        await Timeout(default_s=60)(make_context(), handler)
    assert raised.value is own


async def test_timeout_lets_a_cancellation_through(make_context: MakeContext) -> None:
    """Cancelled from outside, the attempt ends as cancelled, not as timed out."""
    running = asyncio.Event()

    async def handler(_: Context) -> None:
        running.set()
        await asyncio.Event().wait()

    async def attempt() -> None:
        await Timeout(default_s=60)(make_context(), handler)

    task = asyncio.create_task(attempt())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_timeout_takes_the_result_of_a_job_that_would_not_be_cancelled(
    make_context: MakeContext,
) -> None:
    """A job that swallows its cancellation and returns is done: it does not run again."""

    async def handler(_: Context) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return "never"

    assert await Timeout(default_s=0.01)(make_context(), handler) == "late"
