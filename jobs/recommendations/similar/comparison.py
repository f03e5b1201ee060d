"""Find the nearest channels of each channel, with one matrix product per block of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from jobs.analysis.randomness import generator
from jobs.analysis.wording import listed
from jobs.recommendations.fewest import FEWEST_CHANNELS
from jobs.recommendations.similar.shuffled import nearest_by_chance
from jobs.recommendations.similar.vectors import Vectors, vectors
from jobs.recommendations.strength import NO_EVIDENCE, chance, strength_of
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jobs.recommendations.similar.profile import Profile

NEAREST = 5
_CELLS_AT_ONCE = 20_000_000
_SHARED = 3


class Neighbour(TypedDict):
    """
    A channel that resembles another: how much (*similarity*, at most 1) and in what.

    *closer_than* is the share of all other channels that are less similar, *shared* the most
    telling tags of both, *items* the number of items behind its profile, *own_items* that of the
    other channel. *p* is how often a channel's nearest is this near when words and tags are
    shuffled among the channels, so it is corrected for their number. *strength* puts it in words
    (or “no evidence”), and *sentence* says what it rests on.
    """

    channel_id: str
    similarity: float
    closer_than: float
    shared: list[str]
    items: int
    own_items: int
    p: float
    strength: str
    sentence: str


def nearest(profiles: Mapping[str, Profile]) -> dict[str, list[Neighbour]]:
    """
    Return up to `NEAREST` channels for each, the nearest first; none among too few channels.

    For n channels this takes n² products of a few hundred numbers, in blocks of bounded memory,
    without reading any items. The same profiles give the same neighbours.
    """
    ids = sorted(profiles)
    if len(ids) < FEWEST_CHANNELS:
        return {channel_id: [] for channel_id in ids}
    compared = [profiles[channel_id] for channel_id in ids]
    space = vectors(compared)
    by_chance = nearest_by_chance(compared, generator("\n".join(ids), "similar.shuffled"))
    found: dict[str, list[Neighbour]] = {}
    rows = max(1, _CELLS_AT_ONCE // len(ids))
    for start in range(0, len(ids), rows):
        similarity = space.similarity(slice(start, start + rows))
        for i, own in enumerate(similarity, start=start):
            best = _best(own, i)
            found[ids[i]] = [
                _neighbour(
                    ids[j],
                    similarity=float(own[j]),
                    closer_than=1 - rank / (len(ids) - 1),
                    shared=_shared(space, i, j),
                    items=(compared[j].items, compared[i].items),
                    p=p,
                )
                for rank, (j, p) in enumerate(
                    zip(best, chance_of(own[best], by_chance).tolist(), strict=True), start=1
                )
            ]
    return found


def chance_of(
    similarity: NDArray[np.floating[Any]], by_chance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return the p-value of each *similarity*; *by_chance* are those of shuffled channels, sorted.

    `p = (1 + #{chance ≥ similarity}) / (1 + #chance)`, which is never zero. Source: B. Phipson and
    G. Smyth, "Permutation P-values Should Never Be Zero" (2010).
    """
    reached = by_chance.size - np.searchsorted(by_chance, similarity.astype(np.float64))
    p: NDArray[np.float64] = (1 + reached) / (1 + by_chance.size)
    return p


def _neighbour(
    channel_id: str,
    *,
    similarity: float,
    closer_than: float,
    shared: list[str],
    items: tuple[int, int],
    p: float,
) -> Neighbour:
    theirs, own = items
    strength = strength_of(p) or NO_EVIDENCE
    in_common = f", above all {listed([f'“{tag}”' for tag in shared])}" if shared else ""
    return Neighbour(
        channel_id=channel_id,
        similarity=round(similarity, 4),
        closer_than=closer_than,
        shared=shared,
        items=theirs,
        own_items=own,
        p=p,
        strength=strength,
        sentence=(
            f"{strength.capitalize()}: {similarity:.2f} of 1 alike in tags, words, fields and style"
            f"{in_common}; p = {chance(p)} that the nearest of shuffled channels is as near. It "
            f"rests on {counted(theirs, 'item')} there and {own:,} here."
        ),
    )


def _best(similarity: NDArray[np.float32], own: int) -> list[int]:
    """Return the nearest; ties go to the lowest index, so that every machine agrees."""
    similarity[own] = -np.inf
    most = min(NEAREST, similarity.size - 1)
    some = np.argpartition(-similarity, most)[: most + 1]
    some.sort()
    order = some[np.argsort(-similarity[some], kind="stable")][:most]
    return [int(i) for i in order]


def _shared(space: Vectors, one: int, other: int) -> list[str]:
    both = space.tags[one].multiply(space.tags[other]).tocsr()
    best = both.indices[np.argsort(-both.data, kind="stable")][:_SHARED]
    return [space.names[i] for i in best]
