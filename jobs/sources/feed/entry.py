"""One entry of a feed: an item, and on YouTube its counters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from jobs.channel.addresses import web_address
from jobs.channel.records import ItemRecord, ItemSnapshot
from jobs.channel.text import identity as kept_identity
from jobs.channel.text import one_line
from jobs.sources.feed.fields import (
    attribute,
    date_text,
    links,
    listed,
    text_of,
    title_of,
)
from jobs.sources.values import durations, youtube_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from jobs.sources.feed.fields import Fields

    ReadDate = Callable[[str], datetime | None]

_CLOCKS_DIFFER = timedelta(days=1)
_ITUNES_SCHEME = "itunes.com"
_FIVE_STARS = frozenset({"5.00", "5.0", "5"})
_HEX_DIGITS = 12
_MAX_DIGITS = 18
_SHOWN_CHARACTERS = 40


class EntryError(ValueError):
    """An entry cannot be used; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An item, with its counters where the feed has any."""

    item: ItemRecord
    snapshot: ItemSnapshot | None


def read_entry(
    fields: Fields, observed_at: datetime, date_of: ReadDate, shared_ids: Collection[str] = ()
) -> Entry:
    """
    Read one entry as feedparser gives it.

    An item's id is the first that it has of: `yt:videoId`, guid or id unless several share it
    (*shared_ids*), the address of its recording, its link, and a digest of its title and date.
    date_of: reads dates as their feed writes them. A date after *observed_at* is none: what is
    pinned to the top by a date has not come out on it.

    Raises:
        EntryError: It has none of them, or a counter that is no count.
    """
    title = title_of(fields)
    # RDF has one date only, and some Atom feeds have nothing but `updated`.
    published_at = date_of(date_text(fields, "published")) or date_of(date_text(fields, "updated"))
    if published_at is not None and published_at > observed_at + _CLOCKS_DIFFER:
        published_at = None
    identity = _item_id(fields, title, published_at, shared_ids)
    item = ItemRecord(
        id=identity,
        title=title or identity,
        published_at=published_at,
        duration_s=_duration_s(fields),
        url=_url(fields),
        category=_category(fields),
    )
    return Entry(item, _snapshot(fields, identity, observed_at))


def shared_ids(entries: Sequence[Fields]) -> frozenset[str]:
    """
    Return the ids that entries share which are not the same: some shows write one for all.

    They differ by their recordings, or by both title and date, since a title alone may have been
    edited. The address of a recording is shared likewise.
    """
    seen: dict[str, list[tuple[str, str, str]]] = {}
    for fields in entries:
        of_entry = (_enclosure(fields), title_of(fields), date_text(fields, "published"))
        for identity in {text_of(fields, "id"), of_entry[0], text_of(fields, "link")}:
            seen.setdefault(identity, []).append(of_entry)

    def differ(found: list[tuple[str, str, str]]) -> bool:
        recordings, titles, published = (set(each) - {""} for each in zip(*found, strict=True))
        return len(recordings) > 1 or (len(titles) > 1 and len(published) > 1)

    return frozenset(identity for identity, found in seen.items() if differ(found))


def _item_id(
    fields: Fields, title: str, published_at: datetime | None, shared_ids: Collection[str]
) -> str:
    own = text_of(fields, "id")
    link = text_of(fields, "link")
    identity = (
        text_of(fields, "yt_videoid")
        or ("" if own in shared_ids else own)
        or ("" if (recording := _enclosure(fields)) in shared_ids else recording)
        or ("" if link in shared_ids else link)
        or _digest(title, published_at)
    )
    if not identity:
        raise EntryError("has neither id, enclosure, link nor title")
    return kept_identity(identity)


def _digest(title: str, published_at: datetime | None) -> str:
    if not title:
        return ""
    text = f"{title} {published_at.isoformat() if published_at else ''}"
    return f"title:{hashlib.sha256(text.encode()).hexdigest()[:_HEX_DIGITS]}"


def _enclosure(fields: Fields) -> str:
    """Leave out pictures: many feeds enclose the same logo in every entry."""
    enclosed = links(fields, "enclosure")
    media = (link for link in enclosed if not text_of(link, "type").startswith("image/"))
    return next((text_of(link, "href") for link in media), "")


def _url(fields: Fields) -> str | None:
    video_id = text_of(fields, "yt_videoid")
    return (
        (youtube_ids.video_url(video_id) if video_id else None)
        or web_address(text_of(fields, "link"))
        or web_address(_enclosure(fields))
    )


def _duration_s(fields: Fields) -> int | None:
    """Zero seconds means that the show's software does not know the length."""
    media = (text_of(content, "duration") for content in listed(fields, "media_content"))
    lengths = map(durations.from_clock, (text_of(fields, "itunes_duration"), *media))
    return next((length for length in lengths if length), None)


def _category(fields: Fields) -> str | None:
    """Return the first category that is none of iTunes' keywords."""
    tags = listed(fields, "tags")
    terms = (
        one_line(text_of(tag, "term"))
        for tag in tags
        if _ITUNES_SCHEME not in str(tag.get("scheme"))
    )
    return next((term for term in terms if term), None)


def _snapshot(fields: Fields, item_id: str, observed_at: datetime) -> ItemSnapshot | None:
    views = _count(attribute(fields, "media_statistics", "views"), "views")
    likes = _likes(fields)
    if views is None and likes is None:
        return None
    return ItemSnapshot(item_id, observed_at, views=views, likes=likes)


def _likes(fields: Fields) -> int | None:
    """
    Count ratings as likes only if all of them are: YouTube's stars are the share of likes.

    Until the end of 2021, when dislikes left its feeds, the count included both.
    """
    ratings = _count(attribute(fields, "media_starrating", "count"), "ratings")
    average = attribute(fields, "media_starrating", "average")
    return ratings if average in _FIVE_STARS else None


def _count(text: str, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise EntryError(f"{name} is not a count: '{text[:_SHOWN_CHARACTERS]}'")
    return int(text)
