"""
A CSV of any layout as a `Source`: facts are stored by channel once, then read a channel at a time.

A list without a time of observation was read at some time after everything in it. It is dated by

1. the time in the file's name, as in `list_2021-04-08T122223Z.csv`, else
2. the last day of the range in its name or its folder's, `posts_2024-01-01_2024-01-28.csv`, else
3. for an address, the time of fetching it by the server's clock, else
4. the newest publication in it, else
5. the end of the year in the file's name, as in `list_2023.csv`, else
6. when the file was last changed.

So a copy of a list is the same observation as the list. If the list was made later than that, all
items look younger than they were, by the same time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl

from jobs.channel.addresses import web_address
from jobs.channel.records import (
    FROM_THE_FIRST,
    ChannelGain,
    ChannelReading,
    ChannelRecord,
    ChannelSnapshot,
    Figures,
    ItemFigures,
    ItemGain,
    ItemRecord,
    ItemSnapshot,
    Platform,
    SourceRef,
)
from jobs.channel.scope import Measure, Scope
from jobs.channel.text import one_line
from jobs.sources import identity
from jobs.sources.csv import companions
from jobs.sources.csv.duplicates import CONTRADICTS
from jobs.sources.csv.fact_files import Batch
from jobs.sources.csv.facts import (
    CHANNEL_ID,
    ITEM_ID,
    OBSERVED_AT,
    PLATFORM,
    PROBLEM,
    PUBLISHED_AT,
    TITLE,
    Place,
    facts_of,
)
from jobs.sources.csv.layout import CHANNEL_COUNTERS, FIGURES, GAINS, ITEM_COUNTERS
from jobs.sources.csv.rejects import Rejects
from jobs.sources.csv.row_step import row_step
from jobs.sources.csv.table import read_rows
from jobs.sources.description import (
    joined,
    not_read,
    odd_range,
    oddities,
    older_items,
    period,
    why_none,
)
from jobs.sources.document import file_errors
from jobs.sources.header import LINE
from jobs.sources.source import SourceError, shown
from jobs.sources.values import times, twitch_names, youtube_ids
from jobs.sources.values.ranges import range_in_names
from jobs.sources.values.steps import Step, step_of
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from jobs.channel.records import Reject
    from jobs.sources.csv.companions import Beside
    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.csv.fact_files import FactFiles
    from jobs.sources.csv.layout import Companion, Layout
    from jobs.sources.document import Text
    from jobs.sources.values.ranges import Range

KIND = "csv"

_MAPPED = f"{KIND}+"
_VERSION = 4
"""Raise it when the same file would give other facts."""

_UNREAD_NAMED = 10
_LOOKED_AT = 20
"""How many channels are looked at for the step of their days: a table has the same for all."""

_CLOCKS_DIFFER = timedelta(days=1)
_OF_CHANNELS = (OBSERVED_AT, *CHANNEL_COUNTERS)
_COUNTS = (OBSERVED_AT, ITEM_ID, "subscribers", "items", *ITEM_COUNTERS, *GAINS)
_COUNTED = len(_COUNTS)
_PUBLISHED = _COUNTED + 1
_END_OF_DAY = time(23, 59, 59, tzinfo=UTC)
_OF_ITEMS = (*_COUNTS, "title", PUBLISHED_AT, "duration_s", "category", "tags", "live", "url")


@dataclass(frozen=True, kw_only=True)
class CsvSource:
    """
    A CSV that was read; see `Source`.

    beside: the files that were read with it. columns: how many it has; unread: those not used.
    named: the range that its name, or that of its folder, says its numbers are of.
    """

    ref: SourceRef
    layout: Layout
    files: FactFiles
    undated_at: datetime
    beside: Sequence[str] = ()
    columns: int = 0
    unread: Sequence[str] = ()
    named: Range | None = None

    @property
    def observed_at(self) -> datetime:
        """See `Source`."""
        return self.files.summary.last_at or self.undated_at

    @cached_property
    def rejects(self) -> Sequence[Reject]:
        """See `Source`."""
        return Rejects(shown(self.ref.location), self.files.rejects())

    def describe(self) -> str:
        """Describe how many channels, items and rows it holds, of which days, and what is odd."""
        found = self.files.summary
        named = [PurePath(location).name for location in self.beside]
        return joined(
            self.layout.name,
            counted(len(self._records), "channel"),
            counted(found.items, "item") if found.items else "",
            counted(found.rows, "row"),
            period(found.first_at or self.undated_at, self.observed_at),
            f"with {' and '.join(named)}" if named else "",
            oddities(
                rejected=found.rejected,
                repeated=found.repeated,
                guessed_lines=found.guessed_lines,
            ),
            *self._cautions(),
            not_read(self.columns, self.unread),
        )

    def _cautions(self) -> list[str]:
        """What misleads: only where its name tells a range is it looked for."""
        if self.named is None:
            return []
        scopes = (self.read(channel.id).scope for channel in self.channels())
        return list(dict.fromkeys(each for scope in scopes if scope for each in scope.cautions))

    def channels(self) -> Sequence[ChannelRecord]:
        """Return the channels in the order in which they first appear."""
        return list(self._records.values())

    def read(self, channel_id: str) -> ChannelReading:
        """Return what it holds of the channel, by time, and its rejected rows."""
        known = self._known_as(channel_id)
        facts = self.files.facts(known, self._prepared)
        channel, rejects = self._records[known], self._rejects_of(known)
        if known != channel_id:
            channel = replace(channel, id=channel_id)
        zone = ZoneInfo(self.layout.time_zone)
        if ITEM_ID in facts.columns:
            counted_from = self._counted_from()
            reading = _of_items(channel, facts, zone, counted_from)
        elif self.layout.has_gains() or self.layout.has_figures():
            reading = _of_channel(channel, facts, zone)
        else:
            snapshots = [ChannelSnapshot(*row) for row in facts.iter_rows()]
            return ChannelReading(channel, channel_snapshots=snapshots, rejects=rejects)
        return replace(reading, rejects=rejects, scope=self._scope(reading))

    def _scope(self, reading: ChannelReading) -> Scope | None:
        """What it says of itself, where it has gains of days or a name that tells its range."""
        days = [gain.day for gain in reading.channel_gains]
        days += [gain.day for gain in reading.item_gains]
        days += [each.last for each in reading.channel_figures]
        if days:
            first, last = min(days), max(days)
            odd = self.named and odd_range(self.named, first, last)
            cautions = (odd,) if odd else ()
            clock = self.layout.time_zone
            return Scope(first, last, (Measure.GAINS,), clock, cautions=cautions)
        first_day = self._counted_from()
        if first_day is None or self.named is None:
            return None
        told = {each.item_id for each in reading.item_snapshots}
        older = sum(
            1
            for each in reading.items
            if each.id not in told and _came_before(each.published_at, first_day)
        )
        cautions = (older_items(older, first_day),) if older else ()
        measures = (Measure.COUNTERS,) if told else ()
        return Scope(first_day, self.named.last, measures, cautions=cautions)

    def _counted_from(self) -> date | None:
        """The first day of what its numbers count: the name's, unless its rows have their time."""
        has_times = self.files.summary.first_at is not None
        return None if self.named is None or has_times else self.named.first

    def _known_as(self, channel_id: str) -> str:
        """Of a file that does not name its channel, the id that it has in the store counts."""
        if channel_id in self._records:
            return channel_id
        if len(self._records) == 1 and identity.is_ours(own := next(iter(self._records))):
            return own
        raise SourceError(self.ref.location, f"has no channel {channel_id}")

    @cached_property
    def _records(self) -> Mapping[str, ChannelRecord]:
        rows = self.files.channels.select(CHANNEL_ID, TITLE, PLATFORM).iter_rows()
        only = self.layout.successes_only or None
        return {
            channel_id: _record(channel_id, *rest, successes_only=only)
            for channel_id, *rest in rows
        }

    def _prepared(self, facts: pl.DataFrame) -> pl.DataFrame:
        """The columns that records are made of, in their order, every row with its time."""
        has = facts.columns
        figures = FIGURES if self.layout.has_figures() else ()
        gains = GAINS if figures or self.layout.has_gains() else ()
        of_channels = (*_OF_CHANNELS, *gains, *figures)
        wanted = (*_OF_ITEMS, *figures) if ITEM_ID in has else of_channels
        return facts.select(
            name if name in has else pl.lit(None).alias(name) for name in wanted
        ).with_columns(pl.col(OBSERVED_AT).fill_null(self.undated_at))

    def _rejects_of(self, channel_id: str) -> Sequence[Reject]:
        if not self.files.summary.rejected:
            return ()
        mine = [part.filter(pl.col(CHANNEL_ID) == channel_id) for part in self.files.rejects()]
        return list(Rejects(shown(self.ref.location), mine))


def mapped_kind(mapping: str) -> str:
    """Return the kind of a CSV that is read by the mapping file at the path *mapping*."""
    return f"{_MAPPED}{mapping}"


def mapping_in(kind: str) -> str | None:
    """Return the path of the mapping file in the *kind* of a source, if there is one."""
    return kind.removeprefix(_MAPPED) if kind.startswith(_MAPPED) else None


def open_csv(text: Text, layout: Layout, fact_cache: FactCache, kind: str = KIND) -> CsvSource:
    """
    Read the CSV *text* by *layout*, unless *fact_cache* has its facts.

    Raises:
        SourceError: It holds no row that can be used, is damaged, or lacks a file beside it.
    """
    beside = companions.find(text, layout)
    _require(text, layout, beside)
    key = _key(text, layout, beside)
    files = fact_cache.get(key) or fact_cache.put(key, _batches(text, layout, beside))
    if files is None:
        raise SourceError(text.location, "holds a header and no rows")
    source = CsvSource(
        ref=SourceRef(kind, text.location),
        layout=layout,
        files=files,
        undated_at=_undated_at(text, files),
        beside=[each.file.location for each in beside],
        columns=len(text.header.names),
        named=_range_of(text, files),
        unread=[
            name
            for name in text.header.names
            if name not in layout.columns() and not name.startswith("column ")
        ],
    )
    _refuse_gains(text, files)
    if not files.summary.rows:
        _refuse_step(text.location, row_step(text) or Step.DAY)
        raise SourceError(text.location, "has no usable row", why_none(source.rejects))
    _refuse_undated_readings(source)
    _refuse_steps(source)
    return source


def _refuse_gains(text: Text, files: FactFiles) -> None:
    """Refuse what is read as counters and falls as gains of days do, in most of its channels."""
    found = files.summary
    if 2 * found.falling > found.followed:
        reason = (
            f"has no counters where it is said to: {found.falls}, as what comes in on a day does"
        )
        remedy = "Map it to gained_views or gained_subscribers, with observed_at as its day"
        raise SourceError(text.location, reason, remedy)


def _refuse_undated_readings(source: CsvSource) -> None:
    """Refuse what reads its items again and again, where no column is known to say when."""
    found = source.files.summary
    if found.first_at is not None or found.rejected <= found.rows:
        return
    contradicts = pl.col(PROBLEM).str.starts_with(CONTRADICTS)
    again = sum(part.filter(contradicts).height for part in source.files.rejects())
    if again > found.rows:
        names = ", ".join(source.unread[:_UNREAD_NAMED]) or "none"
        raise SourceError(
            source.ref.location,
            f"has {again:,} more rows of its {counted(found.rows, 'item')}, with other counters, "
            "and no column that is known to say when each was read",
            "Map that column to observed_at (`pipeline mapping FILE` begins the map); "
            f"not read: {names}",
        )


def _refuse_steps(source: CsvSource) -> None:
    """Refuse what is said to come in on days, and came in over weeks or months."""
    if not (source.layout.has_gains() or source.layout.has_figures()):
        return
    for channel in islice(source.channels(), _LOOKED_AT):
        reading = source.read(channel.id)
        days = [gain.day for gain in reading.channel_gains or reading.item_gains]
        _refuse_step(
            source.ref.location, step_of(days or [each.last for each in reading.channel_figures])
        )


def _refuse_step(location: str, step: Step) -> None:
    if step is not Step.DAY:
        rows = step.rows()
        reason = f"is {step}: its rows are {rows}, and what came in over them belongs to no day"
        raise SourceError(location, reason, "Export it by day")


def _require(text: Text, layout: Layout, beside: Sequence[Beside]) -> None:
    found = [each.companion for each in beside]
    for companion in layout.companions:
        if companion.required and companion not in found:
            columns = ", ".join(sorted(companion.needs))
            reason = f"is a {layout.name}, which does not say whose items these are"
            raise SourceError(
                text.location, reason, f"Put a list with the columns {columns} into its folder"
            )


def _key(text: Text, layout: Layout, beside: Sequence[Beside]) -> str:
    """What the facts depend on: content and layout, and what the file's name adds."""
    with file_errors(text.location):
        parts = [
            str(_VERSION),
            layout.identity(),
            repr(_place(text, layout)),
            text.digest(),
            *(each.file.digest() for each in beside),
        ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _batches(text: Text, layout: Layout, beside: Sequence[Beside]) -> Iterator[Batch]:
    lookups = [(each.companion, companions.lookup(each)) for each in beside if each.companion.gives]
    yield from _batches_of(text, layout, lookups)
    for each in beside:
        layout_beside = each.companion.layout
        if layout_beside is not None and layout_beside.used(each.file.header.names):
            for batch in _batches_of(each.file, layout_beside, ()):
                yield Batch(batch.facts, batch.damage.clear(), own=False)


def _batches_of(
    text: Text, layout: Layout, lookups: Sequence[tuple[Companion, pl.DataFrame]]
) -> Iterator[Batch]:
    place = _place(text, layout)
    wanted = layout.columns() & set(text.header.names)
    if "DD.MM" in layout.dates.values() and place.year is None:
        remedy = "Put it into the file's name, as in list_2017.csv, or into a mapping"
        raise SourceError(text.location, "has dates without a year", remedy)
    with file_errors(text.location), text.open() as file:
        for rows in read_rows(file, text.header, wanted):
            frame = companions.join(_joined(rows.frame, layout), lookups)
            damage = pl.DataFrame(
                [(each.line, None, each.problem) for each in rows.damage],
                schema={LINE: pl.UInt32, CHANNEL_ID: pl.String, PROBLEM: pl.String},
                orient="row",
            )
            yield Batch(facts_of(frame, layout, place), damage, rows.guessed_lines)


def _place(text: Text, layout: Layout) -> Place:
    title, place = layout.title, None
    if title is not None:
        path = PurePath(text.location)
        platform = layout.rules[0].platform
        # An archive is the folder of what is in it.
        folder = path if identity.is_archive(path.name) else path.parent
        for sign, of in (("{file}", path), ("{folder}", folder)):
            if sign in title:
                place = place or identity.of_place(str(of), platform)
                title = title.replace(sign, identity.of_place(str(of), platform).title)
    names = (text.name, PurePath(text.location).name, PurePath(text.location).parent.name)
    year = layout.year or next(filter(None, map(times.year_in_name, names[:2])), None)
    first = next(filter(None, map(times.date_in_name, names)), None) if layout.begins else None
    if first is None and layout.year is None and (named := _named_range(text)):
        first = named.first
    return Place(title, year, None if place is None else place.id, first)


def _joined(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    made = [
        pl.concat_str(pair, separator=" ").str.strip_chars().alias(name)
        for name, pair in layout.joined.items()
        if set(pair) <= set(frame.columns)
    ]
    return frame.with_columns(made)


def _range_of(text: Text, files: FactFiles) -> Range | None:
    """The range in its name; none if items came out after it: it is of something else."""
    named = _named_range(text)
    newest = files.summary.last_published_at
    if named is None or (newest is not None and newest > _end_of(named) + _CLOCKS_DIFFER):
        return None
    return named


def _named_range(text: Text) -> Range | None:
    place = PurePath(text.location)
    return range_in_names((text.name, place.name, place.parent.name))


def _end_of(named: Range) -> datetime:
    return datetime.combine(named.last, _END_OF_DAY)


def _undated_at(text: Text, files: FactFiles) -> datetime:
    place = PurePath(text.location)
    named = _range_of(text, files)
    made_at = times.made_in_name(place.name) or times.made_in_name(place.parent.name)
    newest = files.summary.last_published_at
    return (
        times.from_name(text.name)
        or (made_at if made_at and not (newest and newest > made_at) else None)
        or (_end_of(named) if named else None)
        or text.fetched_at
        or files.summary.last_published_at
        or _end_of_year(text)
        or text.modified_at
        or datetime.now(UTC)
    )


def _end_of_year(text: Text) -> datetime | None:
    year = times.year_in_name(text.name)
    end = datetime(year, 12, 31, tzinfo=UTC) if year is not None else None
    return end if end is not None and end < datetime.now(UTC) else None


def _record(
    channel_id: str, title: str | None, platform: str | None, *, successes_only: bool | None
) -> ChannelRecord:
    """A `UC…` id is YouTube's; of any other the layout knows the platform."""
    on_youtube = youtube_ids.is_channel_id(channel_id)
    url = (
        youtube_ids.channel_url(channel_id) if on_youtube else twitch_names.channel_url(channel_id)
    )
    return ChannelRecord(
        id=channel_id,
        title=one_line(title or "") or channel_id,
        platform=Platform.YOUTUBE if on_youtube else Platform(platform or Platform.OTHER),
        url=url,
        successes_only=successes_only,
    )


def _of_channel(channel: ChannelRecord, facts: pl.DataFrame, zone: ZoneInfo) -> ChannelReading:
    snapshots: list[ChannelSnapshot] = []
    gains: list[ChannelGain] = []
    figures: list[Figures] = []
    counters = len(CHANNEL_COUNTERS) + 1
    by_day = counters + len(GAINS)
    for row in facts.iter_rows():
        gained, told = row[counters:by_day], _known(row[by_day:])
        day = row[0].astimezone(zone).date()
        if gained != (None, None):
            gains.append(ChannelGain(day, *gained))
        if told:
            views, subscribers = gained
            figures.append(
                Figures(first=day, last=day, views=views, subscribers=subscribers, **told)
            )
        if any(value is not None for value in row[1:counters]):
            snapshots.append(ChannelSnapshot(*row[:counters]))
    return ChannelReading(
        channel, channel_snapshots=snapshots, channel_gains=gains, channel_figures=figures
    )


def _known(values: Sequence[int | None]) -> dict[str, Any]:
    """Return the fields of `records.Figures` that a row has; its layout may have none."""
    pairs = zip(FIGURES, values, strict=bool(values))
    return {name: value for name, value in pairs if value is not None}


def _of_items(
    channel: ChannelRecord, facts: pl.DataFrame, zone: ZoneInfo, counted_from: date | None
) -> ChannelReading:
    """
    The last row of an item says what it is; each row may have counters.

    Where they are *counted_from* a day on, those of an older item are only a part.
    """
    last: dict[str, tuple[Any, ...]] = {}
    own: list[ChannelSnapshot] = []
    snapshots: list[ItemSnapshot] = []
    gains: list[ItemGain] = []
    figures: list[ItemFigures] = []
    for row in facts.iter_rows():
        observed_at, item_id, subscribers, count, views, likes, comments, gained, came = row[
            :_COUNTED
        ]
        if item_id is None:
            own.append(ChannelSnapshot(observed_at, subscribers, views, count))
            continue
        last[item_id] = row
        if gained is not None:
            gains.append(ItemGain(item_id, observed_at.astimezone(zone).date(), gained))
        is_part = counted_from is not None and _came_before(row[_PUBLISHED], counted_from)
        has_counters = views is not None or likes is not None or comments is not None
        if has_counters and not is_part:
            snapshots.append(ItemSnapshot(item_id, observed_at, views, likes, comments))
        if (told := _known(row[len(_OF_ITEMS) :])) or came is not None:
            since = counted_from or FROM_THE_FIRST
            of = {"item_id": item_id, "first": since, "last": observed_at.date()}
            figures.append(ItemFigures(**of, views=views, subscribers=came, **told))
    on_youtube = channel.platform is Platform.YOUTUBE
    return ChannelReading(
        channel,
        items=[_item(item_id, row, on_youtube=on_youtube) for item_id, row in last.items()],
        channel_snapshots=own,
        item_snapshots=snapshots,
        item_gains=gains,
        item_figures=figures,
    )


def _came_before(published_at: datetime | None, day: date) -> bool:
    """Whether an item is older than *day*, or may be."""
    return published_at is None or published_at.date() < day


def _item(item_id: str, row: tuple[Any, ...], *, on_youtube: bool) -> ItemRecord:
    title, published_at, duration_s, category, tags, live, url = row[_COUNTED : len(_OF_ITEMS)]
    if published_at is not None and published_at > row[0] + _CLOCKS_DIFFER:
        published_at = None  # when it was listed, it had not come out
    return ItemRecord(
        id=item_id,
        title=one_line(title or "") or item_id,
        published_at=published_at,
        duration_s=duration_s,
        url=youtube_ids.video_url(item_id) if on_youtube else web_address(url or ""),
        category=one_line(category) if category else None,
        tags=tags.split("\n") if tags else (),
        live=live,
    )
