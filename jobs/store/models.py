"""
The tables.

    channels ─┬─ channel_sources      where a channel's data comes from
              │        ├─ source_syncs        how reading it went last
              │        └─ source_credentials  its address, if that holds a secret
              ├─ channel_schedules    when it is synced next
              ├─ channel_snapshots    its counters, one row per observation
              ├─ channel_gains        what came in on a day, from an owner's export
              ├─ channel_figures      what only an owner sees, of a span of days
              ├─ items ─┬─ item_snapshots
              │         ├─ item_gains
              │         └─ item_figures
              ├─ analyses ─┬─ charts
              │            ├─ recommendations
              │            └─ renderings
              ├─ channel_summaries    what its newest report says first
              ├─ channel_profiles     what its content is like, and similar channels
              └─ notifications ── deliveries
    quota_days                        units of an API that were spent

Every key comes from the data, none from the database: writing a record again finds the first
one. Deleting a row deletes the rows that refer to it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobs.store.types import JsonDocument, StorableText, UtcDateTime


class Base(DeclarativeBase):
    """What all tables share: column types by annotation, and names for every constraint."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: JsonDocument(),
        int: BigInteger(),
        str: StorableText(),
    }
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


NAMED = {"stays_where": "named"}
"""Marks a column that keeps its value where a person chose it."""

HOLDS_OF_ALL = {"holds_of_all": True}
"""Marks a column that is true only while every source of the row says so."""


def _key_of(parent: str) -> Any:
    return mapped_column(ForeignKey(parent, ondelete="CASCADE"), primary_key=True)


def _part_of(parent: str) -> Any:
    return mapped_column(ForeignKey(parent, ondelete="CASCADE"))


class ChannelRow(Base):
    """One channel; *named* says that a person chose its title, who alone gives a *time_zone*."""

    __tablename__ = "channels"

    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(info=NAMED)
    platform: Mapped[str]
    url: Mapped[str | None]
    generated: Mapped[bool]
    successes_only: Mapped[bool | None] = mapped_column(info=HOLDS_OF_ALL)
    named: Mapped[bool | None]
    time_zone: Mapped[str | None]


class SourceRow(Base):
    """One place that a channel's data comes from; *position* is the order of registration."""

    __tablename__ = "channel_sources"

    channel_id: Mapped[str] = _key_of("channels.id")
    kind: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class SourceCredentialRow(Base):
    """
    The whole address of a source whose address holds a secret; the others have no row.

    Everything else knows the source by its *location* without it.
    """

    __tablename__ = "source_credentials"
    __table_args__ = (
        ForeignKeyConstraint(
            ["channel_id", "kind", "location"],
            ["channel_sources.channel_id", "channel_sources.kind", "channel_sources.location"],
            ondelete="CASCADE",
        ),
    )

    channel_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]


class SourceSyncRow(Base):
    """How reading a source went last, its *scope*, and what it remembers for the next time."""

    __tablename__ = "source_syncs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["channel_id", "kind", "location"],
            ["channel_sources.channel_id", "channel_sources.kind", "channel_sources.location"],
            ondelete="CASCADE",
        ),
    )

    channel_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    tried_at: Mapped[datetime]
    succeeded_at: Mapped[datetime | None]
    outcome: Mapped[str]
    reason: Mapped[str]
    consecutive_failures: Mapped[int]
    memory: Mapped[dict[str, Any] | None]
    scope: Mapped[dict[str, Any] | None]


class ScheduleRow(Base):
    """When a channel is synced next; without *every_s* the interval follows what it publishes."""

    __tablename__ = "channel_schedules"
    __table_args__ = (Index(None, "due_at"),)

    channel_id: Mapped[str] = _key_of("channels.id")
    every_s: Mapped[int | None]
    interval_s: Mapped[int]
    due_at: Mapped[datetime]


class QuotaDayRow(Base):
    """Units of an API that an account has spent on one day."""

    __tablename__ = "quota_days"

    account: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int]


class ItemRow(Base):
    """One item of a channel, as it was read last; *tags* hold one tag a line."""

    __tablename__ = "items"

    channel_id: Mapped[str] = _key_of("channels.id")
    item_id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    published_at: Mapped[datetime | None]
    duration_s: Mapped[int | None]
    url: Mapped[str | None]
    category: Mapped[str | None]
    tags: Mapped[str | None]
    live: Mapped[bool | None]
    first_listed_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]


class ChannelSnapshotRow(Base):
    """A channel's counters at one time."""

    __tablename__ = "channel_snapshots"
    # Without rowid the key is the table: half the pages, and a channel's rows lie together.
    __table_args__ = ({"sqlite_with_rowid": False},)

    channel_id: Mapped[str] = _key_of("channels.id")
    observed_at: Mapped[datetime] = mapped_column(primary_key=True)
    subscribers: Mapped[int | None]
    views: Mapped[int | None]
    items: Mapped[int | None]


class PlatformDayRow(Base):
    """A day on which a platform counted *factor* times the usual views, on most *channels*."""

    __tablename__ = "platform_days"

    platform: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    factor: Mapped[float]
    spread: Mapped[float]
    channels: Mapped[int]


class ItemSnapshotRow(Base):
    """An item's counters at one time."""

    __tablename__ = "item_snapshots"
    __table_args__ = (
        ForeignKeyConstraint(
            ["channel_id", "item_id"], ["items.channel_id", "items.item_id"], ondelete="CASCADE"
        ),
        {"sqlite_with_rowid": False},
    )

    channel_id: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    observed_at: Mapped[datetime] = mapped_column(primary_key=True)
    views: Mapped[int | None]
    likes: Mapped[int | None]
    comments: Mapped[int | None]


class ChannelGainRow(Base):
    """What came in for a channel on one day."""

    __tablename__ = "channel_gains"
    __table_args__ = ({"sqlite_with_rowid": False},)

    channel_id: Mapped[str] = _key_of("channels.id")
    day: Mapped[date] = mapped_column(primary_key=True)
    views: Mapped[int | None]
    subscribers: Mapped[int | None]


class ItemGainRow(Base):
    """What came in for an item on one day."""

    __tablename__ = "item_gains"
    __table_args__ = (
        ForeignKeyConstraint(
            ["channel_id", "item_id"], ["items.channel_id", "items.item_id"], ondelete="CASCADE"
        ),
        {"sqlite_with_rowid": False},
    )

    channel_id: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    views: Mapped[int | None]


class _Figures:
    """The columns of `records.Figures`, beside the key."""

    views: Mapped[int | None]
    impressions: Mapped[int | None]
    click_through: Mapped[float | None]
    watch_s: Mapped[int | None]
    view_s: Mapped[int | None]
    viewed: Mapped[float | None]
    stayed: Mapped[float | None]
    viewers: Mapped[int | None]
    new_viewers: Mapped[int | None]
    returning_viewers: Mapped[int | None]
    subscribers: Mapped[int | None]
    subscribers_gained: Mapped[int | None]
    subscribers_lost: Mapped[int | None]


class ChannelFiguresRow(_Figures, Base):
    """What only an owner sees of a channel, from the day *first* to the day *last*."""

    __tablename__ = "channel_figures"
    __table_args__ = ({"sqlite_with_rowid": False},)

    channel_id: Mapped[str] = _key_of("channels.id")
    first: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[date] = mapped_column(primary_key=True)


class ItemFiguresRow(_Figures, Base):
    """The same of one item."""

    __tablename__ = "item_figures"
    __table_args__ = (
        ForeignKeyConstraint(
            ["channel_id", "item_id"], ["items.channel_id", "items.item_id"], ondelete="CASCADE"
        ),
        {"sqlite_with_rowid": False},
    )

    channel_id: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    first: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[date] = mapped_column(primary_key=True)


class AnalysisRow(Base):
    """
    What was found in one state of a channel's data, and when charts and advice were made of it.

    *answers* hold the outcome for every subject examined for recommendations.
    """

    __tablename__ = "analyses"
    __table_args__ = (Index(None, "channel_id", "analysed_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    channel_id: Mapped[str] = _part_of("channels.id")
    fingerprint: Mapped[str]
    document: Mapped[dict[str, Any]]
    analysed_at: Mapped[datetime]
    charted_at: Mapped[datetime | None]
    recommended_at: Mapped[datetime | None]
    answers: Mapped[dict[str, Any] | None]


class SummaryRow(Base):
    """
    What the channel's newest report says first, for lists and pages.

    *change* is how far its last week is from the usual, on either side, to sort by.
    """

    __tablename__ = "channel_summaries"
    __table_args__ = (Index(None, "change", "channel_id"),)

    channel_id: Mapped[str] = _key_of("channels.id")
    change: Mapped[float]
    content: Mapped[dict[str, Any]]
    series: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class ProfileRow(Base):
    """What a channel's content is like, packed, and the most similar channels when compared."""

    __tablename__ = "channel_profiles"

    channel_id: Mapped[str] = _key_of("channels.id")
    fingerprint: Mapped[str]
    profile: Mapped[bytes]
    similar: Mapped[dict[str, Any] | None]
    compared_at: Mapped[datetime | None]


class ChartRow(Base):
    """One chart of an analysis."""

    __tablename__ = "charts"

    analysis_id: Mapped[str] = _key_of("analyses.id")
    key: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    title: Mapped[str]
    spec: Mapped[dict[str, Any]]
    alt: Mapped[str]


class RecommendationRow(Base):
    """One recommendation of an analysis."""

    __tablename__ = "recommendations"

    analysis_id: Mapped[str] = _key_of("analyses.id")
    key: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    title: Mapped[str]
    advice: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    strength: Mapped[str]


class RenderingRow(Base):
    """A file made of an analysis; an empty *chart_key* is the whole report."""

    __tablename__ = "renderings"

    analysis_id: Mapped[str] = _key_of("analyses.id")
    chart_key: Mapped[str] = mapped_column(primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str]
    rendered_at: Mapped[datetime]


class NotificationRow(Base):
    """
    A message that people get once; *delivered_at* is empty until its first delivery.

    *channel_id* is empty if it is about the work itself, such as a job that died.
    """

    __tablename__ = "notifications"
    __table_args__ = (Index(None, "channel_id"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    channel_id: Mapped[str | None] = _part_of("channels.id")
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    recorded_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """
    One notification on its way to one target.

    *state* is a `rows.DeliveryState`. Deliveries that were sent as one message share its
    *message_id*. *claimed_at* is committed before the sending begins.
    """

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "target", "state", "due_at"),)

    key: Mapped[str] = _key_of("notifications.key")
    target: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    message_id: Mapped[str | None]
    claimed_at: Mapped[datetime | None]
    error: Mapped[str | None]
