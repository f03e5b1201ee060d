"""Batches within batches: one ends only after those in it, and as they do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Bury, Context, Flow, job
from runner.batch_books import QueueProgress, look_after, retry_dead
from runner.errors import ConfigurationError
from runner.operations.batches import batch as detail_of
from runner.testing import drain
from tests.redis.test_batch_callbacks import FAR_MS, announce, batch_of_all, is_called, member
from tests.runner_kit import eventually, mortal, stage, working

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")


@job(queue="default", max_retries=0)
async def open_one(ctx: Context, how: str) -> str:
    """Open a batch within that of this job."""
    async with batch_of_all(parent=ctx.batch_id) as within:
        await member.enqueue_many([{"how": how}] * 2)
    return within.id


async def test_batch_ends_after_those_within_it(redis_url: str, redis: QueueClient) -> None:
    """Complete and success come from the innermost outwards, each after its own last job."""
    async with working(redis_url, member, open_one):
        async with batch_of_all() as outer, batch_of_all(parent=outer) as middle:
            inner = Batch(id=await (await open_one.enqueue("wait")).result(timeout_s=5))
        await stage.started.next()
        assert (await outer.progress(redis)).batches == QueueProgress(total=1)
        assert (await middle.progress(redis)).waiting == 1
        for one in (outer, middle, inner):
            assert await is_called(one)
        assert not (await outer.progress(redis)).queues
        stage.go.set()
        for one in (outer, middle, inner):
            await eventually(partial(is_called, one, "complete", "success"))
    assert (await outer.progress(redis)).batches == QueueProgress(total=1, done=1)
    for one in (outer, middle, inner):
        assert not await redis.exists(f"arq:batch:{one.id}:pending")
        assert await redis.ttl(f"arq:batch:{one.id}") > 0


async def test_death_is_told_outwards_at_once_and_success_after_the_retry(
    redis_url: str, redis: QueueClient
) -> None:
    """Dead jobs of a batch are retried with those of the batch that it is in."""
    async with working(redis_url, member):
        async with batch_of_all() as outer:
            async with batch_of_all(parent=outer) as inner:
                await member.enqueue_many([{"how": "once"}, {}])
                for one in (outer, inner):
                    await eventually(partial(is_called, one, "death"))
            await eventually(lambda: is_called(inner, "death", "complete"))
            assert await is_called(outer, "death")
        await eventually(lambda: is_called(outer, "death", "complete"))
        assert (await outer.progress(redis)).batches == QueueProgress(total=1, dead=1)
        assert await outer.dead_jobs(redis) == []
        found = await detail_of(redis, outer.id)
        assert (found.batches, found.dead, found.batch.batches) == ([inner.id], [], 1)
        assert (await detail_of(redis, inner.id)).batch.parent == outer.id
        stage.go.set()
        assert await retry_dead(redis, outer.id) == 1
        await eventually(lambda: is_called(outer, "death", "complete", "success"))
    assert (await outer.progress(redis)).batches == QueueProgress(total=1, done=1)
    assert not await redis.exists(f"arq:batch:{outer.id}:dead")


async def test_cancel_goes_inwards(redis_url: str, redis: QueueClient) -> None:
    """What waits or runs in a batch within is aborted, and one that is opened later is empty."""
    async with working(redis_url, member, concurrency=1):
        async with batch_of_all() as outer:
            async with batch_of_all(parent=outer) as inner:
                await member.enqueue_many([{"how": "wait"}] * 3)
                await stage.started.next()
            assert await outer.cancel(redis)
            async with batch_of_all(parent=outer) as late:
                assert not (await member.enqueue()).created
        for one in (outer, inner, late):
            await eventually(partial(is_called, one, "complete"))
    assert (await inner.progress(redis)).queues["default"].aborted == 3
    assert (await outer.progress(redis)).batches == QueueProgress(total=2, aborted=2)


@job(queue="default")
async def start_flow(ctx: Context) -> bool:
    """Start a flow of two nodes within the batch of this job; a second attempt starts none."""
    flow = Flow(id=f"{ctx.job_id}:flow", parent=ctx.batch_id)
    flow.add(member.call("wait"))
    flow.add(member.call(), after=flow.nodes[:1])
    return (await flow.start()).created


async def test_batch_ends_after_the_flow_that_its_job_started(
    redis_url: str, redis: QueueClient
) -> None:
    """A flow counts as one, and tells how it has ended; in a cancelled batch none starts."""
    async with working(redis_url, member, start_flow):
        async with batch_of_all() as outer:
            handle = await start_flow.options(job_id="starts").enqueue()
        assert await handle.result(timeout_s=5)
        await stage.started.next()
        assert await is_called(outer)
        assert (await detail_of(redis, outer.id)).batches == ["starts:flow"]
        with Batch(id=outer.id).joined():
            again = await start_flow.options(job_id="starts").enqueue()
            assert not await again.result(timeout_s=5)
        stage.go.set()
        await eventually(lambda: is_called(outer, "complete", "success"))
        assert (await outer.progress(redis)).batches == QueueProgress(total=1, done=1)
        async with batch_of_all() as cancelled:
            assert await cancelled.cancel(redis)
            late = Flow(parent=cancelled)
            late.add(member.call())
            assert not (await late.start()).created
        assert not await redis.keys(f"arq:batch:{late.id}*")
    with pytest.raises(ConfigurationError, match="cannot be in itself"):
        Flow(id="one", parent="one")


async def test_batch_that_goes_on_holds_up_the_one_that_it_is_in_again(redis: QueueClient) -> None:
    """Joined after its end, it has not ended; it is one of the other's all the same."""
    async with batch_of_all() as outer:
        async with Batch(parent=outer, id="again") as inner:
            pass
        assert (await outer.progress(redis)).batches == QueueProgress(total=1, done=1)
        with inner.joined():
            await member.enqueue()
        async with Batch(parent=outer, id="again"):
            pass
        assert (await outer.progress(redis)).batches == QueueProgress(total=1)
    assert await is_called(outer)


async def test_batch_of_which_nothing_is_left_has_failed(redis: QueueClient) -> None:
    """Somebody deleted its keys: the poller strikes it off, and the other one ends."""
    async with batch_of_all() as outer, batch_of_all(parent=outer) as inner:
        await member.enqueue()
    await look_after(redis, now_ms=FAR_MS)
    assert (await outer.progress(redis)).waiting == 1
    await redis.delete(*await redis.keys(f"arq:batch:{inner.id}*"))
    await look_after(redis, now_ms=FAR_MS)
    assert (await outer.progress(redis)).batches == QueueProgress(total=1, failed=1)
    assert await is_called(outer, "complete")


async def test_batches_that_are_in_each_other_can_be_cancelled(redis: QueueClient) -> None:
    """They never end, which is what was asked for; nobody goes round in circles for ever."""
    with pytest.raises(ConfigurationError, match="cannot be in itself"):
        Batch(id="one", parent="one")
    async with Batch(id="one", parent="two") as one, Batch(id="two", parent="one"):
        await member.enqueue()
    assert await one.cancel(redis)
    assert await redis.zcard("arq:queue:default") == 0


async def test_batches_end_wherever_workers_are_killed(redis_url: str, redis: QueueClient) -> None:
    """A job that opened a batch and dies runs again; each batch that it opened ends."""
    async with batch_of_all() as outer:
        handle = await open_one.enqueue("wait")
    async with mortal(redis_url, member, open_one, lease_s=1.0, heartbeat_s=0.3) as doomed:
        await stage.started.next()
        assert (await outer.progress(redis)).batches == QueueProgress(total=1)
        await doomed.kill()
    stage.go.set()
    async with working(redis_url, member, open_one):
        await eventually(lambda: is_called(outer, "complete", "success"))
        assert await handle.result(timeout_s=5)


async def test_tests_know_batches_within_batches() -> None:
    """As a worker does: outwards, with the death of a job within."""

    @job(queue="default", max_retries=0)
    async def work(_: Context, how: str) -> None:
        if how == "bury":
            raise Bury("no")

    async with drain() as jobs:
        async with batch_of_all() as outer, batch_of_all(parent=outer) as inner:
            await work.enqueue("done")
        flow = Flow(parent=inner)
        flow.add(work.call("done"))
        assert (await flow.start()).created
        async with batch_of_all() as sad, Batch(parent=sad):
            await work.enqueue("bury")
        assert (await outer.progress()).batches == QueueProgress(total=1)
        await jobs.run()
        assert (await outer.progress()).batches == QueueProgress(total=1, done=1)
        assert (await inner.progress()).batches == QueueProgress(total=1, done=1)
        assert (await sad.progress()).batches == QueueProgress(total=1, dead=1)
        called = {one.job_id for one in jobs.done if one.name == announce.name}
    assert {f"{one.id}:{how}" for one in (inner, outer) for how in ("complete", "success")} | {
        f"{sad.id}:{how}" for how in ("complete", "death")
    } == called
