"""
All that is known of one channel, as tables: what the store loads and the analysis reads.

The column names and types below are fixed, for a channel without a single row too, so that
nobody downstream has to ask whether a column is there. A null means that no source told the
value; it never means zero.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from jobs.channel.records import ChannelRecord

UTC_TIME: Final = pl.Datetime("us", "UTC")

DAILY: Final = pl.Schema(
    {
        "observed_at": UTC_TIME,
        "subscribers": pl.Int64(),
        "views": pl.Int64(),
        "items": pl.Int64(),
    }
)
ITEMS: Final = pl.Schema(
    {
        "item_id": pl.String(),
        "title": pl.String(),
        "published_at": UTC_TIME,
        "duration_s": pl.Int64(),
        "category": pl.String(),
        "tags": pl.String(),
        "live": pl.Boolean(),
        "left_at": UTC_TIME,
        "views": pl.Int64(),
        "likes": pl.Int64(),
        "comments": pl.Int64(),
        "observed_at": UTC_TIME,
    }
)
ITEM_SNAPSHOTS: Final = pl.Schema(
    {
        "item_id": pl.String(),
        "observed_at": UTC_TIME,
        "views": pl.Int64(),
        "likes": pl.Int64(),
        "comments": pl.Int64(),
    }
)
GAINS: Final = pl.Schema({"day": pl.Date(), "views": pl.Int64(), "subscribers": pl.Int64()})
ITEM_GAINS: Final = pl.Schema({"item_id": pl.String(), "day": pl.Date(), "views": pl.Int64()})


@dataclass(frozen=True, eq=False)
class ChannelData:
    """
    One channel's tables. Counters are as the source told them: rounded, missing or falling.

    - `daily`, the channel's counters, one row per observation, by time;
    - `items`, one row per item, by publication (unknown dates last): each counter as it was last
      told, `observed_at` the last time that any was; `tags` hold one tag a line; `left_at` is
      since when the source lists the item no more, null while it does;
    - `item_snapshots`, the items' counters, one row per item and observation, by item, then time;
    - `gains` and `item_gains`, what came in on single days where the owner's export tells that,
      by day, or by item and day. They are no differences of the counters above.

    Raises:
        ValueError: A table's columns are not those of `DAILY`, `ITEMS`, `ITEM_SNAPSHOTS`, `GAINS`
            or `ITEM_GAINS`.
    """

    channel: ChannelRecord
    daily: pl.DataFrame
    items: pl.DataFrame
    item_snapshots: pl.DataFrame
    gains: pl.DataFrame = field(default_factory=GAINS.to_frame)
    item_gains: pl.DataFrame = field(default_factory=ITEM_GAINS.to_frame)

    def __post_init__(self) -> None:
        """Refuse wrong columns here, where their maker is still on the stack."""
        for name, schema in (
            ("daily", DAILY),
            ("items", ITEMS),
            ("item_snapshots", ITEM_SNAPSHOTS),
            ("gains", GAINS),
            ("item_gains", ITEM_GAINS),
        ):
            found = getattr(self, name).schema
            if found != schema:
                raise ValueError(f"{name} has the columns {found}, expected {schema}")

    @cached_property
    def current_items(self) -> pl.DataFrame:
        """The items that did not leave their source: what there is now, not what there was."""
        return self.items.filter(pl.col("left_at").is_null())

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits of the content: the same data, the same digits, in any process."""
        told = asdict(self.channel)
        if not told["successes_only"]:
            del told["successes_only"]  # as if nobody had ever asked
        digest = hashlib.sha256(json.dumps(told).encode())
        for table in (self.daily, self.items, self.item_snapshots, self.gains, self.item_gains):
            if table.is_empty():
                digest.update(",".join(f'"{name}"' for name in table.columns).encode() + b"\n")
                continue
            times = [name for name, kind in table.schema.items() if kind == UTC_TIME]
            numbers = table.with_columns(pl.col(times).dt.epoch("us"))
            # Quoted text keeps a null apart from an empty string.
            digest.update(numbers.write_csv(quote_style="non_numeric").encode())
        return digest.hexdigest()
