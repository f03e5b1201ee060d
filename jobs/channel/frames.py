"""Make data frames of a channel's columns, with the order and types that `ChannelData` promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.channel import columns
from jobs.channel.data import (
    DAILY,
    FIGURES,
    GAINS,
    ITEM_FIGURES,
    ITEM_GAINS,
    ITEM_SNAPSHOTS,
    ITEMS,
    UTC_TIME,
    ChannelData,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.columns import ChannelColumns, Columns

_COUNTERS: Final = ("views", "likes", "comments")


def as_data(found: ChannelColumns) -> ChannelData:
    """Return the data frames of a channel's columns."""
    items = _frame(found.items, columns.ITEMS, ITEMS)
    snapshots = _by_item(_frame(found.item_snapshots, columns.ITEM_SNAPSHOTS, ITEM_SNAPSHOTS))
    return ChannelData(
        channel=found.channel,
        daily=_frame(found.daily, columns.DAILY, DAILY),
        items=pl.DataFrame(schema=ITEMS) if items.is_empty() else _with_counters(items, snapshots),
        item_snapshots=snapshots,
        gains=_frame(found.gains, columns.GAINS, GAINS),
        item_gains=_by_item(_frame(found.item_gains, columns.ITEM_GAINS, ITEM_GAINS)),
        figures=_frame(found.figures, columns.FIGURES, FIGURES),
        item_figures=_by_item(_frame(found.item_figures, columns.ITEM_FIGURES, ITEM_FIGURES)),
        scopes=tuple(found.scopes),
        platform_days=tuple(found.platform_days),
    )


def _frame(values: Columns, names: Sequence[str], schema: pl.Schema) -> pl.DataFrame:
    if not values:
        return pl.DataFrame(schema={name: schema[name] for name in names})
    return pl.DataFrame(
        [_series(name, column, schema[name]) for name, column in zip(names, values, strict=True)]
    )


def _series(name: str, column: Sequence[object], kind: pl.DataType) -> pl.Series:
    if kind == UTC_TIME:
        return pl.Series(name, column, dtype=pl.Int64()).cast(kind)
    return pl.Series(name, column, dtype=kind)


def _by_item(frame: pl.DataFrame) -> pl.DataFrame:
    """Not sorted by the database: its order of texts depends on its locale."""
    return frame if frame.is_empty() else frame.sort(frame.columns[:2])


def _with_counters(items: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    return (
        items.join(_latest(snapshots), on="item_id", how="left")
        .select(ITEMS.names())
        .sort("published_at", "item_id", nulls_last=True)
    )


def _latest(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Return each item's last known counters and their time; *snapshots* are in order of time."""
    any_told = pl.any_horizontal(pl.col(_COUNTERS).is_not_null())
    return snapshots.group_by("item_id").agg(
        pl.col(_COUNTERS).drop_nulls().last(),
        pl.col("observed_at").filter(any_told).last(),
    )
