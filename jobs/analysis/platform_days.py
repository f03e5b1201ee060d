"""
The platform's own days: those on which the counters of most channels were late, or caught up.

Platforms count in batches. On some days nearly every counter stands still or counts half of the
usual, and the rest follows a day later. One channel alone cannot tell that from a bad day; all
channels of a store together can.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.analysis.daily_gains import daily_gains
from jobs.channel.platform_day import FEWEST_CHANNELS, PlatformDay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains

REFERENCE_DAYS: Final = 14
FEWEST_DAYS: Final = 7
FEWEST_VIEWS: Final = 20.0
"""A channel with fewer views a day says little: single views move it."""

APART: Final = 1.25
SURE: Final = 3.0
"""A day counts if its factor is beyond `APART`, and beyond so many standard errors."""

FAR: Final = 1.6
"""Beyond this factor channels differ too much for any one's own day to be told."""

STILL: Final = 0.02
"""A factor below means that the counters stood still."""

_LEAST: Final = 0.01

_DAY: Final = np.timedelta64(1, "D")
_TO_SPREAD: Final = 1.4826
_OF_MEDIAN: Final = 1.2533
_WEEK: Final = 7
_FEWEST_WEEKS: Final = 2
_MEMORY_WEEKS: Final = 4
_OWED: Final = 0.8
_MOST_OWED: Final = 3.0


def platform_days(
    days: NDArray[np.datetime64], gains: NDArray[np.float64], *, past_only: bool = False
) -> tuple[PlatformDay, ...]:
    """
    Return the days of *gains* (channels, *days*; NaN: unknown) that were the platform's own.

    Each channel's gain is divided by the median of its last `REFERENCE_DAYS` days; the day's factor
    is the median over channels, less what the same weekday had before (a rhythm that all channels
    share is not the counter's). Channels read for less than a week are compared with the days
    after, too, unless *past_only*; others only with earlier days, so that factors hardly change.
    """
    logs = _logs(gains, past_only=past_only)
    known = [each[~np.isnan(each)] for each in logs.T]
    raw = np.array(
        [np.median(own) if own.size >= FEWEST_CHANNELS else np.nan for own in known], dtype=float
    )
    found: list[PlatformDay] = []
    for t in np.flatnonzero(~np.isnan(raw)):
        own = known[t]
        spread = _TO_SPREAD * float(np.median(np.abs(own - raw[t])))
        apart = raw[t] - _rhythm(raw, int(t), past_only=past_only)
        error = _OF_MEDIAN * spread / np.sqrt(own.size)
        if abs(apart) > max(np.log(APART), SURE * error):
            factor, spread = round(float(np.exp(apart)), 4), round(spread, 4)
            found.append(PlatformDay(days[t].item(), factor, spread, int(own.size)))
    return tuple(found)


def of_counters(
    read: Sequence[tuple[str, int, int]],
) -> tuple[date, tuple[PlatformDay, ...]] | None:
    """
    Return the first day on which anything was gained, and the platform's days from then on.

    *read* has a channel, an instant (microseconds since 1970) and its counter of views, by channel
    and time. None if there is no gain.
    """
    gained = [
        gains
        for _, rows in groupby(read, key=itemgetter(0))
        if (gains := _gains([row[1:] for row in rows])).days.size
    ]
    if not gained:
        return None
    first, last = min(one.days[0] for one in gained), max(one.days[-1] for one in gained)
    days = np.arange(first, last + _DAY, _DAY)
    matrix = np.full((len(gained), days.size), np.nan)
    for row, one in zip(matrix, gained, strict=True):
        start = int((one.days[0] - first).astype(int))
        row[start : start + one.days.size] = one.gains
    return first.item(), platform_days(days, matrix)


def _gains(read: Sequence[tuple[int, int]]) -> DailyGains:
    at, views = np.array(read, dtype=np.int64).T
    return daily_gains(at.astype("datetime64[us]"), views.astype(np.float64))


def factors(found: Sequence[PlatformDay], days: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the factor of each of *days*, 1 for all that are not the platform's."""
    of_day = {one.day: one.factor for one in found}
    return np.array([of_day.get(day, 1.0) for day in days.tolist()])


def spreads(found: Sequence[PlatformDay], days: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return how much channels differed on each of *days*, 0 for all but the platform's."""
    of_day = {one.day: one.spread for one in found}
    return np.array([of_day.get(day, 0.0) for day in days.tolist()])


def as_usual(gains: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what *gains* would be at the usual pace of counting; NaN if it was `FAR` from that."""
    far = (factor < 1 / FAR) | (factor > FAR)
    return np.asarray(gains / np.where(far, np.nan, factor))


def owed(factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return what each day should bring above the usual one, as a share of it, by the days before it.

    The last entry is of the day after. What late days lack is owed, a run of them at most
    `_MOST_OWED` days, until a day catches up or counts as usual. `_OWED` of it comes the next day.
    """
    found = np.zeros(factor.size + 1)
    for t in np.flatnonzero(factor != 1):
        found[t + 1] = np.clip(found[t] + 1 - factor[t], 0, _MOST_OWED)
    return _OWED * found


def _logs(gains: NDArray[np.float64], *, past_only: bool) -> NDArray[np.float64]:
    """Return the logarithms of gains over their usual; a day without gain is far below it."""
    found = np.full(gains.shape, np.nan)
    for t in range(gains.shape[1]):
        before = gains[:, max(t - REFERENCE_DAYS, 0) : t]
        usual = _medians(before)
        if not past_only:
            after = gains[:, t + 1 : t + 1 + REFERENCE_DAYS]
            new = np.isnan(usual)
            usual[new] = _medians(np.concatenate([before, after], axis=1)[new])
        ratio = gains[:, t] / np.where(usual >= FEWEST_VIEWS, usual, np.nan)
        found[:, t] = np.log(np.maximum(ratio, _LEAST))
    return found


def _medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's median; NaN if fewer than `FEWEST_DAYS` are known."""
    found = np.full(rows.shape[0], np.nan)
    enough = np.count_nonzero(~np.isnan(rows), axis=1) >= FEWEST_DAYS
    if enough.any():
        found[enough] = np.nanmedian(rows[enough], axis=1)
    return found


def _rhythm(raw: NDArray[np.float64], t: int, *, past_only: bool) -> float:
    """Return the least that the same weekday was apart before, 0 if not always the same way."""
    weeks = np.arange(1, _MEMORY_WEEKS + 1) * _WEEK
    same = raw[t - weeks[weeks <= t]]
    same = same[~np.isnan(same)]
    if same.size < _FEWEST_WEEKS and not past_only:
        later = raw[t + weeks[weeks < raw.size - t]]
        same = np.concatenate([same, later[~np.isnan(later)]])
    if same.size < _FEWEST_WEEKS or abs(np.sign(same).sum()) < same.size:
        return 0.0
    return float(same[np.abs(same).argmin()])
