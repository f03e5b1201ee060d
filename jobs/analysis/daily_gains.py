"""
Turn the readings of a counter into gains per day, and mark the days whose gain is unknown.

A gain is the difference between the last readings of two neighbouring UTC days. Everything else
is left unknown (NaN) rather than guessed:

- days without a reading, and the first day after them: that gain belongs to the whole gap and
  must not appear as a jump on one day;
- a step down: counters of views fall only by recounts and removals, so the day's gain is
  unknown, not negative;
- a zero next to positive readings: many exports write zero for "not read".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl

from jobs.analysis.columns import floats_of, instants_of

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

_ONE_DAY = np.timedelta64(1, "D")


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
    Return what *counter* (NaN: not read) gained on each UTC day.

    *observed_at* are UTC instants in ascending order. The last reading of a day counts.
    """
    known = ~np.isnan(counter)
    zero_filled = 0
    if np.any(counter[known] > 0):
        zero_filled = int(np.count_nonzero(counter == 0))
        known &= counter != 0
    read_on, values = last_of_each_day(observed_at[known], counter[known])
    if read_on.size <= 1:
        empty = np.empty(0, dtype="datetime64[D]")
        return DailyGains(empty, np.empty(0), zero_filled=zero_filled)
    days = np.arange(read_on[0] + _ONE_DAY, read_on[-1] + _ONE_DAY, _ONE_DAY)
    gains = np.full(days.size, np.nan)
    steps = np.diff(values)
    lengths = np.diff(read_on).astype(int)
    usable = (lengths == 1) & (steps >= 0)
    gains[np.searchsorted(days, read_on[1:][usable])] = steps[usable]
    gaps = tuple(
        Gap(
            first=(read_on[i] + _ONE_DAY).item(),
            last=(read_on[i + 1] - _ONE_DAY).item(),
            days=int(lengths[i] - 1),
            gained=int(steps[i]),
        )
        for i in np.flatnonzero(lengths > 1)
    )
    corrections = tuple(
        Correction(day=read_on[i + 1].item(), amount=int(-steps[i]))
        for i in np.flatnonzero(steps < 0)
    )
    return DailyGains(days, gains, gaps, corrections, zero_filled)


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
