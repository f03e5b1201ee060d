"""
The names of a channel on YouTube: an id, a handle, an address of it or of one of its videos.

Each may follow `youtube:` (`youtube:@handle`, `youtube:UC…`); addresses of the site may also stand
alone. Addresses of feeds (`/feeds/videos.xml`) are no names: they are read as feeds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from jobs.sources.source import SourceError
from jobs.sources.values import youtube_ids

SCHEME = "youtube:"

_SITES = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com"})
_SHORT_SITE = "youtu.be"
_VIDEO_ID = re.compile(r"[\w-]{11}", re.ASCII)
_WORD = re.compile(r"[\w.·-]+")
_OF_VIDEOS = frozenset({"shorts", "live", "embed", "v"})
_OF_NO_CHANNEL = frozenset({"feed", "hashtag", "playlist", "results"})
_FEEDS = "feeds"
_REMEDY = "Write youtube:@handle, youtube:UC… or the address of the channel or of one of its videos"


class NameKind(StrEnum):
    """What a name is."""

    CHANNEL = "channel id"
    HANDLE = "handle"
    USER = "user name"
    CUSTOM = "name"
    VIDEO = "video id"


_OF_NAMES = {"user": NameKind.USER, "c": NameKind.CUSTOM}


@dataclass(frozen=True, slots=True)
class YoutubeName:
    """One name of a channel, as the Data API takes it."""

    kind: NameKind
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


def is_youtube(location: str) -> bool:
    """Whether *location* names a channel on YouTube, and not a file or a feed."""
    if location.startswith(SCHEME):
        return True
    host, path = _site(location)
    return host in _SITES | {_SHORT_SITE} and path[:1] != [_FEEDS]


def youtube_name(location: str) -> YoutubeName:
    """
    Return the name in *location*, of which `is_youtube` is true.

    Raises:
        SourceError: It names no channel and no video.
    """
    name = location.removeprefix(SCHEME) if location.startswith(SCHEME) else location
    found = _from_address(name) if "/" in name else _from_word(name.strip())
    if found is None:
        raise SourceError(location, "names no channel on YouTube", _REMEDY)
    return found


def location_of(channel_id: str) -> str:
    """Return the location of a channel by its id, which stays when its handle changes."""
    return f"{SCHEME}{channel_id}"


def _from_word(word: str) -> YoutubeName | None:
    if youtube_ids.is_channel_id(word):
        return YoutubeName(NameKind.CHANNEL, word)
    if word.startswith("@") and len(word) > 1:
        return YoutubeName(NameKind.HANDLE, word)
    return YoutubeName(NameKind.CUSTOM, word) if _WORD.fullmatch(word) else None


def _from_address(address: str) -> YoutubeName | None:
    address = address if "//" in address else f"https://{address}"
    host, path = _site(address)
    if host == _SHORT_SITE:
        return _video(path[0]) if path else None
    if host not in _SITES or not path or path[0] in _OF_NO_CHANNEL:
        return None
    if path[0] == "watch":
        return _video(parse_qs(urlsplit(address).query).get("v", [""])[0])
    return _from_path(path[0], path[1] if len(path) > 1 else "")


def _from_path(first: str, second: str) -> YoutubeName | None:
    if first in _OF_VIDEOS:
        return _video(second)
    if first == "channel":
        known = youtube_ids.channel_id(second)
        return YoutubeName(NameKind.CHANNEL, known) if known else None
    if first in _OF_NAMES:
        return YoutubeName(_OF_NAMES[first], second) if second else None
    return YoutubeName(NameKind.HANDLE if first.startswith("@") else NameKind.CUSTOM, first)


def _video(identity: str) -> YoutubeName | None:
    return YoutubeName(NameKind.VIDEO, identity) if _VIDEO_ID.fullmatch(identity) else None


def _site(address: str) -> tuple[str, list[str]]:
    """Return host and parts of the path; nothing unless it is an http(s) address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", []
    if parts.scheme not in {"http", "https"}:
        return "", []
    return parts.hostname or "", [unquote(part) for part in parts.path.split("/") if part]
