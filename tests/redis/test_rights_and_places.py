"""A claim is a right with an age, an outcome is its own attempt's, and a job keeps its place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runner import Context, Retry, clock, job
from runner.admin import Admin
from runner.broker import keys
from runner.broker.scripts.fields import ClaimReply
from runner.states import Found
from tests.runner_kit import (
    PATIENCE_S,
    before_each_job,
    eventually,
    history,
    holds_nothing,
    is_known_to_have_started,
    lose_answers_to_claims,
    lose_answers_to_settles,
    mortal,
    note_given_back,
    renew_leases,
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
LATER = 300


@job(queue="default")
async def act(_ctx: Context, name: str) -> str:
    """Report the start, and wait."""
    await stage.hold(name)
    return name


# ---------------------------------------------------------------- places


@pytest.mark.parametrize("how", ["killed", "stopped", "given up"])
async def test_interrupted_jobs_run_before_all_that_came_later(
    redis_url: str, redis: QueueClient, how: str
) -> None:
    """They keep their due times, whichever way they go back."""
    first = [f"first {n}" for n in range(10)]
    handles = await act.enqueue_many([{"name": name} for name in first])
    due = [await redis.zscore(QUEUE, handle.id) for handle in handles]
    async with mortal(redis_url, act) as one:
        for _ in first:
            await stage.started.next()
        later = [f"later {n}" for n in range(LATER)]
        await act.enqueue_many([{"name": name} for name in later])
        match how:
            case "killed":
                await one.kill()
            case "stopped":
                await stop(one.worker, at_once=True)
            case "given up":
                await asyncio.to_thread(one.worker.engine.give_up, None)
                assert [await redis.zscore(QUEUE, handle.id) for handle in handles] == due
                await one.kill()
    # Everything is due for longer than a lease: the longest due come first.
    await asyncio.sleep(0.7)
    stage.go.set()
    stage.started.unread()
    async with working(redis_url, act, idle_poll_s=0.05) as two:
        await eventually(lambda: two.jobs_complete == LATER + len(first))
    order = stage.started.unread()
    assert sorted(order[:10]) == first
    assert len(order) == LATER + len(first)


async def test_job_released_with_a_delay_is_due_after_it(
    redis_url: str, redis: QueueClient
) -> None:
    """Only what asks for no delay keeps its place."""

    @job(queue="default")
    async def wait(_ctx: Context) -> None:
        raise Retry(3600, charge=False)

    handle = await wait.enqueue()
    due = await redis.zscore(QUEUE, handle.id)
    async with working(redis_url, wait) as one:
        await eventually(lambda: holds_nothing(one) and one.jobs_retried)
    assert await redis.zscore(QUEUE, handle.id) > due + 3_500_000


# ---------------------------------------------------------------- ages of claims


async def test_claim_whose_answer_came_late_is_not_started(
    redis_url: str, redis: QueueClient
) -> None:
    """Others may have taken its jobs over: they go back, and run under a new claim."""
    one = await start(worker(redis_url, act))
    claimer: Any = one.engine.claimer
    script, slow = claimer._script, [True]

    async def late(*args: Any, **kwargs: Any) -> Any:
        answer = await script(*args, **kwargs)
        if slow and len(answer) > len(ClaimReply._fields):
            slow.clear()
            await asyncio.sleep(0.4)
        return answer

    late.close, late.tell = script.close, script.tell  # type: ignore[attr-defined]
    claimer._script = late
    given_back = note_given_back(one)
    handle = await act.enqueue("x")
    stage.go.set()
    assert await handle.result(timeout_s=PATIENCE_S) == "x"
    await stop(one)
    assert given_back == [handle.id]
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_claim_that_grew_old_before_its_first_step_is_given_back(
    redis_url: str, redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process is stopped in that very moment; the machine's sleep counts."""
    one = await start(worker(redis_url, act))
    boot, slept = clock.boot, [0.0]
    monkeypatch.setattr(clock, "boot", lambda: boot() + slept[0])

    def sleep_once() -> None:
        slept[0] = slept[0] or 100.0

    before_each_job(one, sleep_once)
    stage.go.set()
    handle = await act.enqueue("x")
    assert await handle.result(timeout_s=PATIENCE_S) == "x"
    await stop(one)
    assert stage.started.unread() == ["x"]
    assert (one.jobs_retried, one.jobs_complete) == (1, 1)
    assert await history(redis, handle.id) == []


async def test_claim_whose_answer_is_lost_counts_no_crash_though_its_worker_dies(
    redis_url: str, redis: QueueClient
) -> None:
    """It had not started anything, and Redis knows that."""
    async with mortal(redis_url, act) as one:
        lost = lose_answers_to_claims(one.worker, times=99, after=asyncio.Event().wait)
        handle = await act.enqueue("x")
        await eventually(lambda: any(len(answer) > len(ClaimReply._fields) for answer in lost.lost))
        await one.kill()
    async with working(redis_url, act, idle_poll_s=0.05):
        await stage.started.next()
        assert await redis.exists(f"{QUEUE}:crashes", f"{QUEUE}:suspects") == 0
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "x"


async def test_fence_grows_with_each_attempt(redis_url: str, redis: QueueClient) -> None:
    """Across retries, workers and losses; also where the counter is gone."""
    fences: list[int] = []

    @job(queue="default", max_retries=3)
    async def note(ctx: Context) -> None:
        fences.append(ctx.fence)
        if ctx.attempt < 3:
            raise ValueError
        await stage.hold()

    handle = await note.enqueue()
    async with mortal(redis_url, note) as one:
        await stage.started.next()
        await one.kill()
    await redis.delete(keys.ARQ.fence)
    stage.go.set()
    async with working(redis_url, note, idle_poll_s=0.05):
        await handle.result(timeout_s=PATIENCE_S)
    assert len(fences) == 4
    assert fences == sorted(set(fences))


# ---------------------------------------------------------------- whose outcome


async def test_stale_outcome_takes_nothing_from_a_newer_attempt(
    redis_url: str, redis: QueueClient
) -> None:
    """The answer to a settlement stays out for leases; meanwhile the retry runs, and succeeds."""
    runs: list[int] = []

    @job(queue="default", max_retries=2)
    async def fail_once(ctx: Context) -> str:
        runs.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("once")
        stage.started.put(ctx.attempt)
        return "second"

    came = asyncio.Event()
    async with working(redis_url, fail_once, idle_poll_s=0.05) as one:
        lose_answers_to_settles(one, after=came.wait)
        handle = await fail_once.enqueue()
        assert await stage.started.next() == 2
        await asyncio.sleep(1.5)  # longer than two leases: that nothing changes is the point
        came.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "second"
        await eventually(lambda: holds_nothing(one))
    assert runs == [1, 2]
    assert [entry["error"] for entry in await history(redis, handle.id)] == ["ValueError"]
    assert await redis.exists(f"{QUEUE}:crashes", f"{QUEUE}:running") == 0


# ---------------------------------------------------------------- forgotten scripts


async def test_scripts_that_are_flushed_all_the_time_hold_nothing_up(
    redis_url: str, redis: QueueClient
) -> None:
    """Whenever it happens: no call fails, no beat and no action either, and no start is lost."""

    async def flush() -> None:
        while True:
            await redis.script_flush()
            await asyncio.sleep(0.001)

    flushing = asyncio.create_task(flush())
    async with working(redis_url, act, concurrency=4, heartbeat_s=0.05) as one:
        handles = await act.enqueue_many([{"name": str(n)} for n in range(200)])
        for _ in range(4):
            await stage.started.next()
        assert await is_known_to_have_started(one, handles[0].id)
        for handle in handles[150:]:
            assert await Admin(redis).run_now("default", handle.id) is Found.WAITING
        stage.go.set()
        for handle in handles:
            await handle.result(timeout_s=PATIENCE_S)
    flushing.cancel()
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_thousands_of_jobs_are_held_renewed_and_given_back(
    redis_url: str, redis: QueueClient
) -> None:
    """No call grows with what a worker holds."""
    count = 4500
    handles = await act.enqueue_many([{"name": str(n)} for n in range(count)])
    due = await redis.zrange(QUEUE, 0, -1, withscores=True)
    patient = {"lease_s": 20.0, "heartbeat_s": 1.0, "cancel_wait_s": PATIENCE_S}
    one = await start(worker(redis_url, act, concurrency=5000, **patient))
    await eventually(lambda: len(one.tasks) == count)
    await renew_leases(one)
    assert await redis.hlen(f"{QUEUE}:running") == len(handles)  # type: ignore[misc]
    await stop(one, at_once=True)
    assert await redis.zrange(QUEUE, 0, -1, withscores=True) == due
    assert await redis.exists(f"{QUEUE}:running", f"{QUEUE}:holders", f"{QUEUE}:late") == 0
