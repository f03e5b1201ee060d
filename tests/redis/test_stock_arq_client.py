"""A stock arq client and our worker: what arq's own API returns of our queues is true."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from arq.connections import RedisSettings
from arq.jobs import Job, JobStatus, ResultNotFound
from arq.worker import async_check_health

from runner import Bury, Context, JobState, Retry, codec, job
from runner.errors import JobFailedError
from runner.handle import JobHandle
from tests.runner_kit import (
    PATIENCE_S,
    dead_ids,
    eventually,
    soon,
    stage,
    start,
    stop,
    worker,
    working,
)
from tests.stock_arq import stock_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from arq.connections import ArqRedis

    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:migration"
LOST = "0" * 32
POLL_S = 0.01


@job(queue="migration")
async def add(ctx: Context, a: int, b: int = 1) -> int:
    """Add two numbers."""
    del ctx
    return a + b


@job(queue="migration", max_retries=0)
async def fail(ctx: Context) -> None:
    """Fail for good."""
    del ctx
    raise Bury("no such channel")


@job(queue="migration")
async def attempt_number(ctx: Context) -> int:
    """Return the number of this attempt."""
    return ctx.attempt


@job(queue="migration")
async def sleep(ctx: Context) -> None:
    """Run until somebody stops it."""
    del ctx
    await stage.hold()


@pytest.fixture
async def stock(redis_url: str) -> AsyncIterator[ArqRedis]:
    """Return a stock client of the empty Redis."""
    async with stock_client(redis_url, QUEUE) as client:
        yield client


async def _enqueue(client: ArqRedis, name: str, *args: Any, **kwargs: Any) -> Job:
    handle = await client.enqueue_job(name, *args, **kwargs)
    assert handle is not None
    return handle


async def _status(handle: Job, expected: JobStatus) -> bool:
    return await handle.status() is expected


async def test_stock_client_gets_the_result(redis_url: str, stock: ArqRedis) -> None:
    """What a stock client enqueues runs here, and `Job.result()` returns its result."""
    async with working(redis_url, add, idle_poll_s=POLL_S) as one:
        handle = await _enqueue(stock, "add", 2, b=3)
        assert await handle.result(timeout=PATIENCE_S, poll_delay=POLL_S) == 5

        info = await handle.result_info()
        assert info is not None
        assert (info.function, list(info.args), info.kwargs) == ("add", [2], {"b": 3})
        assert (info.success, info.job_try, info.queue_name) == (True, 1, QUEUE)
        assert info.job_id == handle.job_id
        assert info.enqueue_time <= info.start_time <= info.finish_time
        assert one.jobs_complete == 1


async def test_stock_client_sees_each_status(redis_url: str, stock: ArqRedis) -> None:
    """`Job.status()` is deferred, queued, in progress, complete or not found."""
    later = await _enqueue(stock, "add", 1, _defer_by=timedelta(hours=1))
    assert await later.status() is JobStatus.deferred
    now = await _enqueue(stock, "sleep")
    assert await now.status() is JobStatus.queued
    assert await Job("nobody", stock, _queue_name=QUEUE).status() is JobStatus.not_found

    async with working(redis_url, add, sleep, idle_poll_s=POLL_S):
        await stage.started.next()
        assert await now.status() is JobStatus.in_progress
        done = await _enqueue(stock, "add", 1)
        await eventually(lambda: _status(done, JobStatus.complete))
        assert await later.status() is JobStatus.deferred


async def test_stock_client_reads_what_waits(redis: QueueClient, stock: ArqRedis) -> None:
    """`Job.info()` and `queued_jobs()` read the jobs that our client enqueued."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    handle = await add.options(at=at, job_id="mine").enqueue(a=1)
    assert await redis.enqueue_job("add", 2, _queue_name=QUEUE) is not None

    info = await Job(handle.id, stock, QUEUE, codec.loads).info()
    assert info is not None
    assert (info.function, info.kwargs["a"]) == ("add", 1)
    assert info.score == int(at.timestamp() * 1000)
    assert {waiting.function for waiting in await stock.queued_jobs()} == {"add"}
    assert len(await stock.queued_jobs()) == 2


async def test_stock_client_gets_the_error(redis_url: str, stock: ArqRedis) -> None:
    """`Job.result()` of our failed job raises, with type and message of its error."""
    async with working(redis_url, fail, idle_poll_s=POLL_S):
        handle = await _enqueue(stock, "fail")
        with pytest.raises(JobFailedError, match="no such channel") as caught:
            await handle.result(timeout=PATIENCE_S, poll_delay=POLL_S)

        assert caught.value.error_type == "runner.errors.Bury"
        assert [result.success for result in await stock.all_job_results()] == [False]


async def test_stock_client_aborts_a_running_job(redis_url: str, stock: ArqRedis) -> None:
    """`Job.abort()` returns True when the running job was cancelled, and nothing of it is left."""
    async with working(redis_url, sleep, idle_poll_s=POLL_S):
        handle = await _enqueue(stock, "sleep")
        await stage.started.next()

        assert await handle.abort(timeout=PATIENCE_S, poll_delay=POLL_S)
        with pytest.raises(asyncio.CancelledError):
            await handle.result(timeout=PATIENCE_S)
        assert await stock.zcard(QUEUE) == 0
        assert await stock.zcard("arq:abort") == 0


async def test_stock_client_aborts_a_deferred_job(redis_url: str, stock: ArqRedis) -> None:
    """
    A deferred job that is aborted never starts.

    Stock arq moves it to the head of the queue, and without `allow_abort_jobs` runs it at once.
    """
    handle = await _enqueue(stock, "sleep", _defer_by=3600)
    asked = asyncio.create_task(handle.abort(timeout=PATIENCE_S, poll_delay=POLL_S))
    await eventually(lambda: stock.zcard("arq:abort"))
    async with working(redis_url, sleep, idle_poll_s=POLL_S, allow_abort_jobs=False):
        assert await soon(asked)
    assert not stage.started.unread()


async def test_stock_client_is_refused_an_id_in_use(redis_url: str, stock: ArqRedis) -> None:
    """As in arq: while the job waits, and while its result is kept."""
    handle = await add.options(job_id="one", queue=QUEUE).enqueue(a=1)
    assert handle.created
    assert await stock.enqueue_job("add", 1, _job_id="one") is None
    async with working(redis_url, add):
        assert await handle.result(timeout_s=PATIENCE_S) == 2
    assert await stock.enqueue_job("add", 1, _job_id="one") is None


async def test_same_call_in_the_same_millisecond_is_refused(redis: QueueClient) -> None:
    """Of callers that ask for the same at the same time, one gets a job, the others None."""
    calls = [redis.enqueue_job("add", 1, _job_id="one", _queue_name=QUEUE) for _ in range(8)]
    answers = await asyncio.gather(*calls)
    handles = [await add.options(job_id="two").enqueue(a=1) for _ in range(8)]

    assert sum(answer is not None for answer in answers) == 1
    assert sum(handle.created for handle in handles) == 1
    assert await redis.zcard(QUEUE) == 2


async def test_stock_client_may_name_the_try(redis_url: str, stock: ArqRedis) -> None:
    """`_job_try=3` is the third attempt here, though arq writes it only into the body."""
    async with working(redis_url, attempt_number, idle_poll_s=POLL_S):
        handle = await _enqueue(stock, "attempt_number", _job_try=3)
        assert await handle.result(timeout=PATIENCE_S, poll_delay=POLL_S) == 3


async def test_body_that_a_stock_client_let_expire_shows(redis_url: str, stock: ArqRedis) -> None:
    """arq logs a line and deletes such a job; here it is in the dead set."""
    await stock.zadd(QUEUE, {LOST: 1})
    async with working(redis_url, add, idle_poll_s=POLL_S):
        assert await eventually(lambda: dead_ids(stock, "migration")) == [LOST]


async def test_retry_of_ours_is_read_by_the_stock_client(redis_url: str, stock: ArqRedis) -> None:
    """Between two attempts a job is deferred in arq's terms, retrying in ours."""

    @job(queue="migration", name="again")
    async def again(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise Retry(3600)
        return ctx.attempt

    async with working(redis_url, again, idle_poll_s=POLL_S):
        handle = await _enqueue(stock, "again")
        await eventually(lambda: _status(handle, JobStatus.deferred))
        ours: JobHandle[int] = JobHandle(handle.job_id, "migration")
        assert await ours.state() is JobState.RETRYING


async def test_result_not_kept_is_not_found(redis_url: str, stock: ArqRedis) -> None:
    """As in arq: waiting for a result that is not kept ends when the job has ended."""
    async with working(redis_url, add, idle_poll_s=POLL_S, keep_result_s=0):
        handle = await _enqueue(stock, "add", 1)
        with pytest.raises(ResultNotFound):
            await handle.result(timeout=PATIENCE_S, poll_delay=POLL_S)


async def test_arq_check_passes_while_a_worker_lives(
    redis_url: str, stock: ArqRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """`arq --check` fails without workers, but not because one of two has left."""
    caplog.set_level(logging.INFO, logger="arq.worker")
    where = RedisSettings.from_dsn(redis_url)
    first, second = worker(redis_url, add), worker(redis_url, add)
    assert await async_check_health(where, queue_name=QUEUE) == 1

    await start(first)
    await start(second)
    assert await async_check_health(where, queue_name=QUEUE) == 0
    assert "j_complete=0 j_failed=0 j_retried=0 j_ongoing=0 queued=0" in caplog.text
    await stop(first)
    assert await async_check_health(where, queue_name=QUEUE) == 0
    await stop(second)
    assert await async_check_health(where, queue_name=QUEUE) == 1
    assert await stock.keys("arq:worker:*") == []
