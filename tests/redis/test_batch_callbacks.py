"""Callbacks of batches: enqueued once, by the step that ends the last job, however it ends."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Bury, Context, JobHandle, JobState, job
from runner.admin import Admin
from runner.batch_books import ask, look_after, retry_dead, trim_batches
from runner.broker import keys
from runner.broker.scripts import CLAIM, SETTLE
from runner.broker.scripts.fields import BatchHead, ClaimHead, FullOutcome, SettleHead
from runner.errors import ConfigurationError, EnqueueError
from tests.runner_kit import (
    dead_ids,
    eventually,
    lose_answers_to_settles,
    mortal,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

FAR_MS = 1e15


@job(queue="default", max_retries=0)
async def member(_: Context, how: str = "done") -> None:
    """Do what *how* says."""
    match how:
        case "bury":
            raise Bury("no such channel")
        case "fail":
            raise ValueError("not now")
        case "once" if stage.go.is_set():
            pass
        case "once":
            raise ValueError("not yet")
        case "wait":
            await stage.hold()
        case "more":
            await member.enqueue_many([{}] * 3)


@job(queue="analytics")
async def announce(_: Context, what: str) -> str:
    """Return *what*."""
    return what


def batch_of_all(**more: Any) -> Batch:
    """Return a batch with each callback."""
    complete, success, death = (announce.call(what=how) for how in ("complete", "success", "death"))
    return Batch("nightly", complete=complete, success=success, death=death, **more)


async def called(batch: Batch) -> set[str]:
    """Return which callbacks of *batch* are enqueued, or have run."""
    states = {
        how: await JobHandle(f"{batch.id}:{how}", "analytics").state()
        for how in ("complete", "success", "death")
    }
    return {how for how, state in states.items() if state is not JobState.UNKNOWN}


async def is_called(batch: Batch, *hows: str) -> bool:
    """Whether exactly these are."""
    return await called(batch) == set(hows)


async def test_callbacks_follow_the_last_job(redis_url: str, redis: QueueClient) -> None:
    """Not before; complete and success, as ordinary jobs with their arguments, and no death."""
    async with batch_of_all() as batch:
        handles = await member.enqueue_many([{}, {"how": "more"}, {"how": "wait"}])
    async with working(redis_url, member):
        await stage.started.next()
        await handles[1].result(timeout_s=5)
        assert await called(batch) == set()
        stage.go.set()
        await eventually(lambda: is_called(batch, "complete", "success"))
    progress = await batch.progress(redis)
    assert (progress.queues["default"].total, progress.waiting) == (6, 0)
    async with working(redis_url, announce):
        for how in ("complete", "success"):
            callback = JobHandle[str](f"{batch.id}:{how}", "analytics")
            assert await callback.result(timeout_s=5) == how
    assert (await batch.progress(redis)).queues.keys() == {"default"}


async def test_batch_does_not_end_while_its_creator_adds_jobs(
    redis_url: str, redis: QueueClient
) -> None:
    """Its first job has ended long before the second comes, and `follow` goes on."""
    async with working(redis_url, member):
        async with batch_of_all() as batch:
            await (await member.enqueue()).result(timeout_s=5)
            assert (await batch.progress(redis)).is_open
            assert await called(batch) == set()
            second = await member.enqueue()
        await second.result(timeout_s=5)
        await eventually(lambda: is_called(batch, "complete", "success"))
    assert not (await batch.progress(redis)).is_open


async def test_empty_batch_is_a_success() -> None:
    """A creator that finds nothing to do need not think of it."""
    async with batch_of_all() as batch:
        pass
    assert await called(batch) == {"complete", "success"}


async def test_first_death_is_told_and_success_waits_for_the_retry(
    redis_url: str, redis: QueueClient
) -> None:
    """Death at once, complete at the end, success after all dead jobs were retried and are done."""
    async with working(redis_url, member):
        async with batch_of_all() as batch:
            await member.enqueue_many([{"how": "once"}, {"how": "once"}])
            await eventually(lambda: is_called(batch, "death"))
        await eventually(lambda: is_called(batch, "complete", "death"))
        await redis.delete(f"arq:result:{batch.id}:complete")
        assert (await batch.progress(redis)).dead == 2

        stage.go.set()
        assert await retry_dead(redis, batch.id) == 2
        await eventually(lambda: is_called(batch, "complete", "death", "success"))
    assert (await batch.progress(redis)).dead == 0


async def _run(url: str, how: str) -> None:
    async with working(url, member):
        handle = await member.enqueue(how=how)
        await eventually(lambda: _has_ended(handle))


async def _has_ended(handle: JobHandle[None]) -> bool:
    return await handle.state() in {JobState.DONE, JobState.DEAD, JobState.UNKNOWN}


async def _done(_: QueueClient, url: str) -> None:
    await _run(url, "done")


async def _dead(_: QueueClient, url: str) -> None:
    await _run(url, "fail")


async def _unreadable(redis: QueueClient, url: str) -> None:
    handle = await member.enqueue()
    await redis.set(f"arq:job:{handle.id}", b"\xff")
    async with working(url, member):
        await eventually(lambda: _has_ended(handle))


async def _body_gone(redis: QueueClient, url: str) -> None:
    handle = await member.enqueue()
    await redis.delete(f"arq:job:{handle.id}")
    async with working(url, member):
        await eventually(lambda: _in_dead_set(redis))


async def _in_dead_set(redis: QueueClient) -> bool:
    return bool(await dead_ids(redis, "default"))


async def _aborted_while_running(_: QueueClient, url: str) -> None:
    async with working(url, member):
        handle = await member.enqueue(how="wait")
        await stage.started.next()
        await handle.abort()
        await eventually(lambda: _has_ended(handle))


async def _aborted_while_waiting(_redis: QueueClient, _url: str) -> None:
    await (await member.enqueue()).abort()


async def _deleted(redis: QueueClient, _: str) -> None:
    await Admin(redis).delete("default", (await member.enqueue()).id)


async def _buried(redis: QueueClient, _: str) -> None:
    await Admin(redis).bury("default", (await member.enqueue()).id)


async def _dead_under_a_chosen_id(redis: QueueClient, url: str) -> None:
    async with working(url, member):
        await member.options(job_id="chosen").enqueue(how="fail")
        await eventually(lambda: _in_dead_set(redis))


async def _moved_and_done(redis: QueueClient, url: str) -> None:
    handle = await member.enqueue()
    await Admin(redis).move("default", handle.id, "recommendations")
    moved = member.options(queue="recommendations")
    async with working(url, moved.job, queue="recommendations") as one:
        await eventually(lambda: one.jobs_complete)


async def _expired(redis: QueueClient, _: str) -> None:
    """A stock arq client may let it expire, and a stock worker then drops it."""
    handle = await member.enqueue()
    await redis.delete(f"arq:job:{handle.id}")
    await redis.zrem("arq:queue:default", handle.id)


async def _ended_by_a_stock_worker(redis: QueueClient, _: str) -> None:
    handle = await member.enqueue()
    await redis.delete(f"arq:job:{handle.id}")
    await redis.zrem("arq:queue:default", handle.id)
    await redis.set(f"arq:result:{handle.id}", b'{"s":true,"r":1}')


ENDINGS: dict[Callable[[QueueClient, str], Any], set[str]] = {
    _done: {"complete", "success"},
    _dead: {"complete", "death"},
    _unreadable: {"complete", "death"},
    _body_gone: {"complete", "death"},
    _aborted_while_running: {"complete"},
    _aborted_while_waiting: {"complete"},
    _deleted: {"complete", "success"},
    _buried: {"complete", "death"},
    _dead_under_a_chosen_id: {"complete", "death"},
    _moved_and_done: {"complete", "success"},
    _expired: {"complete"},
    _ended_by_a_stock_worker: {"complete", "success"},
}
LOOKED_FOR = {_unreadable, _body_gone, _expired, _ended_by_a_stock_worker}
"""Who ends these does not know their batch: the poller finds them."""


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__.strip("_"))
async def test_each_way_to_end_passes_the_one_exit(
    redis_url: str, redis: QueueClient, end: Callable[[QueueClient, str], Any]
) -> None:
    """No batch waits for ever for a job that has ended, however it did."""
    batch = batch_of_all()
    async with batch:
        await end(redis, redis_url)
    if end in LOOKED_FOR:
        assert await called(batch) == set()
        await look_after(redis, now_ms=FAR_MS)
    await eventually(lambda: is_called(batch, *ENDINGS[end]))
    assert not await redis.exists(f"arq:batch:{batch.id}:pending")
    assert (await batch.progress(redis)).waiting == 0


async def test_cancelled_batch_aborts_its_jobs_and_takes_no_more(
    redis_url: str, redis: QueueClient
) -> None:
    """What waits never starts, what runs is stopped, and it is no success."""
    async with working(redis_url, member, concurrency=1):
        async with batch_of_all() as batch:
            await member.enqueue_many([{"how": "wait"}] * 3)
            await stage.started.next()
            assert await batch.cancel(redis)
            late = await member.enqueue()
            many = await member.enqueue_many([{}, {}])
        assert [one.created for one in (late, *many)] == [False] * 3
        await eventually(lambda: is_called(batch, "complete"))
    assert (await batch.progress(redis)).queues["default"].aborted == 3
    assert not await batch.cancel(redis)


@pytest.mark.parametrize(
    ("abandoned", "hows"), [("close", {"complete", "success"}), ("cancel", {"complete"})]
)
async def test_batch_of_a_lost_creator_is_closed_or_cancelled(
    redis: QueueClient, abandoned: str, hows: set[str]
) -> None:
    """By the poller, once the creator has been silent for long enough; not before."""
    batch = batch_of_all(abandoned=abandoned)
    head = BatchHead("open", batch.id, keys.BATCH_TTL_S, 60_000, abandoned=abandoned)
    letter = b'arq:queue:analytics\n{"t":null,"f":"announce","a":[],"k":{},"et":\n}'
    await ask(redis, head._replace(complete=letter, success=letter))
    with batch.joined():
        handle = await member.enqueue()
    await look_after(redis, now_ms=FAR_MS)
    assert (await batch.progress(redis)).is_open
    await redis.hset(f"arq:batch:{batch.id}:plan", "open_until_ms", "1")  # type: ignore[misc]
    await look_after(redis, now_ms=FAR_MS)
    assert not (await batch.progress(redis)).is_open
    if abandoned == "close":
        assert await called(batch) == set()
        await Admin(redis).delete("default", handle.id)
    assert await called(batch) == hows


async def _fail_inside(batch: Batch) -> None:
    async with batch:
        await member.enqueue()
        raise KeyError("no such row")


async def test_block_that_raises_leaves_the_batch_as_it_says(redis: QueueClient) -> None:
    """Closed with the jobs that are there, or cancelled with them."""
    for abandoned, waiting in (("close", 1), ("cancel", 0)):
        batch = batch_of_all(abandoned=abandoned)
        with pytest.raises(KeyError):
            await _fail_inside(batch)
        progress = await batch.progress(redis)
        assert (progress.is_open, progress.waiting) == (False, waiting)


async def test_creator_that_was_silent_for_too_long_is_told(redis: QueueClient) -> None:
    """The callbacks may have come before its last jobs."""
    batch = batch_of_all()

    async def be_silent() -> None:
        async with batch:
            await redis.hset(f"arq:batch:{batch.id}:plan", "open_until_ms", "1")  # type: ignore[misc]
            await look_after(redis, now_ms=FAR_MS)

    with pytest.raises(EnqueueError, match="closed before its jobs were all there"):
        await be_silent()


async def test_callbacks_come_once_whatever_answers_are_lost(
    redis_url: str, redis: QueueClient
) -> None:
    """A settle that is repeated finds its claims given up, and the letters gone."""
    async with working(redis_url, member) as one:
        lose_answers_to_settles(one, times=3)
        async with batch_of_all() as batch:
            await member.enqueue_many([{}] * 20)
        await eventually(lambda: is_called(batch, "complete", "success"))
    assert await redis.zcard("arq:queue:analytics") == 2
    assert (await batch.progress(redis)).queues["default"].done == 20


async def test_batch_survives_the_worker_that_is_killed_with_its_jobs(redis_url: str) -> None:
    """They run again elsewhere, and the callback waits for that."""
    async with mortal(redis_url, member) as lost:
        async with batch_of_all() as batch:
            await member.enqueue(how="wait")
        await stage.started.next()
        await lost.kill()
    assert await called(batch) == set()
    stage.go.set()
    one = await start(worker(redis_url, member, idle_poll_s=0.1))
    await eventually(lambda: is_called(batch, "complete", "success"))
    await stop(one)


async def test_batch_is_kept_for_its_dead_and_then_for_a_month(redis: QueueClient) -> None:
    """Nothing of a batch expires while a job may need it; afterwards the poller forgets it."""
    batch = batch_of_all()
    names = [f"arq:batch:{batch.id}", f"arq:batch:{batch.id}:plan"]
    async with batch:
        await Admin(redis).bury("default", (await member.enqueue()).id)
    assert [await redis.ttl(name) for name in names] == [-1, -1]
    [(_, job_id)] = await batch.dead_jobs(redis)
    await Admin(redis).delete("default", job_id)
    assert all([29 * 86_400 < await redis.ttl(name) <= 30 * 86_400 for name in names])
    await trim_batches(redis)
    assert await redis.zrange("arq:batches", 0, -1) == [batch.id.encode()]
    await redis.delete(*names)
    await trim_batches(redis)
    assert not await redis.exists("arq:batches", "arq:batches:live")


async def test_callback_cannot_be_late_or_named() -> None:
    """It is due at once, under an id of its own."""
    for options in ({"delay_s": 5}, {"job_id": "mine"}, {"copies": 1}):
        late = announce.options(**options).call(what="x")
        with pytest.raises(ConfigurationError, match=f"leave {next(iter(options))} out"):
            Batch("nightly", success=late)
    with pytest.raises(ConfigurationError, match="abandoned is 'stop'"):
        Batch("nightly", abandoned="stop")  # type: ignore[arg-type]
    async with Batch() as batch:
        with pytest.raises(ConfigurationError, match="open already"):
            await batch.__aenter__()


async def _commands(redis: QueueClient) -> int:
    stats = await redis.info("commandstats")
    return sum(one["calls"] for one in stats.values())


async def _cost_of_a_hundred(redis: QueueClient, batch_id: str) -> tuple[int, int]:
    """Return how many commands it takes to enqueue and to settle a hundred jobs."""
    await redis.flushdb()
    before = await _commands(redis)
    with Batch(id=batch_id).joined() if batch_id else nullcontext():
        handles = await member.enqueue_many([{}] * 100)
    enqueued = await _commands(redis)
    key, base = "arq:queue:default", keys.ARQ.base
    await redis.eval(CLAIM, 2, key, base, *ClaimHead(100, 60_000, "w:1", "w"))  # type: ignore[misc,arg-type]
    claimed = await _commands(redis)
    outcomes = [FullOutcome("done", one.id, "w:1", batch=batch_id) for one in handles]
    head = SettleHead("default", keys.BATCH_TTL_S)
    args = [*head, *chain.from_iterable(outcomes)]
    assert await redis.eval(SETTLE, 2, key, base, *args) == []  # type: ignore[misc,arg-type]
    return enqueued - before, await _commands(redis) - claimed


async def test_member_of_a_batch_costs_hardly_more_than_a_plain_job(redis: QueueClient) -> None:
    """Its counts go out once a call, not once a job: a dozen commands for a hundred jobs."""
    await _cost_of_a_hundred(redis, "warm")  # the first call loads the script
    plain, of_batch = await _cost_of_a_hundred(redis, ""), await _cost_of_a_hundred(redis, "b")
    assert all(more - less <= 12 for more, less in zip(of_batch, plain, strict=True))
