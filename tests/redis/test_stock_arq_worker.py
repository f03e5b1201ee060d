"""Our client and a stock arq worker: a service may move to `@job` before its workers do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from arq.worker import Retry

from runner import Context, JobState, job
from runner.errors import JobFailedError
from tests.runner_kit import PATIENCE_S, eventually, working
from tests.stock_arq import named, stock_working

if TYPE_CHECKING:
    from runner import QueueClient
    from runner.handle import JobHandle

QUEUE = "arq:queue:migration"


@job(queue="migration")
async def act(ctx: Context, a: int) -> int:
    """Stand for the job that our workers would run."""
    del ctx, a
    raise AssertionError("a stock worker runs its own function of that name")


@job(queue="migration")
async def attempt_number(ctx: Context) -> int:
    """Return the number of this attempt."""
    return ctx.attempt


async def _act(ctx: dict[Any, Any], a: int) -> int:
    assert ctx["job_try"] == 1
    return a + 1


async def _fail(_ctx: dict[Any, Any], a: int) -> None:
    raise ValueError(f"no channel {a}")


async def _state(handle: JobHandle[Any], expected: JobState) -> bool:
    return await handle.state() is expected


@pytest.mark.usefixtures("redis")
async def test_stock_worker_runs_a_job_of_ours(redis_url: str) -> None:
    """A stock worker runs what `@job` enqueued, and our handle reads its result."""
    async with stock_working(redis_url, QUEUE, [named("act", _act)]) as worker:
        handle = await act.enqueue(a=4)
        assert await handle.result(timeout_s=PATIENCE_S) == 5
        assert await handle.state() is JobState.DONE
        assert (worker.jobs_complete, worker.jobs_failed) == (1, 0)


async def test_stock_worker_runs_what_enqueue_job_put_in(
    redis_url: str, redis: QueueClient
) -> None:
    """`QueueClient.enqueue_job` returns what arq's does: a job whose `result()` waits."""
    async with stock_working(redis_url, QUEUE, [named("act", _act)]):
        handle = await redis.enqueue_job("act", 2, _queue_name=QUEUE)
        assert handle is not None
        assert await handle.result(timeout=PATIENCE_S, poll_delay=0.01) == 3


async def test_stock_worker_runs_bulk_in_order(redis_url: str, redis: QueueClient) -> None:
    """Scores with fractions of a millisecond do no harm to arq."""
    seen: list[int] = []

    async def note(_ctx: dict[Any, Any], a: int) -> None:
        seen.append(a)

    await act.enqueue_many([{"a": number} for number in range(50)])
    async with stock_working(redis_url, QUEUE, [named("act", note)], max_jobs=1):
        await eventually(lambda: _is_empty(redis))
    assert seen == list(range(50))


async def test_stock_worker_keeps_a_delay(redis_url: str, redis: QueueClient) -> None:
    """A delayed job waits there, too."""
    handle = await act.options(delay_s=3600).enqueue(a=1)
    async with stock_working(redis_url, QUEUE, [named("act", _act)]):
        await asyncio.sleep(0.2)
        assert await handle.state() is JobState.SCHEDULED
        assert await redis.zcard(QUEUE) == 1


@pytest.mark.usefixtures("redis")
async def test_stock_worker_shows_a_failure_to_our_handle(redis_url: str) -> None:
    """An error raised there is raised by our `result()`, with type, message and traceback."""
    async with stock_working(redis_url, QUEUE, [named("act", _fail)]):
        handle = await act.enqueue(a=1)
        with pytest.raises(JobFailedError, match="ValueError: no channel 1") as caught:
            await handle.result(timeout_s=PATIENCE_S)
    assert "_fail" in caught.value.traceback


@pytest.mark.usefixtures("redis")
async def test_stock_worker_shows_that_a_job_runs(redis_url: str) -> None:
    """Our handle says running for a job that a stock worker holds."""
    go = asyncio.Event()

    async def wait(_ctx: dict[Any, Any], a: int) -> int:
        await go.wait()
        return a

    async with stock_working(redis_url, QUEUE, [named("act", wait)]):
        handle = await act.enqueue(a=1)
        await eventually(lambda: _state(handle, JobState.RUNNING))
        go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == 1


@pytest.mark.usefixtures("redis")
async def test_stock_worker_aborts_what_we_abort(redis_url: str) -> None:
    """`JobHandle.abort()` reaches a stock worker with `allow_abort_jobs`."""
    started = asyncio.Event()

    async def wait(_ctx: dict[Any, Any], a: int) -> None:
        started.set()
        await asyncio.sleep(3600 * a)

    options: dict[str, Any] = {"allow_abort_jobs": True}
    async with stock_working(redis_url, QUEUE, [named("act", wait)], **options) as worker:
        handle = await act.enqueue(a=1)
        await asyncio.wait_for(started.wait(), 5)
        await handle.abort()
        with pytest.raises(JobFailedError, match="CancelledError"):
            await handle.result(timeout_s=PATIENCE_S)
        assert worker.jobs_failed == 1


async def test_attempts_go_on_from_one_worker_to_the_other(
    redis_url: str, redis: QueueClient
) -> None:
    """A try that a stock worker spent is spent for ours: both use the same key."""

    async def again(_ctx: dict[Any, Any]) -> None:
        raise Retry(defer=0.3)

    handle = await attempt_number.enqueue()
    async with stock_working(redis_url, QUEUE, [named("attempt_number", again)]) as worker:
        await eventually(lambda: redis.exists(f"arq:retry:{handle.id}"))
        await eventually(lambda: _retried(worker))
    async with working(redis_url, attempt_number, idle_poll_s=0.05):
        assert await handle.result(timeout_s=PATIENCE_S) == 2


async def _is_empty(redis: QueueClient) -> bool:
    return not await redis.zcard(QUEUE)


async def _retried(worker: Any) -> bool:
    return bool(worker.jobs_retried)
