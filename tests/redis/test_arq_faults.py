"""
The known faults of arq 0.28, by number, none of which may show in our worker.

Each docstring says what stock arq does, then what ours does. Left out are those that cannot show
here: 11 (Redis itself loses data), 14 (the pin of redis-py), 37 (plain functions; more processes
are the supervisor's), 38 and 39 (Python 3.14, Windows).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import arq.worker
import pytest
from arq import cron

from runner import Bury, CatchUp, Context, JobState, Periodic, Retry, WorkerSettings, connect, job
from runner.broker import keys as redis_keys
from runner.errors import ConfigurationError, JobFailedError
from runner.on_arq.cron import next_time
from runner.periodic.poller import Poller
from runner.telemetry.statsd import NullStatsD
from tests.runner_kit import (
    PATIENCE_S,
    at_rest,
    before_each_job,
    crashes,
    dead_ids,
    eventually,
    history,
    holds_nothing,
    is_running,
    mortal,
    result_of,
    settings,
    slots_taken,
    soon,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
BAD = "bad0" * 8


@job(queue="default")
async def act(ctx: Context, how: str = "done") -> str:
    """Do what *how* says."""
    if how == "wait":
        await stage.hold(how)
        return f"{how} {ctx.attempt}"
    stage.started.put(how)
    match how:
        case "fail":
            raise ValueError("broken")
        case "bury":
            raise Bury("no such channel")
        case "later" if ctx.attempt == 1:
            raise Retry(0.3)
        case "parent":
            await act.enqueue("child")
    return f"{how} {ctx.attempt}"


@job(queue="default", timeout_s=86_400.0)
async def act_all_day(ctx: Context) -> None:
    """Run with a very long timeout."""
    await act(ctx, "wait")


@job(queue="default", timeout_s=0.05, max_retries=0)
async def stubborn(ctx: Context) -> None:
    """Swallow every cancellation."""
    stage.started.put(ctx.job_id)
    while not stage.go.is_set():
        try:
            await stage.go.wait()
        except asyncio.CancelledError:
            stage.cancelled.put()


@job(queue="default", max_retries=0)
async def stubborn_for_ever(ctx: Context) -> None:
    """Swallow every cancellation, without a short timeout."""
    await stubborn(ctx)


@job(queue="default", keep_result_s=100.0, max_retries=0)
async def kept(ctx: Context) -> None:
    """Fail; the job says how long to keep its result."""
    raise ValueError(ctx.job_id)


class OddError(Exception):
    """An error that pickle cannot create again from its arguments."""

    def __init__(self, code: int, *, where: str) -> None:
        super().__init__(f"{code} at {where}")
        self.code = code


@job(queue="default", max_retries=0)
async def odd(ctx: Context) -> None:
    """Raise an exception that pickle cannot carry."""
    raise OddError(ctx.attempt, where="here")


async def _tick(ctx: dict[str, Any]) -> None:
    stage.started.put(ctx["job_id"])
    if ctx["job_try"] == 1 and stage.go.is_set():
        raise arq.worker.Retry(defer=0.05)


async def _is(handle: JobHandle[Any], state: JobState) -> bool:
    return await handle.state() is state


# ---------------------------------------------------------------- losing or duplicating work


async def test_fault_01_a_long_timeout_delays_no_recovery(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: one 24 h function makes every crashed job wait 24 h. Ours: one lease, for all."""
    async with mortal(redis_url, act, act_all_day) as one:
        handle = await act.enqueue("wait")
        await stage.started.next()
        assert await redis.pttl(f"arq:in-progress:{handle.id}") <= 602
        await one.kill()
    async with working(redis_url, act, act_all_day, idle_poll_s=0.1):
        await stage.started.next()


async def test_fault_02_a_job_without_a_timeout_runs_once_at_a_time(redis_url: str) -> None:
    """arq: `job_timeout=None` gives 10 s, then a second copy runs. Ours: leases are renewed."""
    async with (
        working(redis_url, act, timeout_s=None, idle_poll_s=0.05),
        working(redis_url, act, timeout_s=None, idle_poll_s=0.05),
    ):
        handle = await act.enqueue("wait")
        await stage.started.next()
        await asyncio.sleep(1.0)
        assert not stage.started.unread()
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "wait 1"


async def test_fault_03_a_shutdown_costs_no_try(redis_url: str) -> None:
    """arq: `max_tries=1` and SIGTERM lose the job. Ours: it runs elsewhere, as its first try."""
    one = await start(worker(redis_url, act, max_retries=0))
    handle = await act.enqueue("wait")
    await stage.started.next()
    await stop(one, at_once=True)
    stage.go.set()
    async with working(redis_url, act, max_retries=0):
        assert await handle.result(timeout_s=PATIENCE_S) == "wait 1"


async def test_fault_04_an_unknown_function_is_not_deleted(redis_url: str) -> None:
    """arq: an old worker deletes a job that only new code knows. Ours leaves it queued."""
    stray = await act.enqueue()
    async with working(redis_url, kept):
        await eventually(lambda: _is(stray, JobState.PARKED))
    async with working(redis_url, act):
        assert await stray.result(timeout_s=PATIENCE_S) == "done 1"


async def test_fault_05_bodies_and_retry_counters_do_not_expire(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: "job expired" a day after the expected start, retries too. Ours: never."""
    handle = await act.options(at=datetime.now(UTC) + timedelta(days=3)).enqueue("later")
    assert await redis.pttl(f"arq:job:{handle.id}") == -1
    async with working(redis_url, act):
        await redis.zadd(QUEUE, {handle.id: 1})
        await redis.lpush(f"{QUEUE}:wake", "1")  # type: ignore[misc]
        await eventually(lambda: _is(handle, JobState.RETRYING))
        assert await redis.pttl(f"arq:job:{handle.id}") == -1
        assert await redis.pttl(f"arq:retry:{handle.id}") == -1
        assert await handle.result(timeout_s=PATIENCE_S) == "later 2"


async def test_fault_06_results_kept_for_ever_harm_no_worker(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: `keep_result_forever` and an unreadable job kill the worker. Ours: dead, and kept."""
    await redis.set(f"arq:job:{BAD}", b"{")
    await redis.zadd(QUEUE, {BAD: 1})
    async with working(redis_url, act, keep_result_s=None):
        assert await eventually(lambda: dead_ids(redis, "default")) == [BAD]
        handle = await act.enqueue()
        await handle.result(timeout_s=PATIENCE_S)

    assert await redis.pttl(f"arq:result:{BAD}") == -1
    assert await redis.pttl(f"arq:result:{handle.id}") == -1


async def test_fault_07_hooks_that_raise_harm_no_worker(redis_url: str, redis: QueueClient) -> None:
    """arq: a hook that raises ends the worker and blocks the job for 310 s. Ours goes on."""

    async def broken(_: dict[Any, Any]) -> None:
        raise LookupError("broken hook")

    async with working(
        redis_url, act, functions=[_tick], on_job_end=broken, after_job_end=broken
    ) as one:
        await redis.enqueue_job("_tick")
        await stage.started.next()
        assert await (await act.enqueue()).result(timeout_s=PATIENCE_S) == "done 1"
        assert is_running(one)


async def test_fault_08_ordinary_exceptions_are_retried_and_then_dead(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: an exception is the end, its result gone in an hour. Ours: backoff, then dead set."""
    async with working(redis_url, act, max_retries=1):
        handle = await act.enqueue("fail")
        with pytest.raises(JobFailedError):
            await handle.result(timeout_s=PATIENCE_S)

    assert len(await history(redis, handle.id)) == 2
    assert await dead_ids(redis, "default") == [handle.id]


async def test_fault_09_retries_come_no_sooner_than_asked(redis_url: str) -> None:
    """arq: with several workers a retry may come early. Ours: never before its time."""
    async with (
        working(redis_url, act, idle_poll_s=0.01),
        working(redis_url, act, idle_poll_s=0.01),
        working(redis_url, act, idle_poll_s=0.01),
    ):
        handle = await act.enqueue("later")
        assert await handle.result(timeout_s=PATIENCE_S) == "later 2"

    first, second = stage.started.times
    assert second - first >= 0.299


async def test_fault_10_a_swallowed_timeout_holds_no_slot(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: a job that swallows its cancellation keeps its slot for ever. Ours is left behind."""
    async with working(redis_url, stubborn, act, concurrency=1, cancel_wait_s=0.1) as one:
        handle = await stubborn.enqueue()
        await stage.cancelled.next()
        waiting = await act.enqueue()
        assert await waiting.result(timeout_s=PATIENCE_S) == "done 1"
        with pytest.raises(JobFailedError, match=r"TimeoutError: did not end within 0\.05 s, and"):
            await handle.result(timeout_s=PATIENCE_S)
        stage.go.set()
        await asyncio.sleep(0.01)
        assert slots_taken(one) == 0

    assert await dead_ids(redis, "default") == [handle.id]
    assert len(await history(redis, handle.id)) == 1


async def test_fault_10_a_swallowed_abort_holds_no_slot(redis_url: str) -> None:
    """The same for a job that somebody aborts."""
    async with working(redis_url, stubborn_for_ever, act, concurrency=1, cancel_wait_s=0.1):
        handle = await stubborn_for_ever.enqueue()
        await stage.started.next()
        await handle.abort()
        assert await (await act.enqueue()).result(timeout_s=PATIENCE_S) == "done 1"
        with pytest.raises(JobFailedError, match="aborted while running"):
            await handle.result(timeout_s=PATIENCE_S)
        stage.go.set()


# ---------------------------------------------------------------- Redis failures


async def test_fault_12_a_redis_error_ends_no_worker(redis_url: str) -> None:
    """arq: an outage of 1.5 s ends it, whatever `retry` says. Ours waits, and goes on."""
    async with mortal(redis_url, act) as one:
        one.cable.cut()
        await asyncio.sleep(0.2)
        one.cable.mend()
        assert await (await act.enqueue()).result(timeout_s=PATIENCE_S) == "done 1"


async def test_fault_13_a_client_by_sentinel_has_timeouts() -> None:
    """arq: the Sentinel branch drops timeouts and retries. Ours: the same as everywhere."""
    direct = connect("redis://127.0.0.1:1").connection_pool.connection_kwargs
    by_sentinel = connect("redis+sentinel://127.0.0.1:1/main").connection_pool.connection_kwargs

    for name in ("socket_timeout", "socket_connect_timeout", "health_check_interval"):
        assert by_sentinel[name] == direct[name]


async def test_fault_15_queued_jobs_are_listed_though_a_body_is_gone(redis: QueueClient) -> None:
    """arq: `queued_jobs` raises if one body expired. Ours: lists the others."""
    handle = await act.enqueue()
    await redis.zadd(QUEUE, {"ghost": 1})

    assert [one.job_id for one in await redis.queued_jobs()] == [handle.id]
    assert await redis.queued_jobs(queue_name="arq:queue:empty") == []


# ---------------------------------------------------------------- latency and throughput


async def test_fault_16_pick_up_waits_for_no_poll(redis_url: str) -> None:
    """arq: a median of 292 ms, by polling. Ours: a few ms, even with a poll once a day."""
    async with working(redis_url, act, idle_poll_s=86_400.0) as one:
        waits_s = []
        for _ in range(11):
            await at_rest(one)
            await act.enqueue()
            enqueued = time.time()
            await stage.started.next()
            waits_s.append(stage.started.times[-1] - enqueued)

    assert min(waits_s) < 0.03  # a loaded machine only adds to what it takes


async def test_fault_17_jobs_under_load_share_their_round_trips(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: 6 round trips per job. Ours: claims and settles of many go in one."""
    await act.enqueue_many([{}] * 500)
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    async with working(redis_url, act, concurrency=32, burst=True) as one:
        await soon(one.main_task)  # type: ignore[arg-type]
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    assert one.jobs_complete == 500
    assert (after - before) / 500 < 0.25


async def test_fault_18_busy_jobs_at_the_head_starve_nobody(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: 100 running jobs at the head hide the 101st from an idle worker. Ours skips them."""
    for number in range(250):
        await redis.set(f"arq:in-progress:stock{number}", "1")
    await redis.zadd(QUEUE, {f"stock{number}": number + 1 for number in range(250)})
    async with working(redis_url, act):
        assert await (await act.enqueue()).result(timeout_s=PATIENCE_S) == "done 1"

    assert await redis.zcard(QUEUE) == 250


async def test_fault_19_a_freed_slot_is_filled_at_once(redis_url: str) -> None:
    """arq: with all slots busy, the next job waits for the next poll. Ours: it starts at once."""
    await act.enqueue_many([{}] * 50)
    async with working(redis_url, act, concurrency=1, idle_poll_s=86_400.0):
        for _ in range(50):
            await stage.started.next()

    assert stage.started.times[-1] - stage.started.times[0] < 20


async def test_fault_20_a_result_comes_soon_after_the_job(redis_url: str) -> None:
    """arq: polls for results every 0.5 s. Ours: first after a few milliseconds."""
    async with working(redis_url, act):
        waits_s = []
        for _ in range(7):
            handle = await act.enqueue()
            await handle.result(timeout_s=PATIENCE_S)
            waits_s.append(time.time() - stage.started.times[-1])

    assert min(waits_s) < 0.1


# ---------------------------------------------------------------- cron


def _every_second() -> Any:
    return cron(_tick, second=set(range(60)), microsecond=0)


async def test_fault_21_a_late_peer_repeats_no_tick(redis_url: str, redis: QueueClient) -> None:
    """arq: a worker that is late enqueues a tick again after it ran. Ours: the tick is refused."""
    async with working(redis_url, act, cron_jobs=[_every_second()]) as one:
        await stage.started.next()
        due_ms = int(await redis.hget(redis_keys.ARQ.ticks, "default|cron:_tick") or 0)  # type: ignore[misc]
        due = datetime.fromtimestamp(due_ms / 1000, UTC)
        await eventually(lambda: holds_nothing(one))
        seen = len(stage.started.times)
        one.cron_jobs[0].next_run = due
        await one.run_cron(due, 0.0)
        assert await redis.zscore(QUEUE, f"cron:_tick:{due_ms}") is None
        assert len(stage.started.times) <= seen + 1


async def test_fault_22_missed_ticks_are_made_up_for(redis: QueueClient) -> None:
    """arq: ticks missed while everything was down are lost. Ours: the schedule decides."""
    hour_ago_ms = (int(time.time()) // 60 - 60) * 60_000
    await redis.hset(redis_keys.ARQ.ticks, f"{act.queue}|act", str(hour_ago_ms))  # type: ignore[misc]
    schedule = (Periodic("act", act, "*/10 * * * *", catch_up=CatchUp.ALL),)
    await Poller(redis, redis.enqueuer, NullStatsD(), schedule=schedule).poll()

    assert await redis.zcard(QUEUE) == 6


async def test_fault_23_a_job_at_startup_runs_once_for_a_fleet(redis_url: str) -> None:
    """arq: `run_at_startup` runs on every worker, `unique` or not. Ours: once per start."""

    def at_startup() -> Any:
        return cron(_tick, hour=3, minute=0, run_at_startup=True)

    async with (
        working(redis_url, act, cron_jobs=[at_startup()]),
        working(redis_url, act, cron_jobs=[at_startup()]),
    ):
        await stage.started.next()
        assert await (await act.enqueue()).result(timeout_s=PATIENCE_S) == "done 1"

    assert stage.started.unread() == ["done"]


async def test_fault_24_a_cron_job_retries_when_it_says(redis_url: str) -> None:
    """arq: `Retry(defer=1)` of a cron job waits 60 s. Ours: as long as it says."""
    stage.go.set()
    twice = cron(_tick, second=set(range(60)), microsecond=0, max_tries=2)
    async with working(redis_url, act, cron_jobs=[twice]):
        first = await stage.started.next()
        assert await stage.started.next() == first

    assert stage.started.times[1] - stage.started.times[0] < 20


def test_fault_25_a_cron_job_follows_the_clocks_of_its_zone() -> None:
    """arq: an hour off after a clock change. Ours: at half past one, once each day."""
    berlin = ZoneInfo("Europe/Berlin")
    daily = cron(_tick, hour=1, minute=30, second=0, microsecond=0)
    moment = datetime(2026, 10, 24, 12, tzinfo=UTC)
    times = []
    for _ in range(3):
        moment = next_time(daily, moment, berlin)
        times.append(moment)

    assert [one.astimezone(berlin).strftime("%d %H:%M") for one in times] == [
        *("25 01:30", "26 01:30"),
        "27 01:30",
    ]


def test_fault_26_weekdays_may_be_named_and_a_wrong_one_is_an_error() -> None:
    """arq: `weekday={"mon", …}` loops until OverflowError. Ours works; a typo is a clear error."""
    named = cron(_tick, weekday={"mon", "tue"}, hour=5)  # type: ignore[arg-type]
    wrong = cron(_tick, weekday={"monday-ish"})  # type: ignore[arg-type]
    thursday = datetime(2026, 1, 1, tzinfo=UTC)

    assert f"{next_time(named, thursday, UTC):%a %d}" == "Mon 05"
    with pytest.raises(ConfigurationError, match="'monday-ish' is not a weekday: write one of mon"):
        next_time(wrong, thursday, UTC)


async def test_fault_27_a_job_due_long_ago_runs(redis_url: str, redis: QueueClient) -> None:
    """arq: `_defer_until` more than 24 h ago is an error from Redis. Ours: due now."""
    long_ago = datetime.now(UTC) - timedelta(days=3)
    sent = await redis.enqueue_job("act", _defer_until=long_ago)
    ours = await act.options(at=long_ago).enqueue()
    async with working(redis_url, act):
        assert await ours.result(timeout_s=PATIENCE_S) == "done 1"
        assert sent is not None
        assert await eventually(lambda: result_of(redis, sent.job_id))


# ---------------------------------------------------------------- abort


async def test_fault_28_an_old_abort_hits_no_later_job(redis_url: str, redis: QueueClient) -> None:
    """arq: aborted ids pile up, and end a later job of that id. Ours: enqueue drops them."""
    await redis.zadd("arq:abort", {"act:daily": time.time() * 1000})
    handle = await act.options(job_id="act:daily").enqueue()
    async with working(redis_url, act):
        assert await handle.result(timeout_s=PATIENCE_S) == "done 1"

    assert await redis.exists("arq:abort") == 0


async def test_fault_29_an_aborted_deferred_job_never_runs(redis_url: str) -> None:
    """arq: without `allow_abort_jobs` aborting a deferred job runs it now. Ours: it never runs."""
    handle = await act.options(delay_s=3600).enqueue()
    await handle.abort()
    async with working(redis_url, act):
        with pytest.raises(JobFailedError, match="aborted before it started"):
            await handle.result(timeout_s=PATIENCE_S)

    assert not stage.started.unread()


async def test_fault_30_an_abort_waits_for_nobody(redis_url: str) -> None:
    """arq: by default `abort` hangs until there is a result. Ours: it asks, and returns."""
    handle = await act.enqueue("wait")
    async with working(redis_url, act, keep_result_s=0.0):
        await stage.started.next()
        async with asyncio.timeout(PATIENCE_S):
            await handle.abort()
        await stage.cancelled.next()
        await eventually(lambda: _is(handle, JobState.UNKNOWN))


# ---------------------------------------------------------------- other


async def test_fault_31_a_failed_jobs_result_is_kept_as_the_job_says(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: ignores a failed job's `keep_result`, blocks its id. Ours: kept, and the id is free."""
    chosen = act.options(job_id="act:daily")
    async with working(redis_url, kept, act):
        handle = await kept.enqueue()
        with pytest.raises(JobFailedError):
            await handle.result(timeout_s=PATIENCE_S)
        assert 90_000 < await redis.pttl(f"arq:result:{handle.id}") <= 100_000
        await (await chosen.enqueue()).result(timeout_s=PATIENCE_S)
        assert (await chosen.enqueue()).created


async def test_fault_32_a_worker_that_leaves_takes_no_others_health_away(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: any worker that ends deletes the queue's health key. Ours: the others keep it."""
    async with working(redis_url, act):
        async with working(redis_url, act):
            pass
        assert await redis.exists(f"{QUEUE}:health-check") == 1
        assert await redis.zcard(f"{QUEUE}:workers") == 1


def test_fault_33_settings_are_inherited(redis_url: str) -> None:
    """arq: reads only the class's own `__dict__`. Ours: inherited settings are copied into it."""

    class Child(settings(redis_url, act, concurrency=7)):  # type: ignore[misc]  # made at run time
        queue = "child"
        jobs = (act.options(queue="child"),)

    assert issubclass(Child, WorkerSettings)
    assert arq.worker.get_kwargs(Child)["max_jobs"] == 7  # type: ignore[comparison-overlap]


async def test_fault_34_a_stop_in_the_first_moment_of_a_job_is_orderly(
    redis_url: str, redis: QueueClient
) -> None:
    """arq: a task cancelled before its first step breaks `close`. Ours gives back and closes."""
    shut: list[str] = []

    async def on_shutdown(_: dict[Any, Any]) -> None:
        shut.append("shut")

    one = await start(worker(redis_url, act, on_shutdown=on_shutdown))
    handle = await act.enqueue("wait")
    before_each_job(one, lambda: one.stop(at_once=True))
    await stop(one)

    assert shut == ["shut"]
    assert await handle.state() is JobState.READY
    assert await redis.exists(f"arq:in-progress:{handle.id}") == 0
    assert await crashes(redis, "default", handle.id) == 0


async def test_fault_35_a_burst_ends_though_a_job_is_deferred(redis_url: str) -> None:
    """arq: never ends while a job is deferred. Ours: leaves jobs that are due much later."""
    handle = await act.options(delay_s=3600).enqueue()
    one = worker(redis_url, act, burst=True)
    await soon(one.async_run())
    await one.close()

    assert await handle.state() is JobState.SCHEDULED


async def test_fault_36_exceptions_travel_as_data(redis_url: str, redis: QueueClient) -> None:
    """arq: an exception with its own `__init__` cannot be unpickled. Ours: JSON."""
    async with working(redis_url, odd):
        handle = await odd.enqueue()
        with pytest.raises(JobFailedError) as raised:
            await handle.result(timeout_s=PATIENCE_S)

    assert raised.value.error_type.endswith(".OddError")
    assert raised.value.message == "1 at here"
    for key in await redis.keys("arq:[jr]*"):
        if await redis.type(key) == b"string":
            assert not (await redis.get(key) or b"").startswith(b"\x80")
