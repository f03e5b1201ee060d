"""
Rows of text to facts: what each row holds, in our words and types, or why it cannot be used.

A batch of facts has `line`, `channel_id`, `channel_title`, `observed_at` and the counters, and of
items also what they are. Rows that hold none of this are left out silently; those with something
that cannot be read keep their problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import polars as pl

from jobs.channel.text import MOST_CHARACTERS, identity
from jobs.sources.csv.columns import (
    TIME,
    bad_counter,
    filled,
    missing,
    named,
    not_whole,
    parsed,
    text,
    unreadable,
    unreadable_date,
    with_dates,
    with_decimals,
    with_parsed,
    with_whole_number,
)
from jobs.sources.csv.layout import CHANNEL_COUNTERS, FIGURES, GAINS, ITEM_COUNTERS
from jobs.sources.header import LINE
from jobs.sources.identity import digits_of, id_of_title
from jobs.sources.text import plain
from jobs.sources.values import durations, tags, twitch_names, youtube_ids
from jobs.sources.values.totals import is_total

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.sources.csv.layout import Field, Layout, RowRule

PROBLEM: Final = "problem"
"""The column that says why a row cannot be used; null where it can."""

CHANNEL_ID: Final = "channel_id"
TITLE: Final = "channel_title"
PLATFORM: Final = "platform"
ITEM_ID: Final = "item_id"
OBSERVED_AT: Final = "observed_at"
PUBLISHED_AT: Final = "published_at"
DAY: Final = "day"

_ITEM_ID = r"^[A-Za-z0-9_-]{11}$"
_VIEWERS = frozenset({"viewers", "new_viewers", "returning_viewers"})
_LONGEST_TOTAL = 40

_Pair: TypeAlias = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Place:
    """
    What a file's name says of all its rows: the channel's title and id, the year of dates.

    first: the day on which the range of its dates begins.
    """

    title: str | None = None
    year: int | None = None
    channel_id: str | None = None
    first: date | None = None


def facts_of(frame: pl.DataFrame, layout: Layout, place: Place) -> pl.DataFrame:
    """Return the facts in the rows of *frame*, by every rule of *layout* that its columns allow."""
    header = frame.columns
    frame = _with_values(_without_skipped(frame, layout), layout, place)
    one_row = layout.one_row if layout.one_row in header else ""
    parts = [_by_rule(frame, rule, place, one_row) for rule in layout.rules if rule.facts(header)]
    return parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal")


def _without_skipped(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Leave out the rows that a mapping says are none of the list's own."""
    for column, cells in layout.skip.items():
        if column in frame.columns:
            found = [cell for cell in frame[column].unique() if plain(cell) in cells]
            frame = frame.filter(~pl.col(column).is_in(found)) if found else frame
    return _without_days(frame, layout.one_row)


def _without_days(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """
    Leave out the rows of single days of a list that has a row of the whole lifetime, too.

    Without any such row they stay, and `_problems` rejects them.
    """
    if column not in frame.columns:
        return frame
    frame = with_dates(frame, column, "mdy", "UTC", None)
    whole = filled(column) & parsed(column).is_null()
    return frame.filter(whole) if frame.filter(whole).height else frame


def _with_values(frame: pl.DataFrame, layout: Layout, place: Place) -> pl.DataFrame:
    """Parse each column that is not plain text once, however many rules use it."""
    seen: set[str] = set()
    for rule in layout.rules:
        for name, column in rule.columns.items():
            if column not in frame.columns or column in seen:
                continue
            seen.add(column)
            if name in {OBSERVED_AT, PUBLISHED_AT}:
                form = layout.dates.get(name, "iso")
                zone = layout.time_zone
                frame = with_dates(frame, column, form, zone, place.year, first=place.first)
            elif name == "duration":
                frame = with_parsed(frame, column, durations.read, pl.Int64())
            elif name == "tags":
                frame = with_parsed(frame, column, tags.read, pl.String())
            elif name in {*CHANNEL_COUNTERS, *ITEM_COUNTERS, *GAINS}:
                frame = with_whole_number(
                    frame, column, thousands=layout.thousands, missing=layout.missing
                )
            elif name in FIGURES:
                frame = with_decimals(frame, column)
    return frame


def _by_rule(frame: pl.DataFrame, rule: RowRule, place: Place, one_row: str) -> pl.DataFrame:
    header = set(frame.columns)
    columns = {name: each for name, each in rule.columns.items() if each in header}
    counters = dict(rule.counters(header))
    frame = frame.filter(pl.any_horizontal(map(filled, rule.facts(header))))
    frame = _without_totals(frame, rule, columns)
    frame = frame.with_columns(
        _title(columns, place).alias("found title"),
        _channel_id(rule, columns).alias("found id"),
    )
    frame = _with_ids(frame, rule, columns, place)
    return frame.select(
        LINE,
        _kept(pl.col("made id")).alias(CHANNEL_ID),
        pl.col("found title").alias(TITLE),
        pl.lit(rule.platform, dtype=pl.String).alias(PLATFORM),
        *_items(rule, columns),
        _observed_at(rule, columns).alias(OBSERVED_AT),
        *([text(columns[DAY]).alias(DAY)] if DAY in columns else []),
        *(_counter(rule, name, column, header).alias(name) for name, column in counters.items()),
        pl.coalesce(_problems(rule, columns, counters, one_row)).alias(PROBLEM),
    )


def _without_totals(
    frame: pl.DataFrame, rule: RowRule, columns: Mapping[Field, str]
) -> pl.DataFrame:
    """A row that begins with `Total` where an item is named, and says nothing of one, is none."""
    if not rule.has_items():
        return frame
    name = columns.get(ITEM_ID) or columns["title"]
    others = {columns[each] for each in ("title", PUBLISHED_AT) if each in columns} - {name}
    silent = pl.all_horizontal(pl.lit(value=True), *(pl.col(each) == "" for each in others))
    short = pl.col(name).str.len_chars() <= _LONGEST_TOTAL
    suspects = frame.filter(short & silent)[name].unique()
    words = [cell for cell in suspects if is_total(cell)]
    return frame.filter(~(pl.col(name).is_in(words) & silent)) if words else frame


def _title(columns: Mapping[Field, str], place: Place) -> pl.Expr:
    fallback = pl.lit(place.title, dtype=pl.String)
    return pl.coalesce(text(columns[TITLE]), fallback) if TITLE in columns else fallback


def _channel_id(rule: RowRule, columns: Mapping[Field, str]) -> pl.Expr:
    places = [text(columns[CHANNEL_ID])] if CHANNEL_ID in columns else []
    if rule.id_fallback:
        places.append(text(rule.id_fallback))
    return pl.coalesce(places) if places else pl.lit(None, dtype=pl.String)


def _with_ids(
    frame: pl.DataFrame, rule: RowRule, columns: Mapping[Field, str], place: Place
) -> pl.DataFrame:
    """Add ids of channels, and of items; one that has none gets an id made of its title."""
    if place.channel_id and not {CHANNEL_ID, TITLE} & set(columns):
        frame = frame.with_columns(pl.lit(place.channel_id).alias("made id"))
    else:
        frame = _with_channel_ids(frame, rule)
    if not rule.has_items() or ITEM_ID in columns:
        return frame

    def item_id(their: _Pair) -> str | None:
        title, published = their
        return None if title is None else f"title:{digits_of(title, published or '')}"

    title = columns["title"]
    return _with_made(frame, (title, columns.get(PUBLISHED_AT, title)), "made item", item_id)


def _with_channel_ids(frame: pl.DataFrame, rule: RowRule) -> pl.DataFrame:
    found = pl.col("found id")
    if rule.id_prefix != twitch_names.PREFIX and not frame["found id"].null_count():
        uploads = found.str.contains(youtube_ids.UPLOADS)
        own = pl.when(uploads).then("UC" + found.str.slice(2)).otherwise(found)
        return frame.with_columns((rule.id_prefix + own).alias("made id"))

    def channel_id(their: _Pair) -> str | None:
        identity, title = their
        if identity is not None and rule.id_prefix == twitch_names.PREFIX:
            return twitch_names.PREFIX + twitch_names.login(identity)
        if identity is not None:
            return rule.id_prefix + youtube_ids.channel_of_uploads(identity)
        if title is None or not rule.id_from_title:
            return None
        return id_of_title(rule.platform, title)

    return _with_made(frame, ("found id", "found title"), "made id", channel_id)


def _with_made(
    frame: pl.DataFrame,
    names: tuple[str, str],
    made: str,
    make: Callable[[tuple[str | None, str | None]], str | None],
) -> pl.DataFrame:
    """Add the column *made*; *make* is called once for each distinct pair in columns *names*."""
    first, second = names
    pairs = frame.select(pl.col(first).alias("1"), pl.col(second).alias("2")).unique()
    values = pairs.with_columns(
        pl.Series(made, [make(pair) for pair in pairs.iter_rows()], dtype=pl.String)
    )
    return frame.join(
        values,
        left_on=[pl.col(first), pl.col(second)],
        right_on=["1", "2"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )


def _items(rule: RowRule, columns: Mapping[Field, str]) -> list[pl.Expr]:
    if not rule.has_items():
        return []
    found = text(columns[ITEM_ID]) if ITEM_ID in columns else pl.col("made item")
    facts = [_kept(found).alias(ITEM_ID)]
    plain_text: tuple[Field, ...] = ("title", "category", "url")
    facts += [text(columns[name]).alias(name) for name in plain_text if name in columns]
    if PUBLISHED_AT in columns:
        facts.append(parsed(columns[PUBLISHED_AT]).alias(PUBLISHED_AT))
    if "duration" in columns:  # a stream that has not ended is listed with a length of zero
        length = parsed(columns["duration"])
        facts.append(pl.when(length > 0).then(length).alias("duration_s"))
    if "tags" in columns:
        facts.append(parsed(columns["tags"]).alias("tags"))
    if "live" in columns:
        facts.append(_is_true(columns["live"]).alias("live"))
    return facts


def _observed_at(rule: RowRule, columns: Mapping[Field, str]) -> pl.Expr:
    if rule.age is not None:
        return parsed(columns[PUBLISHED_AT]) + rule.age
    if OBSERVED_AT not in columns:
        return pl.lit(None, dtype=TIME)
    return parsed(columns[OBSERVED_AT])


def _counter(rule: RowRule, name: Field, column: str, header: set[str]) -> pl.Expr:
    value = parsed(column)
    if name in FIGURES:
        # Those who count viewers write a zero for spans of which they do not know them.
        known = value > 0 if name in _VIEWERS else value >= 0
        return pl.when(known).then(value.round(0).cast(pl.Int64))
    if name in rule.zero_is_unknown:
        value = pl.when(value != 0).then(value)
    flag = rule.hidden.get(name)
    if flag in header:
        value = pl.when(_is_true(flag).fill_null(value=False).not_()).then(value)
    return value


def _kept(found: pl.Expr) -> pl.Expr:
    """An identity as it may be kept; hardly any is so long that it is looked at by itself."""
    long = found.str.len_chars() > MOST_CHARACTERS
    return pl.when(long).then(found.map_elements(identity, pl.String)).otherwise(found)


def _is_true(column: str) -> pl.Expr:
    cell = pl.col(column).str.to_lowercase()
    return pl.when(filled(column)).then(cell.is_in(["true", "1", "1.0", "yes"]))


def _problems(
    rule: RowRule, columns: Mapping[Field, str], counters: Mapping[Field, str], one_row: str
) -> list[pl.Expr]:
    named_by = columns.get(CHANNEL_ID) or columns.get(TITLE) or CHANNEL_ID
    found = [_absent(pl.col("made id"), named_by)]
    if one_row:
        why = "is a single day: export it with totals of the whole lifetime"
        found.append(pl.when(parsed(one_row).is_not_null()).then(named(one_row, why)))
    if rule.has_items():
        column = columns.get(ITEM_ID) or columns["title"]
        found.append(_absent(text(column), column))
        if rule.item_ids == "youtube" and ITEM_ID in columns:
            wrong = ~pl.col(column).str.contains(_ITEM_ID)
            found.append(pl.when(wrong).then(named(column, "is not a video id")))
    if OBSERVED_AT in columns:
        found.append(missing(columns[OBSERVED_AT]))
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        future = parsed(columns[OBSERVED_AT]) > tomorrow
        found.append(pl.when(future).then(named(columns[OBSERVED_AT], "is in the future")))
    found += [
        unreadable_date(columns[name]) for name in (OBSERVED_AT, PUBLISHED_AT) if name in columns
    ]
    if "duration" in columns:
        found.append(unreadable(columns["duration"], "duration"))
    return found + [
        not_whole(column) if name in GAINS else bad_counter(column)
        for name, column in counters.items()
        if name not in FIGURES
    ]


def _absent(value: pl.Expr, column: str) -> pl.Expr:
    return pl.when(value.is_null()).then(pl.lit(f"{column} is missing"))
