"""What becomes of a job whose lane has no place, and of those that it drops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Context, JobState, Lane, Unique, job
from runner.admin import Admin
from runner.errors import JobFailedError
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.lanes import set_limit
from runner.operations.why import Cause, why
from tests.redis.test_lanes import leftovers, states
from tests.runner_kit import stage, working

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default", max_retries=1, lane=Lane("account", 1))
async def sync(ctx: Context, account: int, more: int = 0, hold: bool = False) -> int:  # noqa: FBT001, FBT002 -- arguments of a job
    """Note the start, and hold if it is to."""
    stage.runs[account, more] += 1
    stage.started.put(more)
    if hold:
        await asyncio.Event().wait()
    return more * ctx.attempt


@job(queue="default")
async def told(_: Context) -> None:
    """Note that a batch is complete."""
    stage.started.put("complete")


skip = sync.options(lane=Lane("account", 2, at_limit="skip"))
NEWEST = Lane("account", 1, at_limit="newest")
newest = sync.options(lane=NEWEST)
cancel = sync.options(lane=Lane("account", 1, at_limit="cancel_running"))


async def message(handle: JobHandle[int]) -> str:
    """Return why a job was aborted."""
    with pytest.raises(JobFailedError) as caught:
        await handle.result(timeout_s=10)
    assert caught.value.error_type == "CancelledError"
    return str(caught.value)


async def totals(redis: QueueClient) -> dict[bytes, bytes]:
    """Return the counts of calls whose lane had no place."""
    found = await redis.hgetall("arq:metrics:total")  # type: ignore[misc]
    return {name: n for name, n in found.items() if name.endswith((b"skipped", b"dropped"))}


async def test_skipped_job_is_not_there_and_its_caller_knows(
    redis_url: str, redis: QueueClient
) -> None:
    """The handle is that of the lane's last job; no unique key and no batch knows of the other."""
    first, second, third, other = await skip.enqueue_many(
        [{"account": 1, "more": more} for more in range(3)] + [{"account": 2}]
    )
    assert [one.created for one in (first, second, third, other)] == [True, True, False, True]
    assert third.id in {first.id, second.id}
    lane, unique = Lane("account", 2, at_limit="skip"), Unique(on_conflict="raise")
    async with Batch() as batch:
        skipped = await sync.options(lane=lane, unique=unique).enqueue(account=1, more=3)
        chosen = await sync.options(lane=lane, unique=unique, job_id="mine").enqueue(
            account=1, more=4
        )
    assert (skipped.created, chosen.created) == (False, False)
    assert (await batch.progress()).in_all.total == 0
    assert await redis.keys("arq:unique:*") == []
    assert await redis.exists("arq:job:mine", QUEUE + ":unique", QUEUE + ":waiting") == 0
    assert await totals(redis) == {b"default|sync|skipped": b"3"}
    await set_limit(redis, Operator(redis, "Ada"), "default", "sync:3", 0)
    assert not (await skip.enqueue(account=3)).created
    async with working(redis_url, sync):
        assert await second.result(timeout_s=10) == 1
        assert (await skip.enqueue(account=1, more=5)).created


async def test_scheduled_job_takes_no_place_from_one_that_would_be_skipped(
    redis: QueueClient,
) -> None:
    """It makes room, as it does for one that waits."""
    lane = Lane("account", 1, at_limit="skip")
    one, in_an_hour = sync.options(lane=lane), sync.options(lane=lane, delay_s=3600)
    later = await in_an_hour.enqueue(account=1)
    now = await one.enqueue(account=1, more=1)
    assert now.created
    assert not (await one.enqueue(account=1, more=2)).created
    await Admin(redis).delete("default", now.id)
    assert await states(later) == [JobState.SCHEDULED]


async def test_newest_job_drops_those_that_waited_before_it(
    redis_url: str, redis: QueueClient
) -> None:
    """They end as aborted, without a start: batches go on, and unique keys are free."""
    dropped = sync.options(lane=NEWEST, unique=Unique(by=("more",)))
    held = await newest.enqueue(account=1, hold=True)
    later = await sync.options(lane=NEWEST, delay_s=3600).enqueue(account=1, more=9)
    async with Batch(complete=told.call()):
        old = await dropped.enqueue(account=1, more=1)
    last = await newest.enqueue(account=1, more=2)
    assert await states(held, old, last, later) == [
        JobState.READY,
        JobState.READY,
        JobState.WAITING,
        JobState.WAITING,
    ]
    catalog = Catalog.of([sync])
    assert "a newer job took" in (await why(redis, ["default"], old.id, catalog)).sentence
    async with working(redis_url, sync, told, concurrency=5):
        assert f"dropped: {last.id} took its place in its lane" in await message(old)
        assert {await stage.started.next(), await stage.started.next()} == {0, "complete"}
        found = await why(redis, ["default"], old.id, catalog)
        assert (found.cause, "It was dropped" in found.sentence) == (Cause.LANE, True)
        assert await redis.keys("arq:unique:*") == []
        await held.abort()
        assert await last.result(timeout_s=10) == 2
    assert stage.runs[1, 1] == 0
    assert await totals(redis) == {b"default|sync|dropped": b"1"}
    assert await redis.exists(QUEUE + ":dropped") == 0
    await Admin(redis).delete("default", later.id)
    assert await leftovers(redis) == []


async def test_newest_of_many_calls_is_the_one_that_runs(
    redis_url: str, redis: QueueClient
) -> None:
    """The first has the place, the last waits, and all others are dropped."""
    handles = await newest.enqueue_many([{"account": 1, "more": more} for more in range(50)])
    async with working(redis_url, sync, concurrency=5):
        assert await handles[-1].result(timeout_s=10) == 49
        for handle in handles[1:-1]:
            assert "dropped" in await message(handle)
    assert sum(stage.runs.values()) == 2
    assert await redis.exists(QUEUE + ":dropped") == 0
    assert await leftovers(redis) == []


async def test_new_job_takes_the_place_of_one_that_runs(redis_url: str, redis: QueueClient) -> None:
    """The oldest is asked to stop, one that has not started gives way at once."""
    first = await cancel.enqueue(account=1, hold=True)
    second = await cancel.enqueue(account=1, more=1, hold=True)
    assert await states(second) == [JobState.READY]
    async with working(redis_url, sync, concurrency=5, heartbeat_s=0.2, lease_s=2):
        assert await stage.started.next() == 1
        assert "dropped" in await message(first)
        third = await cancel.enqueue(account=1, more=2, hold=True)
        last = await cancel.enqueue(account=1, more=3)
        assert "aborted while running" in await message(second)
        assert "dropped" in await message(third)
        assert await last.result(timeout_s=10) == 3
    assert (stage.runs[1, 0], stage.runs[1, 2]) == (0, 0)
    assert await leftovers(redis) == []


async def test_two_places_go_to_the_two_newest_jobs(redis_url: str, redis: QueueClient) -> None:
    """One that has come for another's place keeps it when a third comes."""
    two = sync.options(lane=Lane("account", 2, at_limit="cancel_running"))
    async with working(redis_url, sync, concurrency=5, heartbeat_s=0.2, lease_s=2):
        old = [await two.enqueue(account=1, more=more, hold=True) for more in (1, 2)]
        assert {await stage.started.next(), await stage.started.next()} == {1, 2}
        new = [await two.enqueue(account=1, more=more) for more in (3, 4)]
        assert [await one.result(timeout_s=10) for one in new] == [3, 4]
        for one in old:
            assert "while running" in await message(one)
    assert await leftovers(redis) == []
