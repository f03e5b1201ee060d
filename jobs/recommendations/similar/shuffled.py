"""How near channels are by chance: compare them after shuffling their words and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.recommendations.similar.profile import Profile
from jobs.recommendations.similar.vectors import vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ENOUGH = 1_000
MOST_SHUFFLES = 20


def nearest_by_chance(profiles: Sequence[Profile], rng: np.random.Generator) -> NDArray[np.float64]:
    """
    Return the similarity of channels to their nearest among shuffled *profiles*, ascending.

    About `ENOUGH` channels are sampled, from at most `MOST_SHUFFLES` shuffles. Each is compared
    with all others, so the nearest of n real channels is tested against the nearest of n
    shuffled ones.
    """
    found: list[NDArray[np.float64]] = []
    shuffles = min(MOST_SHUFFLES, -(-ENOUGH // len(profiles)))
    for _ in range(shuffles):
        space = vectors(shuffled(profiles, rng))
        rows = np.sort(rng.permutation(len(profiles))[:ENOUGH])
        similarity = space.similarity(rows)
        similarity[np.arange(rows.size), rows] = -np.inf
        found.append(similarity.max(axis=1).astype(np.float64))
    return np.sort(np.concatenate(found))


def shuffled(profiles: Sequence[Profile], rng: np.random.Generator) -> list[Profile]:
    """
    Return *profiles* with their words and tags shuffled among all of them.

    Each word stays in about as many channels as before, and each channel keeps about as many
    words, as often: only their combination is random. The style stays.
    """
    words = _shuffle([one.words for one in profiles], rng)
    tags = _shuffle([one.tags for one in profiles], rng)
    return [
        Profile(own_words, own_tags, one.style, one.items)
        for own_words, own_tags, one in zip(words, tags, profiles, strict=True)
    ]


def _shuffle(counts: Sequence[Mapping[str, int]], rng: np.random.Generator) -> list[dict[str, int]]:
    names = [name for own in counts for name in own]
    order = rng.permutation(len(names)).tolist()
    shuffled_counts: list[dict[str, int]] = []
    place = 0
    for own in counts:
        redrawn: dict[str, int] = {}
        for count in own.values():
            name = names[order[place]]
            redrawn[name] = redrawn.get(name, 0) + count
            place += 1
        shuffled_counts.append(redrawn)
    return shuffled_counts
