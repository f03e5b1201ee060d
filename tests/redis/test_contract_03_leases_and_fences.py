"""Contract 3: a job runs under a lease, renewed while its worker lives and fenced by its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner import Context, JobState, job
from tests.runner_kit import (
    PATIENCE_S,
    break_heartbeat,
    crashes,
    dead_ids,
    eventually,
    history,
    holds_nothing,
    mortal,
    renew_leases,
    result_of,
    soon,
    stage,
    start,
    stop_renewing,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default")
async def act(ctx: Context, name: str = "x") -> str:
    """Report the start, and wait."""
    await stage.hold((name, ctx.attempt))
    return f"{name} by {ctx.attempt}"


@job(queue="default", timeout_s=60)
async def act_long(ctx: Context) -> str:
    """Run with a timeout much longer than a lease."""
    return await act(ctx, "long")


async def test_job_is_held_by_one_worker_while_its_leases_hold(
    redis_url: str, redis: QueueClient
) -> None:
    """Three workers, one job, several leases: it starts once, and no crash is counted."""
    async with working(redis_url, act), working(redis_url, act), working(redis_url, act):
        handle = await act.enqueue()
        await stage.started.next()
        first_end_ms = await redis.zscore(QUEUE, handle.id)
        await eventually(lambda: _renewed(redis, handle.id, first_end_ms, times=2))

        assert not stage.started.unread()
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "x by 1"

    assert stage.most_running == 1
    assert await crashes(redis, "default", handle.id) == 0


async def test_many_jobs_on_many_workers_run_once_each(redis_url: str, redis: QueueClient) -> None:
    """No job starts twice, however many workers claim at the same time."""
    stage.go.set()
    handles = await act.enqueue_many([{"name": str(n)} for n in range(200)])
    async with working(redis_url, act), working(redis_url, act), working(redis_url, act):
        for handle in handles:
            await handle.result(timeout_s=PATIENCE_S)

    names = sorted(name for name, _ in stage.started.unread())
    assert names == sorted(str(n) for n in range(200))
    assert await redis.zcard(QUEUE) == 0


async def test_job_of_a_killed_worker_runs_again_within_one_lease(
    redis_url: str, redis: QueueClient
) -> None:
    """An idle worker claims it when the lease ends: a crash is counted, no attempt is charged."""
    async with mortal(redis_url, act) as first:
        handle = await act.enqueue()
        assert await stage.started.next() == ("x", 1)
        await first.kill()

    async with working(redis_url, act, idle_poll_s=0.1):
        assert await stage.started.next() == ("x", 1)
        assert await crashes(redis, "default", handle.id) == 1
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "x by 1"

    assert await crashes(redis, "default", handle.id) == 0
    assert await history(redis, handle.id) == []


async def test_job_with_a_long_timeout_comes_back_as_soon_as_any_other(redis_url: str) -> None:
    """The lease, not the job's timeout, decides when a dead worker's job runs again."""
    async with mortal(redis_url, act_long) as first:
        await act_long.enqueue()
        await stage.started.next()
        await first.kill()

    async with working(redis_url, act_long, idle_poll_s=0.1):
        await stage.started.next()


async def test_third_worker_lost_with_a_job_makes_it_poison(
    redis_url: str, redis: QueueClient
) -> None:
    """After three lost workers the job is dead, with its body kept and no attempt charged."""
    hasty = {"lease_s": 0.5, "heartbeat_s": 0.1, "idle_poll_s": 0.05, "cancel_wait_s": 0.01}
    handle = await act.enqueue()
    for _ in range(3):
        async with mortal(redis_url, act, **hasty) as one:
            await stage.started.next()
            await one.kill()

    async with working(redis_url, act, **hasty):
        assert await eventually(lambda: dead_ids(redis, "default")) == [handle.id]

    assert not stage.started.unread()
    [entry] = await history(redis, handle.id)
    assert (entry["error"], entry["message"]) == ("Poison", "lost with its worker 3 times")
    assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 0
    assert await redis.exists(f"arq:job:{handle.id}") == 1


async def test_worker_that_lost_its_lease_writes_nothing(
    redis_url: str, redis: QueueClient
) -> None:
    """Its outcome is dropped while another worker holds the job, whose result counts."""
    async with working(redis_url, act, concurrency=1) as first:
        stop_renewing(first)
        handle = await act.enqueue()
        await stage.started.next()
        async with working(redis_url, act, idle_poll_s=0.1) as second:
            await stage.started.next()
            holder = await redis.hget(f"{QUEUE}:running", handle.id)  # type: ignore[misc]
            first.tasks[handle.id].cancel()
            await eventually(lambda: holds_nothing(first))

            assert await handle.state() is JobState.RUNNING
            assert await redis.hget(f"{QUEUE}:running", handle.id) == holder  # type: ignore[misc]
            assert await redis.exists(f"arq:retry:{handle.id}") == 0
            assert await history(redis, handle.id) == []
            stage.go.set()
            assert await handle.result(timeout_s=PATIENCE_S) == "x by 1"
            assert (first.jobs_retried, first.jobs_complete) == (0, 0)
            assert await eventually(lambda: second.jobs_complete) == 1


async def test_worker_that_lost_its_lease_stops_the_job(redis_url: str) -> None:
    """Its next renewal finds that another worker has the job, and cancels the run."""
    async with working(redis_url, act, concurrency=1) as first:
        renew_again = stop_renewing(first)
        await act.enqueue()
        await stage.started.next()
        async with working(redis_url, act, idle_poll_s=0.1):
            await stage.started.next()
            renew_again()
            await renew_leases(first)
            await stage.cancelled.next()
            await eventually(lambda: holds_nothing(first))

            assert stage.running == 1
            stage.go.set()


async def test_settled_job_stays_settled_when_a_stale_worker_settles_late(
    redis_url: str, redis: QueueClient
) -> None:
    """After the new owner has finished, the old one's outcome does not bring the job back."""
    async with working(redis_url, act, concurrency=1) as first:
        stop_renewing(first)
        handle = await act.enqueue()
        await stage.started.next()
        async with working(redis_url, act, idle_poll_s=0.1):
            await stage.started.next()
            stage.go.set()
            assert await handle.result(timeout_s=PATIENCE_S) == "x by 1"
        await eventually(lambda: holds_nothing(first))
        assert not stage.cancelled.unread()

    assert await handle.state() is JobState.DONE
    assert (await result_of(redis, handle.id) or {})["s"] is True
    assert await redis.zcard(QUEUE) == 0
    assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]


@pytest.mark.parametrize("how", ["outcome dropped", "claim lost"])
async def test_log_says_that_the_jobs_were_flushed_under_their_worker(
    redis_url: str, redis: QueueClient, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """It names no other worker: there is none."""
    async with working(redis_url, act, lease_s=30.0) as one:
        await act.enqueue()
        await stage.started.next()
        await redis.flushall()
        if how == "claim lost":
            await renew_leases(one)
            await stage.cancelled.next()
        stage.go.set()
        await eventually(lambda: holds_nothing(one))
    said = capsys.readouterr().out
    assert f"{how}: the job is no longer in Redis" in said
    assert "another worker" not in said


async def test_log_says_that_the_job_is_dead_or_has_gone_back(
    redis_url: str, redis: QueueClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what Redis knows: somebody has put it back."""
    async with working(redis_url, act, lease_s=30.0) as one:
        handle = await act.enqueue()
        await stage.started.next()
        one.quiet()
        await redis.hdel(f"{QUEUE}:running", handle.id)  # type: ignore[misc]
        await redis.delete(f"arq:in-progress:{handle.id}")
        stage.go.set()
        await eventually(lambda: holds_nothing(one))
    assert "outcome dropped: the job has gone back, or is dead" in capsys.readouterr().out


async def test_worker_that_ends_by_an_error_leaves_no_job_running(
    redis_url: str, redis: QueueClient
) -> None:
    """A worker that breaks cancels its jobs; the leases lapse, and others take over."""
    one = await start(worker(redis_url, act))
    handle = await act.enqueue()
    await stage.started.next()
    break_heartbeat(one, ZeroDivisionError())

    with pytest.raises(BaseExceptionGroup):
        await soon(one.main_task)  # type: ignore[arg-type]
    await stage.cancelled.next()
    await one.close()

    async with working(redis_url, act, idle_poll_s=0.1):
        assert await stage.started.next() == ("x", 1)
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "x by 1"
    assert await history(redis, handle.id) == []


async def test_lease_is_in_arqs_own_key_for_stock_workers_to_see(
    redis_url: str, redis: QueueClient
) -> None:
    """A stock arq worker sees our running job as in progress while we renew its lease."""
    async with working(redis_url, act):
        handle = await act.enqueue()
        await stage.started.next()

        assert 0 < await redis.pttl(f"arq:in-progress:{handle.id}") <= 600
        stage.go.set()
        await handle.result(timeout_s=PATIENCE_S)
        assert await redis.exists(f"arq:in-progress:{handle.id}") == 0


async def test_lapsed_lease_that_nobody_wanted_is_renewed_by_its_worker(
    redis_url: str, redis: QueueClient
) -> None:
    """A worker that was held up past its lease goes on with a job that nobody has claimed."""
    async with working(redis_url, act, concurrency=1) as one:
        handle = await act.enqueue()
        await stage.started.next()
        await redis.delete(f"arq:in-progress:{handle.id}")
        await redis.zadd(QUEUE, {handle.id: 1})
        await eventually(lambda: _renewed(redis, handle.id, 1, times=1))
        stage.go.set()

        assert await handle.result(timeout_s=PATIENCE_S) == "x by 1"
        assert await eventually(lambda: one.jobs_complete) == 1
    assert not stage.started.unread()


async def test_worker_never_runs_a_job_twice_at_a_time(redis_url: str, redis: QueueClient) -> None:
    """A worker that claims its own lapsed job goes on with the first run: no crash."""
    async with working(redis_url, act, idle_poll_s=0.05) as one:
        handle = await act.enqueue()
        await stage.started.next()
        stop_renewing(one)
        first = await redis.hget(f"{QUEUE}:running", handle.id)  # type: ignore[misc]
        await eventually(lambda: _owner_changed(redis, handle.id, first))

        assert not stage.started.unread()
        assert stage.running == 1
        assert await crashes(redis, "default", handle.id) == 0
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "x by 1"


async def _renewed(redis: QueueClient, job_id: str, end_ms: float, *, times: int) -> bool:
    now_ends_ms = await redis.zscore(QUEUE, job_id)
    return now_ends_ms is not None and now_ends_ms > end_ms + 100 * times


async def _owner_changed(redis: QueueClient, job_id: str, owner: Any) -> bool:
    return bool(await redis.hget(f"{QUEUE}:running", job_id) != owner)  # type: ignore[misc]
