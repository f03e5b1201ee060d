"""How near channels come by chance: what their words and tags say is dealt out anew."""

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
    Return how near the nearest of a channel is among *profiles* that were shuffled, ascending.

    About `ENOUGH` channels tell, of `MOST_SHUFFLES` shuffles at most. Each is compared with all
    others, so that the nearest of many is held against the nearest of as many.
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
    Return *profiles* whose words and tags were exchanged among all of them.

    Each word is in about as many channels as before, each channel has about as many, and as often:
    only which ones come together is chance. The style stays.
    """
    words = _dealt([one.words for one in profiles], rng)
    tags = _dealt([one.tags for one in profiles], rng)
    return [
        Profile(own_words, own_tags, one.style, one.items)
        for own_words, own_tags, one in zip(words, tags, profiles, strict=True)
    ]


def _dealt(told: Sequence[Mapping[str, int]], rng: np.random.Generator) -> list[dict[str, int]]:
    names = [name for own in told for name in own]
    order = rng.permutation(len(names)).tolist()
    dealt: list[dict[str, int]] = []
    place = 0
    for own in told:
        mixed: dict[str, int] = {}
        for count in own.values():
            name = names[order[place]]
            mixed[name] = mixed.get(name, 0) + count
            place += 1
        dealt.append(mixed)
    return dealt
