"""Batches: exact counts of jobs that belong together, whatever dies in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runner import Batch, BatchProgress, Bury, Context, QueueProgress, Retry, job
from runner.admin import Admin
from tests.runner_kit import (
    PATIENCE_S,
    eventually,
    lose_answers_to_enqueues,
    lose_answers_to_settles,
    mortal,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")


@job(queue="default")
async def leaf(ctx: Context, how: str = "done") -> None:
    """Do what *how* says."""
    match how:
        case "once" if ctx.attempt == 1:
            raise ValueError("not yet")
        case "park" if not stage.go.is_set():
            stage.go.set()
            raise Retry(0.01, charge=False)
        case "bury":
            raise Bury("no such channel")
        case "wait":
            await stage.hold()


@job(queue="analytics")
async def root(ctx: Context, leaves: int) -> None:
    """Enqueue others, in two ways."""
    await leaf.enqueue_many([{}] * (leaves - 1))
    await leaf.options(delay_s=0.01).enqueue("once")
    assert ctx.batch_id is not None


async def _finished(batch: Batch, redis: QueueClient) -> BatchProgress:
    async with asyncio.timeout(PATIENCE_S):
        async for progress in batch.follow(redis, every_s=0.01):
            last = progress
    return last


async def test_batch_counts_jobs_by_queue_and_by_how_they_ended(
    redis_url: str, redis: QueueClient
) -> None:
    """Done, dead and retries are exact, and the batch has finished when no job is left."""
    batch = Batch()
    with batch.joined():
        await leaf.enqueue_many([{}, {}, {"how": "once"}, {"how": "bury"}])
    assert (await batch.progress(redis)).waiting == 4
    async with working(redis_url, leaf):
        progress = await _finished(batch, redis)

    assert progress == BatchProgress({"default": QueueProgress(total=4, done=3, dead=1, retries=1)})
    assert (progress.waiting, progress.dead, progress.retries) == (0, 1, 1)


async def test_batch_takes_in_what_its_jobs_enqueue(redis_url: str, redis: QueueClient) -> None:
    """A tree of jobs across queues is one batch, which its last leaf finishes."""
    batch = Batch()
    with batch.joined():
        await root.enqueue(leaves=5)
    await leaf.enqueue()  # belongs to nobody
    async with working(redis_url, root), working(redis_url, leaf):
        progress = await _finished(batch, redis)

    assert progress.queues == {
        "analytics": QueueProgress(total=1, done=1),
        "default": QueueProgress(total=5, done=5, retries=1),
    }


async def test_batch_lists_its_dead_jobs(redis_url: str, redis: QueueClient) -> None:
    """Queue and id of each of its own dead jobs, and of no other batch's."""
    batch, other = Batch(), Batch()
    with batch.joined():
        handle = await leaf.enqueue("bury")
    with other.joined():
        await leaf.enqueue("bury")
    async with working(redis_url, leaf):
        await _finished(batch, redis)
        await _finished(other, redis)

    assert await batch.dead_jobs(redis) == [("default", handle.id)]


async def test_batch_counts_a_job_that_is_run_from_the_dead_set_again(
    redis_url: str, redis: QueueClient
) -> None:
    """The job waits again, then is done, and no longer counts as dead."""
    batch = Batch()
    async with working(redis_url, leaf, max_retries=0):
        with batch.joined():
            handle = await leaf.enqueue("once")
        assert (await _finished(batch, redis)).dead == 1
        body = await redis.get(f"arq:job:{handle.id}")
        await redis.set(f"arq:job:{handle.id}", (body or b"").replace(b'"once"', b'"done"'))
        await Admin(redis).run_now("default", handle.id)
        await eventually(lambda: _done(batch, redis))

    assert (await batch.progress(redis)).queues["default"] == QueueProgress(total=1, done=1)
    assert await batch.dead_jobs(redis) == []


async def test_batch_does_not_wait_for_aborted_and_deleted_jobs(redis: QueueClient) -> None:
    """Jobs that will never run do not count as waiting."""
    batch = Batch()
    with batch.joined():
        aborted, deleted = await leaf.enqueue(), await leaf.enqueue()
    await aborted.abort()
    await Admin(redis).delete("default", deleted.id)

    progress = await batch.progress(redis)
    assert progress.waiting == 0
    assert progress.queues["default"] == QueueProgress(total=1, aborted=1)


async def test_batch_counts_once_whatever_answers_are_lost(
    redis_url: str, redis: QueueClient
) -> None:
    """Repeated enqueues and repeated settles change no count."""
    batch = Batch()
    async with working(redis_url, leaf) as one:
        lose_answers_to_settles(one, times=3)
        lose_answers_to_enqueues(redis)
        with batch.joined():
            await redis.enqueue_job("leaf", _job_id="leaf:1")
            await leaf.enqueue("once")
        progress = await _finished(batch, redis)

    assert progress.queues["default"] == QueueProgress(total=2, done=2, retries=1)


async def test_batch_counts_once_whatever_workers_die(redis_url: str, redis: QueueClient) -> None:
    """A job that ran again after its worker died counts once."""
    batch = Batch()
    with batch.joined():
        await leaf.enqueue("wait")
    async with mortal(redis_url, leaf, lease_s=0.5, heartbeat_s=0.1) as one:
        await stage.started.next()
        await one.kill()
    stage.go.set()
    async with working(redis_url, leaf, idle_poll_s=0.05):
        progress = await _finished(batch, redis)

    assert progress.queues["default"] == QueueProgress(total=1, done=1)


async def test_batch_does_not_count_what_is_given_back_or_parked(
    redis_url: str, redis: QueueClient
) -> None:
    """A shutdown and an uncharged retry leave the counts alone."""
    batch = Batch()
    with batch.joined():
        await leaf.enqueue("wait")
    one = await start(worker(redis_url, leaf))
    await stage.started.next()
    await stop(one, at_once=True)
    assert (await batch.progress(redis)).queues["default"] == QueueProgress(total=1)
    with batch.joined():
        await leaf.enqueue("park")
    async with working(redis_url, leaf):
        progress = await _finished(batch, redis)

    assert progress.queues["default"] == QueueProgress(total=2, done=2)


async def test_batch_does_not_count_a_refused_job(redis: QueueClient) -> None:
    """A job whose id is pending already adds nothing."""
    batch = Batch()
    with batch.joined():
        for _ in range(3):
            await leaf.options(job_id="leaf:1").enqueue()

    assert (await batch.progress(redis)).queues["default"] == QueueProgress(total=1)


async def test_batch_without_jobs_has_finished(redis: QueueClient) -> None:
    """It has nothing to wait for."""
    batch = Batch()

    assert (await _finished(batch, redis)).queues == {}
    assert await batch.dead_jobs(redis) == []


async def test_batch_ends_where_its_block_ends(redis: QueueClient) -> None:
    """Batches nest: the inner one takes what is enqueued inside it."""
    outer, inner = Batch(), Batch()
    with outer.joined():
        await leaf.enqueue()
        with inner.joined():
            await leaf.enqueue()
        await leaf.enqueue()

    assert (await outer.progress(redis)).waiting == 2
    assert (await inner.progress(redis)).waiting == 1


async def test_batch_lives_for_a_month_after_its_last_change(
    redis_url: str, redis: QueueClient
) -> None:
    """Counts are kept long enough to be read, and no longer."""
    batch = Batch()
    with batch.joined():
        await leaf.enqueue()
    assert await redis.ttl(f"arq:batch:{batch.id}") == -1
    async with working(redis_url, leaf):
        await _finished(batch, redis)

    assert 29 * 86_400 < await redis.ttl(f"arq:batch:{batch.id}") <= 30 * 86_400
    assert not await redis.exists(f"arq:batch:{batch.id}:pending")


async def _done(batch: Batch, redis: QueueClient) -> bool:
    return (await batch.progress(redis)).queues["default"].done == 1
