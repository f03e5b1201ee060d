"""Jobs that have ended are listed: a bounded number of them, at next to no cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from runner import Context, JobState, job
from runner.broker import keys
from runner.errors import ConfigurationError
from runner.operations.actions import Operator, Request
from runner.operations.catalog import Catalog
from runner.operations.job import find_queue
from runner.operations.job import job as look_at
from runner.operations.jobs import list_jobs
from runner.operations.listing import listing
from runner.operations.queues import queue
from runner.operations.search import Filter
from runner.operations.verbs import Action
from runner.operations.why import Cause, why
from runner.periodic.poller import Poller
from runner.telemetry.statsd import NullStatsD
from tests.runner_kit import eventually, soon, stage, working

if TYPE_CHECKING:
    from runner import QueueClient
    from runner.operations.jobs import Row

QUEUE = "default"
DONE = keys.ARQ.queue_key(QUEUE) + keys.DONE_SUFFIX
_tried: set[str] = set()


@job(queue=QUEUE)
async def greet(ctx: Context, name: str) -> str:
    """Greet."""
    return f"hello {name} from {ctx.job_id}"


@job(queue=QUEUE)
async def hold(ctx: Context) -> None:
    """End with the others."""
    await stage.hold(ctx.job_id)


@job(queue=QUEUE, keep_result_s=0)
async def forget(ctx: Context) -> None:
    """Leave no result."""


@job(queue=QUEUE, max_retries=0)
async def die(ctx: Context) -> None:
    """Fail for good."""
    raise LookupError(ctx.job_id)


@job(queue=QUEUE, max_retries=1, backoff=lambda _: 0.0)
async def falter(ctx: Context) -> None:
    """Fail the first time."""
    if ctx.job_id not in _tried:
        _tried.add(ctx.job_id)
        raise LookupError(ctx.job_id)


JOBS = (greet, forget, die, falter)
CATALOG = Catalog.of(JOBS)


async def _listed(redis: QueueClient, where: Filter | None = None) -> list[Row]:
    return (await list_jobs(redis, QUEUE, JobState.DONE, CATALOG, where=where)).rows


async def _many(redis: QueueClient, many: int) -> None:
    async def there() -> bool:
        return bool(await redis.zcard(DONE) == many)

    await eventually(there)


async def test_ended_jobs_are_listed_the_last_one_first(redis_url: str, redis: QueueClient) -> None:
    """With name, arguments, worker and how long they ran; a failure before is no second row."""
    async with working(redis_url, *JOBS) as one:
        first = await greet.enqueue("Ada")
        await soon(first.result())
        second = await falter.enqueue()
        await soon(second.result())
        dead = await die.enqueue()
        await eventually(lambda: redis.zcard(keys.ARQ.queue_key(QUEUE) + keys.DEAD_SUFFIX))

    rows = await _listed(redis)
    assert [row.job_id for row in rows] == [second.id, first.id]
    assert [row.attempts_made for row in rows] == [2, 1]
    assert (rows[1].name, rows[1].arguments, rows[1].worker) == ("greet", {"name": "Ada"}, one.id)
    assert rows[1].succeeded is True
    assert rows[1].ran_s is not None
    assert rows[1].at is not None
    assert abs((rows[1].at - datetime.now(UTC)).total_seconds()) < 60
    assert (await queue(redis, QUEUE)).done == 2
    assert [
        row.job_id for row in (await listing(redis, [QUEUE], list(JobState), CATALOG)).rows
    ] == [
        dead.id,
        second.id,
        first.id,
    ]


async def test_aborted_job_is_listed_with_its_error(redis: QueueClient) -> None:
    """One that waited as well: no worker settles it."""
    handle = await greet.enqueue("Ada")
    await Operator(redis, "Grace").act(Request(Action.ABORT), QUEUE, handle.id)
    [row] = await _listed(redis)
    assert (row.job_id, row.succeeded, row.error) == (handle.id, False, "CancelledError")


async def test_list_holds_the_last_ones_alone(redis_url: str, redis: QueueClient) -> None:
    """So many as its queue's settings say, whatever there was; the oldest leave."""
    async with working(redis_url, *JOBS, keep_done=3) as _:
        for number in range(7):
            await soon((await greet.enqueue(str(number))).result())
    assert [row.arguments["name"] for row in await _listed(redis)] == ["6", "5", "4"]


async def test_without_the_list_nothing_is_written(redis_url: str, redis: QueueClient) -> None:
    """`keep_done = 0` costs nothing, and what was listed before goes with the next poll."""
    async with working(redis_url, *JOBS, keep_done=0):
        await soon((await greet.enqueue("Ada")).result())
    assert not await redis.exists(DONE)
    await redis.zadd(DONE, {"old": 1})
    await Poller(redis, redis.enqueuer, NullStatsD(), queues=[QUEUE], keep_done=0).poll()
    assert not await redis.exists(DONE)


async def test_old_ones_leave_the_list(redis: QueueClient) -> None:
    """After `keep_done_s`, counted by Redis's clock."""
    seconds, _ = await redis.time()
    await redis.zadd(DONE, {"old": (seconds - 70) * 1000, "young": (seconds - 50) * 1000})
    await Poller(redis, redis.enqueuer, NullStatsD(), queues=[QUEUE], keep_done_s=60).poll()
    assert await redis.zrange(DONE, 0, -1) == [b"young"]


async def test_job_whose_result_is_gone_is_known_to_have_ended(
    redis_url: str, redis: QueueClient
) -> None:
    """The list says when; so does `why`, where it said that nobody knows the job."""
    async with working(redis_url, *JOBS):
        handle = await forget.enqueue()
        await _many(redis, 1)
    [row] = await _listed(redis)
    assert (row.job_id, row.name, row.succeeded, row.unreadable) == (handle.id, None, None, "")
    assert await find_queue(redis, ["other", QUEUE], handle.id) == QUEUE
    told = await why(redis, ["other", QUEUE], handle.id, CATALOG)
    assert told.cause is Cause.DONE
    assert "its result is no longer kept" in told.sentence
    assert told.since == row.at
    view = await look_at(redis, QUEUE, handle.id, CATALOG)
    assert view is not None
    assert (view.state, view.ended_at, view.attempts) == (JobState.DONE, row.at, ())


async def test_job_enqueued_again_under_its_id_stands_where_it_is_now(
    redis_url: str, redis: QueueClient
) -> None:
    """Not among the done ones, until it has ended again; nor once it has died."""
    again, doomed = greet.options(job_id="mine"), die.options(job_id="mine")
    async with working(redis_url, *JOBS):
        await soon((await again.enqueue("Ada")).result())
        await _many(redis, 1)
    await again.enqueue("Grace")
    assert await _listed(redis) == []
    async with working(redis_url, *JOBS):
        await eventually(lambda: redis.exists(keys.ARQ.result_prefix + "mine"))
    [row] = await _listed(redis)
    assert row.arguments == {"name": "Grace"}
    async with working(redis_url, *JOBS):
        await doomed.enqueue()
        await eventually(lambda: redis.zcard(keys.ARQ.queue_key(QUEUE) + keys.DEAD_SUFFIX))
    assert await _listed(redis) == []


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (Filter(name="greet"), ["Bob", "Ada"]),
        (Filter(text="ada"), ["Ada"]),
        (Filter(arguments=(("name", "Bob"),)), ["Bob"]),
        (Filter(name="die"), []),
        (Filter(error="Cancelled"), ["Eve"]),
        (Filter(until=datetime(2020, 1, 1, tzinfo=UTC)), []),
        (Filter(since=datetime(2020, 1, 1, tzinfo=UTC)), ["Eve", "Bob", "Ada"]),
    ],
    ids=str,
)
async def test_ended_jobs_are_found(
    redis_url: str, redis: QueueClient, where: Filter, found: list[str]
) -> None:
    """By name, arguments, error and time, as those of any state."""
    async with working(redis_url, *JOBS):
        for name in ("Ada", "Bob"):
            await soon((await greet.enqueue(name)).result())
    waits = await greet.options(delay_s=60).enqueue("Eve")
    await Operator(redis, "Grace").act(Request(Action.ABORT), QUEUE, waits.id)
    rows = await _listed(redis, where)
    assert [row.arguments.get("name", "Eve") for row in rows] == found


async def _hundred_run() -> bool:
    return stage.running == 100


async def test_list_costs_no_more_than_a_twentieth_command_a_job(
    redis_url: str, redis: QueueClient
) -> None:
    """Two commands a call that settles, which holds all jobs that have ended meanwhile."""
    await hold.enqueue_many([{}] * 100)
    async with working(redis_url, hold, concurrency=100, lease_s=30.0, heartbeat_s=5.0):
        await eventually(_hundred_run)
        await redis.config_resetstat()
        stage.go.set()
        await _many(redis, 100)
        stats = await redis.info("commandstats")
    calls = {
        name: stats[f"cmdstat_{name}"]["calls"]
        for name in ("zadd", "zcard", "zrange")
        if f"cmdstat_{name}" in stats
    }
    assert sum(calls.values()) <= 0.05 * 100, calls


async def test_no_verb_acts_on_what_is_done(redis_url: str, redis: QueueClient) -> None:
    """It has ended: an action says where it found the job, and the list has no buttons."""
    async with working(redis_url, *JOBS):
        handle = await greet.enqueue("Ada")
        await soon(handle.result())
        await _many(redis, 1)
    [row] = await _listed(redis)
    assert row.verbs == []
    found = await Operator(redis, "Grace").act(Request(Action.DELETE), QUEUE, handle.id)
    assert found == "gone"
    with pytest.raises(ConfigurationError):
        await list_jobs(redis, QUEUE, JobState.UNKNOWN, CATALOG)
