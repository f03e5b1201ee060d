"""The items that can be compared with each other, and how well each does for its age."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobs.analysis.columns import floats_of
from jobs.analysis.formats import SHORT_S
from jobs.analysis.item_arrays import ItemArrays, item_arrays
from jobs.analysis.reach import reach

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWEST = 500
"""Advice is about the channel as it is now, about which older items say little."""

BLOCK = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """
    Comparable items: when they came out, how long they are, what they are about, how they do.

    *live* is 1 if the item was broadcast live, 0 if not, NaN if the source does not say. *score*
    is the logarithm of the item's views over the median of its peers of similar age, clipped at
    three robust standard deviations so that a single hit decides nothing. *stratum* labels items
    that are exchangeable if nothing matters: neighbours in age.
    """

    published_at: NDArray[np.datetime64]
    duration_s: NDArray[np.float64]
    live: NDArray[np.float64]
    titles: tuple[str, ...]
    tags: tuple[list[str], ...]
    score: NDArray[np.float64]
    stratum: NDArray[np.intp]

    def only(self, which: NDArray[np.bool_]) -> Sample:
        """Return the items selected by *which*."""
        return Sample(
            self.published_at[which],
            self.duration_s[which],
            self.live[which],
            tuple(compress(self.titles, which)),
            tuple(compress(self.tags, which)),
            self.score[which],
            self.stratum[which],
        )


def sample(items: pl.DataFrame, *, by_format: bool) -> Sample:
    """
    Return the comparable ones among the `NEWEST` of an `items` frame.

    With *by_format*, short and long items (and those of unknown length) are compared only among
    their own kind: otherwise a channel whose Shorts come out on Mondays would get advice about
    Mondays.
    """
    newest = items.drop_nulls("published_at").tail(NEWEST)
    found = item_arrays(newest)
    kind = _formats(found) if by_format else np.zeros(len(found.ids), dtype=np.intp)
    score = np.full(len(found.ids), np.nan)
    for label in np.unique(kind):
        own = kind == label
        ratio = reach(found.age_days[own], found.views[own]).ratio
        score[own] = np.log(np.maximum(ratio, 1e-9))
    kept = ~np.isnan(score)
    return Sample(
        published_at=found.published_at[kept],
        duration_s=found.duration_s[kept],
        live=floats_of(newest["live"].cast(pl.Int8))[kept],
        titles=tuple(compress(found.titles, kept)),
        tags=tuple((tags or "").splitlines() for tags in compress(newest["tags"], kept)),
        score=_cut_off(score[kept]),
        stratum=_blocks(kind[kept], found.age_days[kept]),
    )


def _formats(found: ItemArrays) -> NDArray[np.intp]:
    short = np.where(found.duration_s <= SHORT_S, 1, 2)
    return np.where(np.isnan(found.duration_s), 0, short).astype(np.intp)


def _cut_off(score: NDArray[np.float64]) -> NDArray[np.float64]:
    if score.size == 0:
        return score
    centre = np.median(score)
    spread = 3 * 1.4826 * np.median(np.abs(score - centre))
    return score if spread == 0 else np.clip(score, centre - spread, centre + spread)


def _blocks(kind: NDArray[np.intp], age_days: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number runs of about `BLOCK` items of one kind by age, from zero."""
    stratum = np.zeros(kind.size, dtype=np.intp)
    first = 0
    for label in np.unique(kind):
        own = np.flatnonzero(kind == label)
        blocks = max(1, own.size // BLOCK)
        ranks = np.argsort(np.argsort(age_days[own], kind="stable"), kind="stable")
        stratum[own] = first + ranks * blocks // own.size
        first += blocks
    return stratum
