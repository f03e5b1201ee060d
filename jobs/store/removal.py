"""Removal of a channel with everything that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from jobs.store.models import (
    ChannelFiguresRow,
    ChannelGainRow,
    ChannelRow,
    ChannelSnapshotRow,
    ItemFiguresRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Children first, each by the key of its table: the databases cascade row by row.
_LARGE = (
    ItemFiguresRow,
    ItemGainRow,
    ItemSnapshotRow,
    ItemRow,
    ChannelFiguresRow,
    ChannelGainRow,
    ChannelSnapshotRow,
)


def remove_channel(connection: Connection, channel_id: str) -> bool:
    """Remove the channel with all that is known and made of it; False if there is none."""
    for model in _LARGE:
        connection.execute(delete(model).where(model.channel_id == channel_id))
    removed = connection.execute(delete(ChannelRow).where(ChannelRow.id == channel_id))
    return removed.rowcount > 0
