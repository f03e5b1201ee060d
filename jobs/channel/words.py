"""The words of a platform: podcasts have downloads, streams have followers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jobs.channel.records import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLLOWED: Final = {"subscribers": "followers", "subscriber": "follower"}

WORDS: Final[Mapping[Platform, Mapping[str, str]]] = {
    Platform.PODCAST: {
        "views": "downloads",
        "view": "download",
        "viewed": "downloaded",
        "viewers": "listeners",
        "items": "episodes",
        "item": "episode",
    },
    Platform.STREAM: {**_FOLLOWED, "items": "streams", "item": "stream"},
    Platform.TIKTOK: {**_FOLLOWED, "items": "videos", "item": "video"},
    Platform.INSTAGRAM: {**_FOLLOWED, "items": "posts", "item": "post"},
    Platform.FACEBOOK: {**_FOLLOWED, "items": "posts", "item": "post"},
}
"""On Twitch a subscriber pays; a podcast's file is downloaded, whether or not anybody listens."""

_QUOTED: Final = re.compile(r"(“[^”]*”)")


def spoken(text: str, platform: Platform) -> str:
    """Return *text* in the words of *platform*; what is quoted, such as a title, stays as it is."""
    words = WORDS.get(platform)
    if not words:
        return text
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    parts = _QUOTED.split(text)
    parts[::2] = [
        pattern.sub(lambda found: _as_written(found[0], words), one) for one in parts[::2]
    ]
    return "".join(parts)


def has_own_words(platform: Platform) -> bool:
    """Return whether *platform* has other words than views, subscribers and items."""
    return platform in WORDS


def _as_written(word: str, words: Mapping[str, str]) -> str:
    ours = words[word.lower()]
    return ours.capitalize() if word[0].isupper() else ours
