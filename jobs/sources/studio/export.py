"""
YouTube Studio's export of a channel: the tables in one folder, or in the zip that it downloads.

    Totals       a row for each day, with what came in on it: the channel's gains
    Chart data   a row for each day and video: the gains of single videos
    Table data   a row for each video, below a row `Total`: what it is, its counters in the range,
                 and what only its owner sees
    a split      by country, traffic source or the like, of no day or video: only its row `Total` is
                 the channel's; and of one whose parts are the whole day, such as subscribers and
                 others, their sum

`role` recognises them by their columns, in any language, whatever their names. What they hold is
read as follows.

- A gain is what came in on a day of YouTube's, which ends at midnight Pacific. Subscribers are
  net. An empty cell is unknown, never zero. Engaged views stand in for views where an export has
  no others. Rows of weeks or months are no days, and are not read.
- The range may begin before the channel did: days of nothing but zeros before the first other
  one are no observations; nor are a video's before its publication, or its first view.
- What the table counts of a video is its counter only if the range began before the video. Of an
  older video it is a part, and left out. The range is that of the days beside the table, else that
  in the folder's name; else the counts themselves may show that they are of one (`signs`). With
  none of these a table is read as if it were of the whole lifetime.
- What only an owner sees of videos (`records.Figures`) is of the whole range, older videos
  included; so are the channel's own, in the row `Total` of any table. A total that is not the sum
  of the days beside it is of something else, and left out.
- A chart holds the few videos that its owner left in it, the most viewed: without a table its
  items are successes only (see `ChannelRecord`), and so are those of a table that was cut.
- Counters are observed at the end of the range or, where that is unknown, at the newest
  publication: the export was made after it.
- Whose it is says its place (`identity`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

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
from jobs.sources.description import joined, not_read, oddities, older_items, why_none
from jobs.sources.source import SourceError, UnrecognisedError
from jobs.sources.studio import signs
from jobs.sources.studio.figures import fields_in, figures_of
from jobs.sources.studio.names import english
from jobs.sources.studio.role import DAY, ITEM, TITLE, Role
from jobs.sources.studio.table import DURATION, PUBLISHED, StudioTable
from jobs.sources.values import youtube_ids
from jobs.sources.values.ranges import Range, range_in_names
from jobs.sources.values.steps import Step, step_of
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.records import Reject
    from jobs.sources.document import Text

KIND = "studio"

_COUNTERS = ("views", "likes", "comments")
_END_OF_DAY = time(23, 59, 59, tzinfo=UTC)
_SAME_TOTAL = 0.02
"""Totals that differ by more are of different things: corrections of views are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioExport:
    """An export that was read; see `Source`. It knows one channel."""

    ref: SourceRef
    reading: ChannelReading
    observed_at: datetime
    tables: Sequence[str]
    engaged_only: bool
    columns: int
    unread: Sequence[str]

    @property
    def rejects(self) -> Sequence[Reject]:
        """See `Source`."""
        return self.reading.rejects

    def describe(self) -> str:
        """Describe whose export it is, how many days and videos it holds, and what is odd."""
        reading = self.reading
        days = [gain.day for gain in reading.channel_gains]
        return joined(
            f"Studio export of '{reading.channel.title}'",
            counted(len(days), "day") if days else "",
            counted(len(reading.items), "item") if reading.items else "",
            f"{counted(len(reading.item_gains), 'day')} of items" if reading.item_gains else "",
            reading.scope.words() if reading.scope and reading.scope.first else "",
            f"from {', '.join(self.tables)}",
            "engaged views taken for views" if self.engaged_only else "",
            oddities(rejected=len(self.rejects)),
            *(reading.scope.cautions if reading.scope else ()),
            not_read(self.columns, self.unread),
        )

    def channels(self) -> Sequence[ChannelRecord]:
        """Return the channel."""
        return [self.reading.channel]

    def read(self, channel_id: str) -> ChannelReading:
        """
        Return all it holds of the channel.

        It does not name its channel, so any id that it has in the store is right.
        """
        channel = self.reading.channel
        if channel_id == channel.id:
            return self.reading
        if not identity.is_ours(channel.id):
            raise SourceError(self.ref.location, f"has no channel {channel_id}")
        return replace(self.reading, channel=replace(channel, id=channel_id))


def open_studio(
    location: str, files: Sequence[tuple[Role, Text]], place: str | None = None
) -> StudioExport:
    """
    Read the export at *location*, which is a folder or one table of it; *files* are its tables.

    place: what names the channel, if that is not the folder of the tables.

    Raises:
        SourceError: A table is damaged, is not by day, or holds nothing that can be used.
        UnrecognisedError: None is of days or videos.
    """
    tables = [StudioTable(role, file) for role, file in files if role is not Role.SPLIT]
    if not tables:
        reason = "is a split by country, source or the like, of no day or video"
        raise UnrecognisedError(location, reason, "Export Totals, or Table data by content, too")
    by_day, not_by_day = _by_day(tables)
    if not by_day:
        reason = f"cannot be read: {'; '.join(not_by_day)}"
        raise SourceError(location, reason, "Export it by day: choose Daily above Studio's chart")
    place = place or str(Path(tables[0].location).parent)
    whose = identity.of_place(place, Platform.YOUTUBE)
    splits = [StudioTable(role, file) for role, file in files if _has_total(role, file)]
    reading, observed_at = _reading(whose, by_day, splits, not_by_day)
    if not (reading.channel_gains or reading.channel_snapshots or reading.items):
        raise SourceError(location, "has no usable row", why_none(reading.rejects))
    return StudioExport(
        ref=SourceRef(KIND, location),
        reading=reading,
        observed_at=observed_at,
        tables=[table.name for table in by_day],
        engaged_only=any(table.engaged_only for table in by_day),
        columns=sum(table.columns for table in by_day),
        unread=list(dict.fromkeys(name for table in by_day for name in table.unread)),
    )


def _has_total(role: Role, file: Text) -> bool:
    return role is Role.SPLIT and DAY not in english(file.header.names)


def _by_day(tables: Sequence[StudioTable]) -> tuple[list[StudioTable], list[str]]:
    """The tables that can be read, and in a clause each why others cannot."""
    kept, others = [], []
    for table in tables:
        days = table.rows[DAY].to_list() if DAY in table.rows.columns else []
        step = step_of(days, monthly=table.monthly)
        if step is Step.DAY:
            kept.append(table)
        else:
            others.append(f"{table.name} is {step}: its rows are {step.rows()}, not days")
    return kept, others


def _channel(whose: identity.Identity) -> ChannelRecord:
    own = youtube_ids.is_channel_id(whose.id)
    return ChannelRecord(
        id=whose.id,
        title=whose.title,
        platform=Platform.YOUTUBE,
        url=youtube_ids.channel_url(whose.id) if own else None,
    )


def _reading(
    whose: identity.Identity,
    tables: Sequence[StudioTable],
    splits: Sequence[StudioTable],
    cautions: Sequence[str],
) -> tuple[ChannelReading, datetime]:
    """What all tables hold together, and when the counters in them were read."""
    days = [day for table in tables for day in table.days()]
    named = _named_range(whose, tables)
    first = min(days, default=None if named is None else named.first)
    last = max(days, default=None if named is None else named.last)
    of_videos = [table for table in tables if ITEM in table.rows.columns]
    videos = _videos(of_videos)
    observed_at = _observed_at(tables, videos, last)
    cuts = [clause for table in of_videos if (clause := _cut(table))]
    channel = _channel(whose)
    if cuts or (of_videos and all(table.role is Role.CHART for table in of_videos)):
        channel = replace(channel, successes_only=True)
    begun, sign = _begun(videos, first)
    snapshots, parts = _item_snapshots(videos, begun, sign, observed_at)
    span = (begun.date() if begun else FROM_THE_FIRST, observed_at.date())
    totals, others = _totals([*tables, *splits], *span)
    unreadable = [f"{each.name}: {clause}" for each in tables for clause in each.cautions]
    logs = [table for table in tables if _is_log(table)]
    days_of = [each for each in tables if each.role is Role.TOTALS and each not in logs]
    odd = [clause for each in days_of for clause in signs.odd_days(each)]
    gains = _channel_gains([table for table in tables if table not in logs])
    item_gains = _item_gains([table for table in tables if table.role is Role.CHART], videos)
    measures = [Measure.GAINS] if gains or item_gains else []
    measures += [Measure.COUNTERS] if snapshots or logs else []
    taken = [
        f"{table.name} is taken for a log of counters: its numbers only rise" for table in logs
    ]
    reading = ChannelReading(
        channel,
        items=_items(videos, observed_at),
        item_snapshots=snapshots,
        channel_snapshots=_channel_snapshots(logs),
        channel_gains=gains,
        item_gains=item_gains,
        channel_figures=[*_days(tables), *totals],
        item_figures=[each for table in of_videos for each in _of_items(table, *span)],
        rejects=[reject for table in tables for reject in table.rejects],
        scope=Scope(
            first=first,
            last=last,
            measures=tuple(measures),
            clock="Pacific" if days else "",
            whole=False if cuts else None,
            cautions=(*cautions, *taken, *odd, *cuts, *parts, *others, *unreadable),
        ),
    )
    return reading, observed_at


def _named_range(whose: identity.Identity, tables: Sequence[StudioTable]) -> Range | None:
    """The range in the name of the folder or archive, or of a table."""
    if whose.first is not None and whose.last is not None:
        return Range(whose.first, whose.last)
    places = [Path(table.location) for table in tables]
    return range_in_names(name for each in places for name in (each.name, each.parent.name))


def _is_log(table: StudioTable) -> bool:
    names = ("views", "subscribers")
    if table.role is not Role.TOTALS or not set(names) <= set(table.rows.columns):
        return False
    rows = table.rows.sort(DAY)
    return signs.are_counters([rows[name].to_list() for name in names])


def _channel_snapshots(logs: Sequence[StudioTable]) -> list[ChannelSnapshot]:
    """A counter of a day was read on it: at its end, as far as the log says."""
    return [
        ChannelSnapshot(datetime.combine(day, _END_OF_DAY), subscribers, views)
        for table in logs
        for day, subscribers, views in table.rows.select(DAY, "subscribers", "views").iter_rows()
    ]


def _cut(table: StudioTable) -> str | None:
    """How a table of videos was cut; a chart holds what its owner left in it anyway."""
    if table.role is not Role.TABLE:
        return None
    views = table.rows.select(table.counter("views")).to_series()
    return signs.cut(table, int(views.sum()) if views.count() else None)


def _videos(tables: Sequence[StudioTable]) -> pl.DataFrame:
    """Every video once: what it is, and its counters over the range where the table has them."""
    counters = dict(zip(_COUNTERS, ("views", "likes", "comments added"), strict=True))
    schema = pl.Schema(
        {
            **dict.fromkeys((ITEM, TITLE), pl.String()),
            PUBLISHED: pl.Datetime("us", "UTC"),
            DURATION: pl.Int64(),
            **dict.fromkeys(counters, pl.Int64()),
        }
    )
    parts = [schema.to_frame()]
    for table in sorted(tables, key=lambda each: each.role, reverse=True):  # the table first
        counted = {
            ours: table.counter(theirs) if table.role is Role.TABLE else pl.lit(None, pl.Int64)
            for ours, theirs in counters.items()
        }
        facts = [
            pl.col(name) if name in table.rows.columns else pl.lit(None, schema[name]).alias(name)
            for name in (ITEM, TITLE, PUBLISHED, DURATION)
        ]
        parts.append(
            table.rows.select(*facts, *(each.alias(ours) for ours, each in counted.items()))
        )
    return pl.concat(parts).unique(ITEM, keep="first", maintain_order=True)


def _observed_at(
    tables: Sequence[StudioTable], videos: pl.DataFrame, last: date | None
) -> datetime:
    if last is not None:
        return datetime.combine(last, _END_OF_DAY)
    newest = videos.select(pl.col(PUBLISHED).max()).item()
    changed = [table.modified_at for table in tables if table.modified_at]
    return newest or max(changed, default=datetime.now(UTC))


def _items(videos: pl.DataFrame, observed_at: datetime) -> list[ItemRecord]:
    """A publication after the export was made is a plan."""
    columns = (ITEM, TITLE, PUBLISHED, DURATION)
    made = observed_at + timedelta(days=1)
    return [
        ItemRecord(
            id=item_id,
            title=one_line(title or "") or item_id,
            published_at=published_at if published_at and published_at <= made else None,
            duration_s=duration_s or None,
            url=youtube_ids.video_url(item_id),
        )
        for item_id, title, published_at, duration_s in videos.select(columns).iter_rows()
    ]


def _begun(videos: pl.DataFrame, first: date | None) -> tuple[datetime | None, str]:
    """When the range began, and what to say where only the counts show it; None if it is none."""
    if first is not None:
        return _midnight(first), ""
    told = _counted(videos)
    below = pl.any_horizontal((pl.col(name) < 0).fill_null(value=False) for name in _COUNTERS)
    dated = told.drop_nulls(PUBLISHED).select(PUBLISHED, "views", below.alias("below"))
    begun = signs.counted_from(list(dated.iter_rows()))
    return begun, " (which the counts show, and nothing else says)" if begun else ""


def _counted(videos: pl.DataFrame) -> pl.DataFrame:
    return videos.filter(pl.any_horizontal(pl.col(_COUNTERS).is_not_null()))


def _item_snapshots(
    videos: pl.DataFrame, begun: datetime | None, sign: str, observed_at: datetime
) -> tuple[list[ItemSnapshot], list[str]]:
    """
    The counters of videos that the range has from their first day, and a clause on the others.

    The table counts only a part of a video older than the range: that is no counter of it.
    """
    told = _counted(videos)
    whole = told if begun is None else told.filter(pl.col(PUBLISHED) >= begun)
    sound = [pl.when(pl.col(name) >= 0).then(pl.col(name)).alias(name) for name in _COUNTERS]
    snapshots = [
        ItemSnapshot(item_id, observed_at, *counters)
        for item_id, *counters in whole.select(ITEM, *sound).iter_rows()
    ]
    parts = told.height - whole.height
    if not parts or begun is None:
        return snapshots, []
    return snapshots, [older_items(parts, begun.date(), sign)]


def _of_items(table: StudioTable, first: date, last: date) -> list[ItemFigures]:
    """What only an owner sees of each video, over the range of the table."""
    fields = fields_in(table.rows)
    rows = table.rows.with_columns(table.counter("views").alias("views"))
    return [
        ItemFigures(item_id=row[ITEM], first=first, last=last, views=row["views"], **known)
        for row in rows.iter_rows(named=True)
        if fields and table.role is Role.TABLE and (known := figures_of(row, fields))
    ]


def _days(tables: Sequence[StudioTable]) -> list[Figures]:
    """What only an owner sees of each day; nothing of those before the channel began."""
    found: dict[date, dict[str, object]] = {}
    for table in tables:
        fields = fields_in(table.rows) if table.role is Role.TOTALS and not _is_log(table) else []
        rows = table.rows.with_columns(table.counter("views").alias("views"))
        for row in rows.iter_rows(named=True):
            known = figures_of(row, fields)
            if known:
                views = {} if row["views"] is None else {"views": row["views"]}
                found.setdefault(row[DAY], {}).update({**known, **views})
    ordered = sorted(found.items())
    begun = next((at for at, (_, known) in enumerate(ordered) if any(known.values())), None)
    told = [] if begun is None else ordered[begun:]
    only_gains = {"views", "subscribers"}
    return [
        Figures(first=day, last=day, **known)  # type: ignore[arg-type]  # by their fields
        for day, known in told
        if set(known) - only_gains
    ]


def _totals(
    tables: Sequence[StudioTable], first: date, last: date
) -> tuple[list[Figures], list[str]]:
    """The channel's own figures over the range, and a clause on totals of something else."""
    known: dict[str, object] = {}
    cautions = []
    days = [each for each in tables if each.role is Role.TOTALS and not _is_log(each)]
    for table in tables:
        if not table.total_figures:
            continue
        other = next((each for each in days if _differs(table, each)), None)
        if other is not None:
            cautions.append(
                f"the total of {table.name}, {table.total or 0:,} views, is not that of the days "
                f"in {other.name}: it is left out"
            )
            continue
        known = {"views": table.total, **table.total_figures, **known}
    told = {name: value for name, value in known.items() if value is not None}
    if not set(told) - {"views"}:
        return [], cautions
    return [Figures(first=first, last=last, **told)], cautions  # type: ignore[arg-type]


def _differs(table: StudioTable, days: StudioTable) -> bool:
    """Whether the total of *table* is not the sum of *days*, where both count the same views."""
    name = table.total_of
    if name not in days.rows.columns or table.total is None:
        return False
    views = days.rows[name]
    if views.null_count():
        return False
    return abs(int(views.sum()) - table.total) > _SAME_TOTAL * max(table.total, 1)


def _channel_gains(tables: Sequence[StudioTable]) -> list[ChannelGain]:
    """
    Each of several tables in a folder may have one metric: a day gets those of all of them.

    Totals count before the sum of a split.
    """
    names = ("views", "subscribers")
    schema = pl.Schema({DAY: pl.Date(), **dict.fromkeys(names, pl.Int64())})
    parts = [_summed(table, names) for table in tables if table.role is Role.PARTS]
    parts += [
        table.rows.select(DAY, *map(table.counter, names))
        for table in tables
        if table.role is Role.TOTALS
    ]
    days = (
        pl.concat([schema.to_frame(), *parts])
        .group_by(DAY)
        .agg(pl.col(names).drop_nulls().last())
        .sort(DAY)
        .filter(pl.any_horizontal(pl.col(names).is_not_null()))
    )
    begun = pl.any_horizontal(pl.col(names) != 0).fill_null(value=False).cum_max()
    return [ChannelGain(*row) for row in days.filter(begun).iter_rows()]


def _summed(table: StudioTable, names: Sequence[str]) -> pl.DataFrame:
    """The days of a split: the sum of their parts, where a day has as many as any other."""
    values = table.rows.select(DAY, *map(table.counter, names))
    most = pl.len() == values.group_by(DAY).len().select(pl.max("len")).item()
    known = [
        pl.when(most & (pl.col(name).null_count() == 0)).then(pl.col(name).sum()).alias(name)
        for name in names
    ]
    return values.group_by(DAY, maintain_order=True).agg(known)


def _item_gains(tables: Sequence[StudioTable], videos: pl.DataFrame) -> list[ItemGain]:
    schema = pl.Schema({ITEM: pl.String(), DAY: pl.Date(), "views": pl.Int64()})
    parts = [table.rows.select(ITEM, DAY, table.counter("views")) for table in tables]
    days = (
        pl.concat([schema.to_frame(), *parts])
        .drop_nulls()
        .unique((ITEM, DAY), keep="last")
        .sort(ITEM, DAY)
        .join(videos.select(ITEM, PUBLISHED), on=ITEM, how="left", maintain_order="left")
    )
    viewed = (pl.col("views") != 0).cum_max().over(ITEM)
    published = (pl.col(DAY) >= pl.col(PUBLISHED).dt.date()).fill_null(value=False)
    begun = days.filter(viewed | published)
    return [ItemGain(*row) for row in begun.select(ITEM, DAY, "views").iter_rows()]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC))
