"""
What is usual at this time of day: between which values most of the days before lay.

Counts by ten minutes are kept for 3 days. Of those within half an hour of this time of day, on the
days before, the band reaches from the 10th to the 90th percentile. Days before the first count do
not speak, and without enough of them nothing is said.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from runner import clock
from runner.broker.redis_clock import redis_now
from runner.operations.metrics import LONGEST_HOURS, all_jobs, together
from runner.wording import NOTHING, milliseconds, short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from redis.asyncio import Redis

    from runner.operations.metrics import Cell

_DAY: Final = timedelta(days=1)
_DAYS: Final = LONGEST_HOURS // 24
_BESIDE: Final = timedelta(minutes=30)
_FEWEST: Final = 6
"""So many ten minutes are an hour of one day."""

_LOW, _HIGH = 0.1, 0.9
_STEP_MIN: Final = 10
_KEPT_S: Final = 300.0
_WORTH_A_LOOK: Final = 5
"""Fewer failures than these are not shown as an alarm, however unusual."""

ABOUT: Final = (
    "10th to 90th percentile of ten minutes each, within half an hour of this time of day, "
    "over the last 3 days"
)


@dataclass(frozen=True, slots=True)
class Band:
    """
    Between which values most were.

    Attributes:
        low: The 10th percentile.
        high: The 90th percentile.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Usual:
    """
    What is usual at this time of day.

    Attributes:
        done: Attempts done a minute.
        failing: Percent of the attempts that failed; null where hardly any ended.
        run_ms: The run time that half of them stayed below; null where hardly any ended.
    """

    done: Band
    failing: Band | None
    run_ms: Band | None

    def is_failing_more(self, last: Cell) -> bool:
        """Whether more of *last* failed than is usual, and enough to look at."""
        if self.failing is None or last.failed < _WORTH_A_LOOK:
            return False
        return 100 * last.failed / last.attempts > max(1.0, self.failing.high)


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How the last full minutes went, beside what is usual at this time of day.

    Attributes:
        minutes: How many full minutes it is of.
        done: Attempts done in them.
        failed: Attempts that failed in them.
        done_a_minute: Attempts done a minute.
        failing: Percent of the attempts that failed; null if none ended.
        run_ms: The run time that half of them stayed below; null if none ended.
        usual: What is usual; null if too little was counted to tell.
        is_failing_more: Whether more fail than is usual, and enough to look at.
    """

    minutes: int
    done: int
    failed: int
    done_a_minute: float
    failing: float | None
    run_ms: float | None
    usual: Usual | None
    is_failing_more: bool

    @classmethod
    def of(cls, last: Cell, minutes: int, usual: Usual | None) -> Pace:
        """Compare *last*, the sum of *minutes*, with what is usual."""
        return cls(
            minutes=minutes,
            done=last.done,
            failed=last.failed,
            done_a_minute=last.done / minutes,
            failing=100 * last.failed / last.attempts if last.attempts else None,
            run_ms=last.percentile_ms(0.5),
            usual=usual,
            is_failing_more=usual is not None and usual.is_failing_more(last),
        )

    @property
    def share_failing(self) -> str:
        """The share that fails, in words."""
        return NOTHING if self.failing is None else f"{_tenths(self.failing)} %"

    @property
    def usual_done(self) -> str:
        """How many are usually done a minute, in words; empty if nobody knows."""
        band = self.usual.done if self.usual else None
        return f"usual {_between(short(band.low), short(band.high))}" if band else ""

    @property
    def usual_failing(self) -> str:
        """Which share usually fails, in words; empty if nobody knows."""
        band = self.usual.failing if self.usual else None
        return f"usual {_between(_tenths(band.low), _tenths(band.high))} %" if band else ""

    @property
    def usual_run(self) -> str:
        """What half of them usually stay below, in words; empty if nobody knows."""
        band = self.usual.run_ms if self.usual else None
        if band is None:
            return ""
        return f"usual {_between(milliseconds(band.low), milliseconds(band.high))}"


def _between(low: str, high: str) -> str:
    return low if low == high else f"{low}–{high}"


def _tenths(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class UsualBands:
    """The bands, read anew every five minutes: they are of days, and reading those costs more."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lock = asyncio.Lock()
        self._known: Usual | None = None
        self._read_at: float | None = None

    async def now(self) -> Usual | None:
        """Return what is usual now; None if too little was counted to tell."""
        async with self._lock:
            at = clock.monotonic()
            if self._read_at is None or at - self._read_at >= _KEPT_S:
                jobs = await all_jobs(self._redis, hours=LONGEST_HOURS)
                self._known = usual(together(jobs), await redis_now(self._redis))
                self._read_at = at
            return self._known


def usual(cells: Sequence[Cell], now: datetime) -> Usual | None:
    """Return what *cells*, each of ten minutes, say of this time of day."""
    first = next((one.at for one in cells if one.at and one.attempts), None)
    if first is None:
        return None
    spoken = [
        one for one in cells if one.at is not None and one.at >= first and _is_alike(one.at, now)
    ]
    if len(spoken) < _FEWEST:
        return None
    busy = [one for one in spoken if one.attempts]
    ran = [value for one in busy if (value := one.percentile_ms(0.5)) is not None]
    return Usual(
        done=_band([one.done / _STEP_MIN for one in spoken]),
        failing=_band([100 * one.failed / one.attempts for one in busy])
        if len(busy) >= _FEWEST
        else None,
        run_ms=_band(ran) if len(ran) >= _FEWEST else None,
    )


def _is_alike(at: datetime, now: datetime) -> bool:
    """Whether that was at this time of day, on a day before."""
    return any(abs(now - day * _DAY - at) <= _BESIDE for day in range(1, _DAYS + 1))


def _band(values: Sequence[float]) -> Band:
    ordered = sorted(values)
    last = len(ordered) - 1
    return Band(ordered[round(_LOW * last)], ordered[round(_HIGH * last)])
