"""What an operator may do to a queue: pause and resume it, run or delete all its dead jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runner import Batch, Context, JobState, job
from runner.admin import Admin
from runner.broker import keys
from runner.operations.actions import Operator, Request
from runner.operations.bulk import Bulk, Selection
from runner.operations.catalog import Catalog
from runner.operations.search import Filter
from runner.operations.verbs import Action
from tests.runner_kit import PATIENCE_S, eventually, soon, stage, working

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

QUEUE = "default"
KEY = keys.ARQ.queue_key(QUEUE)
MANY = 1000


@pytest.fixture
def admin(redis: QueueClient) -> Admin:
    """Return the operator's actions."""
    return Admin(redis)


@job(queue=QUEUE)
async def act(ctx: Context, number: int = 0) -> int:
    """Report the start, and wait."""
    await stage.hold(number)
    return ctx.attempt


@job(queue=QUEUE, max_retries=0)
async def die(ctx: Context, number: int = 0) -> None:
    """Fail for good."""
    raise LookupError(f"{ctx.job_id} {number}")


async def _many_dead(redis_url: str, redis: QueueClient, batch: Batch) -> list[JobHandle[None]]:
    with batch.joined():
        handles = await die.enqueue_many([{"number": n} for n in range(MANY)])
    async with working(redis_url, die, concurrency=100):
        await eventually(lambda: _dead(redis, MANY))
    return handles


async def _dead(redis: QueueClient, count: int) -> bool:
    return bool(await redis.zcard(KEY + ":dead") == count)


async def _do_to_all_dead(redis: QueueClient, action: Action) -> int:
    """Act as pages, API and commands do; return how many jobs that reached."""
    selection = Selection(QUEUE, JobState.DEAD, Filter())
    bulk = Bulk(redis, Operator(redis, "ada"), Request(action), selection)
    return (await bulk.run(Catalog(), total=0)).acted


async def test_running_all_dead_makes_a_thousand_ready(redis_url: str, redis: QueueClient) -> None:
    """Each has its attempts back; they are counted; a second call finds none."""
    batch = Batch()
    handles = await _many_dead(redis_url, redis, batch)

    assert await _do_to_all_dead(redis, Action.RUN) == MANY

    assert await redis.zcard(KEY) == MANY
    spent = [await redis.get(keys.ARQ.retry_prefix + handle.id) for handle in handles]
    assert {int(one or 0) for one in spent} == {0}
    assert {await handle.state() for handle in handles[::100]} == {JobState.READY}
    progress = (await batch.progress(redis)).queues[QUEUE]
    assert (progress.total, progress.dead, progress.waiting) == (MANY, 0, MANY)
    assert await batch.dead_jobs(redis) == []
    assert await _do_to_all_dead(redis, Action.RUN) == 0


async def test_deleting_all_dead_leaves_nothing_of_a_thousand(
    redis_url: str, redis: QueueClient
) -> None:
    """Bodies, histories, counters and results are gone; other jobs are left alone."""
    batch = Batch()
    await _many_dead(redis_url, redis, batch)
    with batch.joined():
        other = await act.enqueue()

    assert await _do_to_all_dead(redis, Action.DELETE) == MANY

    assert await other.state() is JobState.READY
    left = {key.decode() for key in await redis.keys()}
    allowed = {KEY, KEY + ":wake", keys.ARQ.job_prefix + other.id, keys.ARQ.batch_prefix + batch.id}
    allowed.add(f"{keys.ARQ.batch_prefix}{batch.id}:pending")
    beside = (
        keys.ARQ.queues,
        keys.ARQ.batches,
        keys.ARQ.ticks,
        keys.ARQ.fence,
        keys.ARQ.metrics,
        "arq:poll",
        keys.ARQ.audit,
        keys.ARQ.bulk_prefix,
    )
    assert {key for key in left if not key.startswith(beside)} <= allowed
    progress = (await batch.progress(redis)).queues[QUEUE]
    assert (progress.total, progress.dead, progress.waiting) == (1, 0, 1)
    assert await _do_to_all_dead(redis, Action.DELETE) == 0


async def test_running_all_dead_runs_each_once_though_they_die_again(
    redis_url: str, redis: QueueClient
) -> None:
    """Jobs that die during the call stay dead, or it would never return."""
    handles = await die.enqueue_many([{"number": n} for n in range(300)])
    async with working(redis_url, die, concurrency=50):
        await eventually(lambda: _dead(redis, 300))

        assert await soon(_do_to_all_dead(redis, Action.RUN)) == 300

        await eventually(lambda: _dead(redis, 300))
        await eventually(lambda: _ran_twice(redis, handles))


async def _ran_twice(redis: QueueClient, handles: list[JobHandle[None]]) -> bool:
    counts = [await redis.llen(keys.ARQ.history_prefix + handle.id) for handle in handles]  # type: ignore[misc]
    assert max(counts) <= 2
    return set(counts) == {2}


async def test_dead_jobs_are_read_page_by_page_the_latest_first(
    redis_url: str, redis: QueueClient, admin: Admin
) -> None:
    """All thousand, each once, with its arguments and error; or as many as asked for."""
    handles = await _many_dead(redis_url, redis, Batch())

    dead = [one async for one in admin.dead_jobs(QUEUE)]

    assert {one.job_id for one in dead} == {handle.id for handle in handles}
    assert len(dead) == MANY
    died = [one.died_at for one in dead]
    assert died == sorted(died, reverse=True)
    first = dead[0]
    assert (first.queue, first.name, first.error, first.attempts) == (
        QUEUE,
        "die",
        "LookupError",
        1,
    )
    assert first.message == f"{first.job_id} {first.kwargs['number']}"
    assert len([one async for one in admin.dead_jobs(QUEUE, limit=250)]) == 250
    assert [one async for one in admin.dead_jobs(QUEUE, limit=0)] == []


async def test_paused_queue_is_not_claimed_from(
    redis_url: str, redis: QueueClient, admin: Admin
) -> None:
    """Running jobs go on, new ones wait; pausing twice changes nothing; a resume starts them."""
    async with working(redis_url, act):
        running = await act.enqueue(1)
        assert await stage.started.next() == 1
        await admin.pause(QUEUE, by="anna")
        await admin.pause(QUEUE, by="ben")
        waiting = await act.enqueue(2)
        stage.go.set()
        assert await running.result(timeout_s=PATIENCE_S) == 1
        await asyncio.sleep(0.05)  # time enough for a claim, if one were made
        assert await waiting.state() is JobState.READY

        await admin.resume(QUEUE)

        assert await stage.started.next() == 2
        assert await waiting.result(timeout_s=PATIENCE_S) == 1
        await admin.resume(QUEUE)
    assert await redis.exists(KEY + ":paused") == 0


@pytest.mark.usefixtures("redis")
async def test_pause_outlives_workers(redis_url: str, admin: Admin) -> None:
    """A worker that starts in a paused queue claims nothing either."""
    await admin.pause(QUEUE)
    handle = await act.enqueue(1)
    async with working(redis_url, act, idle_poll_s=0.01):
        await asyncio.sleep(0.05)  # several polls
        assert await handle.state() is JobState.READY

        await admin.resume(QUEUE)

        await stage.started.next()


async def test_resume_wakes_every_idle_worker(
    redis_url: str, redis: QueueClient, admin: Admin
) -> None:
    """All of them take jobs of the backlog, not only the first to wake up."""
    one_slot: dict[str, Any] = {"concurrency": 1}
    async with (
        working(redis_url, act, **one_slot) as first,
        working(redis_url, act, **one_slot) as second,
        working(redis_url, act, **one_slot) as third,
    ):
        await admin.pause(QUEUE)
        await act.enqueue_many([{"number": n} for n in range(3)])
        await eventually(lambda: _wake_list_is_empty(redis))

        await admin.resume(QUEUE)

        assert {await stage.started.next() for _ in range(3)} == {0, 1, 2}
        assert [len(one.tasks) for one in (first, second, third)] == [1, 1, 1]


async def _wake_list_is_empty(redis: QueueClient) -> bool:
    return not await redis.exists(KEY + ":wake")


async def test_resume_leaves_a_bounded_wake_list(redis: QueueClient, admin: Admin) -> None:
    """The list stays short however often a queue without workers is resumed."""
    for _ in range(5):
        await admin.resume(QUEUE)
    assert await redis.llen(KEY + ":wake") == keys.WAKE_TOKENS  # type: ignore[misc]
