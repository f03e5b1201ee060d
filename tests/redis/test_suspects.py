"""Only the guilty is blamed: a job that was lost with its worker runs alone from then on."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from runner import Context, JobState, job
from runner.admin import Admin
from runner.broker import keys
from runner.broker.scripts import RENEW
from runner.broker.scripts.fields import Lease, RenewHead
from runner.operations.catalog import Catalog
from runner.operations.job import find_queue
from runner.operations.jobs import list_jobs, matching
from runner.operations.search import Filter
from runner.periodic.cleanup import offer_parked
from runner.periodic.gauges import queue_gauges
from tests.cable import cable_to
from tests.runner_kit import (
    PATIENCE_S,
    ask_after_starts,
    crashes,
    eventually,
    mortal,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from typing import Any

    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
SUSPECTS = QUEUE + keys.SUSPECTS_SUFFIX


@job(queue="default")
async def act(_ctx: Context, name: str) -> str:
    """Report the start, and wait."""
    await stage.hold(name)
    return name


@job(queue="default")
async def pass_by(_ctx: Context, name: str) -> str:
    """Report the start, and end."""
    stage.started.put(name)
    return name


@job(queue="other")
async def act_elsewhere(_ctx: Context, name: str) -> str:
    """Do the same in another queue."""
    await stage.hold(name)
    return name


async def _lose(url: str, *names: str) -> list[JobHandle[str]]:
    """Lose a worker with jobs of these *names*, and return when they are suspects."""
    async with mortal(url, act, concurrency=len(names)) as one:
        handles = await act.enqueue_many([{"name": name} for name in names])
        for _ in names:
            await stage.started.next()
        await one.kill()
    return handles


async def test_suspects_run_one_by_one_and_nothing_beside_them(
    redis_url: str, redis: QueueClient
) -> None:
    """However many slots are free; what comes meanwhile waits, and runs afterwards."""
    handles = await _lose(redis_url, "a", "b", "c")
    async with working(redis_url, act, idle_poll_s=0.05):
        assert await stage.started.next() == "a"
        later = await act.enqueue("later")
        assert await redis.zcard(SUSPECTS) == 2
        assert [await handle.state() for handle in handles] == [
            JobState.RUNNING,
            JobState.READY,
            JobState.READY,
        ]
        assert await find_queue(redis, ["default"], handles[1].id) == "default"
        stage.go.set()
        for handle in (*handles, later):
            await handle.result(timeout_s=PATIENCE_S)

    assert stage.started.unread()[:2] == ["b", "c"]
    assert stage.most_running == 3  # before the loss
    assert await redis.exists(SUSPECTS, f"{QUEUE}:crashes", f"{QUEUE}:volunteer") == 0


async def test_busy_worker_makes_room_for_suspects(redis_url: str, redis: QueueClient) -> None:
    """Never idle, it volunteers: its jobs end, the suspect runs, and it goes on."""
    async with working(redis_url, act, pass_by, concurrency=2, idle_poll_s=0.05) as busy:
        await act.enqueue("long")
        assert await stage.started.next() == "long"
        lost = await act.enqueue("suspect")
        assert await stage.started.next() == "suspect"
        await _blame(redis, lost.id)
        busy.tasks[lost.id].cancel()
        await pass_by.enqueue("first")
        await eventually(lambda: redis.exists(f"{QUEUE}:volunteer"))
        stage.go.set()
        assert await lost.result(timeout_s=PATIENCE_S) == "suspect"
        assert await (await pass_by.enqueue("second")).result(timeout_s=PATIENCE_S) == "second"
    assert await redis.exists(SUSPECTS, f"{QUEUE}:volunteer") == 0


async def _blame(redis: QueueClient, job_id: str) -> None:
    """Take a running job away from its worker, as if that had died, and make it a suspect."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hdel(f"{QUEUE}:running", job_id)
        pipe.delete(f"arq:in-progress:{job_id}")
        pipe.zrem(QUEUE, job_id)
        pipe.zadd(SUSPECTS, {job_id: 1})
        pipe.hset(f"{QUEUE}:crashes", job_id, f"{time.time() * 1000:.0f}=w:1")
        await pipe.execute()


@pytest.mark.one_process
async def test_workers_of_one_process_make_room_for_each_other(
    redis_url: str, redis: QueueClient
) -> None:
    """A suspect of one queue runs while no worker of the same loop runs anything."""
    handle = await act.enqueue("suspect")
    await _blame(redis, handle.id)
    async with working(redis_url, act_elsewhere) as other:
        await act_elsewhere.enqueue("other")
        assert await stage.started.next() == "other"
        async with working(redis_url, act, idle_poll_s=0.05):
            await eventually(lambda: redis.exists(f"{QUEUE}:volunteer"))
            assert not stage.started.unread()
            held_up = await act_elsewhere.enqueue("held up")
            stage.go.set()
            assert await handle.result(timeout_s=PATIENCE_S) == "suspect"
            assert await held_up.result(timeout_s=PATIENCE_S) == "held up"
            await eventually(lambda: not other.tasks)


async def test_burst_runs_suspects_before_it_ends(redis_url: str, redis: QueueClient) -> None:
    """They are work that is due, like any other."""
    handle = await pass_by.enqueue("suspect")
    await _blame(redis, handle.id)
    one = worker(redis_url, pass_by, burst=True)
    await one.async_run()
    await one.close()
    assert await handle.state() is JobState.DONE


@pytest.mark.parametrize("how", ["quiet", "pause", "stop"])
async def test_worker_that_waits_to_be_alone_heeds_orders(
    redis_url: str, redis: QueueClient, how: str
) -> None:
    """Quiet, paused or stopping, it runs no suspect, and holds nobody up."""
    one = await start(worker(redis_url, act, idle_poll_s=0.05))
    running = await act.enqueue("running")
    await stage.started.next()
    suspect = await pass_by.enqueue("suspect")
    await _blame(redis, suspect.id)
    await act.enqueue("wakes it")
    await eventually(lambda: redis.exists(f"{QUEUE}:volunteer"))
    match how:
        case "quiet":
            one.quiet()
        case "pause":
            await redis.set(f"{QUEUE}:paused", "1")
        case "stop":
            one.stop()
    stage.go.set()
    assert await running.result(timeout_s=PATIENCE_S) == "running"
    await stop(one)
    assert await redis.zcard(SUSPECTS) == 1
    assert await suspect.state() is JobState.READY


async def test_retried_suspect_stays_one(redis_url: str, redis: QueueClient) -> None:
    """Until it is done: that it failed once does not clear it."""

    @job(queue="default")
    async def fail(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise ValueError
        return ctx.attempt

    handle = await fail.enqueue()
    await _blame(redis, handle.id)
    async with working(redis_url, fail, backoff=lambda _: 0.3, idle_poll_s=0.05):
        await eventually(lambda: _is(handle, JobState.RETRYING))
        assert await redis.zscore(SUSPECTS, handle.id)
        assert await handle.result(timeout_s=PATIENCE_S) == 2
    assert await redis.exists(SUSPECTS, f"{QUEUE}:retrying", f"{QUEUE}:crashes") == 0


async def test_crashes_are_forgotten_after_three_days(redis_url: str, redis: QueueClient) -> None:
    """The third within 72 hours is poison; older ones do not count, by Redis's clock."""
    handle = await act.enqueue("x")
    old_ms = time.time() * 1000 - 73 * 3_600_000
    await redis.hset(f"{QUEUE}:crashes", handle.id, f"{old_ms:.0f}=w:1 {old_ms:.0f}=w:2")  # type: ignore[misc]
    async with mortal(redis_url, act) as one:
        await stage.started.next()
        await one.kill()
    async with working(redis_url, act, idle_poll_s=0.05):
        await stage.started.next()
        assert await crashes(redis, "default", handle.id) == 1


async def test_worker_that_comes_back_takes_its_crash_back(
    redis_url: str, redis: QueueClient
) -> None:
    """Cut off for longer than its lease, it did not die: nobody did."""
    async with cable_to(redis_url).laid() as cable:
        one = await start(worker(cable.url, act))
        handle = await act.enqueue("x")
        await stage.started.next()
        await ask_after_starts(one, "PING")  # so that Redis knows of the start
        cable.mute()
        async with working(redis_url, act, idle_poll_s=0.05):
            await stage.started.next()
            assert await crashes(redis, "default", handle.id) == 1
            cable.mend()
            await eventually(lambda: _no_crash(redis, handle.id))
            stage.go.set()
            assert await handle.result(timeout_s=PATIENCE_S) == "x"
        await stop(one, at_once=True)
    assert await redis.exists(SUSPECTS) == 0


@pytest.mark.parametrize("holder", ["w:2", "other:1"])
async def test_crash_is_taken_back_whoever_has_the_job_since(
    redis: QueueClient, holder: str
) -> None:
    """Its worker may have claimed it as a suspect just before it says that it outlived the loss."""
    handle = await act.enqueue("x")
    await _blame(redis, handle.id)  # for the claim w:1
    await redis.hset(f"{QUEUE}:running", handle.id, holder)  # type: ignore[misc]
    ours = Lease(handle.id, "w:1")
    for outlived, left in ((0, 1), (1, 0)):
        head = RenewHead(60_000, "w", outlived)
        given = [*map(str, head), *map(str, ours)]
        await redis.eval(RENEW, 2, QUEUE, "arq:", *given)  # type: ignore[misc]
        assert await crashes(redis, "default", handle.id) == left
    assert await redis.hget(f"{QUEUE}:running", handle.id) == holder.encode()  # type: ignore[misc]


@pytest.mark.parametrize("action", ["run", "delete", "bury", "abort", "reschedule", "move"])
async def test_operator_acts_on_a_waiting_suspect(redis: QueueClient, action: str) -> None:
    """As on any job that waits."""
    handle = await act.enqueue("x")
    await _blame(redis, handle.id)
    admin = Admin(redis)
    match action:
        case "run":
            await admin.run_now("default", handle.id)
        case "delete" | "abort" | "bury":
            await getattr(admin, action)("default", handle.id)
        case "reschedule":
            await admin.reschedule("default", handle.id, datetime(2096, 10, 2, tzinfo=UTC))
        case "move":
            await admin.move("default", handle.id, "other")
    waits = await redis.zscore(SUSPECTS, handle.id)
    match action:
        case "run":
            assert waits is not None
            assert await handle.state() is JobState.READY
        case "reschedule":
            assert waits == datetime(2096, 10, 2, tzinfo=UTC).timestamp() * 1000
            assert await handle.state() is JobState.SCHEDULED
        case "move":
            assert waits is None
            assert await redis.zscore("arq:queue:other", handle.id) == 1
        case "bury":
            assert waits is None
            assert await handle.state() is JobState.DEAD
        case _:
            assert waits is None
            assert not await redis.exists(f"arq:job:{handle.id}", f"{QUEUE}:crashes")


@pytest.mark.parametrize("way", ["claimed", "offered", "run"])
async def test_parked_suspects_stay_suspects(redis_url: str, redis: QueueClient, way: str) -> None:
    """A worker that does not know them parks them; however they come back, each runs alone."""
    handles = await act.enqueue_many([{"name": name} for name in "ab"])
    for handle in handles:
        await _blame(redis, handle.id)
    async with working(redis_url, pass_by, idle_poll_s=0.05):
        await eventually(lambda: _stand(redis, f"{QUEUE}:parked", 2))
    match way:
        case "offered":
            await offer_parked(redis, "default")
        case "run":
            for handle in handles:
                await Admin(redis).run_now("default", handle.id)
    one = worker(redis_url, act, concurrency=2, idle_poll_s=0.05)
    running = asyncio.create_task(one.async_run())
    await stage.started.next()
    assert await _stand(redis, SUSPECTS, 1)
    assert not await redis.keys(f"{QUEUE}:parked*")
    stage.go.set()
    for handle in handles:
        await handle.result(timeout_s=PATIENCE_S)
    await stop(one)
    await running
    assert stage.most_running == 1


async def _stand(redis: QueueClient, place: str, count: int) -> bool:
    return bool(await redis.zcard(place) == count)


async def _is(handle: JobHandle[Any], state: JobState) -> bool:
    return await handle.state() is state


async def _no_crash(redis: QueueClient, job_id: str) -> bool:
    return await crashes(redis, "default", job_id) == 0


async def test_operator_sees_waiting_suspects_and_why(redis: QueueClient) -> None:
    """In the list of ready jobs, with their crashes; counted as ready."""
    handles = await act.enqueue_many([{"name": name} for name in "abc"])
    for handle in handles[:2]:
        await _blame(redis, handle.id)
    catalog = Catalog({})
    page = await list_jobs(redis, "default", JobState.READY, catalog)
    assert {row.job_id: row.crashes for row in page.rows} == {
        handles[0].id: 1,
        handles[1].id: 1,
        handles[2].id: 0,
    }
    assert page.total == 3
    assert (await queue_gauges(redis, "default")).ready == 3
    keys_found = [k async for k in matching(redis, "default", JobState.READY, catalog, Filter())]
    assert sum(map(len, keys_found)) == 3
