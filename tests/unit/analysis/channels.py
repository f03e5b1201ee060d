"""Small channels for the tests of analysis, recommendations and charts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobs.channel.data import DAILY, ITEM_SNAPSHOTS, ITEMS, ChannelData
from jobs.channel.records import ChannelRecord, Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.records import ChannelReading

DAY = timedelta(days=1)
START = datetime(2026, 1, 5, 6, tzinfo=UTC)
"""A Monday, 06:00 UTC."""
CHANNEL = ChannelRecord("UC0", "Une chaîne", Platform.YOUTUBE)
ITEM_COLUMNS = {
    name: kind for name, kind in ITEMS.items() if name not in ITEM_SNAPSHOTS or name == "item_id"
}
"""The columns of an item, without its counters."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item, published *published_day* days after START, read *read_day* days after it."""

    published_day: float
    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    duration_s: int | None = 600
    title: str = "A title"
    read_day: float = 400.0
    tags: tuple[str, ...] = ()
    live: bool | None = None
    left_day: float | None = None
    url: str | None = None


def channel_data(
    *,
    views: Sequence[int | None] = (),
    subscribers: Sequence[int | None] = (),
    counted: Sequence[int | None] = (),
    days: Sequence[int] | None = None,
    items: Sequence[Item] = (),
    channel: ChannelRecord = CHANNEL,
) -> ChannelData:
    """Make a channel: counters read once on each of *days* after START, and items."""
    length = max(len(views), len(subscribers), len(counted))
    read_on = list(days) if days is not None else list(range(length))
    daily = pl.DataFrame(
        {
            "observed_at": [START + day * DAY for day in read_on],
            "subscribers": list(subscribers) or [None] * length,
            "views": list(views) or [None] * length,
            "items": list(counted) or [None] * length,
        },
        schema=DAILY,
    )
    snapshots = pl.DataFrame(
        [
            (f"v{i}", START + item.read_day * DAY, item.views, item.likes, item.comments)
            for i, item in enumerate(items)
            if item.views is not None
        ],
        schema=ITEM_SNAPSHOTS,
        orient="row",
    ).sort("item_id", "observed_at")
    item_rows = pl.DataFrame(
        [
            (
                f"v{i}",
                item.title,
                START + item.published_day * DAY,
                item.duration_s,
                None,
                "\n".join(item.tags) or None,
                item.live,
                None if item.left_day is None else START + item.left_day * DAY,
                item.url,
            )
            for i, item in enumerate(items)
        ],
        schema=ITEM_COLUMNS,
        orient="row",
    )
    return ChannelData(channel, daily, _joined(item_rows, snapshots), snapshots)


def of_reading(reading: ChannelReading) -> ChannelData:
    """Make a channel from one source's reading."""
    daily = pl.DataFrame(
        [(s.observed_at, s.subscribers, s.views, s.items) for s in reading.channel_snapshots],
        schema=DAILY,
        orient="row",
    ).sort("observed_at")
    snapshots = pl.DataFrame(
        [(s.item_id, s.observed_at, s.views, s.likes, s.comments) for s in reading.item_snapshots],
        schema=ITEM_SNAPSHOTS,
        orient="row",
    ).sort("item_id", "observed_at")
    item_rows = pl.DataFrame(
        [
            (
                i.id,
                i.title,
                i.published_at,
                i.duration_s,
                i.category,
                "\n".join(i.tags) or None,
                i.live,
                None,
                i.url,
            )
            for i in reading.items
        ],
        schema=ITEM_COLUMNS,
        orient="row",
    )
    return ChannelData(reading.channel, daily, _joined(item_rows, snapshots), snapshots)


def growing(days: int, *, per_day: int = 1000, seed: int = 1, start: int = 50_000) -> list[int]:
    """Make a view counter with a weekly rhythm and noise."""
    rng = np.random.default_rng(seed)
    rhythm = 1 + 0.3 * np.sin(2 * np.pi * np.arange(days) / 7)
    gains = per_day * rhythm * rng.lognormal(0, 0.15, days)
    counter: list[int] = (start + np.cumsum(gains).astype(int)).tolist()
    return counter


def catalogue(
    n: int = 60, *, seed: int = 2, every_days: float = 2.3, spread: float = 0.4
) -> list[Item]:
    """Make items of two lengths whose views depend on nothing but chance."""
    rng = np.random.default_rng(seed)
    reach = rng.lognormal(9, spread, n)
    return [
        Item(
            published_day=i * every_days + float(rng.uniform(0, 0.9)),
            views=int(reach[i]),
            likes=int(reach[i] * rng.uniform(0.02, 0.05)),
            comments=int(reach[i] * rng.uniform(0.001, 0.004)),
            duration_s=int(rng.choice([45, 600])),
            title=f"Item {i}",
        )
        for i in range(n)
    ]


def titled(items: Sequence[Item], title: str) -> list[Item]:
    """Give all *items* the same title."""
    return [replace(item, title=title) for item in items]


def _joined(items: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    latest = snapshots.group_by("item_id").agg(
        pl.col("views", "likes", "comments").drop_nulls().last(), pl.col("observed_at").last()
    )
    return (
        items.join(latest, on="item_id", how="left")
        .select(ITEMS.names())
        .sort("published_at", "item_id", nulls_last=True)
    )
