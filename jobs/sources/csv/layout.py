"""
What a layout is: which columns a CSV has, and what each of them tells.

The layouts that are known stand in `layouts`; any other is described by a mapping file, which
becomes a `Layout` just the same (see `mapping`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import timedelta

    from jobs.channel.records import Platform

Field = Literal[
    "channel_id",
    "channel_title",
    "item_id",
    "title",
    "published_at",
    "duration",
    "category",
    "tags",
    "live",
    "observed_at",
    "day",
    "subscribers",
    "views",
    "items",
    "likes",
    "comments",
]
"""What a column can tell. *day* is the publisher's own name for the day of an observation."""

CHANNEL_COUNTERS: tuple[Field, ...] = ("subscribers", "views", "items")
ITEM_COUNTERS: tuple[Field, ...] = ("views", "likes", "comments")
COUNTERS: tuple[Field, ...] = ("subscribers", "views", "items", "likes", "comments")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule:
    """
    What one row tells: of a channel or, where an item is named, of that item.

    columns: which column tells which field; those that the file has not tell nothing.
    platform, prefix: where the channel publishes; what stands before its id for that.
    or_else: the column that stands in for a field where its own is empty.
    titled_only: a channel without an id gets one made of its title.
    item_ids: what an item's id has to look like.
    age: the counters were read so long after publication; there is no column for their time.
    hidden: a counter is unknown where this other column says `true`.
    zero_is_unknown: counters of which a zero may as well mean that they are off.
    """

    columns: Mapping[Field, str]
    platform: Platform | None = None
    prefix: str = ""
    or_else: Mapping[Field, str] = field(default_factory=dict)
    titled_only: bool = False
    item_ids: Literal["any", "youtube"] = "any"
    age: timedelta | None = None
    hidden: Mapping[Field, str] = field(default_factory=dict)
    zero_is_unknown: tuple[Field, ...] = ()

    def has_items(self) -> bool:
        """Tell whether it is items that it tells of."""
        return "item_id" in self.columns or "title" in self.columns

    def counters(self, header: Collection[str]) -> Iterator[tuple[Field, str]]:
        """Give the counters that a file with these columns tells, and their columns."""
        for name in ITEM_COUNTERS if self.has_items() else CHANNEL_COUNTERS:
            if self.columns.get(name) in header:
                yield name, self.columns[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """
    One form of CSV.

    needs, avoids: the columns by which it is known, all in small letters.
    dates: how a field writes dates where it is not ISO 8601 (see `times.reader`).
    time_zone: of times that tell none. year: of dates that lack it, else that in the file's name.
    joined: a column that is made of two, for a date and its time.
    title: what the channel is called where no column says so; `{folder}` and `{file}` stand for
        their names.
    thousands, untold: what parts the digits of numbers, and what stands for no number.
    successes_only: it lists items only while they do well (see `ChannelRecord`).
    """

    name: str
    needs: Collection[str]
    avoids: Collection[str] = ()
    rules: tuple[RowRule, ...]
    dates: Mapping[Field, str] = field(default_factory=dict)
    time_zone: str = "UTC"
    year: int | None = None
    joined: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    title: str | None = None
    companions: tuple[Companion, ...] = ()
    thousands: str = ""
    untold: Collection[str] = ()
    successes_only: bool = False

    def fits(self, header: Collection[str]) -> bool:
        """Tell whether a file with these columns has this layout."""
        columns = set(header)
        return (
            columns.issuperset(self.needs)
            and columns.isdisjoint(self.avoids)
            and any(next(each.counters(columns), None) for each in self.rules)
        )

    def has_items(self) -> bool:
        """Tell whether it is items that its rows tell of."""
        return any(rule.has_items() for rule in self.rules)

    def identity(self) -> str:
        """Return the same text for the same layout in any process: what the facts depend on."""
        own = (
            self.rules,
            self.dates,
            self.time_zone,
            self.year,
            self.joined,
            self.title,
            self.thousands,
            tuple(self.untold),
        )
        beside = [
            (each.key, each.gives, each.layout and each.layout.identity())
            for each in self.companions
        ]
        return repr((own, beside))

    def columns(self) -> set[str]:
        """Give all columns that are read, where the file has them."""
        keys = (companion.key[0] for companion in self.companions)
        return {*keys, *(column for pair in self.joined.values() for column in pair)} | {
            column
            for rule in self.rules
            for column in (
                *rule.columns.values(),
                *rule.or_else.values(),
                *rule.hidden.values(),
            )
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """
    A second file in the same folder that tells more of what the first one names.

    needs: the columns by which it is known. key: the column of the first file, and its own, that
    name the same thing. gives: what its columns are called beside those of the first file.
    layout: what its own rows tell besides. required: without it the first file tells nothing.
    """

    needs: Collection[str]
    key: tuple[str, str]
    gives: Mapping[str, str]
    layout: Layout | None = None
    required: bool = False
