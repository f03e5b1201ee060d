"""How fast the channel grows: views per day, last week against the week before, subscribers."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from jobs.analysis.columns import aware
from jobs.analysis.daily_gains import channel_gains, readings_of
from jobs.analysis.memory import paired_weeks_inflation, week_to_week
from jobs.analysis.rounding import is_rounded, resolution_at
from jobs.analysis.section import Missing, Section
from jobs.analysis.student import t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

WEEK = 7
LEVEL = 0.95
_FEWEST_PAIRS = 5
_FEWEST_DAYS = 3
_MEMORY_DAYS = 56
_USUAL_MEMORY = 0.25
"""The lag-1 autocorrelation of daily views, where four weeks do not tell it."""

_TENTH = 0.1
_FEWEST_WITH_VIEWS = 4

Direction = Literal["up", "down", "unclear"]


class WeekChange(Section):
    """
    Views of the last 7 days against the 7 before, compared weekday by weekday.

    *ratio* is the last week's sum over the previous week's, *low* and *high* its interval at
    *level*, *pairs* the number of weekdays known in both, over which the ratio is taken. Means are
    views per day over all known days of each week.
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

    *resolution* is 1 for an exact counter. A rounded one is rounded down to its resolution, so the
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
    Net subscribers by day from an owner's export: exact, and negative when more left than came.

    *gained* is their sum over the known *days*, *last_week* the sum over those of the last 7.
    """

    first_day: date
    last_day: date
    days: int
    gained: int
    last_week: int


_NONE_GAINED = Missing(reason="The source gives no subscribers gained by day.")


class Growth(Section):
    """
    Growth of views and of subscribers; each may be missing on its own.

    *subscribers* follows the counter, *gained* the daily numbers of an owner's export.
    """

    views: Annotated[ViewGrowth | Missing, Field(discriminator="present")]
    subscribers: Annotated[SubscriberGrowth | Missing, Field(discriminator="present")]
    gained: Annotated[SubscribersGained | Missing, Field(discriminator="present")] = _NONE_GAINED


def growth(data: ChannelData) -> Growth | Missing:
    """Return how the channel's own counters grow, or why the data cannot tell."""
    if data.daily.is_empty() and data.gains.is_empty():
        return Missing(reason="The source gives no counters of the channel as a whole.")
    subscribers = subscriber_growth(*readings_of(data.daily, "subscribers"))
    gained = subscribers_gained(data)
    if gained.present and not subscribers.present:
        subscribers = Missing(
            reason="The source gives how many subscribers came and went, not how many there are."
        )
    return Growth(
        views=view_growth(channel_gains(data, "views")), subscribers=subscribers, gained=gained
    )


def subscribers_gained(data: ChannelData) -> SubscribersGained | Missing:
    """Return the subscribers won and lost by day, from the source's own daily numbers only."""
    if data.gains["subscribers"].null_count() == data.gains.height:
        return _NONE_GAINED
    by_day = channel_gains(data, "subscribers")
    return SubscribersGained(
        first_day=by_day.days[0].item(),
        last_day=by_day.days[-1].item(),
        days=int(by_day.known.size),
        gained=int(by_day.known.sum()),
        last_week=int(np.nansum(by_day.gains[-WEEK:])),
    )


def view_growth(gains: DailyGains) -> ViewGrowth | Missing:
    """Return the views per day (median over known days) and the change from week to week."""
    known = gains.known
    if not known.size:
        return Missing(reason="The source gives no views by day, nor a counter read daily.")
    if known.size < _FEWEST_DAYS:
        return Missing(
            reason=f"Views per day need readings on neighbouring days; "
            f"{known.size} such days are known, {_FEWEST_DAYS} are needed."
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

    Days are paired by weekday, so that the weekly rhythm does not widen the interval: that of a
    ratio of sums (W. Cochran, "Sampling Techniques", 1977, 6.4), with t for so few pairs. Days
    that follow each other resemble each other, so the error is inflated by the memory of the last
    `_MEMORY_DAYS` days (`memory`). Ratios do not depend on the counter's unit.
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
    means = float(np.nanmean(last)), float(np.nanmean(previous))
    last, previous = last[both], previous[both]
    if previous.sum() == 0 or last.sum() == 0:
        return Missing(reason="One of the last two weeks brought no views at all.")
    if min(np.count_nonzero(last), np.count_nonzero(previous)) < _FEWEST_WITH_VIEWS:
        return Missing(reason="Too few days of the last two weeks brought views to compare them.")
    ratio = float(last.sum() / previous.sum())
    apart = last - ratio * previous
    memory = week_to_week(_logs(gains.gains[-_MEMORY_DAYS:]))
    inflation = paired_weeks_inflation(_USUAL_MEMORY if memory is None else memory, pairs)
    error = np.sqrt(float(apart @ apart) / (pairs - 1) / pairs * inflation) / last.mean()
    reach = t_quantile(pairs - 1, (1 + LEVEL) / 2) * float(error)
    low, high = ratio * np.exp(-reach), ratio * np.exp(reach)
    return WeekChange(
        last_day=gains.days[-1].item(),
        last_mean=means[0],
        previous_mean=means[1],
        ratio=ratio,
        low=float(low),
        high=float(high),
        level=LEVEL,
        pairs=pairs,
        direction=_direction(float(low), float(high), neutral=1.0),
    )


def _logs(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms, with a tenth of the mean added: a day without views is far below."""
    return np.log(gains + _TENTH * max(float(np.nanmean(gains)), 1e-9))


def subscriber_growth(
    observed_at: NDArray[np.datetime64], counter: NDArray[np.float64]
) -> SubscriberGrowth | Missing:
    """Return the change of a subscriber counter, and its range if the counter is rounded."""
    read = counter > 0
    instants, values = observed_at[read], counter[read]
    if values.size <= 1:
        return Missing(
            reason="The source gives no subscribers."
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
