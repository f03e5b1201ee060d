"""The platform's own days: what they are measured from, and what was found."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, bindparam, delete, func, insert, select

from jobs.channel.platform_day import PlatformDay
from jobs.store.models import ChannelRow, ChannelSnapshotRow, PlatformDayRow
from jobs.store.types import epoch_us

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sqlalchemy import Connection

    from jobs.channel.records import Platform

MOST_CHANNELS: Final = 2_000
"""So many channels tell a day's factor to a hundredth; more only cost time."""

DAYS: Final = 120

Readings = list[tuple[str, int, int]]
"""Channel, microseconds since 1970, and its counter of views: by channel, then time."""


def views_read(connection: Connection, platform: Platform) -> Readings:
    """Return the counters of views of the platform's channels, of the newest `DAYS` days."""
    channels = (
        select(ChannelRow.id)
        .where(ChannelRow.platform == platform.value)
        .order_by(ChannelRow.id)
        .limit(MOST_CHANNELS)
    ).subquery()
    of_these = ChannelSnapshotRow.channel_id.in_(select(channels.c.id))
    newest = connection.scalar(select(func.max(ChannelSnapshotRow.observed_at)).where(of_these))
    if newest is None:
        return []
    found = connection.execute(
        select(
            ChannelSnapshotRow.channel_id,
            epoch_us(ChannelSnapshotRow.__table__.c.observed_at),
            ChannelSnapshotRow.views,
        )
        .where(of_these, ChannelSnapshotRow.views.is_not(None))
        .where(ChannelSnapshotRow.observed_at > newest - timedelta(days=DAYS))
        .order_by(ChannelSnapshotRow.channel_id, ChannelSnapshotRow.observed_at)
    )
    return [(channel_id, at, views) for channel_id, at, views in found if views is not None]


def save_platform_days(
    connection: Connection, platform: Platform, since: date, found: Sequence[PlatformDay]
) -> None:
    """Store what was found from *since* on, in place of what was found there before."""
    connection.execute(
        delete(PlatformDayRow).where(
            PlatformDayRow.platform == platform.value, PlatformDayRow.day >= since
        )
    )
    if found:
        connection.execute(
            insert(PlatformDayRow),
            [
                {
                    "platform": platform.value,
                    "day": one.day,
                    "factor": one.factor,
                    "spread": one.spread,
                    "channels": one.channels,
                }
                for one in found
            ],
        )


def platform_days(
    connection: Connection, platform: Platform, first: date, last: date
) -> list[PlatformDay]:
    """Return the platform's own days from *first* to *last*, in order of time."""
    found = connection.execute(_DAYS, {"platform": platform.value, "first": first, "last": last})
    return [PlatformDay(*row) for row in found]


_DAYS = (
    select(
        PlatformDayRow.day, PlatformDayRow.factor, PlatformDayRow.spread, PlatformDayRow.channels
    )
    .where(PlatformDayRow.platform == bindparam("platform", type_=String()))
    .where(PlatformDayRow.day.between(bindparam("first"), bindparam("last")))
    .order_by(PlatformDayRow.day)
)
