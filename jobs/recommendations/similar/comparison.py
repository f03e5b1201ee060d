"""The nearest channels of each, by one product per block of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from jobs.recommendations.similar.vectors import Vectors, vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jobs.recommendations.similar.profile import Profile

NEAREST = 5
FEWEST_CHANNELS = 10
"""Among fewer, the nearest is merely the one that is there."""

_CELLS_AT_ONCE = 20_000_000
_SHARED = 3


class Neighbour(TypedDict):
    """
    A channel that is like another: how much (*similarity*, at most 1) and in what.

    *closer_than* is the share of all other channels that are less alike, *shared* the tags both
    have that say most, *items* how many items its profile rests on.
    """

    channel_id: str
    similarity: float
    closer_than: float
    shared: list[str]
    items: int


def nearest(profiles: Mapping[str, Profile]) -> dict[str, list[Neighbour]]:
    """
    Return up to `NEAREST` channels for each, the nearest first; none among too few channels.

    For n channels it takes n² products of a few hundred numbers, in blocks of bounded memory; no
    channel's items are looked at. The same profiles give the same neighbours.
    """
    ids = sorted(profiles)
    if len(ids) < FEWEST_CHANNELS:
        return {channel_id: [] for channel_id in ids}
    told = [profiles[channel_id] for channel_id in ids]
    space = vectors(told)
    found: dict[str, list[Neighbour]] = {}
    rows = max(1, _CELLS_AT_ONCE // len(ids))
    for start in range(0, len(ids), rows):
        similarity = space.similarity(slice(start, start + rows))
        for i, own in enumerate(similarity, start=start):
            found[ids[i]] = [
                Neighbour(
                    channel_id=ids[j],
                    similarity=round(float(own[j]), 4),
                    closer_than=1 - rank / (len(ids) - 1),
                    shared=_shared(space, i, j),
                    items=told[j].items,
                )
                for rank, j in enumerate(_best(own, i), start=1)
            ]
    return found


def _best(similarity: NDArray[np.float32], own: int) -> list[int]:
    """Ties go to the first, or the answer would depend on the machine."""
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
