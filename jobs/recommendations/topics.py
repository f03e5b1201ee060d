"""
What a channel's items are about, told by their own titles and tags.

A *topic* is a word, a pair of neighbouring words of a title, or a whole tag, shared by enough
items and missing from enough. Which topics are asked about is settled by how many items share
them, never by how these did: else the search itself would make findings out of chance.
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
"""Each further topic makes every answer of the channel less sure, so that only few are asked."""

_SAME = 0.8
_SHORTEST = 3
_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as its items most often spell it, and which of them share it."""

    name: str
    belongs: NDArray[np.bool_]


def topics(titles: Sequence[str], tags: Sequence[Sequence[str]], fewest: int) -> list[Topic]:
    """
    Return up to `MOST` topics, each shared by *fewest* items at least and missing from as many.

    Those that split the items most evenly come first. Of topics that nearly the same items share
    (a Jaccard index above 0.8) the longest name stands for all.
    """
    members, spelling = _members(titles, tags)
    n = len(titles)
    candidates = [
        (name, np.array(items, dtype=np.intp))
        for name, items in members.items()
        if fewest <= len(items) <= n - fewest
    ]
    # More even first; the longer name first among equals; the name itself, to be repeatable.
    candidates.sort(key=lambda one: (-one[1].size * (n - one[1].size), -len(one[0]), one[0]))
    kept: list[Topic] = []
    for name, items in candidates[:_CANDIDATES]:
        belongs = np.zeros(n, dtype=np.bool_)
        belongs[items] = True
        same = next((i for i, one in enumerate(kept) if _alike(one.belongs, belongs)), None)
        topic = Topic(spelling[name].most_common(1)[0][0], belongs)
        if same is None:
            kept.append(topic)
        elif len(topic.name) > len(kept[same].name):
            kept[same] = topic
    return kept[:MOST]


def _members(
    titles: Sequence[str], tags: Sequence[Sequence[str]]
) -> tuple[dict[str, list[int]], dict[str, Counter[str]]]:
    members: defaultdict[str, list[int]] = defaultdict(list)
    spelling: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for i, (title, own) in enumerate(zip(titles, tags, strict=True)):
        told = dict(_of_title(title))
        told |= {folded(tag): tag for tag in own if _telling(folded(tag))}
        for name, spelled in told.items():
            members[name].append(i)
            spelling[name][spelled] += 1
    return members, spelling


def _of_title(title: str) -> Iterator[tuple[str, str]]:
    found = words(title)
    for word in found:
        if _telling(word):
            yield word, word
    for first, second in pairwise(found):
        if _telling(first) and _telling(second):
            name = f"{first} {second}"
            yield name, name


def _telling(word: str) -> bool:
    """A number or a lone Latin letter says little; a pair of Han characters or an emoji does."""
    if word in STOP_WORDS or word.replace(" ", "").isdigit():
        return False
    return len(word) >= _SHORTEST or not word.isascii()


def _alike(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    return bool(np.count_nonzero(one & other) > _SAME * np.count_nonzero(one | other))
