"""What the store returns and takes, beside the records of a source."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.channel.columns import ChannelColumns
    from jobs.channel.records import ChannelRecord, SourceRef, SyncOutcome
    from jobs.channel.scope import Scope
    from jobs.json_text import JsonText


@dataclass(frozen=True, slots=True)
class SyncCounts:
    """
    What a sync found, compared with the store: distinct keys, not rows of a file.

    Snapshots are those of the channel and its items together, and what came in on single days.
    Items that left their source are kept, and marked until they come back.
    """

    items_new: int = 0
    items_known: int = 0
    snapshots_new: int = 0
    snapshots_known: int = 0
    items_left: int = 0
    items_back: int = 0


@dataclass(frozen=True, slots=True)
class ChannelSync:
    """When a channel was last read successfully, what went wrong since, and when it is due."""

    synced_at: datetime | None = None
    problem: str = ""
    due_at: datetime | None = None


WeekOfCounters: TypeAlias = tuple[int | None, int | None, int | None]
"""The last known subscribers and views, and the growth of views over the seven days before."""


@dataclass(frozen=True, slots=True)
class ChannelOverview:
    """A channel as a list shows it."""

    channel: ChannelRecord
    items: int
    sync: ChannelSync
    counters: WeekOfCounters


@dataclass(frozen=True, slots=True)
class ListedChannel:
    """
    A channel in a list. *summary* is the content of its newest report's summary, if it has one.

    *sync* says when it was read, and why one of its sources could not be.
    """

    channel: ChannelRecord
    sync: ChannelSync
    summary: Mapping[str, Any] | None
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnreadableChannel:
    """A channel of which no source could be read the last time, and why."""

    channel: ChannelRecord
    reason: str
    failures: int
    succeeded_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredSource:
    """
    One source of a channel, and how reading it went last; *outcome* is None before the first time.

    *reason* says in one line why nothing was read. *consecutive_failures* counts since
    *succeeded_at*, when it was last read or found unchanged. *memory* is what it remembers for
    its next reading, *scope* what it was of. *ref* is how it is known and shown; *whole* is what
    opens it, with the secrets that its address holds.
    """

    ref: SourceRef
    whole: SourceRef = field(repr=False)
    tried_at: datetime | None
    succeeded_at: datetime | None
    outcome: SyncOutcome | None
    reason: str
    consecutive_failures: int
    memory: Mapping[str, Any]
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class ChannelSchedule:
    """
    When a channel is synced on its own.

    Attributes:
        channel_id: Id of the channel.
        every_s: The interval that was asked for, in seconds; None follows how often the channel
            publishes.
        interval_s: The interval in force, in seconds.
        due_at: When the channel is synced next.
    """

    channel_id: str
    every_s: int | None
    interval_s: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduledChannel:
    """A channel with its schedule."""

    channel: ChannelRecord
    schedule: ChannelSchedule


@dataclass(frozen=True, slots=True)
class StoredAnalysis:
    """One analysis; *charted_at* and *recommended_at* are None until those jobs are done."""

    id: str
    channel_id: str
    fingerprint: str
    document: dict[str, Any]
    charted_at: datetime | None
    recommended_at: datetime | None
    analysed_at: datetime


@dataclass(frozen=True, slots=True)
class AnalysisRun:
    """What was made of one state of a channel's data, and when; None until that is done."""

    id: str
    analysed_at: datetime
    charted_at: datetime | None
    recommended_at: datetime | None
    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class AnalysedChannel:
    """
    The document of an analysis as it is stored, and what is known of its channel now.

    For a channel without items, that is its record alone: it gets no recommendations.
    """

    document: JsonText
    columns: ChannelColumns


@dataclass(frozen=True, slots=True)
class StoredChart:
    """One chart: a Vega-Lite *spec*, its finding as *title*, and its alternative text *alt*."""

    key: str
    title: str
    spec: Mapping[str, Any]
    alt: str


@dataclass(frozen=True, slots=True)
class StoredRecommendation:
    """One piece of advice, its evidence, and how strong that is."""

    key: str
    title: str
    advice: str
    evidence: Mapping[str, Any]
    strength: str


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """What one channel's content is like, packed."""

    channel_id: str
    title: str
    packed: bytes


@dataclass(frozen=True, slots=True)
class StoredRendering:
    """One file made of an analysis; *chart_key* is None for the whole report."""

    analysis_id: str
    chart_key: str | None
    format: str
    path: str
    rendered_at: datetime


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """
    A message that people get once; *delivered_at* is None until its first delivery.

    *channel_id* is None if it is about the work itself, such as a job that died.
    """

    key: str
    channel_id: str | None
    kind: str
    title: str
    body: str
    recorded_at: datetime
    delivered_at: datetime | None


class DeliveryState(StrEnum):
    """
    The state of a notification's delivery to one target.

    *unconfirmed*: its sender died, or nobody knows whether it arrived. It is not sent again, since
    delivery is at most once. *failed*: it was given up after a day of attempts.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on its way to *target*; *attempts* counts the sendings begun."""

    key: str
    target: str
    channel_id: str | None
    kind: str
    title: str
    body: str
    recorded_at: datetime
    state: DeliveryState
    due_at: datetime
    attempts: int
    error: str | None


@dataclass(frozen=True, slots=True)
class ChannelCounts:
    """What the store has of one channel; *gains* are days with known gains of the channel."""

    items: int = 0
    channel_snapshots: int = 0
    item_snapshots: int = 0
    gains: int = 0
    analyses: int = 0
    charts: int = 0
    recommendations: int = 0
    notifications: int = 0
