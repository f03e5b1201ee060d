"""
What a source has about a channel: plain records, the same whatever the source.

A *channel* publishes *items* (videos, episodes, streams). Both have counters that are read from
time to time; one reading of them is a *snapshot*. Counters are stored as they were read: a
rounded, missing or falling one is a fact about the source, never corrected here.

An owner's export has what came in on each day instead: a *gain*. Gains are never added up into a
counter, since what came before the first day is not known. What only an owner sees, such as
impressions and watch time, are the *figures* of a span of days.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.channel.scope import Scope

EVER = datetime.min.replace(tzinfo=UTC)
"""Before any publication: `Listing.since` of a source that lists all its items."""

FROM_THE_FIRST = date.min
"""`Figures.first` of figures of a whole lifetime."""


class Platform(StrEnum):
    """Where a channel publishes."""

    YOUTUBE = "youtube"
    PODCAST = "podcast"
    STREAM = "stream"
    TIKTOK = "tiktok"
    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """
    One channel. *id* is stable across sources and runs, and unique in the store.

    A YouTube channel has its `UC…` id; a feed without one `feed:` and twelve hexadecimal
    digits of its identity; a generated sample `sample:` and its name; a channel of which only the
    title is known `title:` and digits of it; one that nothing names `path:` and digits of its
    place.

    *successes_only* says that its source lists items only while they do well, as a trending list
    does: they allow no conclusion about the channel's other items. False if a source lists
    everything, None if that is not known.

    *time_zone* is that of its publisher's clock, by its name in the tz database; None for UTC. No
    source gives it.
    """

    id: str
    title: str
    platform: Platform
    url: str | None = None
    generated: bool = False
    successes_only: bool | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """
    One published item; *id* is unique within its channel. Times are aware and in UTC.

    *tags* are the publisher's own keywords, one line each and in their order; empty if the source
    gives none. *live* says whether it was broadcast live; None if that is not known.
    """

    id: str
    title: str
    published_at: datetime | None = None
    duration_s: int | None = None
    url: str | None = None
    category: str | None = None
    tags: Sequence[str] = ()
    live: bool | None = None


@dataclass(frozen=True, slots=True)
class ChannelSnapshot:
    """A channel's counters at *observed_at*; None means that the source gave none, never zero."""

    observed_at: datetime
    subscribers: int | None = None
    views: int | None = None
    items: int | None = None


@dataclass(frozen=True, slots=True)
class ItemSnapshot:
    """An item's counters at *observed_at*; None means that the source gave none, never zero."""

    item_id: str
    observed_at: datetime
    views: int | None = None
    likes: int | None = None
    comments: int | None = None


@dataclass(frozen=True, slots=True)
class ChannelGain:
    """
    What came in on *day*, a whole day of the platform (YouTube's ends at midnight Pacific).

    *subscribers* are net, so they may be negative; None means that the source gave none.
    """

    day: date
    views: int | None = None
    subscribers: int | None = None


@dataclass(frozen=True, slots=True)
class ItemGain:
    """What came in for one item on *day*, like `ChannelGain` for the whole channel."""

    item_id: str
    day: date
    views: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """
    What only an owner sees, over the days *first* to *last*, both inclusive.

    *impressions* are how often a thumbnail was shown, *click_through* the share of them that became
    a view. *watch_s* is the time watched, in seconds, *view_s* that of the average view, *viewed*
    the share of an item that the average view watched (over 1 where items run in a loop), *stayed*
    the share that did not swipe away. *subscribers* are net. None means that the source gave none.
    """

    first: date
    last: date
    views: int | None = None
    impressions: int | None = None
    click_through: float | None = None
    watch_s: int | None = None
    view_s: int | None = None
    viewed: float | None = None
    stayed: float | None = None
    viewers: int | None = None
    new_viewers: int | None = None
    returning_viewers: int | None = None
    subscribers: int | None = None
    subscribers_gained: int | None = None
    subscribers_lost: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFigures(Figures):
    """The figures of one item; those of a channel are no sum of its items'."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Reject:
    """One row or entry that could not be used: where it is, and why. Lines count from 1."""

    location: str
    line: int | None
    reason: str
    channel_id: str | None = None


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where a channel's data comes from: enough to open the source again in another process."""

    kind: str
    location: str


@dataclass(frozen=True, slots=True)
class Listing:
    """
    Which items a source listed *at* that time, if it can be read again.

    It distinguishes an item that left its source from one that was not mentioned. *since*: every
    item published after it is among *item_ids*, so a known item that is missing has left; None if
    the source promises nothing like that, `EVER` if it lists everything. *gone* were requested by
    id and do not exist.
    """

    at: datetime
    item_ids: Sequence[str]
    since: datetime | None = None
    gone: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ChannelReading:
    """All that one source has about one channel. Later readings add to and update earlier ones."""

    channel: ChannelRecord
    items: Sequence[ItemRecord] = ()
    channel_snapshots: Sequence[ChannelSnapshot] = ()
    item_snapshots: Sequence[ItemSnapshot] = ()
    channel_gains: Sequence[ChannelGain] = ()
    item_gains: Sequence[ItemGain] = ()
    channel_figures: Sequence[Figures] = ()
    item_figures: Sequence[ItemFigures] = ()
    rejects: Sequence[Reject] = field(default=())
    listing: Listing | None = None
    scope: Scope | None = None


class SyncOutcome(StrEnum):
    """
    How reading a source ended.

    UNCHANGED: nothing changed since the last reading. PARKED: it is read later through no fault
    of its own, such as when its quota is used up.
    """

    READ = "read"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class SourceResult:
    """
    The result of reading one source of a channel, *at* that time.

    *reason* is one line for people if nothing was read. *memory* is what the source needs for its
    next reading (an ETag, say), as JSON; None keeps the former one.
    """

    ref: SourceRef
    at: datetime
    outcome: SyncOutcome
    reason: str = ""
    reading: ChannelReading | None = None
    memory: Mapping[str, Any] | None = None
