"""How often the channel publishes, how regularly, and on which weekdays."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from jobs.analysis.columns import aware, instants_of
from jobs.analysis.coverage import is_partial
from jobs.analysis.daily_gains import readings_of
from jobs.analysis.local_time import local, zone_of
from jobs.analysis.section import SUCCESSES_ONLY, Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

Rhythm = Literal["like clockwork", "regular", "irregular", "in bursts"]

RECENT_DAYS = 182
FEWEST_RECENT = 20
_FEWEST = 3
_DAY = np.timedelta64(1, "D")
_WEEK_DAYS = 7
_IN_FULL = 0.9
_FEWEST_GROWN = 5
_FEWEST_COUNTED_DAYS = 14
_QUIET_GAPS = 3
_QUIET_DAYS = 7
# Where Goh and Barabási's measure of bursts turns from one word into the next.
_RHYTHMS: tuple[tuple[float, Rhythm], ...] = (
    (-0.6, "like clockwork"),
    (-0.2, "regular"),
    (0.3, "irregular"),
)


class Rate(BaseModel):
    """
    How many items come out in 7 days: *per_week*, over *first* to *last*.

    by: what tells them, the dates in the *list*, or the channel's own *count* of its items.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_week: float
    first: date
    last: date
    by: Literal["list", "count"]


class Cadence(Section):
    """
    Publishing over a window of the newest *items*, from *first_at* to *last_at*.

    *rate* is the one answer to how often: nothing else computes one. *quiet* says that nothing came
    out for far longer than usual; that silence counts in the rate. *median_gap_days* is the median
    time between two items.
    *burstiness* runs from -1 (clockwork) through 0 (random) to 1 (bursts); *rhythm* names it.
    *weekday_shares* are the shares of Monday to Sunday in *zone*. *as_of* is when the items were
    last read (the newest item's time if unknown). *silent_days* is the time from the newest item to
    *as_of*, or 0 if the channel's own count of items grew since: then the list lags, not the
    channel.
    """

    items: int
    first_at: datetime
    last_at: datetime
    as_of: datetime
    rate: Rate
    median_gap_days: float
    burstiness: float
    rhythm: Rhythm
    weekday_shares: list[float]
    zone: str
    silent_days: float
    quiet: bool


def cadence(data: ChannelData) -> Cadence | Missing:
    """Return how often *data*'s channel publishes, or why the data cannot tell."""
    if data.channel.successes_only:
        return SUCCESSES_ONLY
    published_at = recent_publications(data)
    if published_at.size < _FEWEST:
        return Missing(
            reason=f"A cadence needs {_FEWEST} items with a publication date, and the source lists "
            f"{published_at.size or 'none'}."
        )
    gaps = np.diff(published_at) / _DAY
    span_days = float(gaps.sum())
    if span_days == 0:
        return Missing(reason="All listed items carry the same publication date.")
    burst = burstiness(gaps)
    first, last = (aware(instant) for instant in published_at[[0, -1]])
    as_of = max([last, *filter(None, data.items["observed_at"].to_list())])
    lags = _counted_more_since(data, published_at[-1])
    silent_days = 0.0 if lags else (as_of - last).total_seconds() / 86_400
    median = float(np.median(gaps))
    quiet = silent_days > max(_QUIET_DAYS, _QUIET_GAPS * median)
    return Cadence(
        items=int(published_at.size),
        first_at=first,
        last_at=last,
        as_of=as_of,
        rate=_rate(data, published_at, as_of if quiet else last),
        median_gap_days=median,
        burstiness=burst,
        rhythm=_rhythm(burst),
        weekday_shares=weekday_shares(local(published_at, data.channel)).tolist(),
        zone=zone_of(data.channel),
        silent_days=silent_days,
        quiet=quiet,
    )


def _rate(data: ChannelData, published_at: NDArray[np.datetime64], until: datetime) -> Rate:
    """A list with holes misses items that the channel's own count has."""
    counted = _counted_rate(data) if is_partial(data) else None
    if counted is not None:
        return counted
    first = aware(published_at[0])
    days = (until - first).total_seconds() / 86_400
    return Rate(
        per_week=_WEEK_DAYS * (published_at.size - 1) / days,
        first=first.date(),
        last=until.date(),
        by="list",
    )


def _counted_rate(data: ChannelData) -> Rate | None:
    """A count that fell lost items, so that what it gained is not what came out."""
    instants, counts = readings_of(data.daily, "items")
    known = counts > 0
    instants, counts = instants[known], counts[known]
    if not instants.size or np.any(np.diff(counts) < 0):
        return None
    days = float((instants[-1] - instants[0]) / _DAY)
    if days < _FEWEST_COUNTED_DAYS:
        return None
    return Rate(
        per_week=_WEEK_DAYS * float(counts[-1] - counts[0]) / days,
        first=aware(instants[0]).date(),
        last=aware(instants[-1]).date(),
        by="count",
    )


def recent_publications(data: ChannelData) -> NDArray[np.datetime64]:
    """
    Return the publication times (UTC, ascending) for which the list of items can be trusted.

    These are the newest `RECENT_DAYS` days, or the newest `FEWEST_RECENT` items if that is more.
    A partial list usually holds the newest items and some old hits, with holes between. From such
    a list, at most the newer half is taken; or everything since the first reading of the channel's
    own count of items, if the list holds as many items as that count grew by. A feed lists the
    newest items alone: what came out between two of its readings and had left it is a hole, and
    nothing before that is taken.
    """
    published_at = publication_times(data.items)
    published_at = published_at[published_at >= _without_holes_since(data)]
    if published_at.size == 0:
        return published_at
    recent = int(np.count_nonzero(published_at >= published_at[-1] - RECENT_DAYS * _DAY))
    wanted = max(recent, FEWEST_RECENT)
    if is_partial(data):
        trusted = max((published_at.size + 1) // 2, _listed_in_full(data, published_at))
        wanted = min(wanted, trusted)
    return published_at[-wanted:]


def _without_holes_since(data: ChannelData) -> np.datetime64:
    """
    Return the time since which the readings of the items overlap.

    Each reading lists what came out from the oldest of its items on. If that is after the reading
    before it, what came out between the two is not known.
    """
    ever = np.datetime64(-(2**62), "us")
    if data.item_snapshots.is_empty():
        return ever
    read = (
        data.item_snapshots.lazy()
        .join(data.items.lazy().select("item_id", "published_at"), on="item_id")
        .drop_nulls("published_at")
        .group_by("observed_at")
        .agg(pl.col("published_at").min())
        .sort("observed_at")
        .collect()
    )
    at, since = instants_of(read["observed_at"]), instants_of(read["published_at"])
    if not at.size:
        return ever
    # The oldest item of this reading and all later ones, against the reading before them.
    oldest = np.minimum.accumulate(since[::-1])[::-1]
    holes = np.flatnonzero(oldest[1:] > at[:-1])
    return oldest[holes[-1] + 1] if holes.size else ever


def _listed_in_full(data: ChannelData, published_at: NDArray[np.datetime64]) -> int:
    """Count the items since the channel's count was first read; 0 if too many are missing."""
    instants, counts = readings_of(data.daily, "items")
    known = np.flatnonzero(counts > 0)
    if known.size == 0:
        return 0
    first, last = known[[0, -1]]
    grown = counts[last] - counts[first]
    while_read = (published_at > instants[first]) & (published_at <= instants[last])
    # A count that hardly moved proves nothing.
    if grown < _FEWEST_GROWN or np.count_nonzero(while_read) < _IN_FULL * grown:
        return 0
    return int(np.count_nonzero(published_at > instants[first]))


def _counted_more_since(data: ChannelData, last: np.datetime64) -> bool:
    """Return whether the channel's count of items grew between its readings after *last*."""
    instants, counts = readings_of(data.daily, "items")
    after = counts[(instants > last) & (counts > 0)]
    return bool(after.size and after[-1] > after[0])


def publication_times(items: pl.DataFrame) -> NDArray[np.datetime64]:
    """Return the known publication times in an `items` frame, UTC, ascending."""
    published_at = instants_of(items["published_at"])
    return np.sort(published_at[~np.isnat(published_at)])


def burstiness(gaps: NDArray[np.float64]) -> float:
    """
    Return how bursty *gaps* (any unit, at least two, not all zero) are, between -1 and 1.

    For n gaps, with r their standard deviation over their mean, it is
    `(√(n+1)·r - √(n-1)) / ((√(n+1) - 2)·r + √(n-1))`. For many gaps this approaches Goh and
    Barabási's `(r - 1) / (r + 1)`. Source: E.-K. Kim and H.-H. Jo, "Measuring burstiness for
    finite event sequences" (2016).
    """
    n = gaps.size
    r = float(gaps.std() / gaps.mean())
    more, fewer = np.sqrt(n + 1), np.sqrt(n - 1)
    return float(np.clip((more * r - fewer) / ((more - 2) * r + fewer), -1, 1))


def weekday_shares(published_at: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the shares of *published_at* on Monday … Sunday; zeros if it is empty."""
    counts = np.bincount(weekdays(published_at), minlength=_WEEK_DAYS).astype(float)
    shares: NDArray[np.float64] = counts / max(counts.sum(), 1.0)
    return shares


def weekdays(published_at: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """Return the weekday of each instant, 0 for Monday; 1970-01-01 was a Thursday."""
    days = published_at.astype("datetime64[D]").astype(np.int64)
    return np.asarray((days + 3) % _WEEK_DAYS, dtype=np.intp)


def items_per_week(published_at: NDArray[np.datetime64], until: datetime) -> list[tuple[date, int]]:
    """
    Count publications per week (Monday to Sunday, UTC), including weeks without any.

    The weeks run from the one of the first publication to the one that contains *until*.
    """
    if published_at.size == 0:
        return []
    days = published_at.astype("datetime64[D]")
    mondays = days - weekdays(published_at) * _DAY
    end = np.datetime64(until.date(), "D")
    last = max(end - weekdays(np.array([end]))[0] * _DAY, mondays[-1])
    weeks = np.arange(mondays[0], last + _DAY, _WEEK_DAYS * _DAY)
    counts = np.bincount(np.searchsorted(weeks, mondays), minlength=weeks.size)
    return list(zip(weeks.tolist(), counts.tolist(), strict=True))


def _rhythm(burst: float) -> Rhythm:
    return next((word for limit, word in _RHYTHMS if burst < limit), "in bursts")
