"""
arq's cron jobs, enqueued once for each of their times however many workers run.

arq guards a time by a job id that is forgotten a minute after the job ran, so that a slow peer
may run it again. Here the last time enqueued is kept for each name (`arq:ticks`), and compared in
the same atomic step that enqueues.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from arq.cron import CronJob

from runner.arq_serializer import request_maker
from runner.enqueue import new_job_id
from runner.errors import EnqueueError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from runner.worker import Worker

_LONGEST_SLEEP_S = 60.0
_EPOCH = datetime.fromtimestamp(0, UTC)


class IntervalCron(CronJob):
    """A cron job at every multiple of *interval_s* seconds, which a crontab cannot say."""

    interval_s: float

    @classmethod
    def of(
        cls,
        coroutine: Callable[..., Coroutine[Any, Any, Any]],
        *,
        interval_s: float,
        name: str,
        timeout_s: float,
    ) -> IntervalCron:
        """Run *coroutine* every *interval_s* seconds under *name*."""
        every = cls(
            name=name,
            coroutine=coroutine,
            month=None,
            day=None,
            weekday=None,
            hour=None,
            minute=None,
            second=None,
            microsecond=0,
            run_at_startup=False,
            unique=True,
            job_id=None,
            timeout_s=timeout_s,
            keep_result_s=0,
            keep_result_forever=False,
            max_tries=1,
        )
        every.interval_s = interval_s
        return every

    def calculate_next(self, prev_run: datetime) -> None:
        """The first multiple of the interval after *prev_run*."""
        interval = timedelta(seconds=self.interval_s)
        self.next_run = _EPOCH + ((prev_run - _EPOCH) // interval + 1) * interval


class CronClock:
    """Enqueues a worker's cron jobs at their times."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def run(self) -> None:
        """Enqueue each cron job when it comes due, until cancelled."""
        while self._worker.cron_jobs:
            now = self._now()
            await self._worker.run_cron(now, 0.0)
            next_run = min(_next_run(cron_job) for cron_job in self._worker.cron_jobs)
            wait_s = (next_run - self._now()).total_seconds()
            await asyncio.sleep(min(max(wait_s, 0.0), _LONGEST_SLEEP_S))

    async def enqueue_due(self, now: datetime, until: datetime) -> None:
        """Enqueue what comes due not later than *until*, and find out when it comes due again."""
        for cron_job in self._worker.cron_jobs:
            if cron_job.next_run is None:
                if not cron_job.run_at_startup:
                    cron_job.calculate_next(now)
                    continue
                cron_job.next_run = now
            due = cron_job.next_run
            if due <= until:
                await self._enqueue(cron_job, due)
                # After an outage the next time is one to come: the poller catches up, not the clock.
                cron_job.calculate_next(max(due, now - timedelta(milliseconds=1)))

    async def _enqueue(self, cron_job: CronJob, due: datetime) -> None:
        tick_ms = round(due.timestamp() * 1000)
        job_id = cron_job.job_id or (f"{cron_job.name}:{tick_ms}" if cron_job.unique else None)
        request = request_maker(self._worker.job_serializer)(
            queue=self._worker.options.queue,
            job_id=job_id or new_job_id(),
            name=cron_job.name,
            due_ms=tick_ms if due > self._now() else None,
            unique=job_id is not None,
            schedule=cron_job.name if cron_job.unique else None,
            tick_ms=tick_ms if cron_job.unique else None,
        )
        try:
            await self._worker.enqueuer.put(request)
        except EnqueueError as error:
            self._worker.patience.note_loss(error)

    def _now(self) -> datetime:
        return datetime.now(tz=self._worker.timezone)


def _next_run(cron_job: CronJob) -> datetime:
    assert cron_job.next_run is not None  # noqa: S101 -- calculated before it is asked for
    return cron_job.next_run
