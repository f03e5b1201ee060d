"""Pick-up: an idle worker starts what is enqueued at once, and what is scheduled at its time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runner import Context, Retry, job
from runner.admin import Admin
from runner.broker.script_connection import _SILENCE_S
from tests.runner_kit import (
    at_rest,
    claims_made,
    eventually,
    note_rests,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
FOR_EVER_S = 86_400.0
"""No test here can wait for a poll."""


@job(queue="default")
async def act(ctx: Context, name: str = "x") -> None:
    """Report the start."""
    stage.started.put(name)
    if name == "again" and ctx.attempt == 1:
        raise Retry(0.05)


async def test_enqueued_job_starts_at_once_on_an_idle_worker(redis_url: str) -> None:
    """With a poll once a day, jobs start within milliseconds."""
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S) as one:
        delays_s = []
        for _ in range(20):
            await at_rest(one)
            await act.enqueue()
            enqueued = time.time()
            await stage.started.next()
            delays_s.append(stage.started.times[-1] - enqueued)

    assert min(delays_s) < 0.05  # a loaded machine only adds to what it takes


async def test_job_enqueued_as_a_worker_goes_to_rest_is_not_missed(redis_url: str) -> None:
    """There is no moment between the last claim and the rest in which a job is missed."""
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S, concurrency=1):
        for number in range(200):
            await act.enqueue(str(number))
            assert await stage.started.next() == str(number)


async def test_every_idle_worker_takes_its_share(redis_url: str) -> None:
    """Jobs that are enqueued together wake as many workers."""

    async def wait(ctx: Context, call_next: object) -> None:
        await stage.hold(ctx.job_id)
        del call_next

    ways = {"idle_poll_s": FOR_EVER_S, "concurrency": 1, "middleware": (wait,)}
    async with (
        working(redis_url, act, **ways),
        working(redis_url, act, **ways),
        working(redis_url, act, **ways),
    ):
        await act.enqueue_many([{}] * 3)
        assert len({await stage.started.next() for _ in range(3)}) == 3
        stage.go.set()


async def test_scheduled_job_starts_at_its_time(redis_url: str) -> None:
    """Not before, and soon after: a resting worker wakes up for it."""
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S) as one:
        await at_rest(one)
        due = datetime.now(UTC) + timedelta(seconds=0.2)
        await act.options(at=due).enqueue("timed")
        await act.options(delay_s=0.3).enqueue("delayed")

        assert await stage.started.next() == "timed"
        assert -0.002 < stage.started.times[0] - due.timestamp() < 5.0
        assert await stage.started.next() == "delayed"


async def test_earlier_job_goes_before_one_that_was_scheduled_first(redis_url: str) -> None:
    """A resting worker wakes up earlier when a job is enqueued that is due sooner."""
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S) as one:
        await act.options(delay_s=3600).enqueue("late")
        await at_rest(one)
        await act.options(delay_s=0.1).enqueue("early")

        assert await stage.started.next() == "early"


async def test_retried_job_starts_at_its_time(redis_url: str) -> None:
    """A resting worker knows when the job that it retries is due."""
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S):
        await act.enqueue("again")
        await stage.started.next()
        await stage.started.next()

    first, second = stage.started.times
    assert 0.045 < second - first < 1


async def test_resumed_queue_starts_at_once(redis_url: str, redis: QueueClient) -> None:
    """A pause keeps jobs from being claimed, a resume wakes resting workers."""
    admin = Admin(redis)
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S) as one:
        await admin.pause("default", by="a test")
        await act.enqueue()
        await eventually(lambda: claims_made(one) >= 2)
        await at_rest(one)
        assert not stage.started.unread()
        await admin.resume("default")
        await stage.started.next()


async def test_job_run_by_hand_starts_at_once(redis_url: str, redis: QueueClient) -> None:
    """A waiting job that an operator runs now does not wait for a poll either."""
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S) as one:
        handle = await act.options(delay_s=3600).enqueue()
        await at_rest(one)
        await Admin(redis).run_now("default", handle.id)
        await stage.started.next()


async def test_job_put_in_by_other_means_is_found_by_polling(
    redis_url: str, redis: QueueClient
) -> None:
    """A job without a wake token starts within the poll delay."""
    async with working(redis_url, act, idle_poll_s=0.05):
        body = b'{"t":null,"f":"act","a":["foreign"],"k":{},"et":1}'
        await redis.set("arq:job:foreign", body)
        await redis.zadd(QUEUE, {"foreign": time.time() * 1000})

        assert await stage.started.next() == "foreign"


async def test_worker_rests_longer_than_a_connection_may_wait_for_an_answer(
    redis_url: str,
) -> None:
    """A long rest is a series of short ones, so no connection times out."""
    one = worker(redis_url, act, idle_poll_s=FOR_EVER_S)
    await start(one)
    rests_s = note_rests(one)
    await act.enqueue()
    await stage.started.next()
    await at_rest(one)
    await stop(one)

    assert rests_s
    assert max(rests_s) < _SILENCE_S


async def test_backlog_is_worked_off_without_rests(redis_url: str) -> None:
    """A worker with more jobs than slots never waits for a wake-up between them."""
    await act.enqueue_many([{"name": str(n)} for n in range(300)])
    async with working(redis_url, act, idle_poll_s=FOR_EVER_S, concurrency=2):
        names = [await stage.started.next() for _ in range(300)]

    assert names == [str(n) for n in range(300)]
