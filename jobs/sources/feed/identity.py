"""Which channel a feed is of: the same id for every recording, wherever it was fetched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from jobs.sources.feed.fields import links, text_of, title_of
from jobs.sources.values import youtube_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.sources.feed.fields import Fields

_HEX_DIGITS = 12


def youtube_channel(feed: Fields, entries: Sequence[Fields]) -> str | None:
    """
    Return the channel's `UC…` id, or None if this is no feed of a channel on YouTube.

    A playlist's feed names the playlist's owner, but is not of the owner's channel.
    """
    if text_of(feed, "yt_playlistid"):
        return None
    own = youtube_ids.channel_id(text_of(feed, "yt_channelid"))
    own = own or youtube_ids.channel_id_within(text_of(feed, "id"))
    if own or not all(text_of(entry, "yt_videoid") for entry in entries):
        return own
    owners = {youtube_ids.channel_id(text_of(entry, "yt_channelid")) for entry in entries}
    return owners.pop() if len(owners) == 1 else None


def feed_id(feed: Fields, location: str) -> str:
    """
    Return `feed:` and twelve hexadecimal digits of what identifies the feed.

    That is the first that it has of: playlist id, `podcast:guid`, its own address, its Atom id,
    its page and title. A feed with none of them is identified by its *location*.
    """
    own_address = next((text_of(link, "href") for link in links(feed, "self")), "")
    candidates = (
        ("playlist", text_of(feed, "yt_playlistid")),
        ("guid", text_of(feed, "podcast_guid").lower()),
        ("address", _without_scheme(own_address)),
        ("id", text_of(feed, "id")),
        ("page", f"{_without_scheme(text_of(feed, 'link'))} {title_of(feed)}".strip()),
        ("location", location),
    )
    kind, identity = next((kind, identity) for kind, identity in candidates if identity)
    digest = hashlib.sha256(f"{kind}:{identity}".encode()).hexdigest()
    return f"feed:{digest[:_HEX_DIGITS]}"


def _without_scheme(address: str) -> str:
    """A feed that moved from http to https is the same feed."""
    return address.strip().partition("://")[2] or address.strip()
