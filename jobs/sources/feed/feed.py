"""
Feeds: RSS, Atom and RDF, with YouTube's, iTunes' and the podcast namespace's tags.

One document is one recording of one channel. Several recordings of a feed are of one channel
(see `identity`), and their counters are snapshots at different times:

1. the time in the file's name, as in `news_2021-04-08T122223Z.xml`, else
2. for an address, the time of fetching it by the server's clock, else
3. the newest date in the document that is not in the future, else
4. when the file was last changed.

Dates are read as `values.dates` does, all of a feed together.

A feed has no counters of the channel itself, and those of items on YouTube only. Entries that
cannot be used are rejects. Of several entries with one id the last one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jobs.channel.addresses import web_address
from jobs.channel.records import ChannelReading, ChannelRecord, Listing, Platform, Reject, SourceRef
from jobs.channel.text import one_line
from jobs.sources.description import joined, oddities, why_none
from jobs.sources.feed.entry import Entry, EntryError, read_entry, shared_ids
from jobs.sources.feed.fields import date_text, links, text_of, title_of
from jobs.sources.feed.identity import feed_id, youtube_channel
from jobs.sources.feed.markup import MOST_ATTRIBUTES, has_endless_tag, what_it_is
from jobs.sources.source import SourceError, shown
from jobs.sources.text import as_utf8
from jobs.sources.values import dates, times, youtube_ids
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.sources.document import Document
    from jobs.sources.feed.entry import ReadDate
    from jobs.sources.feed.fields import Fields

KIND = "feed"

_TEMPLATE = re.compile(r"\{\{.*\}\}|\{%.*%\}|<%.*%>|<\?php")
_PODCAST_NAMESPACES = frozenset({"itunes", "podcast"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A recording of a feed that was read; see `Source`. It knows one channel."""

    ref: SourceRef
    rejects: Sequence[Reject]
    observed_at: datetime
    channel: ChannelRecord
    entries: Sequence[Entry]
    oddities: str
    fetched: bool = False

    def describe(self) -> str:
        """Describe whose feed it is, how many items it has, when it was recorded, what is odd."""
        what = (
            "feed" if self.channel.platform is Platform.OTHER else f"{self.channel.platform} feed"
        )
        return joined(
            f"{what} '{self.channel.title}'",
            counted(len(self.entries), "item"),
            self._undated(),
            f"as of {self.observed_at:%Y-%m-%d %H:%M} UTC",
            self.oddities,
        )

    def _undated(self) -> str:
        undated = sum(entry.item.published_at is None for entry in self.entries)
        if undated == len(self.entries):
            return "none of them dated" if undated else ""
        return f"{undated:,} without a date" if undated else ""

    def channels(self) -> Sequence[ChannelRecord]:
        """Return the one channel."""
        return [self.channel]

    def read(self, channel_id: str) -> ChannelReading:
        """Return all items with the counters that the feed has, and rejected entries."""
        if channel_id != self.channel.id:
            raise SourceError(self.ref.location, f"has no channel {channel_id}")
        return ChannelReading(
            channel=self.channel,
            items=[entry.item for entry in self.entries],
            item_snapshots=[entry.snapshot for entry in self.entries if entry.snapshot],
            rejects=self.rejects,
            listing=self._listing() if self.fetched else None,
        )

    def _listing(self) -> Listing:
        """
        Return what the feed listed when it was fetched.

        Feeds are cut to the newest items, so the listing is complete from its oldest item on. It
        is not known to be if entries are out of order, or a date is missing.
        """
        dates = [entry.item.published_at for entry in self.entries]
        known = [date for date in dates if date is not None]
        cut_by_date = bool(known) and len(known) == len(dates) and not self.rejects
        newest_first = all(older <= newer for newer, older in pairwise(known))
        return Listing(
            at=self.observed_at,
            item_ids=[entry.item.id for entry in self.entries],
            since=known[-1] if cut_by_date and newest_first else None,
        )


def parse(document: Document) -> Feed:
    """
    Read a recording of a feed. Nothing that it refers to is ever fetched.

    Raises:
        SourceError: It is no feed, or nothing in it can be used.
    """
    parsed = _parsed(document)
    feed, fields = parsed.feed, parsed.entries
    _refuse_template(document, [feed, *fields])
    date_of = dates.read_column(_date_texts([feed, *fields]), mixed=True).read
    observed_at = _observed_at(document, [feed, *fields], date_of)
    channel = _channel(document, parsed)
    location = shown(document.location)
    reading = _read_entries(fields, observed_at, date_of, location, channel.id)
    if not reading.entries and not (title_of(feed) or web_address(text_of(feed, "link"))):
        reason = "is a feed without title and link, and without any usable entry"
        raise SourceError(document.location, reason, why_none(reading.rejects))
    return Feed(
        ref=SourceRef(KIND, document.location),
        rejects=reading.rejects,
        observed_at=observed_at,
        channel=channel,
        entries=reading.entries,
        oddities=_oddities(parsed, reading),
        fetched=document.fetched_at is not None,
    )


def _parsed(document: Document) -> Any:
    """
    Parse the document, around three mistakes of feedparser's.

    It takes bare bytes for a path, UTF-16 for UTF-8, and white space at the start for damage.
    """
    # A tenth of what a process imports before it reads its first source.
    import feedparser

    content = as_utf8(document.content).lstrip()
    if has_endless_tag(content):
        reason = f"has a tag with more than {MOST_ATTRIBUTES:,} attributes"
        raise SourceError(document.location, reason, "Check where it was copied from")
    try:
        parsed = feedparser.parse(
            BytesIO(content), resolve_relative_uris=False, sanitize_html=False
        )
    except Exception as error:  # its many parsers raise anything; the document is at fault
        reason = f"is too damaged to be read as a feed ({type(error).__name__}: {error})"
        raise SourceError(document.location, reason) from error
    if not parsed.get("version") and not parsed.entries:
        reason = f"is {what_it_is(document.content)}, not a feed"
        raise SourceError(document.location, reason, "Check where it was copied from")
    return parsed


def _refuse_template(document: Document, fields: Sequence[Fields]) -> None:
    """Refuse what a program makes feeds of: its titles are the names of what stands there."""
    for part in fields:
        if _TEMPLATE.search(title_of(part)):
            reason = "is a template of which a program makes a feed, and no feed itself"
            remedy = "Name the feed that is made of it, by its address"
            raise SourceError(document.location, reason, remedy)


def _date_texts(fields: Sequence[Fields]) -> Iterator[str]:
    for part in fields:
        for name in ("updated", "published"):
            yield date_text(part, name)


def _observed_at(document: Document, fields: Sequence[Fields], date_of: ReadDate) -> datetime:
    recorded_at = times.from_name(document.name) or document.fetched_at
    if recorded_at:
        return recorded_at
    now = datetime.now(UTC)
    found = [date for text in _date_texts(fields) if (date := date_of(text)) and date <= now]
    return max(found, default=None) or document.modified_at or now


def _channel(document: Document, parsed: Any) -> ChannelRecord:
    feed = parsed.feed
    on_youtube = youtube_channel(feed, parsed.entries)
    named = title_of(feed) or text_of(feed, "link") or document.name or shown(document.location)
    title = one_line(named)
    if on_youtube:
        return ChannelRecord(
            on_youtube, title, Platform.YOUTUBE, youtube_ids.channel_url(on_youtube)
        )
    identity = feed_id(feed, document.location)
    return ChannelRecord(identity, title, _platform(parsed), web_address(text_of(feed, "link")))


def _platform(parsed: Any) -> Platform:
    if text_of(parsed.feed, "yt_playlistid"):
        return Platform.YOUTUBE
    spoken = any(
        str(link.get("type", "")).startswith("audio/")
        for entry in parsed.entries
        for link in links(entry, "enclosure")
    )
    tagged = not _PODCAST_NAMESPACES.isdisjoint(parsed.namespaces)
    return Platform.PODCAST if spoken or tagged else Platform.OTHER


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries that count, and what became of the others."""

    entries: Sequence[Entry]
    rejects: Sequence[Reject]
    repeated: int


def _read_entries(
    entries: Sequence[Fields],
    observed_at: datetime,
    date_of: ReadDate,
    location: str,
    channel_id: str,
) -> _Entries:
    shared = shared_ids(entries)
    kept: dict[str, tuple[int, Entry]] = {}
    reasons: list[str] = []
    repeated = 0
    for number, fields in enumerate(entries, start=1):
        try:
            entry = read_entry(fields, observed_at, date_of, shared)
        except EntryError as error:
            reasons.append(f"entry {number} {error}")
            continue
        earlier = kept.pop(entry.item.id, None)
        if earlier and earlier[1] != entry:
            reasons.append(f"entry {earlier[0]} has the id of entry {number}, which counts")
        elif earlier:
            repeated += 1
        kept[entry.item.id] = (number, entry)
    rejects = [Reject(location, None, reason, channel_id) for reason in reasons]
    return _Entries([entry for _, entry in kept.values()], rejects, repeated)


def _oddities(parsed: Any, reading: _Entries) -> str:
    """Markup whose encoding had to be guessed may still be well-formed."""
    import feedparser

    fault = parsed.get("bozo_exception")
    well_formed = fault is None or isinstance(fault, feedparser.ThingsNobodyCaresAboutButMe)
    counts = oddities(rejected=len(reading.rejects), repeated=reading.repeated, noun="item")
    return joined("" if well_formed else "not well-formed", counts)
