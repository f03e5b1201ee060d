"""
Video-list CSV: one row per video and snapshot, with the video's facts and counters.

Known by its columns `snapshot_utc, channel_id, video_id` and one counter at least of
`view_count, like_count, comment_count`; beside them, where present, `channel_title, title,
published_at, duration_iso8601, category_id`. Order and other columns do not matter.

A duration of zero, as YouTube tells for a stream that has not ended, is an unknown one.

A row without any counter tells of a video, but is no snapshot. Of several rows with the same
channel, video and time the last one counts. Earlier ones that say the same are counted as
repeated; those that say otherwise are rejects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from jobs.records import ChannelReading, ItemRecord, ItemSnapshot, SourceRef
from jobs.sources import durations, times, youtube
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
from jobs.sources.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from jobs.records import ChannelRecord, Reject
    from jobs.sources.document import Document

KIND = "video-csv"

_ITEM_ID = "video_id"
_SNAPSHOT = "snapshot_utc"
_PUBLISHED = "published_at"
_DURATION = "duration_iso8601"
_NEEDED = frozenset({_SNAPSHOT, CHANNEL_ID, _ITEM_ID})
_COUNTERS = {"views": "view_count", "likes": "like_count", "comments": "comment_count"}
_OPTIONAL = (TITLE, "title", _PUBLISHED, _DURATION, "category_id", *_COUNTERS.values())


def recognises(header: Collection[str]) -> bool:
    """Tell whether a CSV with these columns is a list of videos."""
    return set(header) >= _NEEDED and not set(header).isdisjoint(_COUNTERS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCsv:
    """A video-list CSV that was read; see `Source`."""

    ref: SourceRef
    rejects: Sequence[Reject]
    observed_at: datetime
    records: Mapping[str, ChannelRecord]
    rows: pl.DataFrame
    oddities: str

    def describe(self) -> str:
        """Say how many channels, videos and rows it holds, of which days, and what is odd."""
        return joined(
            "video list",
            quantity(len(self.records), "channel"),
            quantity(self.rows.select(CHANNEL_ID, _ITEM_ID).n_unique(), "video"),
            quantity(self.rows.height, "row"),
            period(self.rows.select(pl.min(OBSERVED_AT)).item(), self.observed_at),
            self.oddities,
        )

    def channels(self) -> Sequence[ChannelRecord]:
        """Return the channels in the order in which they first appear."""
        return list(self.records.values())

    def read(self, channel_id: str) -> ChannelReading:
        """Return the channel's videos as they were last, their counters, and rejected rows."""
        if channel_id not in self.records:
            raise SourceError(self.ref.location, f"has no channel {channel_id}")
        mine = self.rows.filter(pl.col(CHANNEL_ID) == channel_id).sort(OBSERVED_AT, LINE)
        return ChannelReading(
            channel=self.records[channel_id],
            items=_items(mine),
            item_snapshots=_snapshots(mine),
            rejects=[reject for reject in self.rejects if reject.channel_id == channel_id],
        )


def parse(document: Document) -> VideoCsv:
    """
    Read a video-list CSV.

    Raises:
        SourceError: It holds no row that can be used.
    """
    table = read_table(document)
    key = (CHANNEL_ID, _ITEM_ID, OBSERVED_AT)
    sifted = sift(_rows(table.frame), key, document.location)
    rejects = sorted([*table.rejects, *sifted.rejects], key=lambda reject: reject.line or 0)
    if sifted.kept.is_empty():
        raise SourceError(document.location, "has no usable row", why_none(rejects))
    return VideoCsv(
        ref=SourceRef(KIND, document.location),
        rejects=rejects,
        observed_at=sifted.kept.select(pl.max(OBSERVED_AT)).item(),
        records=channels_in(sifted.kept),
        rows=sifted.kept,
        oddities=oddities(
            rejected=len(rejects),
            repeated=sifted.repeated_rows,
            guessed_lines=table.guessed_lines,
        ),
    )


def _rows(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per row of the file, in our names, with its problem."""
    absent = [name for name in _OPTIONAL if name not in frame.columns]
    frame = frame.with_columns(pl.lit("").alias(name) for name in absent)
    frame = with_parsed(frame, _SNAPSHOT, times.from_iso8601, TIME)
    frame = with_parsed(frame, _PUBLISHED, times.from_iso8601, TIME)
    frame = with_parsed(frame, _DURATION, durations.from_iso8601, pl.Int64())
    return frame.select(
        LINE,
        *(text(name) for name in (CHANNEL_ID, TITLE, _ITEM_ID, "title")),
        text("category_id").alias("category"),
        parsed(_SNAPSHOT).alias(OBSERVED_AT),
        parsed(_PUBLISHED).alias(_PUBLISHED),
        pl.when(parsed(_DURATION) > 0).then(parsed(_DURATION)).alias("duration_s"),
        *(whole_number(theirs).alias(ours) for ours, theirs in _COUNTERS.items()),
        pl.lit(None, dtype=pl.String).alias(PLATFORM),
        _problem().alias(PROBLEM),
    )


def _problem() -> pl.Expr:
    return pl.coalesce(
        *(missing(name) for name in (CHANNEL_ID, _ITEM_ID, _SNAPSHOT)),
        *(unreadable(name, "date") for name in (_SNAPSHOT, _PUBLISHED)),
        unreadable(_DURATION, "duration"),
        *(bad_counter(name) for name in _COUNTERS.values()),
    )


def _items(mine: pl.DataFrame) -> list[ItemRecord]:
    """What a video was called last is its title; the row that came last rules."""
    last = mine.unique(subset=_ITEM_ID, keep="last", maintain_order=True)
    columns = (_ITEM_ID, "title", _PUBLISHED, "duration_s", CHANNEL_ID, "category")
    return [
        ItemRecord(
            id=item_id,
            title=one_line(title or "") or item_id,
            published_at=published_at,
            duration_s=duration_s,
            url=youtube.video_url(item_id) if youtube.is_channel_id(channel_id) else None,
            category=category,
        )
        for item_id, title, published_at, duration_s, channel_id, category in last.select(
            columns
        ).iter_rows()
    ]


def _snapshots(mine: pl.DataFrame) -> list[ItemSnapshot]:
    counted = mine.filter(pl.any_horizontal(pl.col(*_COUNTERS).is_not_null()))
    return [
        ItemSnapshot(*row) for row in counted.select(_ITEM_ID, OBSERVED_AT, *_COUNTERS).iter_rows()
    ]
