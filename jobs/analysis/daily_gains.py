"""
Turn the readings of a counter into gains per day, and mark the days whose gain is unknown.

Between two readings a counter gains at one rate; a day gets of each interval the part that lies
within it, and what is not covered is scaled up. So a steady counter has steady days, at whatever
minute it is read. The days begin at the time of day at which the counter is usually read, or at
midnight where it is read several times a day: most steps then belong to one day, and a day stays
as sharp as its readings. A day has the name of the UTC day of which it has most; readings without
a time of day stand at midnight, and name the day that they end.

Everything else is left unknown (NaN) rather than guessed:

- days without a reading, and the first day after them: that gain belongs to the whole gap and
  must not appear as a jump on one day;
- a step down: counters of views fall only by recounts and removals, so the day's gain is
  unknown, not negative;
- a zero next to positive readings: many exports write zero for "not read".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl

from jobs.analysis.columns import floats_of, instants_of

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

_ONE_DAY = np.timedelta64(1, "D")
_DAY_US: Final = 86_400_000_000
_DENSE_US: Final = 18 * 3_600_000_000
"""Readings nearer to each other than this are several a day."""

_MISSED_US: Final = 42 * 3_600_000_000
"""Between neighbouring days less time passes, even if one is read late and the next early."""

_ENOUGH, _ENOUGH_DENSE = 0.5, 0.9
"""The share of a day that must be covered: a daily reading that comes early still has its day."""


@dataclass(frozen=True, slots=True)
class Gap:
    """*days* days without a reading, *first* to *last* inclusive, and the gain over all of them."""

    first: date
    last: date
    days: int
    gained: int


@dataclass(frozen=True, slots=True)
class Correction:
    """The counter fell by *amount* (positive) between the readings of *day* and the day before."""

    day: date
    amount: int


@dataclass(frozen=True, slots=True)
class DailyGains:
    """
    Gains per UTC day; *days* are consecutive, from the day after the first reading to the last.

    *gains* is as long as *days*, NaN where unknown. *zero_filled* counts readings of zero that
    were taken for "not read".
    """

    days: NDArray[np.datetime64]
    gains: NDArray[np.float64]
    gaps: tuple[Gap, ...] = ()
    corrections: tuple[Correction, ...] = ()
    zero_filled: int = 0

    @property
    def known(self) -> NDArray[np.float64]:
        """The known gains, in time order."""
        return self.gains[~np.isnan(self.gains)]


def daily_gains(observed_at: NDArray[np.datetime64], counter: NDArray[np.float64]) -> DailyGains:
    """
    Return what *counter* (NaN: not read) gained on each day.

    *observed_at* are UTC instants in ascending order.
    """
    known = ~np.isnan(counter)
    zero_filled = 0
    if np.any(counter[known] > 0):
        zero_filled = int(np.count_nonzero(counter == 0))
        known &= counter != 0
    at, values = observed_at[known].astype("datetime64[us]").astype(np.int64), counter[known]
    calendar = _Calendar.of(at)
    near = calendar.nearest(at)
    if at.size <= 1 or near[0] == near[-1]:
        empty = np.empty(0, dtype="datetime64[D]")
        return DailyGains(empty, np.empty(0), zero_filled=zero_filled)
    steps, lengths = np.diff(values), np.diff(near)
    missed = (lengths > 1) & (np.diff(at) > _MISSED_US)
    usable = ~missed & (steps >= 0) & (np.diff(at) > 0)
    boundaries = calendar.boundaries(near[0], near[-1])
    gained = _laid(at, np.where(usable, steps, 0.0), boundaries)
    covered = _laid(at, np.where(usable, np.diff(at), 0).astype(float), boundaries) / _DAY_US
    enough = covered >= calendar.enough
    gains = np.where(enough, gained / np.where(enough, covered, 1.0), np.nan)
    days = calendar.days(near[0] + 1, near[-1] + 1)
    if calendar.whole and enough.any():  # readings began and ended within days
        whole = slice(int(np.argmax(enough)), enough.size - int(np.argmax(enough[::-1])))
        days, gains = days[whole], gains[whole]
    gaps = tuple(
        Gap(
            first=calendar.day(near[i] + 1),
            last=calendar.day(near[i + 1] - 1),
            days=int(lengths[i] - 1),
            gained=int(steps[i]),
        )
        for i in np.flatnonzero(missed)
    )
    corrections = tuple(
        Correction(day=calendar.day(max(near[i + 1], near[0] + 1)), amount=int(-steps[i]))
        for i in np.flatnonzero(steps < 0)
    )
    return DailyGains(days, gains, gaps, corrections, zero_filled)


@dataclass(frozen=True, slots=True)
class _Calendar:
    """
    Days that begin *phase* after midnight UTC, in microseconds; day n ends at boundary n.

    late: how many days after the date of the boundary that it ends a day is named, 0 or -1.
    enough: the share of a day that must be covered. whole: they begin at midnight, whenever the
    counter is read.
    """

    phase: int
    late: int
    enough: float
    whole: bool = False

    @classmethod
    def of(cls, at: NDArray[np.int64]) -> _Calendar:
        """Return the days that suit readings *at* these times."""
        apart = np.diff(at)
        if apart.size and np.median(apart) < _DENSE_US:
            return cls(0, -1, _ENOUGH_DENSE, whole=True)
        of_day = at % _DAY_US
        if not of_day.any():
            return cls(0, 0, _ENOUGH)
        # The middle of the times of day, which are on a circle.
        angles = of_day * (2 * np.pi / _DAY_US)
        mean = np.arctan2(np.sin(angles).mean(), np.cos(angles).mean()) * (_DAY_US / (2 * np.pi))
        beside = (of_day - mean + _DAY_US / 2) % _DAY_US - _DAY_US / 2
        phase = round(mean + float(np.median(beside))) % _DAY_US
        return cls(phase, 0 if 2 * phase >= _DAY_US else -1, _ENOUGH)

    def nearest(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the boundary nearest to each time."""
        return (at - self.phase + _DAY_US // 2) // _DAY_US

    def boundaries(self, first: np.int64, last: np.int64) -> NDArray[np.int64]:
        """Return the instants of boundaries *first* to *last*."""
        return np.arange(first, last + 1, dtype=np.int64) * _DAY_US + self.phase

    def days(self, first: np.int64, end: np.int64) -> NDArray[np.datetime64]:
        """Return the names of days *first* to before *end*."""
        return np.arange(first + self.late, end + self.late).astype("datetime64[D]")

    def day(self, number: np.int64) -> date:
        """Return the name of day *number*."""
        found: date = (number + self.late).astype("datetime64[D]").item()
        return found


def _laid(
    at: NDArray[np.int64], steps: NDArray[np.float64], boundaries: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how much of *steps*, each between two of *at*, lies in each day."""
    starts, ends, lengths = at[:-1], at[1:], np.diff(at)
    # The last day that begins at or before an interval's start, and the last that it reaches.
    first = np.searchsorted(boundaries, starts, side="right") - 1
    last = np.searchsorted(boundaries, ends, side="left") - 1
    laid = np.zeros(boundaries.size - 1)
    for ahead in range(int((last - first).max()) + 1):
        day = first + ahead
        within = (day <= last) & (day >= 0) & (day < laid.size) & (lengths > 0)
        day, of = day[within], np.flatnonzero(within)
        part = np.minimum(ends[of], boundaries[day + 1]) - np.maximum(starts[of], boundaries[day])
        np.add.at(laid, day, steps[of] * (part / lengths[of]))
    return laid


_known: WeakKeyDictionary[ChannelData, dict[str, DailyGains]] = WeakKeyDictionary()
"""Gains of channels that are being analysed: half of the questions start from them."""


def channel_gains(data: ChannelData, column: Literal["views", "subscribers"]) -> DailyGains:
    """
    Return what *column* gained on each day: from the owner's export, or else from the counter.

    Exported gains are complete and exact, so the counter is ignored if there are any: its days end
    at other hours. Net subscribers may be negative. Days missing from the export are unknown.
    """
    known = _known.setdefault(data, {})
    if column not in known:
        # Few channels have exported gains, and polars takes time even to drop rows from none.
        exported = data.gains if data.gains.is_empty() else data.gains.drop_nulls(column)
        own = exported.is_empty()
        known[column] = gains_of(data.daily, column) if own else _by_day(exported, column)
    return known[column]


def item_gains(data: ChannelData, item_id: str) -> DailyGains:
    """Return an item's views on each day, in the same way; it has at least one reading."""
    of_item = pl.col("item_id") == item_id
    if data.item_gains.is_empty():
        return gains_of(data.item_snapshots.filter(of_item), "views")
    return _by_day(data.item_gains.filter(of_item).drop_nulls("views").sort("day"), "views")


def _by_day(exported: pl.DataFrame, column: str) -> DailyGains:
    known_days = exported["day"].to_numpy().astype("datetime64[D]")
    days = np.arange(known_days[0], known_days[-1] + _ONE_DAY, _ONE_DAY)
    gains = np.full(days.size, np.nan)
    gains[np.searchsorted(days, known_days)] = floats_of(exported[column])
    return DailyGains(days, gains)


def gains_of(daily: pl.DataFrame, column: str) -> DailyGains:
    """Return the daily gains of counter *column* of a channel's `daily` frame."""
    return daily_gains(*readings_of(daily, column))


def readings_of(
    daily: pl.DataFrame, column: str
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Return the instants (UTC, microseconds) and values (NaN: not read) of counter *column*."""
    return instants_of(daily["observed_at"]), floats_of(daily[column])


def last_of_each_day(
    observed_at: NDArray[np.datetime64], values: NDArray[np.float64]
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Return the UTC days of *observed_at* (ascending), and the last value of each."""
    days = observed_at.astype("datetime64[D]")
    last = np.append(days[1:] != days[:-1], True) if days.size else np.empty(0, dtype=bool)
    return days[last], values[last]
