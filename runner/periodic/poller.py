"""
The cron poller: an arq cron job that runs every 15 seconds, once in the fleet.

Each poll
1. enqueues the periodic jobs that came due since the last poll, each tick once;
2. refreshes the queue gauges;
3. removes workers that are gone from the register and, if configured, trims the dead sets;
4. stores its time, which the health check reads.

The jobs of a dead worker need no rescue here: their leases end, and any worker claims them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from runner import chance, clock
from runner.broker import keys
from runner.enqueue import Enqueue, Enqueuer
from runner.periodic.cleanup import trim_dead, trim_workers
from runner.periodic.gauges import queue_gauges
from runner.periodic.queue_history import note_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.periodic.schedule import Periodic
    from runner.telemetry.statsd import StatsD

_log = structlog.get_logger("runner.poller")


class Poller:
    """
    What one poll does.

    schedule: the periodic jobs to enqueue. queues: whose gauges it refreshes, and whose dead sets
    it trims to dead_max_jobs and dead_max_age_s; None keeps everything.
    """

    def __init__(
        self,
        redis: Redis,
        enqueuer: Enqueuer,
        statsd: StatsD,
        *,
        schedule: Sequence[Periodic] = (),
        queues: Sequence[str] = (),
        dead_max_jobs: int | None = None,
        dead_max_age_s: float | None = None,
    ) -> None:
        self._redis = redis
        self._enqueuer = enqueuer
        self._statsd = statsd
        self._schedule = schedule
        self._queues = queues
        self._dead_max_jobs = dead_max_jobs
        self._dead_max_age_s = dead_max_age_s

    async def poll(self) -> None:
        """Do all of it once. Raises what Redis raises: the next poll makes up for it."""
        await self._enqueue_due(clock.now())
        for queue in self._queues:
            gauges = await queue_gauges(self._redis, queue)
            gauges.send(self._statsd)
            await note_depth(self._redis, gauges)
            await trim_workers(self._redis, queue)
            await trim_dead(
                self._redis,
                queue,
                max_jobs=self._dead_max_jobs,
                max_age_s=self._dead_max_age_s,
            )
        await self._redis.set(keys.POLLER, clock.now_ms())

    async def _enqueue_due(self, now: datetime) -> None:
        if not self._schedule:
            return
        names = [periodic.name for periodic in self._schedule]
        paused = set(await self._redis.hkeys(keys.SCHEDULE_PAUSED))  # type: ignore[misc]
        last_ticks: list[bytes | None] = await self._redis.hmget(keys.TICKS, names)  # type: ignore[misc]
        for periodic, last_ms in zip(self._schedule, last_ticks, strict=True):
            if periodic.name.encode() in paused:
                continue
            last = None if last_ms is None else datetime.fromtimestamp(int(last_ms) / 1000, UTC)
            if last is None:
                # A new schedule counts from now on, unless the poll of another worker was first.
                now_ms = str(round(now.timestamp() * 1000))
                await self._redis.hsetnx(keys.TICKS, periodic.name, now_ms)  # type: ignore[misc]
            for tick in periodic.due_ticks(last, now):
                await self._enqueue(periodic, tick)

    async def _enqueue(self, periodic: Periodic, tick: datetime) -> None:
        tick_ms = round(tick.timestamp() * 1000)
        jitter_ms = round(chance.spread() * periodic.jitter_s * 1000)
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
                job=periodic.job,
            )
        )
        if created:
            _log.info("periodic job enqueued", schedule=periodic.name, tick=tick.isoformat())


async def last_poll_at(redis: Redis) -> datetime | None:
    """Return when the poller last ran, anywhere in the fleet; None if never."""
    noted = await redis.get(keys.POLLER)
    return None if noted is None else datetime.fromtimestamp(int(noted) / 1000, UTC)
