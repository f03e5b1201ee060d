"""
Everything durable about channels, in SQLite or PostgreSQL.

`await migrate(url)` makes the tables; `async with open_store(url) as store` opens the
`ChannelStore`. Each method of its parts is one transaction.

Each name is imported at its first use: a process that computes gets rows, and needs no database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.lazy_import import lazy_names

if TYPE_CHECKING:
    from jobs.store.channel_store import ChannelStore, open_store
    from jobs.store.errors import NotStoredError, StoreError, StoreLostError
    from jobs.store.outbox import Outbox
    from jobs.store.rows import (
        ChannelCounts,
        ChannelOverview,
        ChannelSchedule,
        Delivery,
        DeliveryState,
        ListedChannel,
        ScheduledChannel,
        StoredAnalysis,
        StoredChart,
        StoredNotification,
        StoredProfile,
        StoredRecommendation,
        StoredRendering,
        StoredSource,
        SyncCounts,
        UnreadableChannel,
    )
    from jobs.store.schema import migrate, revert

__all__ = [
    "ChannelCounts",
    "ChannelOverview",
    "ChannelSchedule",
    "ChannelStore",
    "Delivery",
    "DeliveryState",
    "ListedChannel",
    "NotStoredError",
    "Outbox",
    "ScheduledChannel",
    "StoreError",
    "StoreLostError",
    "StoredAnalysis",
    "StoredChart",
    "StoredNotification",
    "StoredProfile",
    "StoredRecommendation",
    "StoredRendering",
    "StoredSource",
    "SyncCounts",
    "UnreadableChannel",
    "migrate",
    "open_store",
    "revert",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ChannelCounts": "rows",
        "ChannelOverview": "rows",
        "ChannelSchedule": "rows",
        "ChannelStore": "channel_store",
        "Delivery": "rows",
        "DeliveryState": "rows",
        "ListedChannel": "rows",
        "NotStoredError": "errors",
        "Outbox": "outbox",
        "ScheduledChannel": "rows",
        "StoreError": "errors",
        "StoreLostError": "errors",
        "StoredAnalysis": "rows",
        "StoredChart": "rows",
        "StoredNotification": "rows",
        "StoredProfile": "rows",
        "StoredRecommendation": "rows",
        "StoredRendering": "rows",
        "StoredSource": "rows",
        "SyncCounts": "rows",
        "UnreadableChannel": "rows",
        "migrate": "schema",
        "open_store": "channel_store",
        "revert": "schema",
    },
)
