"""Take a channel out of the store, with all that hangs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from jobs.store.models import (
    ChannelGainRow,
    ChannelRow,
    ChannelSnapshotRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Children first, each by the key of its table: the databases' own cascade goes row by row.
_LARGE = (ItemGainRow, ItemSnapshotRow, ItemRow, ChannelGainRow, ChannelSnapshotRow)


def remove_channel(connection: Connection, channel_id: str) -> bool:
    """Remove it; whether it was there."""
    for model in _LARGE:
        connection.execute(delete(model).where(model.channel_id == channel_id))
    removed = connection.execute(delete(ChannelRow).where(ChannelRow.id == channel_id))
    return removed.rowcount > 0
