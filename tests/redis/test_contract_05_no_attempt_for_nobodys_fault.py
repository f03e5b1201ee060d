"""Contract 5: shutdown, a lost worker and a Redis outage never cost an attempt."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from runner import Context, JobState, job
from runner.broker import outage
from tests.runner_kit import (
    PATIENCE_S,
    claims_made,
    crashes,
    eventually,
    history,
    is_away,
    is_running,
    mortal,
    set_slots,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default", max_retries=0)
async def act(ctx: Context, on_cancel: str = "raise") -> str:
    """Wait; when cancelled, do what *on_cancel* says."""
    try:
        await stage.hold(ctx.attempt)
    except asyncio.CancelledError:
        match on_cancel:
            case "finish":
                return "finished all the same"
            case "fail":
                raise ValueError("the connection is closed") from None
            case "ignore":
                await asyncio.wait({asyncio.create_task(stage.go.wait())})
                return "finished much later"
        raise
    return "done"


async def _unharmed(redis: QueueClient, job_id: str) -> None:
    assert int(await redis.get(f"arq:retry:{job_id}") or 0) == 0
    assert await history(redis, job_id) == []
    assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]
    assert await redis.exists(f"arq:in-progress:{job_id}") == 0


async def test_stop_lets_running_jobs_finish_within_the_grace_time(
    redis_url: str, redis: QueueClient
) -> None:
    """A stopping worker claims no more and waits; jobs that end in time are settled."""
    one = await start(worker(redis_url, act, concurrency=1))
    first, second = await act.enqueue(), await act.enqueue()
    await stage.started.next()
    one.stop()
    await asyncio.sleep(0.05)
    assert is_running(one)
    stage.go.set()
    await stop(one)

    assert await first.state() is JobState.DONE
    assert await second.state() is JobState.READY
    await _unharmed(redis, second.id)


async def test_stop_gives_back_what_does_not_finish_in_time(
    redis_url: str, redis: QueueClient
) -> None:
    """After the grace time a job is cancelled and given back: due at once, at no cost."""
    one = await start(worker(redis_url, act, grace_s=0.05))
    handle = await act.enqueue()
    await stage.started.next()
    await stop(one)

    assert stage.cancelled.unread()
    assert await handle.state() is JobState.READY
    await _unharmed(redis, handle.id)
    assert await crashes(redis, "default", handle.id) == 0


async def test_second_stop_gives_back_at_once(redis_url: str, redis: QueueClient) -> None:
    """A second stop cuts the grace time short."""
    one = await start(worker(redis_url, act, grace_s=60.0))
    handle = await act.enqueue()
    await stage.started.next()
    asked = time.monotonic()
    one.stop()
    one.stop()
    await stop(one)

    assert time.monotonic() - asked < PATIENCE_S
    assert await handle.state() is JobState.READY
    await _unharmed(redis, handle.id)


async def test_released_job_is_picked_up_by_an_idle_worker_at_once(
    redis_url: str, redis: QueueClient
) -> None:
    """It waits for no poll and no lease, and still has its only attempt."""
    one = await start(worker(redis_url, act))
    handle = await act.enqueue()
    assert await stage.started.next() == 1
    async with working(redis_url, act):
        await stop(one, at_once=True)
        assert await stage.started.next() == 1
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "done"
    await _unharmed(redis, handle.id)


async def test_job_that_finishes_on_its_cancellation_is_done(
    redis_url: str, redis: QueueClient
) -> None:
    """A job that finishes its work when cancelled does not run again."""
    one = await start(worker(redis_url, act))
    handle = await act.enqueue("finish")
    await stage.started.next()
    await stop(one, at_once=True)

    assert await handle.result(timeout_s=PATIENCE_S) == "finished all the same"
    await _unharmed(redis, handle.id)


async def test_job_that_fails_for_its_cancellation_is_not_charged(
    redis_url: str, redis: QueueClient
) -> None:
    """An error caused by the cancellation, such as a closed connection, is nobody's fault."""
    one = await start(worker(redis_url, act))
    handle = await act.enqueue("fail")
    await stage.started.next()
    await stop(one, at_once=True)

    assert await handle.state() is JobState.READY
    await _unharmed(redis, handle.id)


async def test_job_that_ignores_its_cancellation_is_left_behind_and_given_back(
    redis_url: str, redis: QueueClient
) -> None:
    """A worker stops in bounded time whatever its jobs do, and the job runs again elsewhere."""
    one = await start(worker(redis_url, act, cancel_wait_s=0.05))
    handle = await act.enqueue("ignore")
    await stage.started.next()
    await stop(one, at_once=True)

    assert await handle.state() is JobState.READY
    await _unharmed(redis, handle.id)
    stage.go.set()
    await asyncio.sleep(0.01)
    assert await handle.state() is JobState.READY


async def test_lost_worker_costs_no_attempt(redis_url: str, redis: QueueClient) -> None:
    """A job with a single attempt survives two workers that die while they run it."""
    handle = await act.enqueue()
    for _ in range(2):
        async with mortal(redis_url, act, lease_s=0.5, heartbeat_s=0.1, idle_poll_s=0.05) as one:
            assert await stage.started.next() == 1
            await one.kill()

    stage.go.set()
    async with working(redis_url, act, idle_poll_s=0.05):
        assert await handle.result(timeout_s=PATIENCE_S) == "done"
    assert await history(redis, handle.id) == []


async def test_redis_outage_costs_no_attempt(redis_url: str, redis: QueueClient) -> None:
    """A job goes on while its worker cannot reach Redis, and is settled afterwards."""
    async with mortal(redis_url, act) as one:
        handle = await act.enqueue()
        await stage.started.next()
        one.cable.cut()
        await eventually(lambda: is_away(one.worker))
        stage.go.set()
        await asyncio.sleep(0.05)
        one.cable.mend()
        assert await handle.result(timeout_s=PATIENCE_S) == "done"

    assert not stage.started.unread()
    assert await crashes(redis, "default", handle.id) == 0


async def test_redis_outage_longer_than_the_lease_counts_no_crash_of_a_living_worker(
    redis_url: str, redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that were all cut off extend their leases before any of them claims again."""
    lease_s = 3.0
    monkeypatch.setattr(outage, "_LONGEST_PAUSE_S", 0.2)  # well below a sixth of the lease
    async with (
        mortal(redis_url, act, idle_poll_s=0.05, concurrency=1, lease_s=lease_s) as one,
        mortal(redis_url, act, idle_poll_s=0.05, concurrency=1, lease_s=lease_s) as two,
    ):
        handles = [await act.enqueue() for _ in range(2)]
        for _ in handles:
            await stage.started.next()
        for each in (one, two):
            set_slots(each.worker, 2)
            each.cable.cut()
        await asyncio.sleep(lease_s + 0.2)
        for each in (one, two):
            each.cable.mend()
        await eventually(lambda: not (is_away(one.worker) or is_away(two.worker)))
        claims = claims_made(one.worker), claims_made(two.worker)
        await eventually(lambda: claims_made(one.worker) > claims[0] + 1)
        await eventually(lambda: claims_made(two.worker) > claims[1] + 1)
        assert not stage.started.unread()
        stage.go.set()
        for handle in handles:
            assert await handle.result(timeout_s=PATIENCE_S) == "done"

    for handle in handles:
        assert await crashes(redis, "default", handle.id) == 0


async def test_crashes_and_attempts_are_counted_apart(redis_url: str) -> None:
    """After two crashes and a failure one attempt is spent, and the job has its retry."""
    handle = await act_then_fail.enqueue()
    for _ in range(2):
        async with mortal(
            redis_url, act_then_fail, lease_s=0.5, heartbeat_s=0.1, idle_poll_s=0.05
        ) as one:
            assert await stage.started.next() == 1
            await one.kill()

    stage.go.set()
    async with working(redis_url, act_then_fail, idle_poll_s=0.05):
        assert await handle.result(timeout_s=PATIENCE_S) == "done in attempt 2"


@job(queue="default", max_retries=1)
async def act_then_fail(ctx: Context) -> str:
    """Wait, fail in the first attempt, succeed in the second."""
    await stage.hold(ctx.attempt)
    if ctx.attempt == 1:
        raise ValueError("not yet")
    return f"done in attempt {ctx.attempt}"
