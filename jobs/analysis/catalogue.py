"""How much of what the channel is watched for is old: the share of its catalogue in new views."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.bootstrap import expanded_percentile, resampled_indices
from jobs.analysis.columns import floats_of, instants_of
from jobs.analysis.randomness import generator
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from jobs.channel_data import ChannelData

OLD_DAYS = 28
WINDOW_DAYS = 28
FEWEST = 10
FEWEST_KNOWN = 0.8
"""The share of old items whose gain must be known; feeds list new ones only."""

LEVEL = 0.95
_DRAWS = 500
_DAY = np.timedelta64(1, "D")


class Catalogue(Section):
    """
    The share of old items in the views that came in from *first_day* to *last_day*.

    Old items were more than `OLD_DAYS` days old when that time began. *share* is *old_views* over
    old and *new_views*, *low* and *high* its interval at *level* over items drawn anew. *old_items*
    and *new_items* are those whose gain is known, *unknown_items* the others listed. All of it
    holds for the items listed.
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


def catalogue(data: ChannelData) -> Catalogue | Missing:
    """
    Return the share of old items in recent views, or why that cannot be told.

    It takes two readings of each item: the newest ones, and those nearest to `WINDOW_DAYS` days
    before (or the first there are). An item published in between gained all its views. A counter
    that fell gained nothing known, and is left out.
    """
    snapshots = data.item_snapshots
    instants, views = instants_of(snapshots["observed_at"]), floats_of(snapshots["views"])
    told = ~np.isnan(views)
    if not told.any():
        return Missing(reason="The source tells no views of single items.")
    end = instants[told].max()
    start = _start(instants[told], end)
    if start is None:
        return Missing(
            reason="Views of single items were read once only; what came in since needs a second "
            "reading."
        )
    age, gained = _gains(data.items, snapshots["item_id"].to_list(), (instants, views), start)
    known = ~np.isnan(gained) & ~np.isnan(age)
    old, new = known & (age > OLD_DAYS), known & (age <= OLD_DAYS)
    listed = int(np.count_nonzero(age > OLD_DAYS))
    if np.count_nonzero(old) < listed * FEWEST_KNOWN:
        return Missing(
            reason=f"Of {listed:,} old items, views were read again for {np.count_nonzero(old):,} "
            "only: the share of old items cannot be told."
        )
    if np.count_nonzero(known) < FEWEST or np.nansum(gained[known]) <= 0:
        return Missing(
            reason=f"What single items gained is known for {np.count_nonzero(known)} of them; "
            f"{FEWEST} that gained views are needed."
        )
    share, low, high = _share(gained[known], old[known], data.fingerprint)
    return Catalogue(
        first_day=start.astype("datetime64[D]").item(),
        last_day=end.astype("datetime64[D]").item(),
        old_days=OLD_DAYS,
        old_items=int(np.count_nonzero(old)),
        new_items=int(np.count_nonzero(new)),
        unknown_items=int(np.count_nonzero(~known)),
        old_views=int(gained[old].sum()),
        new_views=int(gained[new].sum()),
        share=share,
        low=low,
        high=high,
        level=LEVEL,
    )


def _start(instants: NDArray[np.datetime64], end: np.datetime64) -> np.datetime64 | None:
    """The reading nearest to `WINDOW_DAYS` before the end, and at least half a day before it."""
    earlier = np.unique(instants[instants <= end - _DAY // 2])
    if not earlier.size:
        return None
    start: np.datetime64 = earlier[np.argmin(np.abs(earlier - (end - WINDOW_DAYS * _DAY)))]
    return start


def _gains(
    items: pl.DataFrame,
    ids: list[str],
    readings: tuple[NDArray[np.datetime64], NDArray[np.float64]],
    start: np.datetime64,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Age in days at *start* (negative: not yet out), and views gained since; NaN: unknown."""
    place = {item: i for i, item in enumerate(items["item_id"].to_list())}
    published = instants_of(items["published_at"])
    age = (start - published) / _DAY
    before, after = np.full(len(place), np.nan), np.full(len(place), np.nan)
    row = np.array([place.get(item, -1) for item in ids], dtype=np.intp)
    instants, views = readings
    usable = (row >= 0) & ~np.isnan(views)
    # Of readings in order of time the last one assigned stands.
    earlier = usable & (instants <= start) & (instants > start - _DAY)
    before[row[earlier]] = views[earlier]
    later = usable & (instants > start)
    after[row[later]] = views[later]
    before[np.isnan(before) & (age < 0)] = 0.0
    gained = after - before
    gained[gained < 0] = np.nan
    return age, gained


def _share(
    gained: NDArray[np.float64], old: NDArray[np.bool_], fingerprint: str
) -> tuple[float, float, float]:
    share = float(gained[old].sum() / gained.sum())
    index = resampled_indices(generator(fingerprint, "catalogue.share"), gained.size, _DRAWS)
    total = gained[index].sum(axis=1)
    drawn = np.where(old, gained, 0.0)[index].sum(axis=1)[total > 0] / total[total > 0]
    low, high = expanded_percentile(drawn, gained.size, LEVEL)
    return share, min(max(low, 0.0), share), max(min(high, 1.0), share)
