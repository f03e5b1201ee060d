"""Periodic jobs: what to enqueue at which times."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runner.periodic.crontab import Crontab

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.definition import JobDefinition


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
    job: JobDefinition
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
