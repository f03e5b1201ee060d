"""Jobs of one name paused, while the others of their queue go on."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from runner import Context, JobState, Lane, job
from runner.admin import MOST_PAUSED_JOBS, Admin
from runner.errors import ConfigurationError
from runner.operations.catalog import Catalog
from runner.operations.queues import queue
from runner.operations.why import Cause, why
from tests.runner_kit import eventually, stage, working

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default", lane=Lane(by=(), limit=1))
async def held(_: Context, number: int) -> int:
    """Note the start."""
    stage.started.put(number)
    return number


@job(queue="default")
async def other(_: Context, number: int = 0) -> int:
    """Note the start."""
    stage.started.put(number)
    return number


@job(queue="default")
async def slow(_: Context, number: int = 0) -> int:
    """Hold until it is let go."""
    stage.started.put(number)
    await gate.wait()
    return number


gate = asyncio.Event()


async def _parked(*handles: JobHandle[int]) -> bool:
    return all([await one.state() is JobState.PARKED for one in handles])


async def test_jobs_of_a_paused_name_wait_apart_and_the_others_go_on(
    redis_url: str, redis: QueueClient
) -> None:
    """From the next claim on; resumed, they run as they were due, at once."""
    admin, free = Admin(redis), held.options(lane=False)
    async with working(redis_url, held, other, concurrency=2):
        await admin.pause_job("default", "held", by="Ada")
        handles = [await free.enqueue(number) for number in range(3)]
        assert await (await other.enqueue(9)).result(timeout_s=10) == 9
        await eventually(partial(_parked, *handles))
        found = await why(redis, ["default"], handles[0].id, Catalog.of([held]))
        assert found.cause is Cause.PAUSED
        assert found.sentence.startswith("Jobs named held were paused by Ada at ")
        assert found.remedy == "Resume them: pipeline queues resume default --job held."
        counted = await queue(redis, "default")
        assert [(one.name, one.by) for one in counted.paused_jobs] == [("held", "Ada")]
        assert (counted.parked, counted.ready) == (3, 0)
        await admin.resume_job("default", "held")
        assert [await one.result(timeout_s=10) for one in handles] == [0, 1, 2]
    assert [await stage.started.next() for _ in range(4)] == [9, 0, 1, 2]
    assert await redis.exists(QUEUE + ":paused-jobs", QUEUE + ":parked") == 0


async def test_pause_holds_what_was_claimed_but_has_not_started(
    redis_url: str, redis: QueueClient
) -> None:
    """What runs goes on; a job that waits for a slot of its worker does not start any more."""
    gate.clear()
    admin = Admin(redis)
    async with working(redis_url, slow, other, concurrency=2):
        first = [await slow.enqueue(number) for number in range(5)]
        assert {await stage.started.next(), await stage.started.next()} == {0, 1}
        await admin.pause_job("default", "slow")
        gate.set()
        assert [await one.result(timeout_s=10) for one in first[:2]] == [0, 1]
        await other.enqueue(9)
        await eventually(partial(_parked, *first[2:]))
        await admin.resume_job("default", "slow")
        assert [await one.result(timeout_s=10) for one in first[2:]] == [2, 3, 4]


async def test_paused_job_keeps_its_place_in_its_lane_and_its_delay(
    redis_url: str, redis: QueueClient
) -> None:
    """So the next of the lane waits behind it; what is not due stays scheduled."""
    admin = Admin(redis)
    await admin.pause_job("default", "held")
    later = await held.options(lane=False, delay_s=3600).enqueue(7)
    first, second = [await held.enqueue(number) for number in (1, 2)]
    async with working(redis_url, held):
        await eventually(partial(_parked, first))
        assert [await one.state() for one in (later, second)] == [
            JobState.SCHEDULED,
            JobState.WAITING,
        ]
        await admin.resume_job("default", "held")
        assert await second.result(timeout_s=10) == 2


async def test_so_many_names_of_a_queue_are_paused_and_no_more(redis: QueueClient) -> None:
    """Each claim reads them."""
    admin = Admin(redis)
    names = {f"name{number}": b"Ada" for number in range(MOST_PAUSED_JOBS)}
    await redis.hset(QUEUE + ":paused-jobs", mapping=names)  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match="100 names of default are paused: pause the"):
        await admin.pause_job("default", "held")
    with pytest.raises(ConfigurationError, match="job is empty"):
        await admin.pause_job("default", "")
    assert {one.by for one in (await queue(redis, "default")).paused_jobs} == {"Ada"}
