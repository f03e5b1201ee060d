"""
Answers of the YouTube Data API, as records of channels and videos. Pure.

Counts are strings. A count that is hidden or switched off is missing, and None here; never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.channel.records import ChannelRecord, ChannelSnapshot, ItemRecord, ItemSnapshot, Platform
from jobs.channel.text import one_line
from jobs.sources.values import durations, times, youtube_ids

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    Json = Mapping[str, Any]

_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """The entry of a channel; *uploads* is the playlist of all its public videos."""

    id: str
    title: str
    uploads: str | None
    subscribers: int | None
    views: int | None
    items: int | None

    def record(self) -> ChannelRecord:
        """Return the channel."""
        return ChannelRecord(
            self.id,
            self.title or self.id,
            Platform.YOUTUBE,
            youtube_ids.channel_url(self.id),
            successes_only=False,
        )

    def snapshot(self, observed_at: datetime) -> ChannelSnapshot:
        """Return its counters. YouTube rounds subscribers to three digits."""
        return ChannelSnapshot(observed_at, self.subscribers, self.views, self.items)


def channel_facts(entry: Json) -> ChannelFacts:
    """Read an entry of `channels.list`, part `snippet,statistics,contentDetails`."""
    counts = _part(entry, "statistics")
    hidden = counts.get("hiddenSubscriberCount") is True
    playlists = _part(_part(entry, "contentDetails"), "relatedPlaylists")
    return ChannelFacts(
        id=_text(entry, "id"),
        title=_text(_part(entry, "snippet"), "title"),
        uploads=_text(playlists, "uploads") or None,
        subscribers=None if hidden else count(counts, "subscriberCount"),
        views=count(counts, "viewCount"),
        items=count(counts, "videoCount"),
    )


def listed_video(entry: Json) -> tuple[str, datetime | None] | None:
    """Read id and date of an entry of `playlistItems.list`; None if it names no video."""
    details, snippet = _part(entry, "contentDetails"), _part(entry, "snippet")
    video_id = _text(details, "videoId") or _text(_part(snippet, "resourceId"), "videoId")
    if not video_id:
        return None
    date = _text(details, "videoPublishedAt") or _text(snippet, "publishedAt")
    return video_id, times.from_iso8601(date)


def video_item(entry: Json) -> ItemRecord:
    """
    Read an entry of `videos.list`, part `snippet,contentDetails,statistics,liveStreamingDetails`.

    A stream that has not ended has the length `P0D`: unknown. A premiere counts as live, as it
    does for YouTube.
    """
    snippet, video_id = _part(entry, "snippet"), _text(entry, "id")
    tags = snippet.get("tags")
    length_s = durations.from_iso8601(_text(_part(entry, "contentDetails"), "duration"))
    return ItemRecord(
        id=video_id,
        title=_text(snippet, "title") or video_id,
        published_at=times.from_iso8601(_text(snippet, "publishedAt")),
        duration_s=length_s or None,
        url=youtube_ids.video_url(video_id),
        category=_text(snippet, "categoryId") or None,
        tags=[one_line(tag) for tag in tags if isinstance(tag, str)]
        if isinstance(tags, list)
        else (),
        live="liveStreamingDetails" in entry,
    )


def video_snapshot(entry: Json, observed_at: datetime) -> ItemSnapshot | None:
    """Read a video's counters; None if all of them are hidden."""
    counts = _part(entry, "statistics")
    views, likes, comments = (
        count(counts, name) for name in ("viewCount", "likeCount", "commentCount")
    )
    if views is None and likes is None and comments is None:
        return None
    return ItemSnapshot(_text(entry, "id"), observed_at, views, likes, comments)


def count(fields: Json, name: str) -> int | None:
    """Read a count, which is a string of digits; None if it is missing or anything else."""
    text = str(fields.get(name, ""))
    countable = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if countable else None


def _part(fields: Json, name: str) -> Json:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _text(fields: Json, name: str) -> str:
    value = fields.get(name)
    return one_line(value) if isinstance(value, str) else ""
