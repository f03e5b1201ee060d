"""Priorities: a head start that nothing starves by, and that nobody reads as an age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Context, Flow, JobState, Lane, Queue, Unique, job
from runner.admin import Admin
from runner.operations.catalog import Catalog
from runner.operations.job import job as look_at
from runner.operations.job_text import facts
from runner.operations.jobs import list_jobs
from runner.operations.why import why
from runner.periodic.cleanup import forget_head_starts
from runner.periodic.gauges import queue_gauges
from tests.runner_kit import dead_ids, eventually, stage, working

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
_STEP_MS = 600_000
_SOON_MS = 5_000
ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@job(queue="default", max_retries=1, backoff=lambda _: 0.2)
async def note(ctx: Context, name: str, how: str = "") -> float:
    """Note its name; do what *how* says; return when it was due."""
    ran.append(name)
    stage.runs[name] += 1
    if how == "die" or (how == "fail" and ctx.attempt == 1):
        raise ValueError("no")
    return ctx.due_ms


async def in_order(redis_url: str, *names: str) -> None:
    """Let one slot run what waits; it runs in this order."""
    async with working(redis_url, note, concurrency=1):
        await eventually(lambda: len(ran) == len(names))
    assert ran == [*names]


async def leftovers(redis: QueueClient) -> list[bytes]:
    """Return the names of what there is of head starts."""
    found = [name async for name in redis.scan_iter("arq:*")]
    return [one for one in found if one.endswith((b":ahead", b":later"))]


async def now_ms(redis: QueueClient) -> float:
    """Return the time now."""
    seconds, micros = await redis.time()
    return float(seconds * 1000 + micros / 1000)


async def test_job_goes_before_what_has_waited_less_long_than_its_head_start(
    redis_url: str, redis: QueueClient
) -> None:
    """A larger priority goes first, and jobs of one priority in turn; the oldest starves not."""
    old = await note.enqueue(name="old")
    await redis.zincrby(QUEUE, -1.5 * _STEP_MS, old.id)
    for name, priority in (("plain", 0), ("a", 1), ("first", 2), ("b", 1)):
        await note.options(priority=priority).enqueue(name=name)
    await in_order(redis_url, "first", "old", "a", "b", "plain")
    assert await leftovers(redis) == []


async def test_job_never_starts_before_it_is_due(redis_url: str, redis: QueueClient) -> None:
    """It gets its head start once it is due, a job and an attempt alike."""
    far = await note.options(priority=100, delay_s=3600).enqueue(name="far")
    soon = await note.options(priority=2, delay_s=0.3).enqueue(name="soon")
    assert [await one.state() for one in (far, soon)] == [JobState.SCHEDULED] * 2
    async with working(redis_url, note, concurrency=1):
        asked = await now_ms(redis)
        failing = await note.options(priority=1).enqueue(name="failing", how="fail")
        due = await soon.result(timeout_s=10)
        assert await failing.result(timeout_s=10) >= asked + 200
        assert due <= await now_ms(redis)
    assert await far.state() is JobState.SCHEDULED
    assert ran[0] == "failing"


async def test_job_that_comes_due_goes_before_those_that_wait(redis_url: str) -> None:
    """Its head start counts from when it is due."""
    due = await note.options(priority=1, delay_s=0.05).enqueue(name="urgent")
    for name in ("a", "b"):
        await note.enqueue(name=name)
    await eventually(lambda: _has_state(due, JobState.READY))
    await in_order(redis_url, "urgent", "a", "b")


async def _has_state(handle: JobHandle[float], state: JobState) -> bool:
    return await handle.state() is state


async def test_nobody_reads_a_head_start_as_an_age(redis_url: str, redis: QueueClient) -> None:
    """The job itself, its result, its page, the list and the gauges have when it was due."""
    before = await now_ms(redis)
    handle = await note.options(priority=3).enqueue(name="urgent")
    plain = await note.enqueue(name="plain")
    catalog = Catalog.of((note,))

    gauges = await queue_gauges(redis, "default")
    assert gauges.oldest_wait_s < _SOON_MS / 1000
    view = await look_at(redis, "default", handle.id, catalog)
    assert view is not None
    assert view.due_at is not None
    assert view.due_at.timestamp() * 1000 >= before - 1
    assert view.head_start_s == 1800
    rows = await list_jobs(redis, "default", JobState.READY, catalog)
    assert [row.job_id for row in rows.rows] == [handle.id, plain.id]
    assert all(row.at and row.at.timestamp() * 1000 >= before - 1 for row in rows.rows)
    told = await why(redis, ["default"], plain.id, catalog)
    assert told.ahead == 1
    assert "30 min" in facts(view, told)["priority"]
    async with working(redis_url, note, concurrency=1):
        due = await handle.result(timeout_s=10)
    assert before - 1 <= due <= await now_ms(redis)


@pytest.mark.parametrize("chosen", [None, "note:1"])
async def test_dead_job_keeps_its_priority(
    redis_url: str, redis: QueueClient, chosen: str | None
) -> None:
    """Retried, it goes ahead again."""
    options = note.options(priority=2, job_id=chosen)
    await options.enqueue(name="urgent", how="die")
    async with working(redis_url, note):
        await eventually(lambda: dead_ids(redis, "default"))
    ran.clear()
    await note.enqueue(name="plain")
    [dead_id] = await dead_ids(redis, "default")
    await Admin(redis).run_now("default", dead_id)
    await in_order(redis_url, "urgent", "plain")


async def _run_now(redis: QueueClient, handle: JobHandle[float]) -> None:
    await Admin(redis).run_now("default", handle.id)


async def _reschedule(redis: QueueClient, handle: JobHandle[float]) -> None:
    await Admin(redis).reschedule("default", handle.id, timedelta())


@pytest.mark.parametrize("act", [_run_now, _reschedule])
async def test_job_that_is_run_now_goes_ahead(
    redis_url: str,
    redis: QueueClient,
    act: Callable[[QueueClient, JobHandle[float]], Awaitable[None]],
) -> None:
    """Whoever changes its time changes nothing of its priority, however often."""
    urgent = await note.options(priority=2, delay_s=3600).enqueue(name="urgent")
    plain = await note.enqueue(name="plain")
    await redis.zincrby(QUEUE, -1.5 * _STEP_MS, plain.id)
    for _ in range(3):
        await act(redis, urgent)
    async with working(redis_url, note, concurrency=1):
        assert await urgent.result(timeout_s=10) >= await now_ms(redis) - _SOON_MS
        await eventually(lambda: len(ran) == 2)
    assert ran == ["urgent", "plain"]


async def test_job_that_moves_takes_its_priority_along(redis: QueueClient) -> None:
    """As it is, not once more."""
    urgent = await note.options(priority=1).enqueue(name="urgent")
    at = await redis.zscore(QUEUE, urgent.id)
    await Admin(redis).move("default", urgent.id, "other")
    assert await redis.zscore("arq:queue:other", urgent.id) == at
    assert await redis.hlen("arq:queue:other:ahead") == 1  # type: ignore[misc]
    await Admin(redis).delete("other", urgent.id)
    assert await leftovers(redis) == []


async def test_lanes_keys_nodes_and_callbacks_have_priorities(
    redis_url: str, redis: QueueClient
) -> None:
    """In a lane it counts once the job has a place."""
    lane, urgent = Lane(by=(), limit=1, name="one"), note.options(priority=2)
    inside = await note.options(lane=lane).enqueue(name="inside")
    await note.options(lane=lane, priority=3, unique=Unique(by=("name",))).enqueue(name="next")
    flow = Flow()
    flow.add(urgent.call(name="node"))
    await flow.start()
    async with Batch(complete=note.options(priority=1).call(name="callback")):
        pass
    await note.enqueue(name="plain")
    await Admin(redis).delete("default", inside.id)
    await in_order(redis_url, "next", "node", "callback", "plain")
    await eventually(lambda: _is_empty(redis))


async def _is_empty(redis: QueueClient) -> bool:
    return not await leftovers(redis)


async def test_queue_says_how_far_a_priority_goes(redis: QueueClient) -> None:
    """Its own step in place of ten minutes."""
    mail = Queue("mail", priority_step_s=5)
    before = await now_ms(redis)
    handle = await note.options(queue=mail, priority=2).enqueue(name="urgent")
    score = await redis.zscore("arq:queue:mail", handle.id)
    assert before - 10_000 - 1 <= score < before - 10_000 + _SOON_MS


async def test_head_starts_of_jobs_that_a_stock_worker_ended_are_forgotten(
    redis: QueueClient,
) -> None:
    """It knows none; those of jobs that wait, or are dead, stay."""
    gone, dead, stays = [
        await note.options(priority=1).enqueue(name=name) for name in ("gone", "dead", "stays")
    ]
    await Admin(redis).bury("default", dead.id)
    await redis.zrem(QUEUE, gone.id)
    await redis.delete(f"arq:job:{gone.id}")
    assert await forget_head_starts(redis, "default", 0) == 0
    kept = await redis.hkeys(QUEUE + ":ahead")  # type: ignore[misc]
    assert {*kept} == {dead.id.encode(), stays.id.encode()}


async def test_stock_arq_worker_and_client_see_a_due_time(redis: QueueClient) -> None:
    """A head start is an earlier score, which arq reads as it reads any."""
    await note.enqueue(name="plain")
    urgent = await note.options(priority=1).enqueue(name="urgent")
    assert await redis.zrange(QUEUE, 0, 0) == [urgent.id.encode()]


async def test_job_without_priority_leaves_nothing(redis_url: str, redis: QueueClient) -> None:
    """No key and no byte; not even where the next time of an attempt is noted."""
    await note.enqueue(name="plain", how="fail")
    await in_order(redis_url, "plain", "plain")
    assert await leftovers(redis) == []
