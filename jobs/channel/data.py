"""
All that is known of one channel, as tables: what the store loads and the analysis reads.

The column names and types below are fixed, even for a channel without a row, so no reader has to
check for a column. A null means that no source gave the value; it never means zero.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from jobs.channel.platform_day import PlatformDay
    from jobs.channel.records import ChannelRecord
    from jobs.channel.scope import Scope

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
        "url": pl.String(),
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
FIGURES: Final = pl.Schema(
    {
        "first": pl.Date(),
        "last": pl.Date(),
        "views": pl.Int64(),
        "impressions": pl.Int64(),
        "click_through": pl.Float64(),
        "watch_s": pl.Int64(),
        "view_s": pl.Int64(),
        "viewed": pl.Float64(),
        "stayed": pl.Float64(),
        "viewers": pl.Int64(),
        "new_viewers": pl.Int64(),
        "returning_viewers": pl.Int64(),
        "subscribers": pl.Int64(),
        "subscribers_gained": pl.Int64(),
        "subscribers_lost": pl.Int64(),
    }
)
ITEM_FIGURES: Final = pl.Schema({"item_id": pl.String(), **FIGURES})

_FEW: Final = 400


@dataclass(frozen=True, eq=False)
class ChannelData:
    """
    One channel's tables. Counters are as the source gave them: rounded, missing or falling.

    - `daily`, the channel's counters, one row per observation, by time;
    - `items`, one row per item, by publication (unknown dates last): the last known value of each
      counter, `observed_at` the last time any was read; `tags` hold one tag a line; `left_at` is
      when the source stopped listing the item, null while it lists it; `url` is its page;
    - `item_snapshots`, the items' counters, one row per item and observation, by item, then time;
    - `gains` and `item_gains`, what came in on single days, from an owner's export, by day or by
      item and day. They are not differences of the counters above;
    - `figures` and `item_figures`, what only an owner sees of a span of days (see
      `records.Figures`), by its first and last day, or by item and these;
    - `scopes`, what the sources that say so are of;
    - `platform_days`, the days on which its platform counted late or caught up, in order of time.

    Raises:
        ValueError: A table's columns are not those of the schema above that has its name.
    """

    channel: ChannelRecord
    daily: pl.DataFrame
    items: pl.DataFrame
    item_snapshots: pl.DataFrame
    gains: pl.DataFrame = field(default_factory=GAINS.to_frame)
    item_gains: pl.DataFrame = field(default_factory=ITEM_GAINS.to_frame)
    figures: pl.DataFrame = field(default_factory=FIGURES.to_frame)
    item_figures: pl.DataFrame = field(default_factory=ITEM_FIGURES.to_frame)
    scopes: tuple[Scope, ...] = ()
    platform_days: tuple[PlatformDay, ...] = ()

    def __post_init__(self) -> None:
        """Refuse wrong columns here, where the stack still shows who made them."""
        for name, schema in (
            ("daily", DAILY),
            ("items", ITEMS),
            ("item_snapshots", ITEM_SNAPSHOTS),
            ("gains", GAINS),
            ("item_gains", ITEM_GAINS),
            ("figures", FIGURES),
            ("item_figures", ITEM_FIGURES),
        ):
            found = getattr(self, name).schema
            if found != schema:
                raise ValueError(f"{name} has the columns {found}, expected {schema}")

    @cached_property
    def current_items(self) -> pl.DataFrame:
        """The items that their source still lists."""
        if self.items["left_at"].null_count() == self.items.height:
            return self.items
        return self.items.filter(pl.col("left_at").is_null())

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits of the content: the same for the same data in any process."""
        record = asdict(self.channel)
        if not record["successes_only"]:
            del record["successes_only"]  # fingerprints are older than this field
        if not record["time_zone"]:
            del record["time_zone"]  # and than this
        digest = hashlib.sha256(json.dumps(record).encode())
        for scope in self.scopes:  # fingerprints are older than scopes, too
            digest.update(json.dumps(scope.as_json()).encode())
        for one in self.platform_days:  # and than these
            digest.update(json.dumps([str(one.day), one.factor, one.spread]).encode())
        for table in (self.daily, self.items, self.item_snapshots, self.gains, self.item_gains):
            if table.is_empty():
                names = [name for name in table.columns if name != "url"]
                digest.update(",".join(f'"{name}"' for name in names).encode() + b"\n")
                continue
            # Fingerprints are older than addresses, which change no finding.
            digest.update(_as_csv(table.drop("url", strict=False)).encode())
        for table in (self.figures, self.item_figures):  # younger than fingerprints, too
            if not table.is_empty():
                digest.update(_as_csv(table).encode())
        return digest.hexdigest()


def _as_csv(table: pl.DataFrame) -> str:
    """Return *table* with times as numbers; quotes distinguish an empty string from a null."""
    times = [name for name, kind in table.schema.items() if kind == UTC_TIME]
    if table.height > _FEW or not all(
        kind.is_integer() or kind == UTC_TIME for kind in table.dtypes
    ):
        numbers = table.with_columns(pl.col(times).dt.epoch("us"))
        return numbers.write_csv(quote_style="non_numeric")
    # The same text: polars takes a millisecond for its first row.
    columns = [column.cast(pl.Int64).to_list() for column in table.iter_columns()]
    lines = [",".join(f'"{name}"' for name in table.columns)]
    lines += [
        ",".join(["" if value is None else str(value) for value in row])
        for row in zip(*columns, strict=True)
    ]
    return "\n".join([*lines, ""])
