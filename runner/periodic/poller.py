"""
The cron poller: what one worker of the fleet does every 15 seconds, beside its jobs.

Each poll
1. enqueues the periodic jobs that came due since the last poll, each tick once;
2. refreshes the queue gauges;
3. removes workers that are gone from the register, offers parked jobs, frees unique keys and places
   in lanes of jobs that another program has ended, trims the dead sets;
4. announces the queues that are worked, and forgets those that nobody uses;
5. looks after batches whose creator is lost, or whose jobs were ended by another program;
6. stores its time, which the health check reads.

`turns` decides which worker polls, and enqueues what comes due between two polls. The jobs of a
dead worker need no rescue here: their leases end, and any worker claims them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runner.batch_books import look_after, trim_batches
from runner.broker import keys
from runner.broker.announced import announce_worked, forget_unused
from runner.broker.reading import Unreadable, answers, count_of
from runner.broker.redis_clock import redis_now
from runner.broker.servers import by_server
from runner.broker.set_aside import set_aside_of_queues
from runner.periodic.cleanup import (
    forget_head_starts,
    free_keys,
    look_after_lanes,
    offer_parked,
    trim_by_time,
    trim_dead,
    trim_done,
    trim_workers,
)
from runner.periodic.gauges import queue_gauges
from runner.periodic.queue_history import note_depth, note_memory
from runner.periodic.ticks import (
    field_of,
    last_ticks,
    paused,
    request_at,
    start_from,
    start_ms,
    tick_ms,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from redis.asyncio import Redis

    from runner.enqueuer import Enqueuer
    from runner.periodic.schedule import Periodic
    from runner.telemetry.statsd import StatsD

_log = structlog.get_logger("runner.poller")


class Poller:
    """
    What one poll does.

    schedule: the periodic jobs to enqueue. queues: whose gauges it refreshes, and whose dead sets
    it trims to dead_max_jobs and dead_max_age_s; None keeps everything. keep_done, keep_done_s: how
    many jobs that have ended stay listed, and how long.
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
        keep_done: int | None = None,
        keep_done_s: float | None = None,
    ) -> None:
        self._redis = redis
        self._enqueuer = enqueuer
        self._statsd = statsd
        self._queues = queues
        self._dead_max_jobs = dead_max_jobs
        self._dead_max_age_s = dead_max_age_s
        self._keep_done = keep_done
        self._keep_done_s = keep_done_s
        self.schedule = schedule
        self._looked_at: dict[str, int] = {}
        """Where to go on looking at unique keys, by queue."""
        self._ahead_seen: dict[str, int] = {}
        """The same of head starts."""
        self._lanes_seen: dict[str, int] = {}
        """The same of lanes."""

    async def poll(self) -> None:
        """Do all of it once. Raises what Redis raises: the next poll makes up for it."""
        now = await redis_now(self._redis)
        await set_aside_of_queues(
            self._redis, [keys.of(self._redis).queue_key(queue) for queue in self._queues]
        )
        await self.enqueue_due(now)
        for queue in self._queues:
            gauges = await queue_gauges(self._redis, queue)
            gauges.send(self._statsd)
            await note_depth(self._redis, gauges)
            await trim_workers(self._redis, queue)
            await offer_parked(self._redis, queue)
            cursor = self._looked_at.get(queue, 0)
            self._looked_at[queue] = await free_keys(self._redis, queue, cursor)
            cursor = self._ahead_seen.get(queue, 0)
            self._ahead_seen[queue] = await forget_head_starts(self._redis, queue, cursor)
            cursor = self._lanes_seen.get(queue, 0)
            self._lanes_seen[queue] = await look_after_lanes(self._redis, queue, cursor)
            await trim_dead(
                self._redis,
                queue,
                now_ms=now.timestamp() * 1000,
                max_jobs=self._dead_max_jobs,
                max_age_s=self._dead_max_age_s,
            )
            await trim_done(
                self._redis,
                queue,
                now_ms=now.timestamp() * 1000,
                keep=self._keep_done,
                keep_s=self._keep_done_s,
            )
            await self._redis.hset(keys.of(self._redis).polls, queue, tick_ms(now))  # type: ignore[misc]
        now_ms = now.timestamp() * 1000
        await announce_worked(self._redis, self._queues, now_ms=now_ms)
        await forget_unused(self._redis, now_ms=now_ms)
        await trim_by_time(self._redis, now_ms=now_ms)
        await look_after(self._redis, now_ms=now_ms)
        await trim_batches(self._redis)
        await note_memory(self._redis)

    async def enqueue_due(self, now: datetime) -> None:
        """Enqueue the ticks that came due by *now*, Redis's time."""
        lasts = await last_ticks(self._redis, self.schedule)
        notes = await paused(self._redis, self.schedule)
        for periodic, last, note in zip(self.schedule, lasts, notes, strict=True):
            if note is not None and not isinstance(note, Unreadable):
                continue
            if isinstance(last, Unreadable):
                _log.warning(
                    "last tick is unreadable, and counts as now",
                    schedule=periodic.name,
                    problem=str(last),
                )
                await start_from(self._redis, periodic, now)
                continue
            if last is None:
                # A new schedule counts from now on, unless the poll of another worker was first.
                await self._redis.hsetnx(
                    keys.of(self._redis).ticks, field_of(periodic), start_ms(now)
                )  # type: ignore[misc]
            elif last > now + periodic.period_at(now):
                _log.warning(
                    "last tick lies in the future, and counts as now: a clock was wrong",
                    schedule=periodic.name,
                    tick=last.isoformat(),
                    now=now.isoformat(),
                )
                await start_from(self._redis, periodic, now)
            for tick in periodic.due_ticks(last, now):
                await self._enqueue(periodic, tick)

    async def _enqueue(self, periodic: Periodic, tick: datetime) -> None:
        created = await self._enqueuer.put(request_at(periodic, tick))
        if created:
            _log.info("periodic job enqueued", schedule=periodic.name, tick=tick.isoformat())


async def poll_age_s(redis: Redis, queues: Sequence[str]) -> float | None:
    """
    Return how long ago the poller last looked at any of *queues*; None if it never did.

    Of several servers, each of which has its own, the one where that is longest counts.
    """
    ages = [await _poll_age_s(one, names) for one, names in by_server(redis, queues)]
    known = [age for age in ages if age is not None]
    return max(known) if known and len(known) == len(ages) else None


async def _poll_age_s(redis: Redis, queues: Sequence[str]) -> float | None:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.of(redis).polls, list(queues))
        pipe.time()
        noted, (seconds, micros) = await answers(pipe)
    if isinstance(noted, Unreadable):
        return None
    polled = [ms for ms in map(count_of, noted) if ms is not None]
    return max(0.0, seconds + micros / 1e6 - max(polled) / 1000) if polled else None
