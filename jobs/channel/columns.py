"""
All that is known of one channel, as plain columns: what the store returns, needing no library.

A worker passes them to a process that computes; there `jobs.channel.frames` makes data frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.platform_day import PlatformDay
    from jobs.channel.records import ChannelRecord
    from jobs.channel.scope import Scope

Columns: TypeAlias = "tuple[Sequence[Any], ...]"
"""The values of each column, in the order of the names below; empty without a row."""

DAILY = ("observed_at", "subscribers", "views", "items")
ITEMS = (
    "item_id",
    "title",
    "published_at",
    "duration_s",
    "category",
    "tags",
    "live",
    "left_at",
    "url",
)
ITEM_SNAPSHOTS = ("item_id", "observed_at", "views", "likes", "comments")
GAINS = ("day", "views", "subscribers")
ITEM_GAINS = ("item_id", "day", "views")
FIGURES = (
    "first",
    "last",
    "views",
    "impressions",
    "click_through",
    "watch_s",
    "view_s",
    "viewed",
    "stayed",
    "viewers",
    "new_viewers",
    "returning_viewers",
    "subscribers",
    "subscribers_gained",
    "subscribers_lost",
)
ITEM_FIGURES = ("item_id", *FIGURES)


@dataclass(frozen=True, slots=True)
class ChannelColumns:
    """
    One channel's rows, by column. Times are microseconds since 1970, days are dates.

    The channel's counters, gains and figures are in order of time; the rest is unordered.
    """

    channel: ChannelRecord
    daily: Columns
    items: Columns
    item_snapshots: Columns
    gains: Columns
    item_gains: Columns
    figures: Columns = ()
    item_figures: Columns = ()
    scopes: Sequence[Scope] = ()
    platform_days: Sequence[PlatformDay] = ()
