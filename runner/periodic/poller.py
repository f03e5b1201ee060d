"""
The cron poller: an arq cron job that runs every 15 seconds, once in the fleet.

Each poll
1. enqueues the periodic jobs whose ticks came since the last one, each tick once;
2. refreshes the queue gauges;
3. takes workers that are gone off the register, and trims dead sets where that was asked for;
4. notes its time, which the health check reads.

The jobs of a worker that died need no rescue here: their leases end, and any worker claims them.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog

from runner.broker import keys
from runner.enqueue import Enqueue, Enqueuer
from runner.periodic.cleanup import trim_dead, trim_workers
from runner.periodic.crontab import Crontab
from runner.periodic.gauges import queue_gauges
from runner.periodic.queue_history import note_depth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

    from runner.definition import Job
    from runner.on_arq.worker import Worker
    from runner.options import WorkerOptions
    from runner.telemetry.statsd import StatsD

_log = structlog.get_logger("runner.poller")


class CatchUp(StrEnum):
    """What becomes of ticks missed while everything was down: all run, the last one, or none."""

    ALL = "all"
    LAST = "last"
    NONE = "none"


_MOST_CAUGHT_UP = 1000


@dataclass(frozen=True, slots=True)
class Periodic:
    """
    A job enqueued at the times of a crontab.

    jitter_s: each tick is enqueued up to so many seconds late, at random, so that many schedules
    of one minute do not run in the same second.

    Raises:
        ConfigurationError: The crontab or the time zone is none.
        ArgumentsError: The arguments do not fit the job.
    """

    name: str
    job: Job[Any, Any]
    crontab: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    timezone: str = "UTC"
    jitter_s: float = 0.0
    catch_up: CatchUp = CatchUp.LAST

    def __post_init__(self) -> None:
        """Refuse here what could only fail at night: the crontab, the time zone, the arguments."""
        Crontab(self.crontab, self.timezone)
        self.job.check((), self.kwargs)

    def due_ticks(self, last: datetime | None, now: datetime) -> list[datetime]:
        """
        Times to enqueue at *now*, *last* being the last one enqueued. Pure.

        A schedule that has never run starts with its next tick, not with those of the past.
        """
        if last is None:
            return []
        ticks = Crontab(self.crontab, self.timezone).ticks_between(last, now, limit=_MOST_CAUGHT_UP)
        if self.catch_up is CatchUp.ALL:
            return ticks
        if self.catch_up is CatchUp.LAST:
            return ticks[-1:]
        return [tick for tick in ticks[-1:] if now - tick <= _ON_TIME]


_ON_TIME = timedelta(minutes=1)
"""A tick this recent was not missed: the poller comes by every 15 seconds."""


async def poll(ctx: dict[str, Any]) -> None:
    """The arq cron job itself: one poll by the worker that claimed this tick."""
    worker: Worker = ctx["worker"]
    await Poller(worker.pool, worker.enqueuer, worker.options, worker.instruments.statsd).poll()


class Poller:
    """What one poll does, for one worker's connection and options."""

    def __init__(
        self, redis: Redis, enqueuer: Enqueuer, options: WorkerOptions, statsd: StatsD
    ) -> None:
        self._redis = redis
        self._options = options
        self._statsd = statsd
        self._enqueuer = enqueuer

    async def poll(self) -> None:
        """Do all of it once. Raises what Redis raises; the next poll catches up."""
        await self._enqueue_due(datetime.now(UTC))
        for queue in self._options.polled_queues:
            gauges = await queue_gauges(self._redis, queue)
            gauges.send(self._statsd)
            await note_depth(self._redis, gauges)
            await trim_workers(self._redis, queue)
            await trim_dead(
                self._redis,
                queue,
                max_jobs=self._options.dead_max_jobs,
                max_age_s=self._options.dead_max_age_s,
            )
        await self._redis.set(keys.POLLER, time.time_ns() // 1_000_000)

    async def _enqueue_due(self, now: datetime) -> None:
        schedule: Sequence[Periodic] = self._options.schedule
        if not schedule:
            return
        names = [periodic.name for periodic in schedule]
        paused = set(await self._redis.hkeys(keys.SCHEDULE_PAUSED))  # type: ignore[misc]
        last_ticks: list[bytes | None] = await self._redis.hmget(keys.TICKS, names)  # type: ignore[misc]
        for periodic, last_ms in zip(schedule, last_ticks, strict=True):
            if periodic.name.encode() in paused:
                continue
            last = None if last_ms is None else datetime.fromtimestamp(int(last_ms) / 1000, UTC)
            if last is None:
                # From here on it counts; the poll of another worker may say so first.
                now_ms = str(round(now.timestamp() * 1000))
                await self._redis.hsetnx(keys.TICKS, periodic.name, now_ms)  # type: ignore[misc]
            for tick in periodic.due_ticks(last, now):
                await self._enqueue(periodic, tick)

    async def _enqueue(self, periodic: Periodic, tick: datetime) -> None:
        tick_ms = round(tick.timestamp() * 1000)
        jitter_ms = round(random.random() * periodic.jitter_s * 1000)  # noqa: S311 -- spread
        args, kwargs = periodic.job.check((), periodic.kwargs)
        created = await self._enqueuer.put(
            Enqueue(
                queue=periodic.job.queue,
                job_id=f"{periodic.name}:{tick_ms}",
                name=periodic.job.name,
                args=args,
                kwargs=kwargs,
                unique=True,
                delay_ms=jitter_ms or None,
                schedule=periodic.name,
                tick_ms=tick_ms,
            )
        )
        if created:
            _log.info("periodic job enqueued", schedule=periodic.name, tick=tick.isoformat())


async def last_poll_at(redis: Redis) -> datetime | None:
    """When the poller last ran, anywhere in the fleet."""
    noted = await redis.get(keys.POLLER)
    return None if noted is None else datetime.fromtimestamp(int(noted) / 1000, UTC)
