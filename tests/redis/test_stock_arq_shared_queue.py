"""One queue with workers of both kinds at once, as during a migration."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from arq.constants import in_progress_key_prefix
from arq.cron import cron

from runner import Context, JobState, Worker, job
from runner.broker import keys
from runner.options import WorkerOptions
from tests.runner_kit import (
    PATIENCE_S,
    crashes,
    eventually,
    holds_nothing,
    renew_leases,
    result_of,
    stage,
    start,
    stop,
    working,
)
from tests.stock_arq import named, stock_client, stock_working

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE = "arq:queue:migration"
JOBS = 600


pytestmark = pytest.mark.usefixtures("redis")


@job(queue="migration")
async def note(ctx: Context, number: int) -> str:
    """Count a run on a worker of ours."""
    del ctx
    await asyncio.sleep(0.002)
    stage.runs["ours", number] += 1
    return "ours"


@job(queue="migration", name="note")
async def wait(_ctx: Context, number: int) -> str:
    """Count a run on a worker of ours, and wait."""
    stage.runs["ours", number] += 1
    await stage.hold("ours")
    return "ours"


async def _note(_ctx: dict[Any, Any], number: int) -> str:
    await asyncio.sleep(0.002)
    stage.runs["theirs", number] += 1
    return "theirs"


async def _hold(_ctx: dict[Any, Any], number: int) -> str:
    await stage.hold("theirs")
    stage.runs["theirs", number] += 1
    return "theirs"


def _runs(whose: str) -> Counter[int]:
    """Return how often each job ran, on our workers or on theirs."""
    return Counter({n: times for (kind, n), times in stage.runs.items() if kind == whose})


async def _is_empty(redis: QueueClient) -> bool:
    return not await redis.zcard(QUEUE)


async def test_each_job_runs_once_on_one_of_them(redis_url: str, redis: QueueClient) -> None:
    """Both workers share the jobs of both clients: none runs twice, and none is left."""
    async with stock_client(redis_url, QUEUE) as stock:
        for number in range(0, JOBS, 2):
            await stock.enqueue_job("note", number)
    await note.enqueue_many([{"number": number} for number in range(1, JOBS, 2)])

    functions = [named("note", _note)]
    async with (
        stock_working(redis_url, QUEUE, functions, max_jobs=5) as theirs,
        working(redis_url, note, concurrency=2) as ours,
    ):
        await eventually(lambda: _is_empty(redis))
        # Ours polls once as it starts, unless theirs, which knows no such job, was quicker.
        await eventually(lambda: ours.jobs_complete + theirs.jobs_complete >= JOBS)

    assert _runs("ours") + _runs("theirs") == Counter(range(JOBS))
    assert _runs("ours")
    assert _runs("theirs")
    names = [key.decode() for key in await redis.keys("*")]
    kept = (keys.ARQ.metrics, f"{QUEUE}:done")
    leftovers = {name.rpartition(":")[0] for name in names if not name.startswith(kept)}
    assert leftovers <= {"arq:result", "arq:startup", "arq:ticks", "arq"}, leftovers


async def test_lapsed_job_that_a_stock_worker_took_is_the_stock_workers(
    redis_url: str, redis: QueueClient
) -> None:
    """Our worker, held up past its lease, settles nothing; the other's result counts."""
    async with working(redis_url, wait, concurrency=1, lease_s=60.0, heartbeat_s=20.0) as ours:
        handle = await wait.enqueue(number=1)
        assert await stage.started.next() == "ours"
        await redis.zadd(QUEUE, {handle.id: 1})
        await redis.delete(in_progress_key_prefix + handle.id)
        async with stock_working(redis_url, QUEUE, [named("note", _hold)]):
            assert await stage.started.next() == "theirs"
            await renew_leases(ours)
            await eventually(lambda: holds_nothing(ours))
            assert await redis.hgetall(f"{QUEUE}:running") == {}  # type: ignore[misc]
            stage.go.set()
            assert await handle.result(timeout_s=PATIENCE_S) == "theirs"
        assert ours.jobs_complete == 0
    assert await redis.zcard(QUEUE) == 0


async def test_job_that_a_stock_worker_has_done_since_is_not_settled_again(
    redis_url: str, redis: QueueClient
) -> None:
    """Ours ends later, finds its claim lost, and writes no result; nothing is left over."""
    async with working(redis_url, wait, concurrency=1, lease_s=60.0, heartbeat_s=20.0) as ours:
        handle = await wait.enqueue(number=1)
        assert await stage.started.next() == "ours"
        await redis.zadd(QUEUE, {handle.id: 1})
        await redis.delete(in_progress_key_prefix + handle.id)
        async with stock_working(redis_url, QUEUE, [named("note", _note)]):
            await eventually(lambda: result_of(redis, handle.id))
        stage.go.set()
        await eventually(lambda: holds_nothing(ours))
        assert await handle.result(timeout_s=PATIENCE_S) == "theirs"
        assert ours.jobs_complete == 0
    assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]


async def test_job_held_by_a_stock_worker_is_passed_over(
    redis_url: str, redis: QueueClient
) -> None:
    """It stays due at the head of the queue all the while, and the jobs behind it run."""
    async with stock_working(redis_url, QUEUE, [named("note", _hold)], max_jobs=1):
        held = await note.enqueue(number=0)
        await stage.started.next()
        async with working(redis_url, note):
            behind = await note.enqueue_many([{"number": n} for n in range(1, 20)])
            for handle in behind:
                assert await handle.result(timeout_s=PATIENCE_S) == "ours"
            assert await held.state() is JobState.RUNNING
            stage.go.set()
            assert await held.result(timeout_s=PATIENCE_S) == "theirs"

    assert _runs("theirs") == Counter([0])
    assert await crashes(redis, "migration", held.id) == 0


async def test_job_held_by_ours_is_passed_over_by_a_stock_worker(redis_url: str) -> None:
    """It is due at the end of its lease, so a stock worker does not even see it."""

    @job(queue="migration", name="note")
    async def hold(ctx: Context, number: int) -> str:
        del ctx
        await stage.hold()
        stage.runs["ours", number] += 1
        return "ours"

    async with working(redis_url, hold):
        held = await hold.enqueue(number=0)
        await stage.started.next()
        async with stock_working(redis_url, QUEUE, [named("note", _note)]):
            await asyncio.sleep(0.8)  # more than a lease of the kit's, which is renewed
            assert not _runs("theirs")
            stage.go.set()
            assert await held.result(timeout_s=PATIENCE_S) == "ours"


async def test_job_of_a_stock_worker_that_died_runs_here(
    redis_url: str, redis: QueueClient
) -> None:
    """Ours claims it when arq's own key lapses; no crash counts, for it held no lease of ours."""
    handle = await note.enqueue(number=7)
    # What a stock worker has written when it dies in the middle of a job.
    await redis.set(in_progress_key_prefix + handle.id, b"1", px=300)
    await redis.incr(f"arq:retry:{handle.id}")
    async with working(redis_url, note, idle_poll_s=0.05):
        assert await handle.result(timeout_s=PATIENCE_S) == "ours"
        assert await crashes(redis, "migration", handle.id) == 0
    assert _runs("ours") == Counter([7])


async def test_job_given_back_by_ours_runs_on_a_stock_worker(
    redis_url: str, redis: QueueClient
) -> None:
    """Our stopped worker leaves nothing behind that keeps a stock worker away."""

    @job(queue="migration", name="note")
    async def hang(ctx: Context, number: int) -> str:
        del ctx, number
        await stage.hold()
        raise AssertionError("nobody lets it go on")

    async with working(redis_url, hang):
        handle = await hang.enqueue(number=3)
        await stage.started.next()
    assert not await redis.exists(f"arq:retry:{handle.id}")

    async with stock_working(redis_url, QUEUE, [named("note", _note)]):
        assert await handle.result(timeout_s=PATIENCE_S) == "theirs"


async def test_cron_tick_runs_once_among_both(redis_url: str, redis: QueueClient) -> None:
    """Both enqueue the tick under one id, and neither runs it after the other has."""
    runs: list[str] = []
    at = datetime.now(UTC) + timedelta(seconds=2)

    def crons(whose: str) -> list[Any]:
        async def tick(_ctx: dict[Any, Any]) -> None:
            runs.append(whose)

        coroutine: Any = tick
        return [cron(coroutine, name="tick", hour=at.hour, minute=at.minute, second=at.second)]

    theirs, mine = crons("theirs"), crons("ours")
    one = Worker(
        queue_name=QUEUE,
        cron_jobs=mine,
        redis_settings=_where(redis_url),
        runner=WorkerOptions(queue="migration", heartbeat_s=0.2),
        handle_signals=False,
        timezone=UTC,
    )
    async with stock_working(redis_url, QUEUE, [], cron_jobs=theirs, timezone=UTC):
        await start(one)
        await eventually(lambda: runs)
        await asyncio.sleep(1.0)
        await stop(one)

    assert len(runs) == 1
    assert await redis.zcard(QUEUE) == 0


async def test_tick_that_a_stock_worker_ran_before_ours_enqueued_it_runs_no_more(
    redis_url: str, redis: QueueClient
) -> None:
    """A stock worker deletes the tick's job and keeps no result: its mark alone tells."""
    runs: list[str] = []

    async def tick(_ctx: dict[Any, Any]) -> None:
        runs.append("ours")

    coroutine: Any = tick
    due = datetime.now(UTC).replace(microsecond=0)
    mine = cron(coroutine, name="tick", hour=(due.hour + 12) % 24)
    mine.next_run = due
    await redis.set(f"{in_progress_key_prefix}tick:{round(due.timestamp() * 1000)}", "1", px=60_000)
    one = Worker(
        queue_name=QUEUE,
        cron_jobs=[mine],
        redis_settings=_where(redis_url),
        runner=WorkerOptions(queue="migration"),
        handle_signals=False,
        timezone=UTC,
    )
    await start(one)
    await eventually(lambda: mine.next_run != due)
    await stop(one)

    assert await redis.zcard(QUEUE) == 0
    assert runs == []


def _where(url: str) -> Any:
    from runner.broker.location import location

    return location(url)
