"""
arq's cron jobs: each time is enqueued once, however many workers run.

arq guards a time by a job id that it forgets a minute after the job ran, so a slow worker may run
it again. Here `arq:ticks` holds the last time enqueued for each name, and the atomic step that
enqueues compares with it. Jobs that run at startup run once for all workers that start within a
minute.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, cast

from arq.typing import WEEKDAYS

from runner import chance
from runner.broker import keys
from runner.errors import ConfigurationError, EnqueueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arq.cron import CronJob
    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.enqueuer import Enqueuer
    from runner.serializers import MakeRequest

_LONGEST_SLEEP_S = 60.0
_WEEKDAYS = {name: number for number, day in enumerate(WEEKDAYS) for name in (day, day[:3])}
_ONE_START_S = 60
"""Workers that start within this time count as one start of the fleet."""

_STEP = timedelta(seconds=1)
_NONE = timedelta()


class CronClock:
    """
    Enqueues a worker's cron jobs at their times.

    zone: whose clocks they follow; None: this machine's. What time it is, *redis_clock* says.
    """

    def __init__(
        self,
        cron_jobs: Sequence[CronJob],
        *,
        queue: str,
        worker_id: str,
        redis: Redis,
        outage: Outage,
        enqueuer: Enqueuer,
        make_request: MakeRequest,
        zone: tzinfo | None,
        redis_clock: RedisClock,
    ) -> None:
        self._cron_jobs = cron_jobs
        self._queue = queue
        self._worker_id = worker_id
        self._redis = redis
        self._outage = outage
        self._enqueuer = enqueuer
        self._make_request = make_request
        self._zone = zone
        self._clock = redis_clock
        self._latest = redis_clock.now()

    async def run(self) -> None:
        """Enqueue each cron job when it comes due, until cancelled."""
        while self._cron_jobs:
            now = self._clock.now()
            self._follow_clock(now)
            await self.enqueue_due(now, now)
            now = self._clock.now()
            next_run = min(cron_job.next_run or now for cron_job in self._cron_jobs)
            wait_s = (next_run - now).total_seconds()
            await asyncio.sleep(min(max(wait_s, 0.0), _LONGEST_SLEEP_S))

    def _follow_clock(self, now: datetime) -> None:
        """Reckon anew if Redis's clock was set back; ticks that ran are not enqueued again."""
        if now < self._latest - _STEP:
            for cron_job in self._cron_jobs:
                cron_job.next_run = next_time(cron_job, now, self._zone)
        self._latest = now

    async def enqueue_due(self, now: datetime, until: datetime) -> None:
        """Enqueue what is due by *until*, and set when each job is due next."""
        for cron_job in self._cron_jobs:
            if cron_job.next_run is None:
                at_once = cron_job.run_at_startup and await self._is_first_to_start(cron_job)
                cron_job.next_run = now if at_once else next_time(cron_job, now, self._zone)
            due = cron_job.next_run
            if due <= until:
                await self._enqueue(cron_job, due)
                # After an outage the next time lies ahead: the poller alone catches up.
                past = max(due, now - timedelta(milliseconds=1))
                cron_job.next_run = next_time(cron_job, past, self._zone)

    async def _is_first_to_start(self, cron_job: CronJob) -> bool:
        """Whether no other worker of this start has enqueued it; in arq each of them does."""
        if not cron_job.unique:
            return True
        key = (
            f"{keys.of(self._redis).startup_prefix}{self._queue}|{cron_job.job_id or cron_job.name}"
        )
        return bool(
            await self._outage.call(
                lambda: self._redis.set(key, self._worker_id, nx=True, ex=_ONE_START_S)
            )
        )

    async def _enqueue(self, cron_job: CronJob, due: datetime) -> None:
        tick_ms = round(due.timestamp() * 1000)
        job_id = cron_job.job_id or (f"{cron_job.name}:{tick_ms}" if cron_job.unique else None)
        request = self._make_request(
            queue=self._queue,
            job_id=job_id or chance.new_id(),
            name=cron_job.name,
            due_ms=tick_ms if due > self._clock.now() else None,
            unique=job_id is not None,
            schedule=(cron_job.job_id or cron_job.name) if cron_job.unique else None,
            tick_ms=tick_ms if cron_job.unique else None,
            period_ms=self._period_ms(cron_job, due) if cron_job.unique else None,
        )
        try:
            await self._enqueuer.put(request)
        except EnqueueError as error:
            self._outage.note_loss(error.__cause__ or error)

    def _period_ms(self, cron_job: CronJob, due: datetime) -> int:
        following = next_time(cron_job, due, self._zone)
        after_that = next_time(cron_job, following, self._zone)
        return round((after_that - following).total_seconds() * 1000)


def next_time(cron_job: CronJob, after: datetime, zone: tzinfo | None) -> datetime:
    """
    Return when *cron_job* is due after *after*, in UTC; zone: whose clocks count, None: ours.

    arq counts as if no day had 23 or 25 hours. Here a job at a fixed hour runs once on each day;
    one at any hour runs in both passes of an hour that comes twice.

    Raises:
        ConfigurationError: It never comes due.
    """
    _number_weekdays(cron_job)
    try:
        by_wall = _next_by_wall(cron_job, after, zone)
        if cron_job.hour is not None:
            return by_wall
        # The wall clock skips the second pass of an hour that comes twice; this one does not.
        local = after.astimezone(zone)
        steady = _calculated(cron_job, local.astimezone(timezone(local.utcoffset() or _NONE)))
        wall = _wall(steady, zone)
        matches = _calculated(cron_job, wall - _STEP) == wall
    except (OverflowError, ValueError):
        # Past the end of the calendar.
        raise ConfigurationError(f"{cron_job.name}: its date never comes: {cron_job}") from None
    return min(steady.astimezone(UTC), by_wall) if matches else by_wall


def _number_weekdays(cron_job: CronJob) -> None:
    """Turn names of days in a set into numbers: arq reads a single name, but no set of names."""
    if isinstance(cron_job.weekday, set):
        days: set[int | str] = set(cron_job.weekday)
        numbers = {_WEEKDAYS.get(day.lower(), day) if isinstance(day, str) else day for day in days}
        if unknown := [day for day in numbers if isinstance(day, str)]:
            raise ConfigurationError(
                f"{cron_job.name}: {unknown[0]!r} is not a weekday: "
                f"write one of {', '.join(WEEKDAYS)}"
            )
        cron_job.weekday = cast("set[int]", numbers)


def _next_by_wall(cron_job: CronJob, after: datetime, zone: tzinfo | None) -> datetime:
    wall = _wall(after, zone)
    while True:
        wall = _calculated(cron_job, wall)
        for fold in (0, 1) if cron_job.hour is None else (0,):
            local = wall.replace(fold=fold)
            moment = local.astimezone() if zone is None else local.replace(tzinfo=zone)
            # In UTC: Python compares times of one zone by what their clocks show.
            utc = moment.astimezone(UTC)
            if utc > after.astimezone(UTC):
                return utc


def _wall(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return what the clocks of *zone* show, without the zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _calculated(cron_job: CronJob, previous: datetime) -> datetime:
    before = cron_job.next_run
    cron_job.calculate_next(previous)
    found, cron_job.next_run = cron_job.next_run, before
    assert found is not None  # noqa: S101 -- that is what it calculates
    return found
