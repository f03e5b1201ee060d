"""The catalogue's share of new views: how much of what people watch is old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.bootstrap import expanded_percentile, resampled_indices
from jobs.analysis.columns import floats_of, instants_of
from jobs.analysis.randomness import generator
from jobs.analysis.section import SUCCESSES_ONLY, Missing, Section

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

OLD_DAYS = 28
WINDOW_DAYS = 28
FEWEST = 10
FEWEST_KNOWN = 0.8
"""The share of old items whose gain must be known; feeds list only new ones."""

LEVEL = 0.95
_DRAWS = 500
_DAY = np.timedelta64(1, "D")


class Catalogue(Section):
    """
    The share of old items in the views gained from *first_day* to *last_day*.

    Old items were more than `OLD_DAYS` days old when that period began. *share* is *old_views* over
    the sum of *old_views* and *new_views*; *low* and *high* are its interval at *level*, from
    resampled items. *old_items* and *new_items* count the items whose gain is known,
    *unknown_items* the other listed ones. Items that left their source are not counted.
    """

    first_day: date
    last_day: date
    old_days: int
    old_items: int
    new_items: int
    unknown_items: int
    old_views: int
    new_views: int
    share: float
    low: float
    high: float
    level: float


@dataclass(frozen=True, slots=True)
class _Gained:
    """Each item's *views* gained from *start* to *end* (NaN: unknown), *age* in days at *start*."""

    start: np.datetime64
    end: np.datetime64
    age: NDArray[np.float64]
    views: NDArray[np.float64]


def catalogue(data: ChannelData) -> Catalogue | Missing:
    """
    Return the share of old items in recent views, or why the data cannot tell.

    If the owner's export has each item's views by day, these are added up. Otherwise two readings
    of each item are compared: the newest, and the one nearest to `WINDOW_DAYS` days before it (or
    the first). An item published in between gained all its views. An item whose counter fell is
    left out, because its gain is unknown.
    """
    if np.isnan(floats_of(data.item_snapshots["views"])).all() and data.item_gains.is_empty():
        return Missing(reason="The source gives no views of single items.")
    if data.channel.successes_only:
        return SUCCESSES_ONLY
    found = _read_twice(data) if data.item_gains.is_empty() else _from_daily_gains(data)
    if found is None:
        return Missing(
            reason="Views of single items were read once only; what came in since needs a second "
            "reading."
        )
    known = ~np.isnan(found.views) & ~np.isnan(found.age)
    old, new = known & (found.age > OLD_DAYS), known & (found.age <= OLD_DAYS)
    listed = int(np.count_nonzero(found.age > OLD_DAYS))
    read_again = int(np.count_nonzero(old))
    if read_again < listed * FEWEST_KNOWN:
        return Missing(
            reason=f"Of {listed:,} old items, the views of {read_again or 'none'} were read again: "
            "the share of old items cannot be told."
        )
    if np.count_nonzero(known) < FEWEST or found.views[known].sum() <= 0:
        return Missing(
            reason=f"What single items gained is known for {np.count_nonzero(known)} of them; "
            f"{FEWEST} that gained views are needed."
        )
    share, low, high = _share(found.views[known], old[known], data.fingerprint)
    return Catalogue(
        first_day=found.start.astype("datetime64[D]").item(),
        last_day=found.end.astype("datetime64[D]").item(),
        old_days=OLD_DAYS,
        old_items=int(np.count_nonzero(old)),
        new_items=int(np.count_nonzero(new)),
        unknown_items=int(np.count_nonzero(~known)),
        old_views=int(found.views[old].sum()),
        new_views=int(found.views[new].sum()),
        share=share,
        low=low,
        high=high,
        level=LEVEL,
    )


def _from_daily_gains(data: ChannelData) -> _Gained:
    """Add up the last `WINDOW_DAYS` days of exported gains; an item without any is unknown."""
    days = data.item_gains["day"].to_numpy().astype("datetime64[D]")
    end = days.max()
    start = max(end - WINDOW_DAYS * _DAY, days.min())
    row, views = _rows(data.current_items, data.item_gains), floats_of(data.item_gains["views"])
    counts = (row >= 0) & (days >= start) & ~np.isnan(views)
    gained = np.bincount(row[counts], weights=views[counts], minlength=data.current_items.height)
    known = np.bincount(row[counts], minlength=data.current_items.height) > 0
    age = (start - instants_of(data.current_items["published_at"])) / _DAY
    return _Gained(start, end, age, np.where(known, gained, np.nan))


def _read_twice(data: ChannelData) -> _Gained | None:
    instants = instants_of(data.item_snapshots["observed_at"])
    views = floats_of(data.item_snapshots["views"])
    known = ~np.isnan(views)
    end = instants[known].max()
    start = _start(instants[known], end)
    if start is None:
        return None
    age = (start - instants_of(data.current_items["published_at"])) / _DAY
    before, after = (
        np.full(data.current_items.height, np.nan),
        np.full(data.current_items.height, np.nan),
    )
    row = _rows(data.current_items, data.item_snapshots)
    known &= row >= 0
    # Readings are in time order, so the last assignment wins.
    earlier = known & (instants <= start) & (instants > start - _DAY)
    before[row[earlier]] = views[earlier]
    later = known & (instants > start)
    after[row[later]] = views[later]
    before[np.isnan(before) & (age < 0)] = 0.0
    gained = after - before
    gained[gained < 0] = np.nan
    return _Gained(start, end, age, gained)


def _rows(items: pl.DataFrame, table: pl.DataFrame) -> NDArray[np.intp]:
    """Return the index of each row's item in *items*, -1 for an item that is not listed."""
    place = {item: i for i, item in enumerate(items["item_id"].to_list())}
    return np.array([place.get(item, -1) for item in table["item_id"].to_list()], dtype=np.intp)


def _start(instants: NDArray[np.datetime64], end: np.datetime64) -> np.datetime64 | None:
    """Return the reading nearest to `WINDOW_DAYS` before *end*, at least half a day before it."""
    earlier = np.unique(instants[instants <= end - _DAY // 2])
    if not earlier.size:
        return None
    start: np.datetime64 = earlier[np.argmin(np.abs(earlier - (end - WINDOW_DAYS * _DAY)))]
    return start


def _share(
    gained: NDArray[np.float64], old: NDArray[np.bool_], fingerprint: str
) -> tuple[float, float, float]:
    share = float(gained[old].sum() / gained.sum())
    index = resampled_indices(generator(fingerprint, "catalogue.share"), gained.size, _DRAWS)
    total = gained[index].sum(axis=1)
    drawn = np.where(old, gained, 0.0)[index].sum(axis=1)[total > 0] / total[total > 0]
    low, high = expanded_percentile(drawn, gained.size, LEVEL)
    return share, min(max(low, 0.0), share), max(min(high, 1.0), share)
