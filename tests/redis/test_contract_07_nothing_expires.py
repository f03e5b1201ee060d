"""Contract 7: nothing expires unless asked to."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Bury, Context, JobState, Retry, job, linear
from runner.broker import keys
from runner.periodic.cleanup import trim_dead
from runner.periodic.poller import Poller
from runner.telemetry.statsd import NullStatsD
from tests.runner_kit import PATIENCE_S, eventually, stage, start, stop, worker, working

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default")
async def end(ctx: Context, how: str) -> str:
    """Do what *how* says."""
    match how:
        case "retry":
            raise Retry(3600)
        case "bury":
            raise Bury("no such channel")
        case "hang":
            await stage.hold()
    return f"{how} {ctx.attempt}"


@job(queue="default", backoff=linear(0.001))
async def falter(ctx: Context) -> str:
    """Fail once."""
    if ctx.attempt == 1:
        raise LookupError("not yet")
    return f"attempt {ctx.attempt}"


@job(queue="default", keep_result_s=0)
async def forget(ctx: Context) -> str:
    """Keep no result."""
    return ctx.job_id


async def _is(handle: JobHandle[str], state: JobState) -> bool:
    return await handle.state() is state


async def test_jobs_in_every_state_live_for_ever(redis_url: str, redis: QueueClient) -> None:
    """Ready, scheduled for next year, retrying, dead: none of their keys expires."""
    one = await start(worker(redis_url, end, keep_result_s=None))
    retrying, dead, done = [await end.enqueue(how) for how in ("retry", "bury", "done")]
    await eventually(lambda: _is(retrying, JobState.RETRYING))
    await eventually(lambda: _is(dead, JobState.DEAD))
    await eventually(lambda: _is(done, JobState.DONE))
    await stop(one)
    await end.enqueue("ready")
    await end.options(at=datetime.now(UTC) + timedelta(days=400)).enqueue("scheduled")
    await redis.set(f"{QUEUE}:paused", "1")

    ends = {key: await redis.pttl(key) for key in await redis.keys()}
    mortal = {key.decode() for key, ms in ends.items() if ms != -1}
    counts = {key for key in mortal if key.startswith(keys.ARQ.metrics)}
    assert mortal - counts <= {f"{QUEUE}:health-check", "arq:startup:poll"}
    assert len(ends) >= 12


async def test_running_job_lives_for_ever_and_only_its_lease_ends(
    redis_url: str, redis: QueueClient
) -> None:
    """Of a running job only the key of its lease expires, and is renewed."""
    async with working(redis_url, end):
        handle = await end.enqueue("hang")
        await stage.started.next()
        ends = {key.decode(): await redis.pttl(key) for key in await redis.keys()}

    mortal = {key for key, ms in ends.items() if ms != -1}
    assert f"arq:in-progress:{handle.id}" in mortal
    assert not any(handle.id in key for key in mortal - {f"arq:in-progress:{handle.id}"})
    assert {key.rpartition(":")[0] for key in mortal} <= {
        "arq:in-progress",
        "arq:startup",
        "arq:worker",
        *{QUEUE, *{key.rpartition(":")[0] for key in mortal if key.startswith("arq:worker:")}},
    }


async def test_results_are_kept_as_long_as_asked(redis_url: str, redis: QueueClient) -> None:
    """An hour by the settings, not at all by the job's own option."""
    async with working(redis_url, end, forget, keep_result_s=100.0):
        kept = await end.enqueue("done")
        assert await kept.result(timeout_s=PATIENCE_S) == "done 1"
        forgotten = await forget.enqueue()
        await eventually(lambda: _is(forgotten, JobState.UNKNOWN))

    assert 90_000 < await redis.pttl(f"arq:result:{kept.id}") <= 100_000
    assert await redis.exists(f"arq:result:{forgotten.id}") == 0


@pytest.mark.parametrize(("keep_s", "lives_ms"), [(100.0, 100_000), (None, -1), (0, -2)])
async def test_history_is_kept_as_long_as_the_result(
    redis_url: str, redis: QueueClient, keep_s: float | None, lives_ms: int
) -> None:
    """The history of a job that succeeded in the end expires with its result."""
    async with working(redis_url, falter, keep_result_s=keep_s):
        handle = await falter.enqueue()
        await eventually(lambda: _is(handle, JobState.DONE if keep_s != 0 else JobState.UNKNOWN))

    result_ms = await redis.pttl(f"arq:result:{handle.id}")
    history_ms = await redis.pttl(f"arq:history:{handle.id}")
    assert history_ms == pytest.approx(result_ms, abs=10)
    assert history_ms == pytest.approx(lives_ms, abs=0 if lives_ms < 0 else 10_000)


async def test_job_that_never_failed_costs_nothing_for_its_history(
    redis_url: str, redis: QueueClient
) -> None:
    """Settling it neither looks for a history nor sets when one expires."""
    async with working(redis_url, end, keep_result_s=100.0):
        await redis.config_resetstat()
        assert await (await end.enqueue("done")).result(timeout_s=PATIENCE_S) == "done 1"
        calls = await redis.info("commandstats")

    assert calls["cmdstat_del"]["calls"] >= 1
    assert not {"cmdstat_pexpire", "cmdstat_persist", "cmdstat_llen"} & calls.keys()


async def test_job_enqueued_again_under_its_id_begins_without_a_history(
    redis_url: str, redis: QueueClient
) -> None:
    """The earlier job's failures are gone with its result."""
    async with working(redis_url, falter, keep_result_s=100.0):
        handle = await falter.options(job_id="falter:1").enqueue()
        assert await handle.result(timeout_s=PATIENCE_S) == "attempt 2"
    await falter.options(job_id="falter:1", delay_s=60).enqueue()

    assert await redis.exists("arq:history:falter:1", "arq:result:falter:1") == 0


async def test_body_that_a_stock_client_lets_expire_lives_once_the_job_is_dead(
    redis_url: str, redis: QueueClient
) -> None:
    """A stock arq client keeps bodies for a day; a dead job stays until somebody decides."""
    sent = await redis.enqueue_job("end", "bury", _expires=60)
    assert sent is not None
    assert await redis.pttl(f"arq:job:{sent.job_id}") > 0
    async with working(redis_url, end):
        await eventually(lambda: redis.zcard(f"{QUEUE}:dead"))

    assert await redis.pttl(f"arq:job:{sent.job_id}") == -1


async def test_dead_jobs_are_trimmed_only_where_that_is_asked_for(
    redis_url: str, redis: QueueClient
) -> None:
    """The poller leaves the dead set alone, unless a number or an age is set."""
    async with working(redis_url, end):
        handles = [await end.enqueue("bury") for _ in range(5)]
        await eventually(lambda: _dead(redis, 5))
        await Poller(redis, redis.enqueuer, NullStatsD(), queues=["default"]).poll()
    assert await redis.zcard(f"{QUEUE}:dead") == 5

    now_ms = time.time() * 1000
    assert await trim_dead(redis, "default", now_ms=now_ms, max_jobs=2, max_age_s=None) == 3
    left = {handle.id for handle in handles if await handle.state() is JobState.DEAD}
    assert len(left) == 2
    assert len(await redis.keys("arq:job:*")) == 2
    assert len(await redis.keys("arq:history:*")) == 2

    await redis.zadd(f"{QUEUE}:dead", {min(left): 1})
    assert await trim_dead(redis, "default", now_ms=now_ms, max_jobs=None, max_age_s=60) == 1
    assert await redis.zcard(f"{QUEUE}:dead") == 1


async def test_trimmed_job_leaves_nothing_behind_and_its_id_is_free(
    redis_url: str, redis: QueueClient
) -> None:
    """Results, counters and batch entries of a trimmed job go with it."""
    batch = Batch()
    async with working(redis_url, end):
        with batch.joined():
            await end.options(job_id="end:1").enqueue("bury")
        await eventually(lambda: _dead(redis, 1))
    await trim_dead(redis, "default", now_ms=0, max_jobs=0, max_age_s=None)

    assert [key for key in await redis.keys() if b"end:1" in key] == []
    assert await batch.dead_jobs(redis) == []
    assert (await end.options(job_id="end:1").enqueue("done")).created


async def _dead(redis: QueueClient, count: int) -> bool:
    return bool(await redis.zcard(f"{QUEUE}:dead") == count)
