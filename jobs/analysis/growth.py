"""How fast the channel grows: views per day, last week against the week before, subscribers."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from jobs.analysis.bootstrap import every_resample, expanded_percentile
from jobs.analysis.columns import aware
from jobs.analysis.daily_gains import gains_told, readings_of
from jobs.analysis.rounding import is_rounded, resolution_at
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

WEEK = 7
LEVEL = 0.95
_FEWEST_PAIRS = 5
_FEWEST_DAYS = 3

Direction = Literal["up", "down", "unclear"]


class WeekChange(Section):
    """
    Views of the last 7 days against the 7 before, compared weekday by weekday.

    *ratio* is the one's sum over the other's, *low* and *high* its interval at *level*, *pairs*
    the number of weekdays on which both days are known. Means are views per day over those pairs.
    """

    last_day: date
    last_mean: float
    previous_mean: float
    ratio: float
    low: float
    high: float
    level: float
    pairs: int
    direction: Direction


class ViewGrowth(Section):
    """Views per day: *median* over the *days* known, and their sum *total*."""

    first_day: date
    last_day: date
    days: int
    total: int
    median: float
    week: Annotated[WeekChange | Missing, Field(discriminator="present")]


class SubscriberGrowth(Section):
    """
    Subscribers at the first and last reading, and the change between them.

    *resolution* is 1 for an exact counter. A rounded one is cut down to its resolution, so the
    true change lies between *low* and *high*.
    """

    first_at: datetime
    last_at: datetime
    first: int
    last: int
    change: int
    low: int
    high: int
    resolution: int
    direction: Direction


class SubscribersGained(Section):
    """
    Net subscribers by day, as an owner's export tells them: exact, and negative where more left.

    *gained* is their sum over the *days* known, *last_week* that over those of the last 7.
    """

    first_day: date
    last_day: date
    days: int
    gained: int
    last_week: int


_NONE_GAINED = Missing(reason="The source tells no subscribers gained by day.")


class Growth(Section):
    """
    Growth of views and of subscribers; each may be missing on its own.

    *subscribers* follows the counter, *gained* what an export tells of single days.
    """

    views: Annotated[ViewGrowth | Missing, Field(discriminator="present")]
    subscribers: Annotated[SubscriberGrowth | Missing, Field(discriminator="present")]
    gained: Annotated[SubscribersGained | Missing, Field(discriminator="present")] = _NONE_GAINED


def growth(data: ChannelData) -> Growth | Missing:
    """Return how the channel's own counters grow, or why that cannot be told."""
    if data.daily.is_empty() and data.gains.is_empty():
        return Missing(reason="The source tells no counters of the channel as a whole.")
    subscribers = subscriber_growth(*readings_of(data.daily, "subscribers"))
    gained = subscribers_gained(data)
    if gained.present and not subscribers.present:
        subscribers = Missing(
            reason="The source tells how many subscribers came and went, not how many there are."
        )
    return Growth(
        views=view_growth(gains_told(data, "views")), subscribers=subscribers, gained=gained
    )


def subscribers_gained(data: ChannelData) -> SubscribersGained | Missing:
    """Return what the source itself tells of subscribers won and lost; a counter does not count."""
    if data.gains["subscribers"].null_count() == data.gains.height:
        return _NONE_GAINED
    told = gains_told(data, "subscribers")
    return SubscribersGained(
        first_day=told.days[0].item(),
        last_day=told.days[-1].item(),
        days=int(told.known.size),
        gained=int(told.known.sum()),
        last_week=int(np.nansum(told.gains[-WEEK:])),
    )


def view_growth(gains: DailyGains) -> ViewGrowth | Missing:
    """Return the views per day (median over known days) and the change from week to week."""
    known = gains.known
    if known.size < _FEWEST_DAYS:
        return Missing(
            reason=f"Views per day need readings on neighbouring days; "
            f"{known.size} such steps are there, {_FEWEST_DAYS} are needed."
        )
    return ViewGrowth(
        first_day=gains.days[0].item(),
        last_day=gains.days[-1].item(),
        days=int(known.size),
        total=int(known.sum()),
        median=float(np.median(known)),
        week=week_change(gains),
    )


def week_change(gains: DailyGains) -> WeekChange | Missing:
    """
    Compare the last 7 days with the 7 before.

    Days are paired by weekday and pairs are resampled (paired bootstrap, in all ways there are), so
    that the weekly rhythm does not widen the interval. Ratios do not depend on the unit of the
    counter.
    """
    if gains.gains.size < 2 * WEEK:
        return Missing(reason="Two full weeks of daily views are needed to compare weeks.")
    last, previous = gains.gains[-WEEK:], gains.gains[-2 * WEEK : -WEEK]
    both = ~np.isnan(last) & ~np.isnan(previous)
    pairs = int(np.count_nonzero(both))
    if pairs < _FEWEST_PAIRS:
        return Missing(
            reason=f"Only {pairs} of 7 weekdays are known in both of the last two weeks."
        )
    last, previous = last[both], previous[both]
    if previous.sum() == 0 or last.sum() == 0:
        return Missing(reason="One of the last two weeks brought no views at all.")
    times, chance = every_resample(pairs)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(times @ last) - np.log(times @ previous)
    # A resample of nothing but empty days has no ratio; one of which a week is empty has an end of
    # all ratios: where that is within the interval, nothing can be told.
    told = ~np.isnan(logs)
    low, high = np.exp(expanded_percentile(logs[told], pairs, LEVEL, chance[told]))
    if low == 0 or not np.isfinite(high):
        return Missing(reason="Too few days of the last two weeks brought views to compare them.")
    return WeekChange(
        last_day=gains.days[-1].item(),
        last_mean=float(last.mean()),
        previous_mean=float(previous.mean()),
        ratio=float(last.sum() / previous.sum()),
        low=float(low),
        high=float(high),
        level=LEVEL,
        pairs=pairs,
        direction=_direction(float(low), float(high), neutral=1.0),
    )


def subscriber_growth(
    observed_at: NDArray[np.datetime64], counter: NDArray[np.float64]
) -> SubscriberGrowth | Missing:
    """Return the change of a subscriber counter and what its rounding leaves open."""
    told = counter > 0
    instants, values = observed_at[told], counter[told]
    if values.size <= 1:
        return Missing(
            reason="The source tells no subscribers."
            if values.size == 0
            else "Subscribers were read only once."
        )
    first, last = int(values[0]), int(values[-1])
    rounded = is_rounded(values)
    step_first, step_last = (
        (int(step) for step in resolution_at(values[[0, -1]])) if rounded else (1, 1)
    )
    # A reading r with step s stands for r … r + s - 1.
    low, high = last - (first + step_first - 1), (last + step_last - 1) - first
    return SubscriberGrowth(
        first_at=aware(instants[0]),
        last_at=aware(instants[-1]),
        first=first,
        last=last,
        change=last - first,
        low=low,
        high=high,
        resolution=step_last,
        direction=_direction(low, high, neutral=0),
    )


def _direction(low: float, high: float, *, neutral: float) -> Direction:
    if low > neutral:
        return "up"
    return "down" if high < neutral else "unclear"
