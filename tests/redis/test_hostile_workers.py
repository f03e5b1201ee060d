"""Whatever stands in Redis, a worker starts, works, polls and says what was in its way."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Bury, Context, JobState, job
from runner.broker import key_types, keys
from runner.worker import counts
from tests import hostile
from tests.runner_kit import (
    beat_now,
    eventually,
    is_running,
    poll_now,
    soon,
    stage,
    start,
    stop,
    worker,
)

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient, Worker

VICTIM = "victim"
_SHOWN = 1500
_QUEUE_KEY = keys.ARQ.queue_key(hostile.QUEUE)


@job(queue="default")
async def work(_: Context, number: int) -> int:
    """Return the number."""
    return number


@job(queue="default")
async def hold(_: Context) -> str:
    """Wait, and return."""
    await stage.hold()
    return "done"


@job(queue="default")
async def doomed(_: Context) -> None:
    """Fail for good."""
    raise Bury("no")


async def _key(redis: QueueClient, pattern: str, one: Worker, batch: Batch) -> str:
    """The key of *pattern* that this worker, its queue or the job `victim` has."""
    fixed = {
        keys.ARQ.batch_prefix + "*": keys.ARQ.batch_prefix + batch.id,
        **{
            f"{keys.ARQ.batch_prefix}*{suffix}": f"{keys.ARQ.batch_prefix}{batch.id}{suffix}"
            for suffix in key_types.OF_BATCH
        },
        keys.ARQ.worker_prefix + "*": keys.ARQ.worker_prefix + one.id,
        keys.ARQ.order_prefix + "*": keys.ARQ.order_prefix + one.id,
        keys.ARQ.metrics_guard_prefix + "*": keys.ARQ.metrics_guard_prefix + one.id,
        keys.ARQ.depth_prefix + "*": keys.ARQ.depth_prefix + hostile.QUEUE,
        _QUEUE_KEY + ":parked:*": _QUEUE_KEY + ":parked:work",
    }
    seconds, _ = await redis.time()
    for resolution in (counts.BY_MINUTE, counts.BY_TEN_MINUTES):
        page = counts.page_key(keys.ARQ, hostile.QUEUE, "work", resolution, seconds * 1000)
        fixed[keys.ARQ.base + resolution.prefix + "*"] = page
    return fixed.get(pattern, pattern.replace("*", VICTIM))


_PAUSES = _QUEUE_KEY + keys.PAUSED_SUFFIX


@pytest.mark.parametrize("pattern", [one for one in hostile.PATTERNS if one != _PAUSES])
async def test_worker_goes_on_beside_what_is_not_ours(
    redis_url: str, redis: QueueClient, pattern: str
) -> None:
    """At its start and while a job runs; that job and all others are done, and none is lost."""
    problems = []
    for state in hostile.states(hostile.type_of(pattern)):
        await redis.flushdb()
        stage.clear()
        try:
            await soon(_go_on(redis_url, redis, pattern, state))
        except Exception as error:  # noqa: BLE001 -- all that go wrong are shown together
            where = traceback.format_exc()[-_SHOWN:]
            problems.append(f"{state.name}: {type(error).__name__}: {error}\n{where}")
    assert not problems, "\n".join(problems)


async def _go_on(url: str, redis: QueueClient, pattern: str, state: hostile.State) -> None:
    batch = Batch()
    one = worker(url, work, hold, doomed, poll_interval_s=3600.0, release="r1")
    key = await _key(redis, pattern, one, batch)
    fields = (VICTIM.encode(), one.id.encode(), b"default")
    await state.put(redis, key, fields)
    try:
        first = [await work.enqueue(number=1), await work.options(job_id="first").enqueue(number=2)]
        with batch.joined():
            first.append(await work.enqueue(number=3))
        await start(one)
        for handle in first:
            await handle.result(timeout_s=5)
        held = await hold.enqueue()
        await stage.started.next()
        later = await work.options(delay_s=3600).enqueue(number=4)
        victim = await work.options(job_id=VICTIM, delay_s=3600).enqueue(number=5)
        await state.put(redis, key, fields)
        if await redis.type(_QUEUE_KEY) == b"zset":
            await redis.zadd(_QUEUE_KEY, {VICTIM: 1.0}, xx=True)
        dying = await doomed.enqueue()
        stage.go.set()
        assert await held.result(timeout_s=5) == "done"
        assert await (await work.enqueue(number=6)).result(timeout_s=5) == 6
        await eventually(lambda: _is_dead(redis, dying.id))
        if key != _QUEUE_KEY or not state.wrong:
            assert await later.state() is JobState.SCHEDULED
            # Whose mark does not expire is held for ever, until `doctor --repair`.
            if victim.created and not pattern.startswith(keys.ARQ.in_progress_prefix):
                await eventually(lambda: _has_ended(victim))
        await beat_now(one)
        await poll_now(one)
        await beat_now(one)
        assert is_running(one)
    finally:
        if is_running(one):
            await stop(one)
        else:
            await one.close()


async def _has_ended(victim: JobHandle[int]) -> bool:
    return await victim.state() in {JobState.DONE, JobState.DEAD, JobState.PARKED}


async def _is_dead(redis: QueueClient, job_id: str) -> bool:
    dead = await redis.zrange(_QUEUE_KEY + keys.DEAD_SUFFIX, 0, -1)
    return job_id.encode() in {one.split(b"~")[0] for one in dead}
