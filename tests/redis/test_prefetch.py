"""Prefetched claims, which wait for a slot: they lose, delay and cost no job."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from runner import Context, JobState, job
from runner.admin import Admin
from runner.broker import keys
from runner.worker import prefetch as ahead
from tests.runner_kit import (
    PATIENCE_S,
    crashes,
    eventually,
    give_back_prefetched,
    give_up,
    history,
    is_known_to_have_started,
    lose_answers_to_claims,
    mortal,
    note_given_back,
    note_started_ahead,
    prefetched,
    result_of,
    soon,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner import JobHandle, QueueClient, Worker

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
LONG_S = 60.0


@pytest.fixture(autouse=True)
def _all_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every job count as fast, however busy the machine is."""
    monkeypatch.setattr(ahead, "_FAST_S", LONG_S)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let claims wait for a slot until the test has seen them."""
    monkeypatch.setattr(ahead, "_LONGEST_WAIT_S", LONG_S)


@job(queue="default")
async def quick(ctx: Context) -> None:
    """End at once."""
    stage.runs[ctx.job_id] += 1


@job(queue="default", max_retries=0)
async def act(ctx: Context, name: str) -> str:
    """Report the start, and wait."""
    await stage.hold(name)
    return f"{name} in attempt {ctx.attempt}"


@job(queue="default")
async def block(_ctx: Context, seconds: float) -> None:
    """Block the event loop."""
    time.sleep(seconds)  # noqa: ASYNC251 -- the point of it


@job(queue="default")
async def nap(_ctx: Context) -> None:
    """Take a moment."""
    await asyncio.sleep(0.002)


JOBS = (quick, act, block, nap)


async def _fast_then_slow(names: Sequence[str] = "abcd") -> list[JobHandle[str]]:
    """Enqueue jobs that make a worker prefetch, and then jobs that fill its slots."""
    await quick.enqueue_many([{}] * 40)
    return await act.enqueue_many([{"name": name} for name in names])


async def _holding_two_ahead(one: Worker) -> list[JobHandle[str]]:
    """Let *one*, which has two slots, run two slow jobs and prefetch two more."""
    handles = await _fast_then_slow()
    assert [await stage.started.next() for _ in range(2)] == ["a", "b"]
    await eventually(lambda: prefetched(one) == 2)
    return handles


@pytest.mark.usefixtures("_patient")
async def test_claim_ahead_is_marked_until_its_job_starts(
    redis_url: str, redis: QueueClient
) -> None:
    """Redis knows which jobs have started; all four are held, and show as running."""
    async with working(redis_url, *JOBS, concurrency=2, lease_s=LONG_S) as one:
        handles = await _holding_two_ahead(one)
        assert await eventually(lambda: _have_started(redis, handles, [True, True, False, False]))
        assert [await handle.state() for handle in handles] == [JobState.RUNNING] * 4

        stage.go.set()
        assert [await handle.result(timeout_s=PATIENCE_S) for handle in handles] == [
            f"{name} in attempt 1" for name in "abcd"
        ]
        assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]


async def test_slow_jobs_hold_up_nothing_that_waits_behind_them(
    redis_url: str, redis: QueueClient
) -> None:
    """After a tenth of a second what could not start goes to an idle worker, due as before."""
    handles = await _fast_then_slow()
    due_ms = [await redis.zscore(QUEUE, handle.id) for handle in handles]
    async with working(redis_url, *JOBS, concurrency=2, lease_s=LONG_S) as one:
        assert [await stage.started.next() for _ in range(2)] == ["a", "b"]
        await eventually(lambda: _due(redis, handles[2:], due_ms[2:]))
        assert prefetched(one) == 0

        async with working(redis_url, *JOBS, concurrency=2):
            assert [await stage.started.next() for _ in range(2)] == ["c", "d"]
            stage.go.set()
            for handle in handles:
                assert (await handle.result(timeout_s=PATIENCE_S)).endswith("in attempt 1")
    for handle in handles:
        assert await crashes(redis, "default", handle.id) == 0
        assert await history(redis, handle.id) == []


@pytest.mark.usefixtures("_patient")
async def test_stop_gives_back_what_was_not_started_before_anything_else(
    redis_url: str, redis: QueueClient
) -> None:
    """While running jobs use their grace time, the others run elsewhere already."""
    one = await start(worker(redis_url, *JOBS, concurrency=2, lease_s=LONG_S))
    handles = await _holding_two_ahead(one)
    async with working(redis_url, *JOBS, concurrency=2):
        one.stop()
        assert [await stage.started.next() for _ in range(2)] == ["c", "d"]
        assert len(one.tasks) == 2
        stage.go.set()
        await stop(one)
        for handle in handles:
            assert (await handle.result(timeout_s=PATIENCE_S)).endswith("in attempt 1")
    assert await redis.exists(f"{QUEUE}:crashes") == 0


@pytest.mark.usefixtures("_patient")
async def test_killed_worker_costs_what_it_had_not_started_no_crash(
    redis_url: str, redis: QueueClient
) -> None:
    """Only the two running jobs count a crash; all four run again within a lease."""
    async with mortal(redis_url, *JOBS, concurrency=2, lease_s=2.0) as one:
        handles = await _holding_two_ahead(one.worker)
        await eventually(lambda: _have_started(redis, handles, [True, True, False, False]))
        await one.kill()
        # Jobs may have started here as the worker was killed; Redis does not know of them.
        stage.started.unread()

    async with working(redis_url, *JOBS, concurrency=4, idle_poll_s=0.05):
        first = await stage.started.next()
        lost = [await crashes(redis, "default", handle.id) for handle in handles]
        assert lost == [1, 1, 0, 0]
        stage.go.set()
        names = [first] + [await stage.started.next() for _ in range(3)]
        assert sorted(names) == sorted("abcd")
        for handle in handles:
            assert (await handle.result(timeout_s=PATIENCE_S)).endswith("in attempt 1")


@pytest.mark.usefixtures("_patient")
async def test_crash_in_the_first_step_of_a_job_claimed_ahead_counts(redis_url: str) -> None:
    """Redis knows of it before the job's first step, so a job that kills its worker is found."""
    seen: list[bool] = []

    @job(queue="default")
    async def look(ctx: Context) -> None:
        """Ask before anything else."""
        seen.append(await is_known_to_have_started(one, ctx.job_id))

    async with working(redis_url, *JOBS, look, concurrency=2, lease_s=LONG_S) as one:
        started_ahead = note_started_ahead(one)
        await quick.enqueue_many([{}] * 40)
        for handle in await look.enqueue_many([{}] * 40):
            await handle.result(timeout_s=PATIENCE_S)

    assert len(started_ahead) > 20
    assert len(seen) == 40
    assert all(seen)


@pytest.mark.usefixtures("_patient")
async def test_claim_that_waited_for_a_quarter_of_its_lease_is_not_started(
    redis_url: str, redis: QueueClient
) -> None:
    """A blocked loop may have cost the lease: the job is given back and claimed again."""
    async with working(redis_url, *JOBS, concurrency=1, lease_s=1.0, heartbeat_s=0.1) as one:
        given_back = note_given_back(one)
        await quick.enqueue_many([{}] * 40)
        await block.enqueue(seconds=0.5)
        last = await quick.enqueue()
        await last.result(timeout_s=PATIENCE_S)

    # None, if the block came first; others as well, if the machine itself was held up.
    assert {stage.runs[job_id] for job_id in (*given_back, last.id)} == {1}
    assert await redis.exists(f"{QUEUE}:crashes") == 0


@pytest.mark.usefixtures("_patient")
async def test_lease_lost_while_waiting_is_the_other_workers(
    redis_url: str, redis: QueueClient
) -> None:
    """Its outcome here is dropped later: the other worker's result counts."""
    async with working(redis_url, *JOBS, concurrency=2, lease_s=LONG_S) as one:
        handles = await _holding_two_ahead(one)
        lost = handles[2]
        await redis.delete(f"arq:in-progress:{lost.id}")
        await redis.zadd(QUEUE, {lost.id: 1})
        async with working(redis_url, *JOBS, concurrency=1) as other:
            assert await stage.started.next() == "c"
            await give_back_prefetched(one)
            assert await lost.state() is JobState.RUNNING
            assert list(other.tasks) == [lost.id]
            stage.go.set()
            for handle in handles:
                assert (await handle.result(timeout_s=PATIENCE_S)).endswith("in attempt 1")
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_job_aborted_while_it_waits_does_not_run(redis_url: str, redis: QueueClient) -> None:
    """It is given back like the others, and the next claim ends it before it starts."""
    async with working(redis_url, *JOBS, concurrency=2, lease_s=LONG_S) as one:
        handles = await _fast_then_slow()
        assert [await stage.started.next() for _ in range(2)] == ["a", "b"]
        await Admin(redis).abort("default", handles[2].id)
        await eventually(lambda: prefetched(one) == 0)
        async with working(redis_url, *JOBS, concurrency=2):
            assert await stage.started.next() == "d"
            result = await eventually(lambda: result_of(redis, handles[2].id))
            assert result["r"]["error"] == "CancelledError"
            assert not stage.started.unread()
            stage.go.set()


async def test_pause_stops_what_was_claimed_ahead(redis_url: str, redis: QueueClient) -> None:
    """After the pause at most claimed jobs start, and none stays held."""
    handles = await quick.enqueue_many([{}] * 3000)
    async with working(redis_url, *JOBS, concurrency=4):
        await eventually(lambda: len(stage.runs) >= 100)
        await Admin(redis).pause("default", by="a test")
        at_pause = len(stage.runs)
        await eventually(lambda: _none_running(redis))
        assert len(stage.runs) - at_pause < 3000 - at_pause
        assert await redis.zcard(QUEUE) == len(handles) - len(stage.runs)
    assert max(stage.runs.values()) == 1


async def test_quiet_worker_starts_nothing_that_it_claimed_ahead(
    redis_url: str, redis: QueueClient
) -> None:
    """What waits goes back at once, for workers that are not quiet."""
    handles = await quick.enqueue_many([{}] * 3000)
    async with working(redis_url, *JOBS, concurrency=4) as one:
        await eventually(lambda: len(stage.runs) >= 100)
        one.quiet()
        at_once = len(stage.runs)
        await eventually(lambda: _none_running(redis))
        assert len(stage.runs) - at_once <= 2 * 4
        assert await redis.zcard(QUEUE) == len(handles) - len(stage.runs)
        one.resume()
        await eventually(lambda: len(stage.runs) == len(handles))
    assert max(stage.runs.values()) == 1


async def test_workers_that_claim_ahead_share_a_queue(redis_url: str) -> None:
    """Two equal workers both get a share, and every job runs once."""
    async with (
        working(redis_url, *JOBS, concurrency=4) as one,
        working(redis_url, *JOBS, concurrency=4) as two,
    ):
        handles = await nap.enqueue_many([{}] * 600)
        for handle in handles:
            await handle.result(timeout_s=PATIENCE_S)
        await eventually(lambda: _complete(600, one, two))
        assert min(one.jobs_complete, two.jobs_complete) > 150


async def test_many_fast_jobs_on_many_workers_run_once_each(
    redis_url: str, redis: QueueClient
) -> None:
    """Three workers that all prefetch, three thousand jobs, and three thousand runs."""
    handles = await quick.enqueue_many([{}] * 3000)
    async with (
        working(redis_url, *JOBS) as one,
        working(redis_url, *JOBS) as two,
        working(redis_url, *JOBS) as three,
    ):
        await eventually(lambda: _complete(3000, one, two, three))

    assert stage.runs == {handle.id: 1 for handle in handles}
    assert await redis.zcard(QUEUE) == 0
    assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_burst_with_a_limit_prefetches_no_more(redis_url: str, redis: QueueClient) -> None:
    """`max_burst_jobs` counts what waits for a slot, and leaves the rest untouched."""
    await quick.enqueue_many([{}] * 200)
    one = worker(redis_url, *JOBS, burst=True, max_burst_jobs=137, concurrency=4)
    await soon(one.async_run())
    await one.close()

    assert len(stage.runs) == 137
    assert await redis.zcard(QUEUE) == 63
    assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]


@pytest.mark.usefixtures("_patient")
async def test_worker_given_up_by_the_watchdog_gives_back_what_waits(
    redis_url: str, redis: QueueClient
) -> None:
    """In the watchdog's thread, while the loop is blocked; only the blocking job is lost."""
    async with working(redis_url, *JOBS, concurrency=2, lease_s=LONG_S, heartbeat_s=20.0) as one:
        handles = await _holding_two_ahead(one)
        give_up(one, blocked_by=handles[0].id)
        assert await _have_started(redis, handles, [True, None, None, None])
        stage.go.set()


@pytest.mark.usefixtures("_patient")
async def test_claim_ahead_whose_answer_is_lost_is_undone(
    redis_url: str, redis: QueueClient
) -> None:
    """The next claim names its token: no job waits for a lease, none counts a crash."""
    handles = await quick.enqueue_many([{}] * 500)
    one = worker(redis_url, *JOBS, concurrency=4, lease_s=LONG_S)
    running = asyncio.create_task(one.async_run())
    await one.ready.wait()
    loses = lose_answers_to_claims(one, times=5)
    for handle in handles:
        await handle.result(timeout_s=PATIENCE_S)
    await stop(one)
    await running

    assert len(loses.lost) == 5
    assert stage.runs == {handle.id: 1 for handle in handles}
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_redis_away_while_claims_wait_loses_none(redis_url: str, redis: QueueClient) -> None:
    """Cut off at full speed for longer than a lease, each job runs, and none counts a crash."""
    handles = await quick.enqueue_many([{}] * 3000)
    async with mortal(redis_url, *JOBS, concurrency=4, idle_poll_s=0.05) as one:
        await eventually(lambda: len(stage.runs) >= 300)
        one.cable.cut()
        await asyncio.sleep(0.8)
        one.cable.mend()
        await eventually(lambda: len(stage.runs) == len(handles))
        await eventually(lambda: _none_running(redis))

    assert set(stage.runs) == {handle.id for handle in handles}
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def _have_started(
    redis: QueueClient, handles: Sequence[JobHandle[Any]], expected: Sequence[bool | None]
) -> bool:
    """Whether Redis knows which jobs have started; None: the job is not held."""
    found: list[bool | None] = []
    for handle in handles:
        mark = await redis.hget(f"{QUEUE}:running", handle.id)  # type: ignore[misc]
        unstarted = mark and keys.ARQ.unstarted_prefix + mark.decode().partition("|")[0]
        found.append(None if not mark else not await redis.sismember(unstarted, handle.id))  # type: ignore[misc]
    return found == list(expected)


async def _due(
    redis: QueueClient, handles: Sequence[JobHandle[Any]], due_ms: Sequence[float | None]
) -> bool:
    return [await redis.zscore(QUEUE, handle.id) for handle in handles] == due_ms


async def _none_running(redis: QueueClient) -> bool:
    return not await redis.hlen(f"{QUEUE}:running")  # type: ignore[misc]


async def _complete(count: int, *workers: Worker) -> bool:
    return sum(one.jobs_complete for one in workers) == count
