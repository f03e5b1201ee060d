"""Jobs that rest because a worker did not know their names: a worker that does claims them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runner import Context, JobState, job
from runner.admin import Admin
from runner.broker import keys
from runner.broker.outage import Outage
from runner.broker.redis_clock import RedisClock
from runner.worker.claim import Claimer
from tests.runner_kit import eventually, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import JobHandle, QueueClient

QUEUE = "default"
KEY = keys.queue_key(QUEUE)


@job(queue=QUEUE)
async def old(ctx: Context) -> int:
    """Stand for a job that all workers know."""
    return ctx.attempt


@job(queue=QUEUE)
async def new(ctx: Context) -> int:
    """Stand for a job that only new workers know."""
    return ctx.attempt


def _claimer(redis: QueueClient, *known: str) -> Claimer:
    return Claimer(
        redis,
        KEY,
        worker_id="w",
        lease_s=30.0,
        outage=Outage("w"),
        stopping=asyncio.Event(),
        redis_clock=RedisClock(),
        known=known,
    )


@pytest.fixture
async def claimer(redis: QueueClient) -> AsyncIterator[Claimer]:
    """Return the claims of a worker that knows the new name."""
    claimer = _claimer(redis, "old", "new")
    yield claimer
    await claimer.close()


async def _rest(redis_url: str, count: int = 1) -> list[JobHandle[int]]:
    """Return jobs that an old worker has put aside for an hour."""
    handles = await new.enqueue_many([{}] * count)
    async with working(redis_url, old, unknown_delay_s=3600.0):
        for handle in handles:
            await eventually(lambda: _rests(handle))  # noqa: B023 -- called at once
    return handles


async def _rests(handle: JobHandle[int]) -> bool:
    return await handle.state() is JobState.SCHEDULED


async def test_resting_job_is_claimed_by_a_worker_that_knows_it(
    redis_url: str, redis: QueueClient, claimer: Claimer
) -> None:
    """Long before its rest ends, and before due jobs; it is due now, at no cost."""
    [resting] = await _rest(redis_url)
    due = await old.enqueue()

    claims = await claimer.claim(10)

    assert [claim.job_id for claim in claims] == [resting.id, due.id]
    now_ms = (await redis.time())[0] * 1000
    assert abs(claims[0].due_ms - now_ms) < 5000
    assert (claims[0].attempts_spent, claims[0].crashes) == (0, 0)
    assert await resting.state() is JobState.RUNNING
    assert await redis.exists(f"{KEY}:unknown") == 0


async def test_resting_job_is_left_by_a_worker_that_does_not_know_it(
    redis_url: str, redis: QueueClient
) -> None:
    """It claims due jobs, and leaves the resting one."""
    [resting] = await _rest(redis_url)
    claimer = _claimer(redis, "old")

    assert await claimer.claim(10) == []

    assert await resting.state() is JobState.SCHEDULED
    await claimer.close()


async def test_resting_jobs_are_claimed_as_many_as_there_are_slots(
    redis_url: str, redis: QueueClient, claimer: Claimer
) -> None:
    """One claim after another takes a slotful, until none is left."""
    handles = await _rest(redis_url, 25)

    claimed = [len(await claimer.claim(10)) for _ in range(3)]

    assert claimed == [10, 10, 5]
    assert {await handle.state() for handle in handles} == {JobState.RUNNING}
    assert await redis.exists(f"{KEY}:unknown") == 0


async def test_resting_job_is_not_claimed_from_a_paused_queue(
    redis_url: str, redis: QueueClient, claimer: Claimer
) -> None:
    """It goes on resting, and is claimed when the queue is resumed."""
    [resting] = await _rest(redis_url)
    await Admin(redis).pause(QUEUE)
    assert await claimer.claim(10) == []

    await Admin(redis).resume(QUEUE)

    assert [claim.job_id for claim in await claimer.claim(10)] == [resting.id]


async def test_resting_job_that_a_stock_worker_took_is_passed_over(
    redis_url: str, redis: QueueClient, claimer: Claimer
) -> None:
    """A stock arq worker does not know of rests: the job that it runs is its own."""
    [resting] = await _rest(redis_url)
    await redis.set(keys.IN_PROGRESS_PREFIX + resting.id, b"1", px=60_000)

    assert await claimer.claim(10) == []
    assert await redis.get(keys.IN_PROGRESS_PREFIX + resting.id) == b"1"


async def test_trace_of_a_job_that_is_gone_is_not_made_a_job(
    redis: QueueClient, claimer: Claimer
) -> None:
    """A stock arq worker that ran the job leaves its rest behind: it is deleted."""
    await redis.hset(f"{KEY}:unknown", "ghost", "new")  # type: ignore[misc]

    assert await claimer.claim(10) == []

    assert await redis.exists(f"{KEY}:unknown", f"{KEY}:running", KEY) == 0
