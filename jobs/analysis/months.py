"""Views by month, and the last four weeks against the four before and those a year ago."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.section import Missing, Section
from jobs.analysis.student import t_quantile
from jobs.analysis.trends import Heading, heading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

LEVEL = 0.95
MOST_MONTHS = 60
_WHOLE = 0.9
_WEEKS, _WEEK = 4, 7
_DAYS = _WEEKS * _WEEK
_YEAR = 52 * _WEEK
_FEWEST_PAIRS = 5
_MONTH = np.timedelta64(1, "M")


class Month(BaseModel):
    """
    A calendar month (UTC) of the channel's views.

    *views* is the sum over its *known* days (of *days*), *per_day* the mean over them. *whole*
    means that at least nine tenths of the days are known, so the month can be compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_day: date
    days: int
    known: int
    views: int
    per_day: float
    whole: bool


class FourWeeks(Section):
    """
    Views of the 28 days up to *last_day* over those of the 28 up to *earlier_last_day*.

    Days are paired by weekday; only the *pairs* in which both days are known count. *ratio* is the
    later sum over the earlier, *low* and *high* its interval at *level*; means are views per day.
    """

    last_day: date
    earlier_last_day: date
    mean: float
    earlier_mean: float
    ratio: float
    low: float
    high: float
    level: float
    pairs: int
    heading: Heading


class Months(Section):
    """
    The newest `MOST_MONTHS` months with known views, in time order.

    *before* compares the last four weeks with the four before them, *year* with the same four
    weeks 52 weeks earlier. Each may be missing on its own.
    """

    months: tuple[Month, ...]
    before: Annotated[FourWeeks | Missing, Field(discriminator="present")]
    year: Annotated[FourWeeks | Missing, Field(discriminator="present")]


NOT_COMPARED = Missing(
    reason="The program that made this analysis did not compare months: sync the channel anew."
)


def months(data: ChannelData) -> Months | Missing:
    """Return the channel's views by month, or why the data cannot tell."""
    gains = channel_gains(data, "views")
    if not gains.known.size:
        return Missing(reason="Months need views of single days, and none are known.")
    return Months(
        months=tuple(by_month(gains)[-MOST_MONTHS:]),
        before=four_weeks(gains, _DAYS),
        year=four_weeks(gains, _YEAR),
    )


def by_month(gains: DailyGains) -> list[Month]:
    """Return the calendar months with at least one known day."""
    is_known = ~np.isnan(gains.gains)
    of_day = gains.days[is_known].astype("datetime64[M]")
    starts, month, known = np.unique(of_day, return_inverse=True, return_counts=True)
    sums = np.bincount(month, weights=gains.gains[is_known])
    first_days, next_months = (at.astype("datetime64[D]") for at in (starts, starts + _MONTH))
    return [
        Month(
            first_day=start,
            days=days,
            known=count,
            views=round(views),
            per_day=views / count,
            whole=count >= _WHOLE * days,
        )
        for start, days, count, views in zip(
            first_days.tolist(),
            (next_months - first_days).astype(int).tolist(),
            known.tolist(),
            sums.tolist(),
            strict=True,
        )
    ]


def four_weeks(gains: DailyGains, ago: int) -> FourWeeks | Missing:
    """
    Compare the last 28 days with the 28 days that ended *ago* days (whole weeks) earlier.

    The result is the ratio of sums R = Σy/Σx over the four pairs of weeks. Its relative standard
    error is √(Σ(y - R·x)² / (n - 1)) / (√n·ȳ), its interval R·exp(±t·error), t with n - 1 degrees
    of freedom. The units are whole weeks, so that neither weekdays nor the correlation of
    neighbouring days counts as evidence. Source: W. G. Cochran, "Sampling Techniques" (1977), 6.4.
    """
    weeks = "the four before" if ago == _DAYS else "those of a year ago"
    if gains.gains.size < _DAYS + ago:
        need = (_DAYS + ago) // _WEEK
        return Missing(
            reason=f"To compare the last four weeks with {weeks}, {need} weeks of daily views are "
            f"needed."
        )
    end = gains.gains.size - ago
    last, earlier = gains.gains[-_DAYS:], gains.gains[end - _DAYS : end]
    both = ~np.isnan(last) & ~np.isnan(earlier)
    if both.reshape(_WEEKS, _WEEK).sum(axis=1).min() < _FEWEST_PAIRS:
        return Missing(
            reason=f"Too few days of the last four weeks and of {weeks} are known to compare them."
        )
    y, x = _weekly(last, both), _weekly(earlier, both)
    if y.sum() <= 0 or x.sum() <= 0:
        return Missing(reason=f"The last four weeks or {weeks} brought no views at all.")
    ratio, error = _ratio(y, x)
    spread = float(np.exp(t_quantile(_WEEKS - 1, (1 + LEVEL) / 2) * error))
    low, high = ratio / spread, ratio * spread
    pairs = int(np.count_nonzero(both))
    return FourWeeks(
        last_day=gains.days[-1].item(),
        earlier_last_day=gains.days[end - 1].item(),
        mean=float(y.sum()) / pairs,
        earlier_mean=float(x.sum()) / pairs,
        ratio=ratio,
        low=low,
        high=high,
        level=LEVEL,
        pairs=pairs,
        heading=heading(low, high, neutral=1.0),
    )


def _weekly(days: NDArray[np.float64], both: NDArray[np.bool_]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.where(both, days, 0.0).reshape(_WEEKS, _WEEK).sum(axis=1)
    return sums


def _ratio(y: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[float, float]:
    ratio = float(y.sum() / x.sum())
    apart = y - ratio * x
    error = np.sqrt((apart @ apart) / (y.size - 1)) / (np.sqrt(y.size) * y.mean())
    return ratio, float(error)
