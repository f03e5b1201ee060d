"""
A channel's content in a few kilobytes: its words, its tags and its style.

A profile is made from one channel alone and stored, so that comparing channels never needs their
items. The category that a source gives is left out on purpose: it is used to evaluate similarity.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.analysis.item_arrays import item_arrays
from jobs.recommendations.words import folded, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

NEWEST = 200
MOST_WORDS = 600
MOST_TAGS = 300
_MARKS = ("|", " - ", ":", "!", "?", "(", "[", '"', "“", "#")
_SHOUT = re.compile(r"\b[^\W\d_]{2,}\b")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Profile:
    """
    How often words (of titles, tags and the channel's name) and whole tags occur, and the style.

    *style* are means over the items, None where unknown: see `_style`. *items* is the number of
    items behind the profile.
    """

    words: Mapping[str, int]
    tags: Mapping[str, int]
    style: Sequence[float | None]
    items: int


def profile_of(data: ChannelData) -> Profile | None:
    """Return the profile of *data*'s newest `NEWEST` items, None if there are no items."""
    newest = data.items.tail(NEWEST)
    if newest.is_empty():
        return None
    titles = newest["title"].to_list()
    tags = [(lines or "").splitlines() for lines in newest["tags"]]
    whole = Counter(folded(tag) for own in tags for tag in own)
    found = Counter(words(data.channel.title))
    for title, own in zip(titles, tags, strict=True):
        found.update(words(title))
        for tag in own:
            found.update(words(tag))
    return Profile(
        words=dict(found.most_common(MOST_WORDS)),
        tags=dict(whole.most_common(MOST_TAGS)),
        style=[round(v, 4) if np.isfinite(v) else None for v in _style(data, titles, tags)],
        items=newest.height,
    )


def pack(profile: Profile) -> tuple[str, bytes]:
    """Return the fingerprint of *profile* and its bytes; the same profile gives the same."""
    fields = [profile.words, profile.tags, profile.style, profile.items]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest(), zlib.compress(text)


def unpack(packed: bytes) -> Profile:
    """Return the profile that `pack` packed."""
    fields: list[Any] = json.loads(zlib.decompress(packed))
    return Profile(*fields)


def _style(
    data: ChannelData, titles: Sequence[str], tags: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """
    Return logs of likes and comments per view, views, length and days between items; then titles.

    Of titles: capitals, length, each of `_MARKS`, digits, word length, words in capitals. Of tags:
    their number and their words per tag.
    """
    found = item_arrays(data.items.tail(NEWEST))
    gaps = np.diff(np.sort(found.published_at[~np.isnat(found.published_at)])) / _DAY
    views = np.where(found.views > 0, found.views, np.nan)
    likes = np.where(found.likes > 0, found.likes, np.nan)
    comments = np.where(found.comments > 0, found.comments, np.nan)
    numbers = [
        _mean(np.log(likes / views)),
        _mean(np.log(comments / views)),
        _mean(np.log(views)),
        _mean(np.log1p(found.duration_s)),
        float(np.log1p(np.median(gaps))) if gaps.size else np.nan,
    ]
    of_titles = np.array([_of_title(title) for title in titles])
    tagged = np.array([len(own) for own in tags])
    per_tag = [np.mean([len(words(tag)) for tag in own]) for own in tags if own]
    tags_per_item = float(np.log1p(tagged).mean()) if tagged.any() else np.nan
    return np.array([*numbers, *of_titles.mean(axis=0), tags_per_item, _mean(np.array(per_tag))])


def _of_title(title: str) -> list[float]:
    letters = [letter for letter in title if letter.isalpha()]
    found = words(title)
    shouted = sum(word.isupper() for word in _SHOUT.findall(title))
    return [
        sum(letter.isupper() for letter in letters) / max(len(letters), 1),
        float(np.log1p(len(title))),
        *(float(mark in title) for mark in _MARKS),
        float(any(letter.isdigit() for letter in title)),
        sum(map(len, found)) / max(len(found), 1),
        shouted / max(len(found), 1),
    ]


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
