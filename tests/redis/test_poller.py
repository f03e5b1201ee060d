"""The cron poller and cron jobs: once in the fleet, at their times, and after an outage."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from arq import cron

from runner import CatchUp, Context, Periodic, job, wall_clock
from runner.broker import keys
from runner.periodic.poller import Poller, poll_age_s
from runner.telemetry.statsd import NullStatsD
from tests.runner_kit import (
    PATIENCE_S,
    enqueue_late,
    eventually,
    mortal,
    poll_now,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
MINUTE_MS = 60_000


@job(queue="default")
async def tidy(ctx: Context, days: int = 30) -> None:
    """Stand for any periodic job."""
    _tidied.append((ctx.job_id, days))


@job(queue="slow")
async def sweep(ctx: Context) -> None:
    """Stand for a job of another queue."""
    raise NotImplementedError(ctx)


_tidied: list[tuple[str, int]] = []
_ticked: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    _tidied.clear()
    _ticked.clear()


async def _tick(ctx: dict[str, Any]) -> None:
    _ticked.append(ctx["job_id"])


def _poller(redis: QueueClient, *schedule: Periodic, **options: Any) -> Poller:
    options = {"schedule": schedule, "queues": ("default",)} | options
    return Poller(redis, redis.enqueuer, NullStatsD(), **options)


def _periodic(**fields: Any) -> Periodic:
    plain: dict[str, Any] = {"name": "tidy", "job": tidy, "crontab": "* * * * *"}
    return Periodic(**plain | fields)


def _minutes_ago_ms(minutes: int) -> int:
    return (int(time.time()) // 60 - minutes) * MINUTE_MS


async def _waiting(redis: QueueClient, queue: str = QUEUE) -> list[str]:
    return [job_id.decode() for job_id in await redis.zrange(queue, 0, -1)]


async def test_schedule_that_is_new_starts_with_its_next_tick(redis: QueueClient) -> None:
    """The first poll stores the time, and enqueues no past ticks."""
    await _poller(redis, _periodic()).poll()

    assert await _waiting(redis) == []
    noted = int(await redis.hget(keys.ARQ.ticks, "default|tidy") or 0)  # type: ignore[misc]
    assert abs(noted - time.time() * 1000) < 5000


async def test_tick_is_enqueued_once_however_many_poll(redis: QueueClient) -> None:
    """Many workers that poll at the same time enqueue a tick once, under its own id."""
    await redis.hset(keys.ARQ.ticks, "default|tidy", str(_minutes_ago_ms(1)))  # type: ignore[misc]

    await asyncio.gather(*[_poller(redis, _periodic(kwargs={"days": 7})).poll() for _ in range(8)])
    await _poller(redis, _periodic()).poll()

    waiting = await _waiting(redis)
    assert 1 <= len(waiting) <= 2  # two if a minute ended meanwhile
    assert waiting[0] == f"default|tidy:{_minutes_ago_ms(0)}" or len(waiting) == 2


async def test_tick_is_not_enqueued_again_once_it_ran(redis_url: str, redis: QueueClient) -> None:
    """A late poll, after the job has run, finds the tick in Redis."""
    last = _minutes_ago_ms(1)
    await redis.hset(keys.ARQ.ticks, "default|tidy", str(last))  # type: ignore[misc]
    slow = _poller(redis, _periodic(kwargs={"days": 7}))
    await slow.poll()
    async with working(redis_url, tidy):
        await eventually(_has_tidied)
        await eventually(lambda: _is_drained(redis))
        now = datetime.fromtimestamp((last + MINUTE_MS) / 1000, UTC)
        await enqueue_late(slow, _periodic(), now)
        assert await _waiting(redis) == []

    assert _tidied == [(f"default|tidy:{last + MINUTE_MS}", 7)]


@pytest.mark.parametrize(
    ("catch_up", "least"), [(CatchUp.ALL, 10), (CatchUp.LAST, 1), (CatchUp.NONE, 1)]
)
async def test_missed_ticks_are_made_up_for_as_the_schedule_says(
    redis: QueueClient, catch_up: CatchUp, least: int
) -> None:
    """After ten minutes without workers: all ticks, or the last one."""
    await redis.hset(keys.ARQ.ticks, "default|tidy", str(_minutes_ago_ms(10)))  # type: ignore[misc]

    await _poller(redis, _periodic(catch_up=catch_up)).poll()

    waiting = await _waiting(redis)
    assert len(waiting) in {least, least + (catch_up is CatchUp.ALL)}
    assert waiting == sorted(waiting)


async def test_tick_may_be_spread_by_its_jitter(redis: QueueClient) -> None:
    """It is scheduled up to the jitter later."""
    await redis.hset(keys.ARQ.ticks, "default|tidy", str(_minutes_ago_ms(1)))  # type: ignore[misc]

    await _poller(redis, _periodic(jitter_s=500.0)).poll()

    [(job_id, due_ms), *_] = await redis.zrange(QUEUE, 0, -1, withscores=True)
    assert job_id.startswith(b"default|tidy:")
    assert time.time() * 1000 - 5000 <= due_ms <= (time.time() + 500) * 1000


async def test_tick_goes_to_the_queue_of_its_job(redis: QueueClient) -> None:
    """The poller of one queue serves the schedules of all."""
    await redis.hset(keys.ARQ.ticks, "slow|sweep", str(_minutes_ago_ms(1)))  # type: ignore[misc]

    await _poller(redis, Periodic("sweep", sweep, "* * * * *")).poll()

    assert await _waiting(redis) == []
    assert (await _waiting(redis, "arq:queue:slow"))[0].startswith("slow|sweep:")


async def test_poll_runs_once_in_the_fleet_at_each_of_its_times(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five workers: one poll as the fleet starts, and one at each interval."""
    polls: list[float] = []

    async def note(_: Poller) -> None:
        polls.append(time.time())

    monkeypatch.setattr(Poller, "poll", note)
    workers = [worker(redis_url, tidy, poll_interval_s=0.2) for _ in range(5)]
    begun = time.time()
    for one in workers:
        await start(one)
    await eventually(lambda: _at_least(polls, 4))
    ended = time.time()
    for one in workers:
        await stop(one)

    assert len(polls) <= (ended - begun) / 0.2 + 2


async def test_poll_goes_on_when_the_worker_that_polled_dies(
    redis_url: str, redis: QueueClient
) -> None:
    """Any other worker polls."""
    async with mortal(redis_url, tidy, poll_interval_s=0.1) as first:
        await first.kill()
        async with working(redis_url, tidy, poll_interval_s=0.1) as second:
            await redis.delete(keys.ARQ.polls)
            await eventually(lambda: _has_polled(second.pool))


async def test_poll_notes_its_time_for_the_health_check(redis: QueueClient) -> None:
    """`readyz` sees when the poller last ran."""
    assert await poll_age_s(redis, ["default"]) is None
    await _poller(redis).poll()

    age_s = await poll_age_s(redis, ["default", "slow"])
    assert age_s is not None
    assert age_s < 5


async def test_poll_removes_workers_that_are_gone_from_the_register(
    redis_url: str, redis: QueueClient
) -> None:
    """A killed worker is no longer listed once its heartbeat has lapsed."""
    async with working(redis_url, tidy) as one:
        await redis.zadd(f"{QUEUE}:workers", {"gone": 1})
        await _poller(redis).poll()

        assert await redis.zrange(f"{QUEUE}:workers", 0, -1) == [one.id.encode()]


async def test_poll_forgets_jobs_that_have_no_counts_any_more(redis: QueueClient) -> None:
    """After four days; what says that it is of the future goes, too."""
    seconds, _ = await redis.time()
    day_ms = 86_400_000
    ages = {"default|new": 3, "default|old": 5, "default|future": -2}
    await redis.zadd(
        keys.ARQ.metrics, {name: seconds * 1000 - days * day_ms for name, days in ages.items()}
    )
    await Poller(redis, redis.enqueuer, NullStatsD(), queues=["default"]).poll()
    assert await redis.zrange(keys.ARQ.metrics, 0, -1) == [b"default|new"]


async def test_poll_of_one_queue_trims_no_other(redis: QueueClient) -> None:
    """Each queue has its own limits for its dead set."""
    for queue in ("default", "slow"):
        await redis.zadd(f"arq:queue:{queue}:dead", {"a": 1, "b": 2})

    await _poller(redis, dead_max_jobs=1).poll()

    assert await redis.zcard(f"{QUEUE}:dead") == 1
    assert await redis.zcard("arq:queue:slow:dead") == 2


async def test_cron_job_runs_once_at_each_of_its_times_with_several_workers(
    redis_url: str, redis: QueueClient
) -> None:
    """arq's own `cron(…)` beside our jobs: one run each time, however many workers."""
    every_second = cron(_tick, second=set(range(60)), microsecond=0)
    workers = [worker(redis_url, tidy, cron_jobs=[every_second]) for _ in range(3)]
    for one in workers:
        await start(one)
    await eventually(lambda: _at_least(_ticked, 2))
    for one in workers:
        await stop(one)

    assert len(set(_ticked)) == len(_ticked)
    assert await redis.zcard(QUEUE) == 0


async def test_clock_that_was_set_back_repeats_no_tick(redis: QueueClient) -> None:
    """A last tick within one period from now was a real one: its jobs are not enqueued again."""
    ahead = _minutes_ago_ms(-30)
    await redis.hset(keys.ARQ.ticks, "default|tidy", str(ahead))  # type: ignore[misc]

    await _poller(redis, _periodic(crontab="0 * * * *", catch_up=CatchUp.ALL)).poll()

    assert await _waiting(redis) == []
    assert await redis.hget(keys.ARQ.ticks, "default|tidy") == str(ahead).encode()  # type: ignore[misc]


@pytest.mark.parametrize("by_name", ["tidy", "default|tidy"])
async def test_last_tick_in_the_future_counts_as_now(redis: QueueClient, by_name: str) -> None:
    """A worker with a wrong clock left it behind: the schedule goes on with its next tick."""
    await redis.hset(keys.ARQ.ticks, by_name, str(_minutes_ago_ms(-60)))  # type: ignore[misc]
    poller = _poller(redis, _periodic())

    await poller.poll()
    assert await _waiting(redis) == []
    await poller.enqueue_due(datetime.now(UTC) + timedelta(minutes=1))

    assert len(await _waiting(redis)) == 1


async def test_two_applications_share_a_redis_and_the_name_of_a_schedule(
    redis: QueueClient,
) -> None:
    """Each tick of each of them is enqueued, in its own queue."""
    for queue in ("default", "slow"):
        await redis.hset(keys.ARQ.ticks, f"{queue}|tidy", str(_minutes_ago_ms(1)))  # type: ignore[misc]

    for one in (tidy, sweep):
        await _poller(redis, _periodic(job=one)).poll()

    assert await _waiting(redis)
    assert await _waiting(redis, "arq:queue:slow")


async def test_tick_is_skipped_while_the_last_job_has_not_ended(redis: QueueClient) -> None:
    """With `overlap=False` of ten missed ticks one runs, and later ones once that has ended."""
    await redis.hset(keys.ARQ.ticks, "default|tidy", str(_minutes_ago_ms(10)))  # type: ignore[misc]
    poller = _poller(redis, _periodic(catch_up=CatchUp.ALL, overlap=False))

    await poller.poll()
    await poller.poll()
    (first,) = await _waiting(redis)
    await redis.delete(f"arq:job:{first}")
    await redis.zrem(QUEUE, first)
    await poller.enqueue_due(datetime.now(UTC) + timedelta(minutes=1))

    (second,) = await _waiting(redis)
    assert second > first


async def test_seconds_of_a_crontab_are_kept_between_polls(redis_url: str) -> None:
    """Six fields: each tick is enqueued at its moment, not with the next poll."""
    every_second = _periodic(crontab="* * * * * *")
    async with working(redis_url, tidy, schedule=(every_second,), poll_interval_s=60.0):
        await eventually(lambda: _at_least(_tidied, 2))


async def test_poll_is_no_job(redis_url: str, redis: QueueClient) -> None:
    """It takes no slot, and neither middleware nor counts see it."""
    seen: list[str] = []

    async def note(ctx: Context, call_next: Any) -> Any:
        seen.append(ctx.job_name)
        return await call_next(ctx)

    async with working(redis_url, tidy, poll_interval_s=0.05, middleware=(note,)) as one:
        await eventually(lambda: _has_polled(redis))
        assert (one.jobs_complete, seen) == (0, [])
        assert "poll" not in one.functions


async def test_poll_that_fails_harms_no_job(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and the next one is made all the same."""
    tries: list[str] = []

    async def fail(_: Poller) -> None:
        tries.append("poll")
        raise LookupError("a schedule's arguments are broken")

    monkeypatch.setattr(Poller, "poll", fail)
    async with working(redis_url, tidy, poll_interval_s=0.05):
        await eventually(lambda: _at_least(tries, 3))
        await (await tidy.enqueue()).result(timeout_s=PATIENCE_S)


async def test_worker_with_a_wrong_clock_stops_no_poll_and_deletes_no_dead_job(
    redis: QueueClient, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year ahead: ticks, polls and the age of dead jobs follow Redis's clock."""
    seconds, _ = await redis.time()
    await redis.zadd(f"{QUEUE}:dead", {"young": seconds * 1000 - 60_000})
    real = time.time_ns
    monkeypatch.setattr(wall_clock, "_wall_ns", lambda: real() + 366 * 86_400 * 10**9)
    async with working(
        redis_url,
        tidy,
        schedule=(_periodic(),),
        poll_interval_s=0.05,
        cron_jobs=[cron(_tick, second=set(range(60)), microsecond=0)],
        dead_max_age_s=86_400.0,
    ):
        await eventually(lambda: _at_least(_ticked, 1))
        await eventually(lambda: _has_polled(redis))

    ticks = await redis.hgetall(keys.ARQ.ticks)  # type: ignore[misc]
    assert all(int(tick) <= time.time() * 1000 + 1000 for tick in ticks.values())
    assert await redis.zcard(f"{QUEUE}:dead") == 1


async def test_clock_of_redis_that_was_set_back_holds_up_no_ready_job(
    redis_url: str, redis: QueueClient
) -> None:
    """An hour back: what was due runs at the next poll, and a lease ends within one lease."""
    seconds, _ = await redis.time()
    hour_ahead_ms = seconds * 1000 + 3_600_000
    for number in range(3):
        await tidy.enqueue(days=number)
    await redis.zadd(QUEUE, {i: hour_ahead_ms + n for n, i in enumerate(await _waiting(redis))})
    order = await _waiting(redis)
    held = (await tidy.enqueue(days=9)).id
    await redis.zadd(QUEUE, {held: hour_ahead_ms + 500})
    await redis.hset(f"{QUEUE}:running", held, "gone:1")  # type: ignore[misc]
    await redis.set(f"arq:in-progress:{held}", "gone:1", px=3_600_000)
    later = (await tidy.enqueue(days=10)).id
    await redis.zadd(QUEUE, {later: hour_ahead_ms + 7_200_000})
    async with working(redis_url, tidy, poll_interval_s=60.0, lease_s=0.6) as one:
        async for key in redis.scan_iter(keys.ARQ.poll_prefix + "*"):
            await redis.set(key, hour_ahead_ms)
        assert await _waiting(redis) == [*order, held, later]
        await poll_now(one)
        await eventually(lambda: _at_least(_tidied, 4))

    assert [job_id for job_id, _ in _tidied] == [*order, held]
    assert await _waiting(redis) == [later]


async def _is_drained(redis: QueueClient) -> bool:
    return not await redis.zcard(QUEUE)


async def _has_tidied() -> bool:
    return bool(_tidied)


async def _at_least(things: list[Any], count: int) -> bool:
    return len(things) >= count


async def _has_polled(redis: Any) -> bool:
    return await poll_age_s(redis, ["default"]) is not None
