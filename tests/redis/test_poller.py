"""The cron poller and cron jobs: once in the fleet, at their times, and after an outage."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from arq import cron

from runner import CatchUp, Context, Periodic, job
from runner.broker import keys
from runner.periodic.poller import Poller, last_poll_at
from runner.telemetry.statsd import NullStatsD
from tests.runner_kit import enqueue_late, eventually, mortal, start, stop, worker, working

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
    noted = int(await redis.hget(keys.TICKS, "tidy") or 0)  # type: ignore[misc]
    assert abs(noted - time.time() * 1000) < 5000


async def test_tick_is_enqueued_once_however_many_poll(redis: QueueClient) -> None:
    """Many workers that poll at the same time enqueue a tick once, under its own id."""
    await redis.hset(keys.TICKS, "tidy", str(_minutes_ago_ms(1)))  # type: ignore[misc]

    await asyncio.gather(*[_poller(redis, _periodic(kwargs={"days": 7})).poll() for _ in range(8)])
    await _poller(redis, _periodic()).poll()

    waiting = await _waiting(redis)
    assert 1 <= len(waiting) <= 2  # two if a minute ended meanwhile
    assert waiting[0] == f"tidy:{_minutes_ago_ms(0)}" or len(waiting) == 2


async def test_tick_is_not_enqueued_again_once_it_ran(redis_url: str, redis: QueueClient) -> None:
    """A late poll, after the job has run, finds the tick in Redis."""
    last = _minutes_ago_ms(1)
    await redis.hset(keys.TICKS, "tidy", str(last))  # type: ignore[misc]
    slow = _poller(redis, _periodic(kwargs={"days": 7}))
    await slow.poll()
    async with working(redis_url, tidy):
        await eventually(_has_tidied)
        await eventually(lambda: _is_drained(redis))
        now = datetime.fromtimestamp((last + MINUTE_MS) / 1000, UTC)
        await enqueue_late(slow, _periodic(), now)
        assert await _waiting(redis) == []

    assert _tidied == [(f"tidy:{last + MINUTE_MS}", 7)]


@pytest.mark.parametrize(
    ("catch_up", "least"), [(CatchUp.ALL, 10), (CatchUp.LAST, 1), (CatchUp.NONE, 1)]
)
async def test_missed_ticks_are_made_up_for_as_the_schedule_says(
    redis: QueueClient, catch_up: CatchUp, least: int
) -> None:
    """After ten minutes without workers: all ticks, or the last one."""
    await redis.hset(keys.TICKS, "tidy", str(_minutes_ago_ms(10)))  # type: ignore[misc]

    await _poller(redis, _periodic(catch_up=catch_up)).poll()

    waiting = await _waiting(redis)
    assert len(waiting) in {least, least + (catch_up is CatchUp.ALL)}
    assert waiting == sorted(waiting)


async def test_tick_may_be_spread_by_its_jitter(redis: QueueClient) -> None:
    """It is scheduled up to the jitter later."""
    await redis.hset(keys.TICKS, "tidy", str(_minutes_ago_ms(1)))  # type: ignore[misc]

    await _poller(redis, _periodic(jitter_s=500.0)).poll()

    [(job_id, due_ms), *_] = await redis.zrange(QUEUE, 0, -1, withscores=True)
    assert job_id.startswith(b"tidy:")
    assert time.time() * 1000 - 5000 <= due_ms <= (time.time() + 500) * 1000


async def test_tick_goes_to_the_queue_of_its_job(redis: QueueClient) -> None:
    """The poller of one queue serves the schedules of all."""
    await redis.hset(keys.TICKS, "sweep", str(_minutes_ago_ms(1)))  # type: ignore[misc]

    await _poller(redis, Periodic("sweep", sweep, "* * * * *")).poll()

    assert await _waiting(redis) == []
    assert (await _waiting(redis, "arq:queue:slow"))[0].startswith("sweep:")


async def test_poll_runs_once_in_the_fleet_at_each_of_its_times(
    redis_url: str, redis: QueueClient, monkeypatch: pytest.MonkeyPatch
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
    assert await redis.hlen(keys.TICKS) == 1  # type: ignore[misc]


async def test_poll_goes_on_when_the_worker_that_polled_dies(redis_url: str) -> None:
    """Any other worker polls."""
    async with mortal(redis_url, tidy, poll_interval_s=0.1) as first:
        await first.kill()
        async with working(redis_url, tidy, poll_interval_s=0.1) as second:
            before = datetime.now(UTC)
            await eventually(lambda: _polled_since(second.pool, before))


async def test_poll_notes_its_time_for_the_health_check(redis: QueueClient) -> None:
    """`readyz` sees when the poller last ran."""
    assert await last_poll_at(redis) is None
    await _poller(redis).poll()

    noted = await last_poll_at(redis)
    assert noted is not None
    assert abs(noted - datetime.now(UTC)) < timedelta(seconds=5)


async def test_poll_removes_workers_that_are_gone_from_the_register(
    redis_url: str, redis: QueueClient
) -> None:
    """A killed worker is no longer listed once its heartbeat has lapsed."""
    async with working(redis_url, tidy) as one:
        await redis.zadd(f"{QUEUE}:workers", {"gone": 1})
        await _poller(redis).poll()

        assert await redis.zrange(f"{QUEUE}:workers", 0, -1) == [one.id.encode()]


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


async def test_schedule_change_in_the_past_does_not_repeat_old_ticks(
    redis: QueueClient,
) -> None:
    """A clock that was set back enqueues nothing twice."""
    ahead = _minutes_ago_ms(-30)
    await redis.hset(keys.TICKS, "tidy", str(ahead))  # type: ignore[misc]

    await _poller(redis, _periodic(catch_up=CatchUp.ALL)).poll()

    assert await _waiting(redis) == []
    assert await redis.hget(keys.TICKS, "tidy") == str(ahead).encode()  # type: ignore[misc]


async def _is_drained(redis: QueueClient) -> bool:
    return not await redis.zcard(QUEUE)


async def _has_tidied() -> bool:
    return bool(_tidied)


async def _at_least(things: list[Any], count: int) -> bool:
    return len(things) >= count


async def _polled_since(redis: Any, moment: datetime) -> bool:
    noted = await last_poll_at(redis)
    return noted is not None and noted > moment
