"""
What a channel's items are about, according to their titles and tags.

A *topic* is a word, a pair of neighbouring words of a title, or a whole tag that enough items
share and enough lack. Topics are chosen by how many items share them, never by how these do:
otherwise the search itself would turn chance into findings.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from jobs.recommendations.words import STOP_WORDS, folded, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MOST = 12
"""Each further topic weakens all of the channel's answers, so only a few are tested."""

_SAME = 0.8
_SHORTEST = 3
_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic in its most common spelling, and which items share it."""

    name: str
    belongs: NDArray[np.bool_]


def topics(titles: Sequence[str], tags: Sequence[Sequence[str]], fewest: int) -> list[Topic]:
    """
    Return up to `MOST` topics, each shared by at least *fewest* items and missing from as many.

    Those that split the items most evenly come first. If topics share nearly the same items (a
    Jaccard index above 0.8), only the longest name is kept.
    """
    members, spelling = _members(titles, tags)
    n = len(titles)
    candidates = [
        (name, np.array(items, dtype=np.intp))
        for name, items in members.items()
        if fewest <= len(items) <= n - fewest
    ]
    # The most even split first, then the longest name; the name itself keeps the order stable.
    candidates.sort(key=lambda one: (-one[1].size * (n - one[1].size), -len(one[0]), one[0]))
    kept: list[tuple[str, NDArray[np.intp], int]] = []
    for name, items in candidates[:_CANDIDATES]:
        # Bits of one number are compared a hundred times faster than arrays of so few.
        bits = sum(1 << item for item in items.tolist())
        same = next((i for i, (_, _, one) in enumerate(kept) if _alike(one, bits)), None)
        topic = (spelling[name].most_common(1)[0][0], items, bits)
        if same is None:
            kept.append(topic)
        elif len(topic[0]) > len(kept[same][0]):
            kept[same] = topic
    return [Topic(name, _among(items, n)) for name, items, _ in kept[:MOST]]


def _among(items: NDArray[np.intp], n: int) -> NDArray[np.bool_]:
    belongs = np.zeros(n, dtype=np.bool_)
    belongs[items] = True
    return belongs


def _members(
    titles: Sequence[str], tags: Sequence[Sequence[str]]
) -> tuple[dict[str, list[int]], dict[str, Counter[str]]]:
    members: defaultdict[str, list[int]] = defaultdict(list)
    spelling: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for i, (title, own) in enumerate(zip(titles, tags, strict=True)):
        own_words = dict(_of_title(title))
        own_words |= {folded(tag): tag for tag in own if _is_distinctive(folded(tag))}
        for name, spelled in own_words.items():
            members[name].append(i)
            spelling[name][spelled] += 1
    return members, spelling


def _of_title(title: str) -> Iterator[tuple[str, str]]:
    found = words(title)
    for word in found:
        if _is_distinctive(word):
            yield word, word
    for first, second in pairwise(found):
        if _is_distinctive(first) and _is_distinctive(second):
            name = f"{first} {second}"
            yield name, name


def _is_distinctive(word: str) -> bool:
    """Numbers and short Latin words say little; short words in other scripts and emoji do."""
    if word in STOP_WORDS or word.replace(" ", "").isdigit():
        return False
    return len(word) >= _SHORTEST or not word.isascii()


def _alike(one: int, other: int) -> bool:
    return (one & other).bit_count() > _SAME * (one | other).bit_count()
