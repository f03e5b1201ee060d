"""What items reach at each age, and whether new ones do better than those before them did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated

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
    """Views of *items* items at an age of *age_days* (a quarter more or less): middle and half."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    age_days: int
    items: int
    lower_quartile: float
    median: float
    upper_quartile: float


class ReachChange(Section):
    """
    The newer half of the items against the older half, at the same age of *age_days*.

    The newer ones came out from *newer_from* to *newer_to*. *ratio* is that of their usual
    (geometric mean) views, *low* and *high* its interval.
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
    """Views at the ages that enough items were read at, youngest first, and how that changes."""

    bands: list[AgeBand]
    change: Annotated[ReachChange | Missing, Field(discriminator="present")]


def reach_by_age(data: ChannelData) -> ReachByAge | Missing:
    """
    Return what items reach at the ages `AGES_DAYS`, or why that cannot be told.

    At each age every item counts once, by its reading nearest to that age, if one lies within a
    factor of 1.25 of it. Only an item read again and again appears at several ages.
    """
    if data.channel.successes_only:
        return SUCCESSES_ONLY
    read = _readings(data)
    if not read.age.size:
        told = data.item_snapshots["views"].is_not_null().any()
        with_age = " with their age" if told else ""
        return Missing(reason=f"The source tells no views of single items{with_age}.")
    found = {days: _at_age(days, read) for days in AGES_DAYS}
    bands = list(_bands(found))
    if not bands:
        return Missing(
            reason=f"At no age were {FEWEST} items read; readings of views: {read.age.size}."
        )
    return ReachByAge(bands=bands, change=_change(found, data.fingerprint))


@dataclass(frozen=True, slots=True)
class _Readings:
    """Each reading of an item with views: which item, when that was published, its age in days."""

    item: NDArray[np.int64]
    published_at: NDArray[np.datetime64]
    age: NDArray[np.float64]
    views: NDArray[np.float64]

    def only(self, which: NDArray[np.intp]) -> _Readings:
        return _Readings(
            self.item[which], self.published_at[which], self.age[which], self.views[which]
        )


def _readings(data: ChannelData) -> _Readings:
    snapshots = data.item_snapshots.join(
        data.items.select("published_at", "item_id").with_row_index("item"), on="item_id"
    )
    published_at, views = instants_of(snapshots["published_at"]), floats_of(snapshots["views"])
    age = (instants_of(snapshots["observed_at"]) - published_at) / _DAY
    told = (age > 0) & ~np.isnan(views)
    item = snapshots["item"].to_numpy().astype(np.int64)
    return _Readings(item[told], published_at[told], age[told], views[told])


def _at_age(days: int, read: _Readings) -> _Readings:
    """The readings at the age of *days*, one per item, in order of publication."""
    off = np.abs(np.log(read.age / days))
    near = np.flatnonzero(off <= _WITHIN)
    best = near[np.lexsort((off[near], read.item[near]))]
    _, first = np.unique(read.item[best], return_index=True)
    kept = best[first]
    return read.only(kept[np.argsort(read.published_at[kept], kind="stable")])


def _alike(age: NDArray[np.float64]) -> bool:
    """Say whether the newer half (the rear one) was read at the age that the older half was."""
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
    Compare at the age that the most items were read at; of equal ones at the youngest.

    Where all items were read at one time, the newer ones were younger then, and what they have
    less may be for that: ages at which the halves are not alike are no ground to compare on.
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
