"""
Old items that gain views faster than they used to.

An item past its early life usually slows down. One whose newest days clearly beat its earlier
ones is being rediscovered, and can be linked to, pinned or continued while that lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobs.analysis.student import t_below, t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

OLD_DAYS = 30
"""Earlier days belong to an item's early life, whose pace says nothing about later."""

RECENT_DAYS = 7
EARLIER_DAYS = 56
FEWEST_RECENT = 5
FEWEST_EARLIER = 14
LEVEL = 0.95
_MOST_MEMORY = 0.9
_FEWEST_FREEDOM = 3.0
_DAY = pl.duration(days=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """
    One old item's newest days against its earlier ones.

    *ratio* is the geometric mean of its daily gains (one view added to each) over the earlier
    days', *low* and *high* its interval at `LEVEL`, *per_day* the mean gain of the newest days.
    """

    item_id: str
    title: str
    ratio: float
    low: float
    high: float
    per_day: float
    recent: int
    earlier: int
    p: float


def paces(data: ChannelData) -> list[Pace]:
    """
    Return the pace of each item that is old enough and was read on enough days; often none.

    An item that left its source is left out: nobody can be sent to it.

    One-sided t-test of the logarithms of daily gains, `RECENT_DAYS` days against the up to
    `EARLIER_DAYS` before, with a common variance. Neighbouring days are correlated, so they carry
    less information than independent ones: variance and degrees of freedom are corrected by
    `(1+r)/(1-r)`, never below 1. r is the earlier days' autocorrelation r₁ at lag 1 corrected for
    bias, `(n·r₁ + 1)/(n - 4)`. Source: F. Zwiers and H. von Storch, "Taking Serial Correlation
    into Account in Tests of the Mean" (1995). A gain counts only between readings of neighbouring
    days, and only if the counter did not fall.
    """
    if data.item_snapshots.height < FEWEST_RECENT + FEWEST_EARLIER:
        return []
    table = _tested(_gains(data))
    if table.is_empty():
        return []
    recent, earlier = table["recent"].to_numpy(), table["earlier"].to_numpy()
    inflation = _inflation(table["r"].to_numpy(), earlier)
    freedom = np.maximum((recent + earlier - 2) / inflation, _FEWEST_FREEDOM)
    error = np.sqrt(table["variance"].to_numpy() * inflation * (1 / recent + 1 / earlier))
    rise = table["rise"].to_numpy()
    p = map(t_below, freedom.tolist(), (-rise / np.maximum(error, 1e-12)).tolist())
    reach = np.array([t_quantile(one, (1 + LEVEL) / 2) for one in freedom.tolist()]) * error
    columns = (
        np.exp(rise),
        np.exp(rise - reach),
        np.exp(rise + reach),
        table["per_day"].to_numpy(),
    )
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    names = table.select("item_id", "title", "recent", "earlier").iter_rows()
    return [
        Pace(item_id, title, ratio, low, high, per_day, n_recent, n_earlier, chance)
        for (item_id, title, n_recent, n_earlier), (ratio, low, high, per_day), chance in zip(
            names, numbers, p, strict=True
        )
    ]


def _gains(data: ChannelData) -> pl.LazyFrame:
    """Return a row per item and day with a known gain; *ago* counts back from its last day."""
    day = pl.col("observed_at").dt.truncate("1d")
    step = pl.col("views").diff().over("item_id")
    gap = pl.col("day").diff().over("item_id")
    born = (
        data.current_items.lazy()
        .select("item_id", "title", "published_at")
        .drop_nulls("published_at")
    )
    return (
        data.item_snapshots.lazy()
        .drop_nulls("views")
        .with_columns(day=day)
        .group_by("item_id", "day", maintain_order=True)
        .agg(pl.col("views").last())
        .with_columns(
            gain=pl.when(gap == _DAY, step >= 0).then(step),
            ago=(pl.col("day").max().over("item_id") - pl.col("day")).dt.total_days(),
        )
        .drop_nulls("gain")
        .join(born, on="item_id")
        .filter(pl.col("day") - pl.col("published_at") >= pl.duration(days=OLD_DAYS))
        .filter(pl.col("ago") < RECENT_DAYS + EARLIER_DAYS)
        .with_columns(log=(pl.col("gain") + 1).log(), new=pl.col("ago") < RECENT_DAYS)
    )


def _tested(gains: pl.LazyFrame) -> pl.DataFrame:
    log, new = pl.col("log"), pl.col("new")
    residual = log - log.mean().over("item_id", "new")
    within = pl.col("residual").filter(~new)
    squares = (pl.col("residual") ** 2).sum()
    return (
        gains.with_columns(residual=residual)
        .group_by("item_id", maintain_order=True)
        .agg(
            pl.col("title").first(),
            recent=new.sum().cast(pl.Int64),
            earlier=(~new).sum().cast(pl.Int64),
            per_day=pl.col("gain").filter(new).mean(),
            rise=log.filter(new).mean() - log.filter(~new).mean(),
            variance=squares / (pl.len() - 2),
            r=(within * within.shift(1)).sum() / (within**2).sum(),
        )
        .filter(pl.col("recent") >= FEWEST_RECENT, pl.col("earlier") >= FEWEST_EARLIER)
        .sort("item_id")
        .collect()
    )


def _inflation(r: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    corrected = np.clip((n * np.nan_to_num(r) + 1) / (n - 4), 0, _MOST_MEMORY)
    inflation: NDArray[np.float64] = (1 + corrected) / (1 - corrected)
    return inflation
