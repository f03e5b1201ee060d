"""The highest day of the daily views, and what in the data explains it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

Why = Literal["platform", "late", "item", "published", "unknown"]

SHOWN_DAYS = 400
"""The days that the chart of daily views shows."""

AROUND = 14
_FEWEST = 7
_SHARE = 0.2
"""An item with less of a day's views does not explain it."""

_CAUGHT_UP = 1.25

NOT_EXPLAINED = Missing(
    reason="The program that made this analysis did not explain the highest day: sync it anew."
)


class Peak(Section):
    """
    The day with the most *views*, and the *usual* ones: the median of the days around it.

    *why* is what the data has on it: the *platform*'s counters caught up everywhere, the channel's
    was *late* the day before, one *item* gained *item_views* of them, one was *published* then or
    the day before; or nothing, *unknown*.
    """

    day: date
    views: int
    usual: float
    why: Why
    item_id: str | None = None
    title: str | None = None
    published_at: datetime | None = None
    url: str | None = None
    item_views: int | None = None

    @property
    def ratio(self) -> float:
        """How many times the usual it is."""
        return self.views / self.usual


def peak(data: ChannelData) -> Peak | Missing:
    """Return the highest day of those that are shown, or why there is none."""
    gains = channel_gains(data, "views")
    shown = gains.gains[-SHOWN_DAYS:]
    if np.count_nonzero(~np.isnan(shown)) < _FEWEST:
        return Missing(reason=f"A highest day needs {_FEWEST} days of known views.")
    at = gains.gains.size - shown.size + int(np.nanargmax(shown))
    around = np.delete(gains.gains[max(0, at - AROUND) : at + AROUND + 1], min(at, AROUND))
    usual = float(np.nanmedian(around))
    if usual <= 0:
        return Missing(reason="Around its highest day, the channel has no views to compare with.")
    day: date = gains.days[at].item()
    found = Peak(day=day, views=round(gains.gains[at]), usual=usual, why="unknown")
    return _explained(found, data, gains, at)


def _explained(found: Peak, data: ChannelData, gains: DailyGains, at: int) -> Peak:
    if any(one.day == found.day and one.factor >= _CAUGHT_UP for one in data.platform_days):
        return found.model_copy(update={"why": "platform"})
    if at and not gains.gains[at - 1] > 0:
        return found.model_copy(update={"why": "late"})
    brought = _most_on(data, found.day)
    if brought is not None and brought[1] >= _SHARE * found.views:
        return _of_item(found, data, brought[0], why="item", views=round(brought[1]))
    new = _published_by(data, found.day)
    return found if new is None else _of_item(found, data, new, why="published")


def _most_on(data: ChannelData, day: date) -> tuple[str, float] | None:
    """Return the item that gained most on *day*, and how much; None where that is not known."""
    if not data.item_gains.is_empty():
        on = data.item_gains.filter(pl.col("day") == day).drop_nulls("views")
        best = on.sort("views", "item_id", descending=[True, False]).head(1)
        return None if best.is_empty() else (best["item_id"][0], float(best["views"][0]))
    by_day = (
        data.item_snapshots.lazy()
        .drop_nulls("views")
        .with_columns(pl.col("observed_at").dt.date().alias("day"))
        .filter(pl.col("day").is_between(day - timedelta(days=1), day + timedelta(days=1)))
        .group_by("item_id", "day")
        .agg(pl.col("views").last())
        .sort("item_id", "day")
        .with_columns(pl.col("views").diff().over("item_id").alias("gained"))
        .drop_nulls("gained")
        .sort("gained", "item_id", descending=[True, False])
        .head(1)
        .collect()
    )
    return None if by_day.is_empty() else (by_day["item_id"][0], float(by_day["gained"][0]))


def _published_by(data: ChannelData, day: date) -> str | None:
    """Return the most viewed item that came out on *day* or on the one before."""
    if data.channel.successes_only:
        return None
    end = datetime.combine(day + timedelta(days=1), time(tzinfo=UTC))
    new = data.items.filter(
        (pl.col("published_at") >= end - timedelta(days=2)) & (pl.col("published_at") < end)
    ).sort("views", "item_id", descending=[True, False], nulls_last=True)
    return None if new.is_empty() else str(new["item_id"][0])


def _of_item(
    found: Peak, data: ChannelData, item_id: str, *, why: Why, views: int | None = None
) -> Peak:
    row = data.items.row(by_predicate=pl.col("item_id") == item_id, named=True)
    return found.model_copy(
        update={
            "why": why,
            "item_id": item_id,
            "title": row["title"],
            "published_at": row["published_at"],
            "url": row["url"],
            "item_views": views,
        }
    )
