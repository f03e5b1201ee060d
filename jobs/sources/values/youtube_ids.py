"""YouTube's ids and addresses: one spelling for each channel, wherever it is named."""

from __future__ import annotations

import re

UPLOADS = r"^UU[A-Za-z0-9_-]{22}$"
"""The id of the list of a channel's uploads, as a pattern for polars and `re` alike."""

_CHANNEL_ID = re.compile(r"(?:UC)?(?P<key>[\w-]{22})", re.ASCII)
_CHANNEL_IN = re.compile(r"(?:yt:channel:|/channel/)([\w-]{22,24})\b", re.ASCII)
_CHANNEL_IN_NAME = re.compile(r"(?<![\w-])UC[\w-]{22}(?![\w-])", re.ASCII)
_VIDEO_ID = re.compile(r"[\w-]{11}", re.ASCII)


def channel_id(text: str) -> str | None:
    """Return the `UC…` id that *text* is; YouTube's own feeds sometimes leave out the `UC`."""
    matched = _CHANNEL_ID.fullmatch(text.strip())
    return f"UC{matched['key']}" if matched else None


def channel_id_within(text: str) -> str | None:
    """Return the id of the channel that an address or a feed's id names (`yt:channel:UC…`)."""
    found = _CHANNEL_IN.search(text)
    return channel_id(found[1]) if found else None


def channel_id_in_name(name: str) -> str | None:
    """Return the full id in the name of a file or folder, or None."""
    found = _CHANNEL_IN_NAME.search(name)
    return found[0] if found else None


def is_channel_id(text: str) -> bool:
    """Whether *text* is a channel's full id."""
    return text.startswith("UC") and channel_id(text) == text


def channel_of_uploads(identity: str) -> str:
    """Return the id of the channel whose uploads the list `UU…` holds; any other id as it is."""
    return f"UC{identity[2:]}" if re.match(UPLOADS, identity) else identity


def channel_url(identity: str) -> str:
    """Return the page of the channel."""
    return f"https://www.youtube.com/channel/{identity}"


def video_url(video_id: str) -> str | None:
    """Return the page of the video, or None if that is no video's id."""
    if _VIDEO_ID.fullmatch(video_id) is None:
        return None
    return f"https://www.youtube.com/watch?v={video_id}"
