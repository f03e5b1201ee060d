"""
Weeks as a channel lived them: in which it published much by its own measure, and what came of that.

How often to publish is a question about weeks, not about items: those of one week share it, and
counting each of them would take one good week for many.
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
"""Busy weeks must hold at least this many times as many items as others, or nothing is asked."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Weeks:
    """
    The whole weeks (Monday to Sunday, UTC) with items, *sample* having one row for each.

    A week's score is the mean of those of its comparable items. *busy* are those with more than
    *limit* items, the channel's own median; *per_busy* and *per_other* are the mean numbers.
    """

    sample: Sample
    busy: NDArray[np.bool_]
    limit: int
    per_busy: float
    per_other: float


def weeks(data: ChannelData, items: Sample) -> Weeks | None:
    """
    Return the weeks in which *items* came out; None where they do not differ enough to compare.

    Only where the list of items has no holes is it known how many a week had. Items are scored by
    their neighbours in age: where a busy week holds half of those, it would be its own measure.
    """
    published = recent_publications(data)
    if not is_partial(data):
        published = publication_times(data.items)[-NEWEST:]
    if not published.size:
        return None
    monday, counts = np.unique(_mondays(published), return_counts=True)
    # The first and the last week may have begun before the list, or go on after it.
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
