"""
Everything durable about channels, in SQLite or PostgreSQL.

`await migrate(url)` makes the tables; `async with open_store(url) as store` opens the
`ChannelStore`. Each method of its parts is one transaction.
"""

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
