"""Views at each age, and whether newer items do better than older ones did at the same age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.bootstrap import expanded_percentile, resampled_indices
from jobs.analysis.columns import floats_of, instants_of
from jobs.analysis.randomness import generator
from jobs.analysis.section import SUCCESSES_ONLY, Missing, Section
from jobs.analysis.trends import Heading, heading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

AGES_DAYS = (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1460)
FEWEST = 5
FEWEST_TO_COMPARE = 16
LEVEL = 0.95
_WITHIN = np.log(1.25)
_LIKE = np.log(1.1)
_DRAWS = 500
_DAY = np.timedelta64(1, "D")


class AgeBand(BaseModel):
    """Median and quartiles of views of *items* items at *age_days* (within a factor of 1.25)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    age_days: int
    items: int
    lower_quartile: float
    median: float
    upper_quartile: float


class ReachChange(Section):
    """
    The newer half of the items against the older half, at the same age of *age_days*.

    The newer ones came out from *newer_from* to *newer_to*. *ratio* is their typical (geometric
    mean) views over those of the older ones, *low* and *high* its interval.
    """

    age_days: int
    newer_from: date
    newer_to: date
    newer: int
    older: int
    ratio: float
    low: float
    high: float
    level: float
    heading: Heading


class ReachByAge(Section):
    """Views at each age with enough items, youngest first, and how newer items compare."""

    bands: list[AgeBand]
    change: Annotated[ReachChange | Missing, Field(discriminator="present")]


def reach_by_age(data: ChannelData) -> ReachByAge | Missing:
    """
    Return the views of items at the ages `AGES_DAYS`, or why the data cannot tell.

    At each age an item counts once, with its reading nearest to that age, if that lies within a
    factor of 1.25. Only an item read repeatedly appears at several ages.
    """
    if data.channel.successes_only:
        return SUCCESSES_ONLY
    has_views = data.item_snapshots["views"].null_count() < data.item_snapshots.height
    read = _readings(data) if has_views else _NOTHING_READ
    if not read.age.size:
        with_age = " with their age" if has_views else ""
        return Missing(reason=f"The source gives no views of single items{with_age}.")
    found = {days: _at_age(days, read) for days in AGES_DAYS}
    bands = list(_bands(found))
    if not bands:
        return Missing(
            reason=f"At no age were {FEWEST} items read; readings of views: {read.age.size}."
        )
    return ReachByAge(bands=bands, change=_change(found, data.fingerprint))


@dataclass(frozen=True, slots=True)
class _Readings:
    """Every reading of views: the item, when it was published, and its age in days."""

    item: NDArray[np.int64]
    published_at: NDArray[np.datetime64]
    age: NDArray[np.float64]
    views: NDArray[np.float64]

    def only(self, which: NDArray[np.intp]) -> _Readings:
        return _Readings(
            self.item[which], self.published_at[which], self.age[which], self.views[which]
        )


_NOTHING_READ: Final = _Readings(
    np.array([], np.int64), np.array([], "M8[us]"), *[np.array([])] * 2
)


def _readings(data: ChannelData) -> _Readings:
    snapshots = data.item_snapshots.join(
        data.items.select("published_at", "item_id").with_row_index("item"), on="item_id"
    )
    published_at, views = instants_of(snapshots["published_at"]), floats_of(snapshots["views"])
    age = (instants_of(snapshots["observed_at"]) - published_at) / _DAY
    known = (age > 0) & ~np.isnan(views)
    item = snapshots["item"].to_numpy().astype(np.int64)
    return _Readings(item[known], published_at[known], age[known], views[known])


def _at_age(days: int, read: _Readings) -> _Readings:
    """Return the readings at an age of *days*, one per item, in order of publication."""
    off = np.abs(np.log(read.age / days))
    near = np.flatnonzero(off <= _WITHIN)
    best = near[np.lexsort((off[near], read.item[near]))]
    _, first = np.unique(read.item[best], return_index=True)
    kept = best[first]
    return read.only(kept[np.argsort(read.published_at[kept], kind="stable")])


def _alike(age: NDArray[np.float64]) -> bool:
    """Return whether the newer (second) half was read at the same age as the older half."""
    if age.size < FEWEST_TO_COMPARE:
        return False
    older, newer = (np.median(np.log(half)) for half in np.split(age, [age.size // 2]))
    return bool(abs(older - newer) <= _LIKE)


def _bands(found: dict[int, _Readings]) -> Iterator[AgeBand]:
    for days, read in found.items():
        if read.views.size >= FEWEST:
            lower, median, upper = np.quantile(read.views, [0.25, 0.5, 0.75]).tolist()
            yield AgeBand(
                age_days=days,
                items=int(read.views.size),
                lower_quartile=lower,
                median=median,
                upper_quartile=upper,
            )


def _change(found: dict[int, _Readings], fingerprint: str) -> ReachChange | Missing:
    """
    Compare at the age with the most items, the youngest if several have equally many.

    If all items were read at one time, the newer ones were younger and may have fewer views for
    that reason alone. So ages at which the two halves were not read alike are not compared.
    """
    fair = {days: read for days, read in found.items() if _alike(read.age)}
    days = max(fair, key=lambda each: (fair[each].views.size, -each), default=0)
    most = fair[days].views.size if fair else 0
    if most < FEWEST_TO_COMPARE:
        return Missing(
            reason=f"To compare new items with earlier ones, {FEWEST_TO_COMPARE} of them must have "
            f"been read at the same age; {most} were."
        )
    read = fair[days]
    logs = np.log(read.views + 1)
    older, newer = logs[: logs.size // 2], logs[logs.size // 2 :]
    rng = generator(fingerprint, "reach.change")
    drawn = [
        half[resampled_indices(rng, half.size, _DRAWS)].mean(axis=1) for half in (newer, older)
    ]
    low, high = np.exp(expanded_percentile(drawn[0] - drawn[1], older.size, LEVEL)).tolist()
    ratio = float(np.exp(newer.mean() - older.mean()))
    newest = read.published_at[older.size :].astype("datetime64[D]")
    return ReachChange(
        age_days=days,
        newer_from=newest[0].item(),
        newer_to=newest[-1].item(),
        newer=int(newer.size),
        older=int(older.size),
        ratio=ratio,
        low=min(low, ratio),
        high=max(high, ratio),
        level=LEVEL,
        heading=heading(low, high, neutral=1.0),
    )
