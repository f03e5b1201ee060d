"""Trends of views, subscribers and likes, each as a slope with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from jobs.analysis.daily_gains import channel_gains, last_of_each_day, readings_of
from jobs.analysis.engagement import per_thousand
from jobs.analysis.item_arrays import item_arrays
from jobs.analysis.memory import mean_interval
from jobs.analysis.platform_days import as_usual, factors
from jobs.analysis.rounding import step_of
from jobs.analysis.section import Missing, Section
from jobs.analysis.theil_sen import Slope, theil_sen
from jobs.analysis.wording import day

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

DAYS = 28
LEVEL = 0.95
ITEMS_DAYS = 365
_WEEK = 7
_FEWEST = 14
_FEWEST_ITEMS = 12
_DAY = np.timedelta64(1, "D")

Heading = Literal["up", "down", "unclear"]


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a trend: one of *values* (in *unit*) on each of *days*, ascending."""

    days: NDArray[np.datetime64]
    values: NDArray[np.float64]
    unit: str


class Trend(Section):
    """
    A straight line through *points* values from *first_day* to *last_day*.

    *typical* is their median in *unit* (for a counter of subscribers, the last reading),
    *per_week* the change in seven days, *low* and *high* its interval at *level*.
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
    Trends of the last `DAYS` days, and of likes over the items of the last `ITEMS_DAYS`.

    *views* is the trend of views per day, *subscribers* that of their number, *likes* that of
    likes per 1,000 views from item to item. Each may be missing on its own.
    """

    views: Annotated[Trend | Missing, Field(discriminator="present")]
    subscribers: Annotated[Trend | Missing, Field(discriminator="present")]
    likes: Annotated[Trend | Missing, Field(discriminator="present")]


def trends(data: ChannelData) -> Trends | Missing:
    """Return where the channel is heading, or why the data cannot tell."""
    if data.daily.is_empty() and data.gains.is_empty() and data.items.is_empty():
        return Missing(reason="Neither counters of the channel nor items are there to follow.")
    views = channel_gains(data, "views")
    pace = as_usual(views.gains, factors(data.platform_days, views.days))
    return Trends(
        views=views_trend(views.days, pace),
        subscribers=_subscribers(data),
        likes=_likes_trend(like_points(data)),
    )


def view_points(data: ChannelData) -> Points:
    """Return the known views per day of the last `DAYS` days."""
    views = channel_gains(data, "views")
    return _of_views(views.days, views.gains)


def subscriber_points(data: ChannelData) -> Points:
    """
    Return the subscribers on the known days of the last `DAYS`.

    Exported gains are exact, so they are added up if there are any; else the counter is used.
    """
    gained = channel_gains(data, "subscribers")
    if not data.gains.is_empty() and gained.known.size:
        known = ~np.isnan(gained.gains)
        return Points(
            gained.days[known][-DAYS:],
            np.cumsum(gained.gains[known])[-DAYS:],
            f"subscribers gained since {day(gained.days[0].item())}",
        )
    instants, counts = readings_of(data.daily, "subscribers")
    read = counts > 0
    return _of_subscribers(*last_of_each_day(instants[read], counts[read]))


def like_points(data: ChannelData) -> Points:
    """Return likes per 1,000 views of the items of the last `ITEMS_DAYS` days, by publication."""
    items = item_arrays(data.items)
    rates = per_thousand(items.likes, items.views)
    known = ~np.isnan(rates) & ~np.isnat(items.published_at)
    if known.any():
        known &= items.published_at > items.published_at[known][-1] - ITEMS_DAYS * _DAY
    return Points(items.published_at[known], rates[known], "likes per 1,000 views")


def _of_views(days: NDArray[np.datetime64], gains: NDArray[np.float64]) -> Points:
    days, gains = days[-DAYS:], gains[-DAYS:]
    known = ~np.isnan(gains)
    return Points(days[known], gains[known], "views per day")


def _of_subscribers(days: NDArray[np.datetime64], counts: NDArray[np.float64]) -> Points:
    recent = days > days[-1] - DAYS * _DAY if days.size else np.zeros(0, dtype=bool)
    return Points(days[recent], counts[recent], "subscribers")


def _subscribers(data: ChannelData) -> Trend | Missing:
    if not data.gains.is_empty() and channel_gains(data, "subscribers").known.size:
        points = subscriber_points(data)
        return _pace(points, channel_gains(data, "subscribers").known[-DAYS:], step=0)
    instants, counts = readings_of(data.daily, "subscribers")
    read = counts > 0
    return subscribers_trend(*last_of_each_day(instants[read], counts[read]))


def views_trend(days: NDArray[np.datetime64], gains: NDArray[np.float64]) -> Trend | Missing:
    """Return the trend of daily *gains* (NaN: unknown) over the last 28 of consecutive *days*."""
    return _trend(_of_views(days, gains), f"{_FEWEST} of the last {DAYS} days' views")


def subscribers_trend(days: NDArray[np.datetime64], counts: NDArray[np.float64]) -> Trend | Missing:
    """
    Return the pace of *counts*, one a day, over the last 28 days.

    Readings of a rounded counter are uncertain by one step, so the interval is widened on either
    side by one step over the time between the first and the last.
    """
    points = _of_subscribers(days, counts)
    lengths = np.diff(points.days).astype("timedelta64[D]").astype(float)
    return _pace(points, np.diff(points.values) / lengths, step_of(counts) if counts.size else 1)


def _pace(points: Points, gains: NDArray[np.float64], step: int) -> Trend | Missing:
    """
    Return how fast a counter grows: seven times its mean gain a day.

    A counter adds up its days, so a line through it wanders: its error is that of the mean gain,
    not of the line.
    """
    n = points.values.size
    if n < _FEWEST or gains.size < _FEWEST - 1:
        return Missing(reason=f"A trend needs {_FEWEST} of the last {DAYS} days; {n} are known.")
    noise = step**2 / 6 if step > 1 else 0.0
    mean, reach = mean_interval(gains, LEVEL, noise)
    run = float((points.days[-1] - points.days[0]) / _DAY)
    if step:
        mean = float(points.values[-1] - points.values[0]) / run
    reach += step / run if step > 1 else 0.0
    slope = Slope(mean, mean - reach, mean + reach)
    return _made(slope, points).model_copy(update={"typical": float(points.values[-1])})


def heading(low: float, high: float, neutral: float = 0.0) -> Heading:
    """Return which way an interval points: “unclear” if it contains *neutral*."""
    if low > neutral:
        return "up"
    return "down" if high < neutral else "unclear"


def _likes_trend(points: Points) -> Trend | Missing:
    if points.values.size < _FEWEST_ITEMS:
        return Missing(
            reason=f"A trend of likes needs {_FEWEST_ITEMS} items of one year with likes and "
            f"views; {points.values.size} are there."
        )
    slope = _slope(points)
    if slope is None:
        return Missing(reason="All items with likes came out at the same time.")
    return _made(slope, points)


def _trend(points: Points, needed: str) -> Trend | Missing:
    slope = _slope(points) if points.values.size >= _FEWEST else None
    if slope is None:
        return Missing(reason=f"A trend needs {needed}; {points.values.size} are known.")
    return _made(slope, points)


def _slope(points: Points) -> Slope | None:
    return theil_sen((points.days - points.days[0]) / _DAY, points.values, LEVEL, serial=True)


def _made(slope: Slope, points: Points) -> Trend:
    days = points.days.astype("datetime64[D]")
    return Trend(
        unit=points.unit,
        first_day=days[0].item(),
        last_day=days[-1].item(),
        points=int(points.values.size),
        typical=float(np.median(points.values)),
        per_week=_WEEK * slope.value,
        low=_WEEK * slope.low,
        high=_WEEK * slope.high,
        level=LEVEL,
        heading=heading(slope.low, slope.high),
    )
