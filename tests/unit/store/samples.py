"""Small channels for the store's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobs.channel.records import (
    ChannelReading,
    ChannelRecord,
    ChannelSnapshot,
    ItemRecord,
    ItemSnapshot,
    Platform,
)
from jobs.store import StoredNotification

DAY = timedelta(days=1)
START = datetime(2026, 1, 17, 4, 30, 0, 123456, tzinfo=UTC)
CHANNEL = ChannelRecord("UC0", "Cours de données", Platform.YOUTUBE, "https://example.org/c")


def reading(channel_id: str = CHANNEL.id, *, items: int = 3, days: int = 5) -> ChannelReading:
    """Make a channel with daily counters, and items with one snapshot each."""
    return ChannelReading(
        ChannelRecord(channel_id, f"Channel {channel_id}", Platform.YOUTUBE),
        items=[
            ItemRecord(f"v{n}", f"Vidéo {n}", START - n * DAY, 60 * n, category="28")
            for n in range(items)
        ],
        channel_snapshots=[
            ChannelSnapshot(START + n * DAY, 12_300, 1_000_000 + n, items) for n in range(days)
        ],
        item_snapshots=[ItemSnapshot(f"v{n}", START, 100 * n, n) for n in range(items)],
    )


def notification(key: str, channel_id: str | None = CHANNEL.id) -> StoredNotification:
    """Make a notification."""
    return StoredNotification(key, channel_id, "quiet", f"Title of {key}", "Body", START, None)
