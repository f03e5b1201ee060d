"""Contract 4: exceptions and timeouts cost an attempt: a retry, and at last the dead set."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from runner import Bury, Context, JobState, Retry, job
from runner.errors import JobFailedError
from tests.runner_kit import PATIENCE_S, dead_ids, eventually, history, result_of, working
from tests.runner_kit.workers import is_running

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")


@job(queue="default")
async def fail(ctx: Context, times: int = 99) -> str:
    """Fail a number of times, then succeed."""
    if ctx.attempt <= times:
        raise ValueError(f"failure {ctx.attempt}")
    return f"done in attempt {ctx.attempt}"


@job(queue="default", timeout_s=0.02, max_retries=1)
async def hang(ctx: Context) -> None:
    """Never end."""
    await asyncio.Event().wait()
    raise NotImplementedError(ctx)


@job(queue="default", max_retries=0)
async def once(ctx: Context) -> None:
    """Run without retries."""
    raise ValueError(f"failure {ctx.attempt} of {ctx.max_retries + 1}")


@job(queue="default")
async def bury(ctx: Context) -> None:
    """Decide that a retry would not help."""
    raise Bury("no such channel", ctx.attempt)


@job(queue="default")
async def leave(ctx: Context) -> None:
    """Call `sys.exit`, as a command-line library does."""
    sys.exit(ctx.attempt)


@job(queue="default")
async def cancel_itself(ctx: Context) -> None:
    """Raise a cancellation that nobody asked for."""
    raise asyncio.CancelledError(ctx.attempt)


@job(queue="default")
async def park(ctx: Context) -> str:
    """Ask for more time twice, at no cost."""
    _parked.append(ctx.attempt)
    if len(_parked) < 3:
        raise Retry(0.01, charge=False)
    return f"done in attempt {ctx.attempt}"


@job(queue="default")
async def give(ctx: Context, what: str) -> Any:
    """Return something that has no JSON form."""
    return {"object": object(), "surrogate": "\ud800", "nothing": None}[what] or ctx.missing  # type: ignore[attr-defined]


_parked: list[int] = []


async def _die(handle: JobHandle[Any]) -> JobFailedError:
    with pytest.raises(JobFailedError) as raised:
        await handle.result(timeout_s=PATIENCE_S)
    return raised.value


async def test_failing_job_is_retried_until_it_succeeds(redis_url: str, redis: QueueClient) -> None:
    """Attempts count from 1; the result has the last one, the history those before."""
    async with working(redis_url, fail):
        handle = await fail.enqueue(times=2)
        assert await handle.result(timeout_s=PATIENCE_S) == "done in attempt 3"

    assert (await result_of(redis, handle.id) or {})["t"] == 3
    assert [entry["attempt"] for entry in await history(redis, handle.id)] == [1, 2]


async def test_failing_job_is_retried_max_retries_times_and_then_dead(
    redis_url: str, redis: QueueClient
) -> None:
    """With two retries it runs three times; then it is dead, its history with all three errors."""
    async with working(redis_url, fail, max_retries=2) as one:
        handle = await fail.enqueue()
        error = await _die(handle)
        worker_id = one.id

    assert (error.error_type, error.message) == ("ValueError", "failure 3")
    assert "raise ValueError" in error.traceback
    assert await handle.state() is JobState.DEAD
    assert await dead_ids(redis, "default") == [handle.id]
    entries = await history(redis, handle.id)
    assert [entry["attempt"] for entry in entries] == [1, 2, 3]
    assert [entry["message"] for entry in entries] == [f"failure {n}" for n in (1, 2, 3)]
    assert {entry["worker"] for entry in entries} == {worker_id}
    assert all(entry["started_ms"] <= entry["failed_ms"] for entry in entries)
    assert all("raise ValueError" in entry["traceback"] for entry in entries)
    assert await redis.exists(f"arq:job:{handle.id}") == 1
    assert (one.jobs_retried, one.jobs_failed, one.jobs_complete) == (2, 1, 0)


async def test_failing_job_waits_for_its_backoff(redis_url: str, redis: QueueClient) -> None:
    """Until then it is retrying, and due when its queue's backoff says."""
    delays = {0: 100.0, 1: 0.0}
    async with working(redis_url, fail, backoff=lambda count: delays[count]):
        handle = await fail.enqueue(times=2)
        await eventually(lambda: _is(handle, JobState.RETRYING))

        due_ms = await redis.zscore("arq:queue:default", handle.id)
        assert due_ms == pytest.approx((time.time() + 100) * 1000, abs=2000)
        assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 1


async def test_job_that_hangs_is_timed_out_and_charged(redis_url: str, redis: QueueClient) -> None:
    """A timeout is a failure like any other, and names its limit."""
    async with working(redis_url, hang):
        error = await _die(handle := await hang.enqueue())

    assert error.error_type == "TimeoutError"
    assert error.message == "hang did not end within 0.02 s, its own timeout"
    assert len(await history(redis, handle.id)) == 2


async def test_job_without_retries_is_dead_at_its_first_failure(redis_url: str) -> None:
    """A job's own number overrides its queue's."""
    async with working(redis_url, once, max_retries=5):
        error = await _die(await once.enqueue())

    assert error.message == "failure 1 of 1"


async def test_job_that_buries_itself_is_dead_at_once(redis_url: str, redis: QueueClient) -> None:
    """The history has the reason of `Bury`, and no retry follows."""
    async with working(redis_url, bury):
        error = await _die(handle := await bury.enqueue())

    assert error.error_type == "runner.errors.Bury"
    assert len(await history(redis, handle.id)) == 1


@pytest.mark.parametrize(
    ("odd", "error_type"), [(leave, "SystemExit"), (cancel_itself, "RuntimeError")]
)
async def test_job_that_tries_to_take_its_worker_down_only_fails(
    redis_url: str, odd: Any, error_type: str
) -> None:
    """`sys.exit` and a stray cancellation fail the job; the worker goes on."""
    async with working(redis_url, odd, fail, max_retries=0):
        assert (await _die(await odd.enqueue())).error_type == error_type
        assert (
            await (await fail.enqueue(times=0)).result(timeout_s=PATIENCE_S) == "done in attempt 1"
        )


async def test_job_that_parks_itself_is_not_charged(redis_url: str, redis: QueueClient) -> None:
    """`Retry(charge=False)` leaves the attempt at its number, however often."""
    _parked.clear()
    async with working(redis_url, park, max_retries=0):
        handle = await park.enqueue()
        assert await handle.result(timeout_s=PATIENCE_S) == "done in attempt 1"

    assert _parked == [1, 1, 1]
    assert await history(redis, handle.id) == []


async def test_arguments_that_do_not_fit_bury_the_job(redis_url: str, redis: QueueClient) -> None:
    """A foreign body with wrong arguments is dead at once, with an error that says why."""
    async with working(redis_url, fail):
        stray = await redis.enqueue_job("fail", times="often")
        assert stray is not None
        await eventually(lambda: dead_ids(redis, "default"))

    [entry] = await history(redis, stray.job_id)
    assert entry["error"] == "runner.errors.ArgumentsError"
    assert "times: Input should be a valid integer" in entry["message"]


@pytest.mark.parametrize("what", ["object", "surrogate"])
async def test_result_without_a_json_form_buries_the_job(
    redis_url: str, redis: QueueClient, what: str
) -> None:
    """The job ran, and does not run again for its result: it is dead, with the reason."""
    async with working(redis_url, give) as one:
        error = await _die(handle := await give.enqueue(what))
        assert await redis.zcard("arq:queue:default") == 0
        assert is_running(one)

    assert "result has no JSON form" in error.message
    assert await handle.state() is JobState.DEAD


async def test_retried_job_goes_to_any_worker(redis_url: str) -> None:
    """Redis counts the attempts of a job, not a worker."""
    workers: set[str] = set()

    async def note(ctx: Context, call_next: Any) -> Any:
        workers.add(str(ctx.attempt))
        return await call_next(ctx)

    async with (
        working(redis_url, fail, middleware=(note,), concurrency=1),
        working(redis_url, fail, middleware=(note,), concurrency=1),
    ):
        handles = await fail.enqueue_many([{"times": 2}] * 10)
        for handle in handles:
            assert await handle.result(timeout_s=PATIENCE_S) == "done in attempt 3"

    assert workers == {"1", "2", "3"}


async def _is(handle: JobHandle[Any], state: JobState) -> bool:
    return await handle.state() is state
