"""Days whose views are far from the usual around them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.robust import modified_z, neighbours
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

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


class Outliers(Section):
    """
    The *days* that stand out among *examined* known ones, in time order.

    A day stands out if its modified z-score is beyond ±*limit* and its views differ from the
    usual by a factor of at least `SMALLEST`.
    """

    first_day: date
    last_day: date
    examined: int
    limit: float
    days: list[UnusualDay]


def outliers(data: ChannelData) -> Outliers | Missing:
    """Return the days with unusual views, or why the data cannot tell."""
    return unusual_days(channel_gains(data, "views"))


def unusual_days(gains: DailyGains) -> Outliers | Missing:
    """
    Compare each day with up to `AROUND` known days around it, excluding itself.

    The score is `robust.modified_z` on log views. It is computed twice, against the days around and
    against all days' distances from their own surroundings, and the smaller one counts: a few days
    may have a small spread by chance, and a channel may be calmer at one time than at another.
    Ratios are compared, not differences, so neither the unit nor the channel's size matters. A day
    on which the counter did not move and the day after it, which may hold the views of both, are
    left out. If more than a tenth of the days are empty, single days cannot be compared.
    """
    known = np.flatnonzero(_comparable(gains.gains))
    values = gains.gains[known]
    empty = float(np.mean(gains.known == 0)) if gains.known.size else 0.0
    if empty > MOST_EMPTY:
        return Missing(
            reason=f"On {empty:.0%} of the days the counter of views did not move: views arrive "
            "in batches, and single days cannot be compared."
        )
    if values.size <= FEWEST:
        return Missing(
            reason=f"Unusual days need {FEWEST + 1} days of known views; {values.size} are known."
        )
    logs = np.log(values)
    typical, score = modified_z(logs, logs[neighbours(values.size, AROUND)])
    distance = logs - typical
    _, overall = modified_z(distance, distance[None, :])
    score = np.copysign(np.fmin(np.abs(score), np.abs(overall)), distance)
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
                typical=float(np.exp(typical[i])),
                ratio=float(np.exp(distance[i])),
                score=float(score[i]),
                kind="rise" if score[i] > 0 else "fall",
            )
            for i in np.flatnonzero(apart)
        ],
    )


def _comparable(gains: NDArray[np.float64]) -> NDArray[np.bool_]:
    after_empty = np.append(False, gains[:-1] == 0)[: gains.size]
    return np.asarray((gains > 0) & ~after_empty)
