"""Where views, subscribers and reactions are heading, each as a slope with its interval."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from jobs.analysis.daily_gains import gains_told, last_of_each_day, readings_of
from jobs.analysis.engagement import per_thousand
from jobs.analysis.item_arrays import item_arrays
from jobs.analysis.rounding import step_of
from jobs.analysis.section import Missing, Section
from jobs.analysis.theil_sen import Slope, theil_sen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel_data import ChannelData

DAYS = 28
LEVEL = 0.95
ITEMS_DAYS = 365
_WEEK = 7
_FEWEST = 14
_FEWEST_ITEMS = 12
_DAY = np.timedelta64(1, "D")

Heading = Literal["up", "down", "unclear"]


class Trend(Section):
    """
    A straight line through *points* values from *first_day* to *last_day*.

    *typical* is their median (for a counter of subscribers: the last reading) in *unit*,
    *per_week* the change of that in seven days, *low* and *high* its interval at *level*.
    """

    unit: str
    first_day: date
    last_day: date
    points: int
    typical: float
    per_week: float
    low: float
    high: float
    level: float
    heading: Heading


class Trends(Section):
    """
    Trends of the last `DAYS` days, and of reactions over items of the last `ITEMS_DAYS`.

    *views* is how views per day change, *subscribers* how the count does, *likes* how the likes
    per 1,000 views do from one item to the next. Each may be missing on its own.
    """

    views: Annotated[Trend | Missing, Field(discriminator="present")]
    subscribers: Annotated[Trend | Missing, Field(discriminator="present")]
    likes: Annotated[Trend | Missing, Field(discriminator="present")]


def trends(data: ChannelData) -> Trends | Missing:
    """Return where the channel is heading, or why that cannot be told."""
    if data.daily.is_empty() and data.gains.is_empty() and data.items.is_empty():
        return Missing(reason="Neither counters of the channel nor items are there to follow.")
    views = gains_told(data, "views")
    return Trends(
        views=views_trend(views.days, views.gains),
        subscribers=_subscribers(data),
        likes=_likes_trend(data),
    )


def _subscribers(data: ChannelData) -> Trend | Missing:
    """Told gains are exact, so where there are any, they are added up; else the counter is read."""
    told = gains_told(data, "subscribers")
    if not data.gains.is_empty() and told.known.size:
        known = ~np.isnan(told.gains)
        return _trend(
            told.days[known][-DAYS:],
            np.cumsum(told.gains[known])[-DAYS:],
            f"subscribers gained since {told.days[0]}",
            f"{_FEWEST} of the last {DAYS} days' subscribers",
        )
    instants, counts = readings_of(data.daily, "subscribers")
    read = counts > 0
    return subscribers_trend(*last_of_each_day(instants[read], counts[read]))


def views_trend(days: NDArray[np.datetime64], gains: NDArray[np.float64]) -> Trend | Missing:
    """Return how daily *gains* (NaN: unknown) of consecutive *days* change over the last 28."""
    days, gains = days[-DAYS:], gains[-DAYS:]
    known = ~np.isnan(gains)
    return _trend(
        days[known], gains[known], "views per day", f"{_FEWEST} of the last {DAYS} days' views"
    )


def subscribers_trend(days: NDArray[np.datetime64], counts: NDArray[np.float64]) -> Trend | Missing:
    """
    Return how *counts*, one a day, change over the last 28 days.

    A rounded counter leaves its first and last reading open by one step each way, so that the
    interval is widened by one step over the time between them.
    """
    recent = days > days[-1] - DAYS * _DAY if days.size else np.zeros(0, dtype=bool)
    kept = counts[recent]
    found = _trend(days[recent], kept, "subscribers", f"{_FEWEST} of the last {DAYS} days")
    if not found.present:
        return found
    step = step_of(counts)
    weeks = max((found.last_day - found.first_day).days, 1) / _WEEK
    open_by = step / weeks if step > 1 else 0.0
    low, high = found.low - open_by, found.high + open_by
    return found.model_copy(
        update={"typical": float(kept[-1]), "low": low, "high": high, "heading": heading(low, high)}
    )


def heading(low: float, high: float, neutral: float = 0.0) -> Heading:
    """Say which way an interval points: nowhere if it holds *neutral*."""
    if low > neutral:
        return "up"
    return "down" if high < neutral else "unclear"


def _likes_trend(data: ChannelData) -> Trend | Missing:
    items = item_arrays(data.items)
    rates = per_thousand(items.likes, items.views)
    told = ~np.isnan(rates) & ~np.isnat(items.published_at)
    if told.any():
        told &= items.published_at > items.published_at[told][-1] - ITEMS_DAYS * _DAY
    if np.count_nonzero(told) < _FEWEST_ITEMS:
        return Missing(
            reason=f"A trend of likes needs {_FEWEST_ITEMS} items of one year with likes and "
            f"views; {np.count_nonzero(told)} are there."
        )
    days, values = items.published_at[told], rates[told]
    slope = theil_sen((days - days[0]) / _DAY, values, LEVEL, serial=True)
    if slope is None:
        return Missing(reason="All items with likes came out at the same time.")
    return _made(slope, days.astype("datetime64[D]"), values, "likes per 1,000 views")


def _trend(
    days: NDArray[np.datetime64], values: NDArray[np.float64], unit: str, needed: str
) -> Trend | Missing:
    slope = None
    if values.size >= _FEWEST:
        slope = theil_sen((days - days[0]) / _DAY, values, LEVEL, serial=True)
    if slope is None:
        return Missing(reason=f"A trend needs {needed}; {values.size} are known.")
    return _made(slope, days, values, unit)


def _made(
    slope: Slope, days: NDArray[np.datetime64], values: NDArray[np.float64], unit: str
) -> Trend:
    return Trend(
        unit=unit,
        first_day=days[0].item(),
        last_day=days[-1].item(),
        points=int(values.size),
        typical=float(np.median(values)),
        per_week=_WEEK * slope.value,
        low=_WEEK * slope.low,
        high=_WEEK * slope.high,
        level=LEVEL,
        heading=heading(slope.low, slope.high),
    )
