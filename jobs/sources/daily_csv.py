"""
Daily-counter CSV: one row per channel and day, with its counters.

Known by its columns, in any order, with any others beside them:

- `date_utc, channel_id, channel_title, subscribers, views, videos` (title and counters optional,
  but one counter at least): channels as a YouTube tracker writes them;
- `snapshot_at, vtuber_id, youtube_subscribers, youtube_total_views, twitch_followers`: people
  with a channel on either platform or both. Each is a channel of its own here, the one on
  Twitch with `twitch:` before its id and its followers as subscribers.

A row without any counter is no snapshot, and no error either: not on that platform, or hidden.
Of several rows with the same channel and time the last one counts. Earlier ones that say the
same are counted as repeated; those that say otherwise are rejects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from jobs.records import ChannelReading, ChannelSnapshot, Platform, SourceRef
from jobs.sources import times
from jobs.sources.columns import (
    TIME,
    bad_counter,
    missing,
    parsed,
    text,
    unreadable,
    whole_number,
    with_parsed,
)
from jobs.sources.csv_channels import OBSERVED_AT, PLATFORM, TITLE, channels_in
from jobs.sources.sift import CHANNEL_ID, PROBLEM, sift
from jobs.sources.source import SourceError
from jobs.sources.summary import joined, oddities, period, quantity, why_none
from jobs.sources.table import LINE, read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from jobs.records import ChannelRecord, Reject
    from jobs.sources.document import Document

KIND = "daily-csv"

_COUNTERS = ("subscribers", "views", "items")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which column says what; *counters* by our names for them."""

    observed_at: str
    channel_id: str
    counters: Mapping[str, str]
    title: str | None = None
    platform: Platform | None = None
    prefix: str = ""

    def fits(self, header: Collection[str]) -> bool:
        return {self.observed_at, self.channel_id} <= set(header) and bool(self.counters_in(header))

    def counters_in(self, header: Collection[str]) -> Mapping[str, str]:
        return {ours: theirs for ours, theirs in self.counters.items() if theirs in header}


_LAYOUTS = (
    _Layout(
        observed_at="date_utc",
        channel_id="channel_id",
        title="channel_title",
        counters={"subscribers": "subscribers", "views": "views", "items": "videos"},
    ),
    _Layout(
        observed_at="snapshot_at",
        channel_id="vtuber_id",
        counters={"subscribers": "youtube_subscribers", "views": "youtube_total_views"},
        platform=Platform.YOUTUBE,
    ),
    _Layout(
        observed_at="snapshot_at",
        channel_id="vtuber_id",
        counters={"subscribers": "twitch_followers"},
        platform=Platform.STREAM,
        prefix="twitch:",
    ),
)


def recognises(header: Collection[str]) -> bool:
    """Tell whether a CSV with these columns is one of daily counters."""
    return any(layout.fits(header) for layout in _LAYOUTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCsv:
    """A daily-counter CSV that was read; see `Source`."""

    ref: SourceRef
    rejects: Sequence[Reject]
    observed_at: datetime
    records: Mapping[str, ChannelRecord]
    snapshots: pl.DataFrame
    oddities: str

    def describe(self) -> str:
        """Say how many channels and rows it holds, of which days, and what is odd."""
        return joined(
            "daily counters",
            quantity(len(self.records), "channel"),
            quantity(self.snapshots[LINE].n_unique(), "row"),
            period(self.snapshots.select(pl.min(OBSERVED_AT)).item(), self.observed_at),
            self.oddities,
        )

    def channels(self) -> Sequence[ChannelRecord]:
        """Return the channels in the order in which they first appear."""
        return list(self.records.values())

    def read(self, channel_id: str) -> ChannelReading:
        """Return the channel's counters by time, and its rejected rows."""
        if channel_id not in self.records:
            raise SourceError(self.ref.location, f"has no channel {channel_id}")
        mine = self.snapshots.filter(pl.col(CHANNEL_ID) == channel_id).sort(OBSERVED_AT)
        counters = mine.select(OBSERVED_AT, *_COUNTERS).rows()
        return ChannelReading(
            channel=self.records[channel_id],
            channel_snapshots=[ChannelSnapshot(*row) for row in counters],
            rejects=[reject for reject in self.rejects if reject.channel_id == channel_id],
        )


def parse(document: Document) -> DailyCsv:
    """
    Read a daily-counter CSV.

    Raises:
        SourceError: It holds no row that can be used.
    """
    table = read_table(document)
    layouts = [layout for layout in _LAYOUTS if layout.fits(table.frame.columns)]
    sifted = [
        sift(_snapshots(table.frame, layout), (CHANNEL_ID, OBSERVED_AT), document.location)
        for layout in layouts
    ]
    snapshots = pl.concat([part.kept for part in sifted])
    rejects = _one_per_row(
        [*table.rejects, *(reject for part in sifted for reject in part.rejects)]
    )
    if snapshots.is_empty():
        raise SourceError(document.location, "has no usable row", why_none(rejects))
    repeated = max(part.repeated_rows for part in sifted)
    return DailyCsv(
        ref=SourceRef(KIND, document.location),
        rejects=rejects,
        observed_at=snapshots.select(pl.max(OBSERVED_AT)).item(),
        records=channels_in(snapshots),
        snapshots=snapshots,
        oddities=oddities(
            rejected=len(rejects), repeated=repeated, guessed_lines=table.guessed_lines
        ),
    )


def _snapshots(frame: pl.DataFrame, layout: _Layout) -> pl.DataFrame:
    """One row per row of the file that carries a counter, in our names, with its problem."""
    frame = with_parsed(frame, layout.observed_at, times.from_iso8601, TIME)
    counters = layout.counters_in(frame.columns)
    problem = pl.coalesce(
        missing(layout.channel_id),
        missing(layout.observed_at),
        unreadable(layout.observed_at, "date"),
        *(bad_counter(column) for column in counters.values()),
    )
    told = pl.any_horizontal(text(column).is_not_null() for column in counters.values())
    return frame.filter(told | problem.is_not_null()).select(
        LINE,
        pl.format("{}{}", pl.lit(layout.prefix), text(layout.channel_id)).alias(CHANNEL_ID),
        parsed(layout.observed_at).alias(OBSERVED_AT),
        *(_counter(counters.get(name)).alias(name) for name in _COUNTERS),
        _title(frame, layout).alias(TITLE),
        pl.lit(layout.platform, dtype=pl.String).alias(PLATFORM),
        problem.alias(PROBLEM),
    )


def _title(frame: pl.DataFrame, layout: _Layout) -> pl.Expr:
    if layout.title is None or layout.title not in frame.columns:
        return pl.lit(None, dtype=pl.String)
    return text(layout.title)


def _counter(column: str | None) -> pl.Expr:
    return whole_number(column) if column else pl.lit(None, dtype=pl.Int64)


def _one_per_row(rejects: Iterable[Reject]) -> list[Reject]:
    """A row that two layouts read is rejected once."""
    by_row = {(reject.line, reject.reason): reject for reject in rejects}
    return sorted(by_row.values(), key=lambda reject: reject.line or 0)
