"""Round numbers that the counters have passed, and when they should pass the next ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from jobs.analysis.daily_gains import channel_gains, last_of_each_day, readings_of
from jobs.analysis.rounding import step_of
from jobs.analysis.section import Missing, Section
from jobs.analysis.student import t_quantile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

Counter = Literal["subscribers", "views", "items"]
COUNTERS: tuple[Counter, ...] = ("subscribers", "views", "items")

LEVEL = 0.8
PACE_DAYS = 56
FARTHEST_DAYS = 730
_SMALLEST = {"subscribers": 100, "views": 1_000, "items": 50}
_WEEK = 7
_FEWEST_WEEKS = 2
_DAY = np.timedelta64(1, "D")


class MilestoneReached(BaseModel):
    """
    *counter* was first read at or above *value* on *day*, and last read below it on *after*.

    It passed the value somewhere between the two days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    counter: Counter
    value: int
    after: date
    day: date


class MilestoneExpected(BaseModel):
    """
    *counter*, now at *current*, should reach *value* on *day* at its pace of *per_day*.

    The interval at *level* runs from *earliest* to *latest*; *latest* is None if the slowest pace
    in the interval does not reach *value* within `FARTHEST_DAYS`. The pace is based on *weeks*
    weeks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    counter: Counter
    value: int
    current: int
    per_day: float
    day: date
    earliest: date
    latest: date | None
    level: float
    weeks: int


class Milestones(Section):
    """Milestones *reached* while the counters were read, newest first, and those *expected*."""

    reached: list[MilestoneReached]
    expected: list[MilestoneExpected]


@dataclass(frozen=True, slots=True)
class Pace:
    """A counter's gain per day: *mean* and standard deviation *spread* of *weeks* weekly means."""

    mean: float
    spread: float
    weeks: int


def milestones(data: ChannelData) -> Milestones | Missing:
    """Return the milestones passed and ahead, or why the data has none."""
    reached: list[MilestoneReached] = []
    expected: list[MilestoneExpected] = []
    read = False
    for name in COUNTERS:
        instants, values = readings_of(data.daily, name)
        known = values > 0
        if not known.any():
            continue
        read = True
        days, counts = last_of_each_day(instants[known], values[known])
        reached += _reached(name, days, counts)
        if name == "items":  # a channel publishes what it decides to: nothing to expect
            continue
        pace = pace_of(channel_gains(data, name).gains if name == "views" else _net(days, counts))
        if pace is not None and (ahead := _expected(name, days, counts, pace)) is not None:
            expected.append(ahead)
    if not read:
        return Missing(
            reason="Round numbers are passed by counters, and the source gives none of the channel."
        )
    reached.sort(key=lambda one: (one.day, one.value), reverse=True)
    return Milestones(reached=reached, expected=expected)


def round_numbers(counter: Counter, low: float, high: float) -> list[int]:
    """Return the milestones above *low*, up to *high*: 1, 2, 2.5, 5 and 7.5 times powers of ten."""
    return [value for value in _steps(_SMALLEST[counter], high) if value > low]


def pace_of(gains: NDArray[np.float64]) -> Pace | None:
    """
    Return the pace over the last `PACE_DAYS` days of *gains* (NaN: unknown), by whole weeks.

    Whole weeks, because the days of a week resemble each other and the weekly rhythm cancels out.
    A week with fewer than five known days is left out. None with fewer than two weeks.
    """
    weeks = min(gains.size, PACE_DAYS) // _WEEK
    if not weeks:
        return None
    by_week = gains[gains.size - weeks * _WEEK :].reshape(weeks, _WEEK)
    by_week = by_week[np.count_nonzero(~np.isnan(by_week), axis=1) >= _WEEK - 2]
    if by_week.shape[0] < _FEWEST_WEEKS:
        return None
    means = np.nanmean(by_week, axis=1)
    return Pace(float(means.mean()), float(means.std(ddof=1)), int(means.size))


def days_until(missing: float, pace: Pace, level: float) -> tuple[int, int | None] | None:
    """
    Return the fewest and the most days to gain *missing*, None if even the fewest are too many.

    H days bring `H · (m ± t·s·√(1/n + 7/H))` at *level*: the prediction interval for the mean of
    the next H/7 weeks after n weeks with mean m and standard deviation s, t with n-1 degrees of
    freedom. The most days are None if they exceed `FARTHEST_DAYS`.
    """
    ahead = np.arange(1, FARTHEST_DAYS + 1)
    t = t_quantile(pace.weeks - 1, (1 + level) / 2)
    margin = t * pace.spread * np.sqrt(1 / pace.weeks + _WEEK / ahead)
    soonest = np.flatnonzero(ahead * (pace.mean + margin) >= missing)
    latest = np.flatnonzero(ahead * (pace.mean - margin) >= missing)
    if not soonest.size:
        return None
    return int(ahead[soonest[0]]), int(ahead[latest[0]]) if latest.size else None


def _steps(smallest: int, high: float) -> Iterator[int]:
    power = 10 ** len(str(smallest)) // 100
    while power <= high:
        for tenths in (10, 20, 25, 50, 75):
            value = power * tenths // 10
            if smallest <= value <= high and value * 10 == power * tenths:
                yield value
        power *= 10


def _reached(
    name: Counter, days: NDArray[np.datetime64], counts: NDArray[np.float64]
) -> Iterator[MilestoneReached]:
    highest = np.maximum.accumulate(counts)
    for value in round_numbers(name, counts[0], highest[-1]):
        at = int(np.searchsorted(highest, value))
        yield MilestoneReached(
            counter=name, value=value, after=days[at - 1].item(), day=days[at].item()
        )


def _expected(
    name: Counter, days: NDArray[np.datetime64], counts: NDArray[np.float64], pace: Pace
) -> MilestoneExpected | None:
    """Return the next milestone above all readings; one passed before is not expected again."""
    current, step = float(counts[-1]), step_of(counts)
    value = round_numbers(name, float(counts.max()), 10.0 * max(float(counts.max()), 1e3))[0]
    if pace.mean <= 0:
        return None
    # A reading may be up to one step too low, even if the step is 1, and so may the pace's total.
    reading_error = step / (pace.weeks * _WEEK)
    wide = Pace(pace.mean, max(pace.spread, reading_error * np.sqrt(pace.weeks)), pace.weeks)
    ahead = days_until(value - current, wide, LEVEL)
    middle = int(np.ceil((value - current - (step - 1) / 2) / pace.mean))
    if ahead is None or middle > FARTHEST_DAYS:
        return None
    sooner = days_until(max(value - current - (step - 1), 1.0), wide, LEVEL) or ahead
    last: date = days[-1].item()
    middle = max(middle, sooner[0])
    return MilestoneExpected(
        counter=name,
        value=value,
        current=int(current),
        per_day=pace.mean,
        day=last + timedelta(days=middle),
        earliest=last + timedelta(days=sooner[0]),
        latest=None if ahead[1] is None else last + timedelta(days=max(ahead[1], middle)),
        level=LEVEL,
        weeks=pace.weeks,
    )


def _net(days: NDArray[np.datetime64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return net gains per day; the change over a gap is spread evenly over its days."""
    if days.size <= 1:
        return np.empty(0)
    lengths = np.diff(days).astype(int)
    net: NDArray[np.float64] = np.repeat(np.diff(counts) / lengths, lengths)
    return net
