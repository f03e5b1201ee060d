"""Days whose views are far from the usual around them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.platform_days import STILL, factors, spreads
from jobs.analysis.robust import modified_z, neighbours
from jobs.analysis.section import Missing, Section
from jobs.analysis.weekday import without_weekday

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData
    from jobs.channel.platform_day import PlatformDay

AROUND = 28
"""A day is compared with this many days: half before and half after, near an end the nearest."""

LIMIT = 3.5
FEWEST = 14
MOST_EMPTY = 0.1
SMALLEST = 1.5
"""A day within this factor of the usual is not worth reporting, however unlikely."""


class UnusualDay(BaseModel):
    """*views* of one day, the *typical* ones around it, their *ratio*, and the modified z-score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    views: int
    typical: float
    ratio: float
    score: float
    kind: Literal["rise", "fall"]


class CountedApart(BaseModel):
    """
    On *day* the platform itself counted *factor* times the usual views, on *channels* channels.

    A *late* counter is owed the rest; one that caught up brings what earlier days lacked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    factor: float
    channels: int
    late: bool


class Outliers(Section):
    """
    The *days* that stand out among *examined* known ones, in time order.

    A day stands out if its modified z-score is beyond ±*limit* and its views differ from the
    usual by a factor of at least `SMALLEST`. *platform* are the days on which counters were late,
    or caught up, on most channels of the store: what they all share is not the channel's.
    """

    first_day: date
    last_day: date
    examined: int
    limit: float
    days: list[UnusualDay]
    platform: list[CountedApart] = Field(default_factory=list)


def outliers(data: ChannelData) -> Outliers | Missing:
    """Return the days with unusual views, or why the data cannot tell."""
    return unusual_days(channel_gains(data, "views"), data.platform_days)


def unusual_days(gains: DailyGains, platform: Sequence[PlatformDay] = ()) -> Outliers | Missing:
    """
    Compare each day with up to `AROUND` known days around it, excluding itself.

    The score is `robust.modified_z` on log views. It is computed twice, against the days around and
    against all days' distances from their own surroundings, and the smaller one counts: a few days
    may have a small spread by chance, and a channel may be calmer at one time than at another.
    The weekly rhythm is taken out first. Ratios are compared, not differences, so neither the unit
    nor the channel's size matters. A day
    on which the counter did not move and the day after it, which may hold the views of both, are
    left out. If more than a tenth of the days are empty, single days cannot be compared.

    On the *platform*'s own days, views are divided by the day's factor first, and must also stand
    out among the channels of that day, which differ more than on others.
    """
    factor, spread = factors(platform, gains.days), spreads(platform, gains.days)
    known = np.flatnonzero(_comparable(gains.gains, factor))
    values = gains.gains[known]
    own = (gains.gains == 0) & (factor >= STILL)
    empty = float(np.count_nonzero(own) / gains.known.size) if gains.known.size else 0.0
    if empty > MOST_EMPTY:
        return Missing(
            reason=f"On {empty:.0%} of the days the counter of views did not move: views arrive "
            "in batches, and single days cannot be compared."
        )
    if values.size <= FEWEST:
        return Missing(
            reason=f"Unusual days need {FEWEST + 1} days of known views; {values.size} are known."
        )
    logs = np.log(values / factor[known])
    level = without_weekday(logs, known)
    typical, score = modified_z(level, level[neighbours(values.size, AROUND)])
    distance = level - typical
    typical += logs - level  # what is usual on such a weekday
    _, overall = modified_z(distance, distance[None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        among = np.abs(distance) / spread[known]
    score = np.copysign(np.fmin(np.fmin(np.abs(score), np.abs(overall)), among), distance)
    apart = (np.nan_to_num(np.abs(score)) > LIMIT) & (np.abs(distance) > np.log(SMALLEST))
    return Outliers(
        first_day=gains.days[0].item(),
        last_day=gains.days[-1].item(),
        examined=int(values.size),
        limit=LIMIT,
        days=[
            UnusualDay(
                day=gains.days[known[i]].item(),
                views=int(values[i]),
                typical=float(factor[known[i]] * np.exp(typical[i])),
                ratio=float(np.exp(distance[i])),
                score=float(score[i]),
                kind="rise" if score[i] > 0 else "fall",
            )
            for i in np.flatnonzero(apart)
        ],
        platform=[
            CountedApart(day=one.day, factor=one.factor, channels=one.channels, late=one.factor < 1)
            for one in platform
            if gains.days[0].item() <= one.day <= gains.days[-1].item()
        ],
    )


def _comparable(gains: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.bool_]:
    after_empty = np.append(False, (gains[:-1] == 0) & (factor[:-1] == 1))[: gains.size]
    return np.asarray((gains > 0) & ~after_empty & (factor >= STILL))
