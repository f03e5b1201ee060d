"""Periodic jobs: what to enqueue, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from runner.checks import instance, seconds, shown, text
from runner.definition import JobDefinition
from runner.enqueue import Enqueue
from runner.errors import refuse
from runner.periodic.crontab import Crontab


class CatchUp(StrEnum):
    """Which ticks run that were missed while everything was down: all, the last one, or none."""

    ALL = "all"
    LAST = "last"
    NONE = "none"


_MOST_CAUGHT_UP = 1000

_crontab = lru_cache(maxsize=256)(Crontab)
"""A schedule is asked again and again, and its text need be read only once."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """
    A job that is enqueued at the times of a crontab.

    jitter_s: each tick is enqueued up to this many seconds late, at random, so that many schedules
    of one minute do not run in the same second. overlap: False to skip a tick, a missed one too,
    while the job of an earlier tick waits, runs or is being retried.

    Raises:
        ConfigurationError: The crontab, the time zone, the name or the jitter is invalid.
        ArgumentsError: The arguments do not fit the job, or do not come back equal from JSON.
    """

    name: str
    job: JobDefinition
    crontab: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    timezone: str = "UTC"
    jitter_s: float = 0.0
    catch_up: CatchUp = CatchUp.LAST
    overlap: bool = True

    def __post_init__(self) -> None:
        """Refuse a crontab, time zone or arguments that would only fail when the tick comes."""
        refuse(
            f"schedule {shown(self.name)}",
            text("name", self.name),
            seconds("jitter_s", self.jitter_s),
            instance("job", self.job, JobDefinition),
            instance("kwargs", self.kwargs, Mapping),
            text("crontab", self.crontab),
            text("timezone", self.timezone),
            instance("catch_up", self.catch_up, CatchUp),
        )
        _crontab(self.crontab, self.timezone)
        _, kwargs = self.job.check((), self.kwargs)
        Enqueue(self.job.queue, self.name, self.job.name, (), kwargs, job=self.job).body()

    def next_after(self, moment: datetime) -> datetime:
        """Return the first tick later than *moment*."""
        return _crontab(self.crontab, self.timezone).next_after(moment)

    def period_at(self, moment: datetime) -> timedelta:
        """Return how far the two ticks after *moment* are apart."""
        following = self.next_after(moment)
        return self.next_after(following) - following

    def due_ticks(self, last: datetime | None, now: datetime) -> list[datetime]:
        """
        Return the ticks to enqueue at *now*; *last*: the last one that was enqueued. Pure.

        A schedule that has never run starts with its next tick, not with past ones.
        """
        if last is None:
            return []
        ticks = _crontab(self.crontab, self.timezone).ticks_between(
            last, now, limit=_MOST_CAUGHT_UP
        )
        if self.catch_up is CatchUp.ALL:
            return ticks
        if self.catch_up is CatchUp.LAST:
            return ticks[-1:]
        return [tick for tick in ticks[-1:] if now - tick <= _ON_TIME]


_ON_TIME = timedelta(minutes=1)
"""A tick this recent was not missed: it is enqueued at its moment, or by the next poll."""
