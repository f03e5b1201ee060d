"""
A channel's weeks: in which it published more than it usually does, and how their items did.

How often to publish is a question about weeks, not about items: the items of one week share its
rate, and counting each of them would count one good week many times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.cadence import publication_times, recent_publications, weekdays
from jobs.analysis.coverage import is_partial
from jobs.analysis.reach import PEERS
from jobs.recommendations.sample import NEWEST, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

FEWEST_WEEKS = 12
BLOCK = 10
UNLIKE = 1.5
"""Busy weeks must have at least this many times as many items as others for the question."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Weeks:
    """
    The whole weeks (Monday to Sunday, UTC) with items; *sample* has one row per week.

    A week's score is the mean score of its comparable items. *busy* weeks have more than *limit*
    items, the channel's median; *per_busy* and *per_other* are the mean numbers of items.
    """

    sample: Sample
    busy: NDArray[np.bool_]
    limit: int
    per_busy: float
    per_other: float


def weeks(data: ChannelData, items: Sample) -> Weeks | None:
    """
    Return the weeks in which *items* came out, None if they differ too little to compare.

    The number of items in a week is known only where the list has no holes. Items are scored
    against their neighbours in age, so a busy week that holds half of these would be compared
    with itself.
    """
    published = recent_publications(data)
    if not is_partial(data):
        published = publication_times(data.items)[-NEWEST:]
    if not published.size:
        return None
    monday, counts = np.unique(_mondays(published), return_counts=True)
    # The first week may have begun before the list, and the last may continue after it.
    monday, counts = monday[1:-1], counts[1:-1]
    own = _mondays(items.published_at)
    scored = np.isin(monday, own)
    monday, counts = monday[scored], counts[scored]
    if monday.size < FEWEST_WEEKS:
        return None
    limit = int(np.median(counts))
    busy = counts > limit
    if not busy.any() or busy.all():
        return None
    per_busy, per_other = float(counts[busy].mean()), float(counts[~busy].mean())
    if per_busy < UNLIKE * per_other or per_busy > PEERS / 2:
        return None
    return Weeks(_sample(monday, own, items.score), busy, limit, per_busy, per_other)


def _sample(
    monday: NDArray[np.datetime64], own: NDArray[np.datetime64], score: NDArray[np.float64]
) -> Sample:
    n = monday.size
    place = np.searchsorted(monday, own)
    within = (place < n) & (monday[np.minimum(place, n - 1)] == own)
    total = np.bincount(place[within], weights=score[within], minlength=n)
    return Sample(
        published_at=monday,
        duration_s=np.full(n, np.nan),
        live=np.full(n, np.nan),
        titles=("",) * n,
        tags=([],) * n,
        score=total / np.bincount(place[within], minlength=n),
        stratum=np.arange(n) * max(1, n // BLOCK) // n,
    )


def _mondays(published_at: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    days = published_at.astype("datetime64[D]")
    mondays: NDArray[np.datetime64] = np.subtract(days, weekdays(published_at) * _DAY)
    return mondays
