"""Jobs that are of no use later: none starts too late by Redis's clock, and each says why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runner import (
    Batch,
    Context,
    Failed,
    Flow,
    JobExpiredError,
    JobHandle,
    JobState,
    Unique,
    job,
)
from runner.admin import Admin
from runner.operations.catalog import Catalog
from runner.operations.job import job as look_at
from runner.operations.why import Cause, why
from tests.runner_kit import (
    dead_ids,
    eventually,
    lose_answers_to_enqueues,
    soon,
    stage,
    working,
)

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default", max_retries=3, backoff=lambda _: 30.0)
async def work(ctx: Context, how: str = "") -> float | None:
    """Do what *how* says; return how long the attempt might take."""
    stage.runs[how] += 1
    match how:
        case "fail":
            raise ValueError("no")
        case "hold":
            await stage.hold(ctx.time_left_s)
        case "hang":
            await asyncio.sleep(3600)
    return ctx.time_left_s


@job(queue="default")
async def tell(_: Context, of: float | str | Failed | None) -> str:
    """Return what became of another job."""
    return of.error if isinstance(of, Failed) else str(of)


async def long_ago(redis: QueueClient, handle: JobHandle[Any], seconds: float = 60) -> None:
    """Let a job have been due, and enqueued, so long ago."""
    due = await redis.zscore(QUEUE, handle.id)
    assert due is not None
    await redis.zadd(QUEUE, {handle.id: due - seconds * 1000})
    body = await redis.get(f"arq:job:{handle.id}")
    before, found, at = body.partition(b',"x":')
    if found:
        await redis.set(
            f"arq:job:{handle.id}", b"%b%b%d}" % (before, found, int(at[:-1]) - seconds * 1000)
        )


async def test_job_that_is_too_late_expires(redis_url: str, redis: QueueClient) -> None:
    """No attempt and no death; its result, page, batch and counts say so, and its key is free."""
    batch = Batch("b", complete=tell.call(of="complete"), success=tell.call(of="success"))
    only = Unique(by=("how",))
    async with batch:
        late = [
            await work.options(start_within_s=30, unique=only).enqueue("late"),
            await work.options(deadline_s=30).enqueue("late"),
            await work.options(deadline_s=30, job_id="chosen", delay_s=5).enqueue("late"),
        ]
        in_time = [
            await work.options(start_within_s=120).enqueue("in time"),
            await work.options(deadline_s=120).enqueue("in time"),
            await work.enqueue("in time"),
        ]
    for handle in (*late, *in_time):
        await long_ago(redis, handle)
    view = await look_at(redis, "default", late[1].id, Catalog())
    assert view is not None
    assert view.deadline_at is not None
    async with working(redis_url, work, tell):
        for handle in late:
            with pytest.raises(JobExpiredError, match=r"Expired: it"):
                await handle.result(timeout_s=5)
            assert await handle.state() is JobState.DONE
        left = [await handle.result(timeout_s=5) for handle in in_time]
        assert left[0] is left[2] is None
        assert left[1] is not None
        assert 50 < left[1] <= 60
        await JobHandle[str](f"{batch.id}:complete", "default").result(timeout_s=5)
    assert stage.runs == {"in time": 3}
    assert await dead_ids(redis, "default") == []
    told = await why(redis, ["default"], late[0].id, Catalog())
    assert told.cause is Cause.EXPIRED
    assert "to start within 30 s of when it was due, and waited for 1 min" in told.sentence
    view = await look_at(redis, "default", late[1].id, Catalog())
    assert view is not None
    assert (view.attempts_made, view.attempts[-1].number) == (0, None)
    progress = (await batch.progress(redis)).queues["default"]
    assert (progress.expired, progress.done, progress.waiting) == (3, 3, 0)
    assert await JobHandle[str](f"{batch.id}:success", "default").state() is JobState.UNKNOWN
    totals = await redis.hgetall("arq:metrics:total")  # type: ignore[misc]
    assert totals[b"default|work|x"] == b"3"
    assert (await work.options(unique=only).enqueue("late")).created


async def test_retry_counts_from_its_own_time_and_not_beyond_the_deadline(
    redis_url: str, redis: QueueClient
) -> None:
    """Each attempt is to start in time; its history stays with the result of one that expired."""
    within = await work.options(start_within_s=20).enqueue("fail")
    until = await work.options(deadline_s=20).enqueue("fail")
    async with working(redis_url, work):
        await eventually(lambda: _are_retrying(redis, 2))
    await redis.zadd(QUEUE, {within.id: 1 + (await redis.time())[0] * 1000 - 10_000})
    await long_ago(redis, until)
    async with working(redis_url, work):
        with pytest.raises(JobExpiredError, match="deadline had passed"):
            await until.result(timeout_s=5)
        await eventually(lambda: _are_retrying(redis, 1))
    assert stage.runs["fail"] == 3
    view = await look_at(redis, "default", until.id, Catalog())
    assert view is not None
    assert [one.error for one in view.attempts] == ["ValueError", "Expired"]
    # Run by hand, it counts anew from then.
    await Admin(redis).run_now("default", within.id)
    async with working(redis_url, work):
        await eventually(lambda: stage.runs["fail"] == 4)


async def _are_retrying(redis: QueueClient, count: int) -> bool:
    return bool(await redis.zcard(f"{QUEUE}:retrying") == count)


async def test_attempt_is_cancelled_at_its_deadline(redis_url: str, redis: QueueClient) -> None:
    """Like a timeout, and before one that would come later; the next attempt expires."""
    handle = await work.options(deadline_s=0.3).enqueue("hang")
    async with working(redis_url, work):
        await eventually(lambda: _are_retrying(redis, 1))
        [entry] = await redis.lrange(f"arq:history:{handle.id}", 0, -1)  # type: ignore[misc]
        assert b"when its deadline passed" in entry
        await Admin(redis).run_now("default", handle.id)
        with pytest.raises(JobExpiredError):
            await handle.result(timeout_s=5)
    assert stage.runs["hang"] == 1


async def test_node_and_callback_have_their_times_from_when_they_are_enqueued(
    redis_url: str, redis: QueueClient
) -> None:
    """By the script; a flow goes on without a node that expired, if it is to."""
    flow = Flow("f", complete=work.options(deadline_s=50).call())
    first = flow.add(work.options(deadline_s=40).call())
    late = flow.add(work.options(start_within_s=1).call("late"), after=[first], on_failure="go_on")
    last = flow.add(tell.call(of=late.out))
    async with working(redis_url, work, tell):
        run = await flow.start()
        left = await run.result(first, timeout_s=5)
        assert left is not None
        assert 30 < left <= 40
        callback = await JobHandle[float](f"{flow.id}:complete", "default").result(timeout_s=5)
        assert 40 < callback <= 50
        assert await run.result(last, timeout_s=5) is not None
    flow = Flow("f")
    first = flow.add(work.call("hold"))
    late = flow.add(work.options(start_within_s=1).call("late"), after=[first], on_failure="go_on")
    last = flow.add(tell.call(of=late.out))
    run = await flow.start()
    async with working(redis_url, work, tell, concurrency=1):
        await soon(stage.started.next())
        await Admin(redis).pause("default")
        stage.go.set()
        node = JobHandle[float](f"{flow.id}:2", "default")
        await eventually(lambda: redis.zscore(QUEUE, node.id))
        await long_ago(redis, node)
        await Admin(redis).resume("default")
        assert await run.result(last, timeout_s=5) == "Expired"
    assert await redis.hget(f"arq:batch:{flow.id}:state", "2") == b"failed"  # type: ignore[misc]


async def test_times_are_those_of_redis(redis: QueueClient) -> None:
    """Whatever the clocks of clients and workers say; a call that is repeated finds its body."""
    lose_answers_to_enqueues(redis, times=2)
    now_ms = (await redis.time())[0] * 1000
    handle = await work.options(deadline_s=100).enqueue()
    again = await work.options(deadline_s=100, job_id="mine").enqueue()
    assert handle.created
    assert again.created
    for one in (handle, again):
        body = await redis.get(f"arq:job:{one.id}")
        until = int(body.rpartition(b":")[2][:-1])
        assert now_ms + 99_000 < until < now_ms + 130_000
    # A chosen id is free again once its job is dead, though the body ends otherwise.
    await Admin(redis).bury("default", again.id)
    [dead] = await dead_ids(redis, "default")
    assert dead.startswith("mine~")


async def test_limits_cost_nothing_where_they_are_not_used(redis: QueueClient) -> None:
    """Not a byte in the body."""
    handle = await work.enqueue()
    body = await redis.get(f"arq:job:{handle.id}")
    assert all(key not in body for key in (b'"x"', b'"sw"', b'"dl"'))
