"""What is usual for the channel: the band in which its weeks lie, and where the last one stands."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

KEPT_DAYS = 365
LOW, HIGH = 0.1, 0.9
_WEEK = 7
_FEWEST_OF_WEEK = 5
_FEWEST_WEEKS = 28
_HISTORY_DAYS = 364

NOT_COMPARED = Missing(
    reason="The program that made this analysis did not say what is usual: sync the channel anew."
)


class Recent(Section):
    """Views of the newest `KEPT_DAYS` days up to *last_day*, None where they are not known."""

    last_day: date
    gains: list[int | None]


def recent(data: ChannelData) -> Recent | Missing:
    """Return the newest daily views of *data*'s channel, or that none are known."""
    gains = channel_gains(data, "views")
    if not gains.known.size:
        return Missing(reason="The source tells no views by day.")
    return Recent(
        last_day=gains.days[-1].item(),
        gains=[None if np.isnan(gain) else int(gain) for gain in gains.gains[-KEPT_DAYS:].tolist()],
    )


class Usual(Section):
    """
    Views a day of the last 7 days, and the band from *low* to *high* in which 8 of 10 weeks lie.

    The band is made of all spans of 7 days in the year before the last 7, up to *last_day*.
    """

    last_day: date
    last_week: float
    low: float
    high: float

    @property
    def standing(self) -> float:
        """How far the last week lies outside of the band, in widths of it; below it negative."""
        width = max(self.high - self.low, 0.05 * self.high, 1.0)
        if self.last_week > self.high:
            return (self.last_week - self.high) / width
        return min(0.0, (self.last_week - self.low) / width)


def usual(data: ChannelData) -> Usual | Missing:
    """Return what is usual for *data*'s channel, or why the data cannot tell."""
    return usual_weeks(channel_gains(data, "views"))


def usual_weeks(gains: DailyGains) -> Usual | Missing:
    """Compare the last 7 days with all other spans of 7 days in the year before them."""
    weeks = _weekly_means(gains)
    before = weeks[-_HISTORY_DAYS:-_WEEK]
    known = before[~np.isnan(before)]
    if known.size < _FEWEST_WEEKS:
        return Missing(
            reason="What is usual for a week needs five weeks of daily views; there are fewer."
        )
    if np.isnan(weeks[-1]):
        return Missing(reason="Too few of the last 7 days were read to compare them with a week.")
    low, high = np.quantile(known, [LOW, HIGH])
    return Usual(
        last_day=gains.days[-1].item(),
        last_week=float(weeks[-1]),
        low=float(low),
        high=float(high),
    )


def _weekly_means(gains: DailyGains) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the mean of the 7 days that end on each day; unknown if too few of them are."""
    if gains.gains.size < _WEEK:
        return np.empty(0)
    spans = np.lib.stride_tricks.sliding_window_view(gains.gains[-_HISTORY_DAYS - _WEEK :], _WEEK)
    known = np.count_nonzero(~np.isnan(spans), axis=1)
    sums = np.nansum(spans, axis=1)
    return np.where(known >= _FEWEST_OF_WEEK, sums / np.maximum(known, 1), np.nan)
