"""
A layout: the columns of one form of CSV, and what each of them holds.

`layouts/` has those that are known; a mapping file describes any other (see `mapping`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from jobs.channel.records import Platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import timedelta

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
    "url",
    "observed_at",
    "day",
    "subscribers",
    "views",
    "items",
    "likes",
    "comments",
    "gained_views",
    "gained_subscribers",
    "impressions",
    "viewers",
    "new_viewers",
    "returning_viewers",
    "watch_s",
    "view_s",
    "subscribers_gained",
]
"""
What a column can hold. *day* is the publisher's own name for the day of an observation. What was
*gained* came in on the day of *observed_at*. The last seven are fields of `records.Figures`, of an
item's whole lifetime, or of the channel on the day of *observed_at*.
"""

CHANNEL_COUNTERS: tuple[Field, ...] = ("subscribers", "views", "items")
ITEM_COUNTERS: tuple[Field, ...] = ("views", "likes", "comments")
COUNTERS: tuple[Field, ...] = ("subscribers", "views", "items", "likes", "comments")
GAINS: tuple[Field, ...] = ("gained_views", "gained_subscribers")
FIGURES: tuple[Field, ...] = (
    "impressions",
    "viewers",
    "new_viewers",
    "returning_viewers",
    "watch_s",
    "view_s",
    "subscribers_gained",
)
_FACTS_OF_ITEMS: tuple[Field, ...] = ("title", "published_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule:
    """
    How to read a row: as an item and its counters if it names one, else as a channel's counters.

    columns: the column that holds each field; a file may lack some of them.
    platform, id_prefix: where the channel publishes, and what its id begins with for that.
    id_fallback: the column to read where a channel's id is empty.
    id_from_title: a channel without an id gets one made of its title.
    item_ids: what an item's id must look like.
    age: the counters were read this long after publication; no column holds their time.
    hidden: a counter is unknown where this other column says `true`.
    zero_is_unknown: counters whose zero may also mean that they are switched off.
    """

    columns: Mapping[Field, str]
    platform: Platform = Platform.OTHER
    id_prefix: str = ""
    id_fallback: str = ""
    id_from_title: bool = True
    item_ids: Literal["any", "youtube"] = "any"
    age: timedelta | None = None
    hidden: Mapping[Field, str] = field(default_factory=dict)
    zero_is_unknown: tuple[Field, ...] = ()

    def has_items(self) -> bool:
        """Whether rows are items, and not channels."""
        return "item_id" in self.columns or "title" in self.columns

    def facts(self, header: Collection[str]) -> list[str]:
        """Return the columns of a file with this *header* of which one filled cell is a fact."""
        columns = [column for _, column in self.counters(header)]
        if self.has_items():
            columns += [self.columns[name] for name in _FACTS_OF_ITEMS if name in self.columns]
        return [column for column in columns if column in header]

    def counters(self, header: Collection[str]) -> Iterator[tuple[Field, str]]:
        """
        Yield each counter for which a file with this *header* has a column, and the column.

        What came in on a day, and what only an owner sees, are among them.
        """
        own = ITEM_COUNTERS if self.has_items() else CHANNEL_COUNTERS
        for name in (*own, *GAINS, *FIGURES):
            if self.columns.get(name) in header:
                yield name, self.columns[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """
    One form of CSV. Columns are written in lower case.

    needs: the columns by which a file is recognised. needs_one_of: it must have one of these, too.
    rules: how to read a row; each of them reads every row.
    dates: the form of a field's dates where it is not ISO 8601 (see `times.reader`).
    time_zone: of times without one. year: of dates without one, else the year in the file's name.
    joined: a column made of two, such as a date and a time of day.
    title: the channel's title where no column has it; `{folder}` and `{file}` stand for names.
    thousands: the separator within numbers. missing: cells that stand for no number.
    successes_only: the file lists items only while they do well (see `ChannelRecord`).
    skip: by column, what cells of rows hold that are left out, in lower case.
    one_row: a column in which a row of the whole lifetime has a word, and one of a single day its
    date: rows of days are none of a list of items.
    begins: whether the date in the name of the file, or of its archive or folder, is the first day
    of its range: then dates without a year are of the year from that day on.
    """

    name: str
    needs: Collection[str]
    rules: tuple[RowRule, ...]
    needs_one_of: Collection[str] = ()
    dates: Mapping[Field, str] = field(default_factory=dict)
    time_zone: str = "UTC"
    year: int | None = None
    joined: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    title: str | None = None
    companions: tuple[Companion, ...] = ()
    thousands: str = ""
    missing: Collection[str] = ()
    successes_only: bool = False
    skip: Mapping[str, Collection[str]] = field(default_factory=dict)
    one_row: str = ""
    begins: bool = False

    def fits(self, header: Collection[str]) -> bool:
        """Whether a file with this *header* has this layout, and a counter."""
        columns = set(header)
        if not columns.issuperset(self.needs) or self._lacks_all(columns):
            return False
        return any(next(rule.counters(columns), None) for rule in self.rules)

    def _lacks_all(self, columns: Collection[str]) -> bool:
        return bool(self.needs_one_of) and not any(name in columns for name in self.needs_one_of)

    def used(self, header: Collection[str]) -> list[RowRule]:
        """Return the rules by which a file with this *header* has facts."""
        made = (name for companion in self.companions for name in companion.gives.values())
        columns = {*header, *self.joined, *made}
        return [rule for rule in self.rules if rule.facts(columns)]

    def has_items(self) -> bool:
        """Whether some of what its rows give are items."""
        return any(rule.has_items() for rule in self.rules)

    def has_figures(self) -> bool:
        """Whether its columns hold what only an owner sees."""
        return any(name in rule.columns for rule in self.rules for name in FIGURES)

    def has_gains(self) -> bool:
        """Whether its columns hold what came in on single days."""
        return any(name in rule.columns for rule in self.rules for name in GAINS)

    def identity(self) -> str:
        """Return a text that is the same, in any process, for layouts that give the same facts."""
        own = (
            self.rules,
            self.dates,
            self.time_zone,
            self.year,
            self.joined,
            self.title,
            self.thousands,
            tuple(self.missing),
            *([self.skip] if self.skip else []),
            *([self.one_row] if self.one_row else []),
            *([self.begins] if self.begins else []),
        )
        beside = [
            (each.key, each.gives, each.layout and each.layout.identity())
            for each in self.companions
        ]
        return repr((own, beside))

    def columns(self) -> set[str]:
        """Return every column that is read where the file has it."""
        keys = (companion.key[0] for companion in self.companions)
        joined = (column for pair in self.joined.values() for column in pair)
        return {*keys, *joined, *self.skip, self.one_row} | {
            column
            for rule in self.rules
            for column in (*rule.columns.values(), *rule.hidden.values(), rule.id_fallback)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """
    A second file in the same folder that says more of what the first one names.

    needs: the columns by which it is recognised. key: the column of the first file, and its own,
    that hold the same. gives: what its columns are called beside those of the first file.
    layout: how to read its rows for themselves. required: the first file is of no use without it.
    """

    needs: Collection[str]
    key: tuple[str, str]
    gives: Mapping[str, str]
    layout: Layout | None = None
    required: bool = False
