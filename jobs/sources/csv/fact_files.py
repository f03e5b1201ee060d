"""
The facts of a CSV on disk, by channel: built once, then read a channel at a time.

    facts-NNN.arrow   facts by channel and time, in pages; a single one is held in memory
    channels.arrow    every channel, and which rows of which file are its own
    rejects-N.arrow   line, channel and problem of every row that could not be used
    summary.json      counts and the period

Facts come in batches and may be more than fits into memory. While they are few they are kept
there; past `MEMORY_BYTES` they are distributed to `_BUCKETS` by channel, on disk, and each bucket
is sorted on its own. The finished folder is moved into place as a whole: it is complete or absent.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from jobs.sources.csv.duplicates import drop_duplicates
from jobs.sources.csv.facts import (
    CHANNEL_ID,
    DAY,
    ITEM_ID,
    OBSERVED_AT,
    PLATFORM,
    PROBLEM,
    PUBLISHED_AT,
    TITLE,
)
from jobs.sources.header import LINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

MEMORY_BYTES = 32 * 1024 * 1024
_BUCKETS = 64
_PAGE_ROWS = 8192
_REJECTS_HELD = 200_000
_FEWEST_STEPS = 10
_FALLING_SHARE = 0.3
"""What comes in on a day falls about every other day; a counter falls when it is corrected."""

_REJECTS = pl.Schema({LINE: pl.UInt32(), CHANNEL_ID: pl.String(), PROBLEM: pl.String()})


@dataclass(slots=True)
class Summary:
    """
    What a file holds: usable rows, distinct items, rejected and repeated rows, the period.

    followed: how many counters are read often enough to be judged; falling: how many of them fall
    so often that they are none; falls: one of these, in words.
    """

    rows: int = 0
    items: int = 0
    rejected: int = 0
    repeated: int = 0
    guessed_lines: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_published_at: datetime | None = None
    followed: int = 0
    falling: int = 0
    falls: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts with their problems, and damage. *own* rows are in the file itself, not beside it."""

    facts: pl.DataFrame
    damage: pl.DataFrame
    guessed_lines: int = 0
    own: bool = True


def build(folder: Path, batches: Iterable[Batch]) -> bool:
    """
    Write *batches* to the new folder *folder*; if it exists by then, another process was faster.

    Returns False, and writes nothing, if there is not a single row.

    Raises:
        OSError: The disk is full or cannot be written.
    """
    rest = iter(batches)
    first = next((each for each in rest if each.facts.height or each.damage.height), None)
    if first is None:
        return False
    unfinished = folder.with_name(f"{folder.name}.{id(batches):x}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        _Builder(unfinished).build(chain([first], rest))
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return True


class _Builder:
    """Collects batches, and writes what remains of them without duplicates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._summary = Summary()
        self._held: list[pl.DataFrame] = []
        self._held_bytes = 0
        self._flushes = 0
        self._rejects: list[pl.DataFrame] = []
        self._rejects_held = 0
        self._reject_files = 0
        self._channels: list[pl.DataFrame] = []

    def build(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self._add(batch)
        if self._flushes:
            self._flush()
            for bucket in range(_BUCKETS):
                self._write(self._collected(bucket), bucket)
        elif self._held:
            self._write(_together(self._held), 0)
        self._flush_rejects()
        if self._channels:
            pl.concat(self._channels).write_ipc(self._folder / "channels.arrow")
        document = asdict(self._summary)
        (self._folder / "summary.json").write_text(json.dumps(document, default=str))

    def _add(self, batch: Batch) -> None:
        self._summary.guessed_lines += batch.guessed_lines
        sound = batch.facts.filter(pl.col(PROBLEM).is_null()).drop(PROBLEM)
        problems = batch.facts.filter(pl.col(PROBLEM).is_not_null()).select(_REJECTS.names())
        # A row that two rules read is rejected once.
        problems = problems.unique(subset=(LINE, PROBLEM), keep="first", maintain_order=True)
        self._reject(pl.concat([batch.damage, problems]))
        if batch.own:
            self._summary.rows += sound[LINE].n_unique()
        if sound.is_empty():
            return
        self._held.append(sound)
        self._held_bytes += int(sound.estimated_size())
        if self._held_bytes > MEMORY_BYTES:
            self._flush()

    def _reject(self, rejects: pl.DataFrame) -> None:
        if rejects.is_empty():
            return
        self._summary.rejected += rejects.height
        self._rejects.append(_on_its_own(rejects))
        self._rejects_held += rejects.height
        if self._rejects_held > _REJECTS_HELD:
            self._flush_rejects()

    def _flush_rejects(self) -> None:
        if self._rejects:
            path = self._folder / f"rejects-{self._reject_files:06}.arrow"
            pl.concat(self._rejects).sort(LINE, maintain_order=True).write_ipc(path)
            self._reject_files += 1
            self._rejects, self._rejects_held = [], 0

    def _flush(self) -> None:
        """Distribute what is held."""
        if not self._held:
            return
        held = _together(self._held)
        self._held, self._held_bytes = [], 0
        bucket = (pl.col(CHANNEL_ID).hash() % _BUCKETS).alias("bucket")
        for (number,), part in (
            held.with_columns(bucket)
            .partition_by("bucket", as_dict=True, include_key=False)
            .items()
        ):
            part.write_ipc(self._folder / f"bucket-{number:03}-{self._flushes:06}.arrow")
        self._flushes += 1

    def _collected(self, bucket: int) -> pl.DataFrame:
        paths = sorted(self._folder.glob(f"bucket-{bucket:03}-*.arrow"))
        parts = [pl.read_ipc(path) for path in paths]
        for path in paths:
            path.unlink()
        return _together(parts) if parts else pl.DataFrame()

    def _write(self, facts: pl.DataFrame, number: int) -> None:
        if facts.is_empty():
            return
        facts = facts.sort(CHANNEL_ID, OBSERVED_AT, LINE)
        key = [CHANNEL_ID, *([ITEM_ID] if ITEM_ID in facts.columns else [])]
        by_day = DAY in facts.columns
        found = drop_duplicates(facts, [*key, DAY if by_day else OBSERVED_AT], supersede=by_day)
        self._reject(found.rejects)
        self._summarize(facts, found.kept, found.repeated_rows)
        self._channels.append(_on_its_own(_channels(found.kept, number)))
        own = found.kept.drop(CHANNEL_ID, TITLE, PLATFORM, *([DAY] if by_day else []))
        own.write_ipc(self._folder / f"facts-{number:03}.arrow", record_batch_size=_PAGE_ROWS)

    def _summarize(self, facts: pl.DataFrame, kept: pl.DataFrame, repeated: int) -> None:
        summary = self._summary
        summary.repeated += repeated
        summary.rows -= facts[LINE].n_unique() - kept[LINE].n_unique()
        if ITEM_ID in kept.columns:
            summary.items += kept.select(CHANNEL_ID, ITEM_ID).drop_nulls().n_unique()
        observed = kept[OBSERVED_AT]
        summary.first_at = _outer(min, summary.first_at, observed.min())
        summary.last_at = _outer(max, summary.last_at, observed.max())
        self._judge_counters(kept)
        if PUBLISHED_AT in kept.columns:
            # What is planned has not come out.
            newest = kept[PUBLISHED_AT].filter(kept[PUBLISHED_AT] <= datetime.now(UTC)).max()
            summary.last_published_at = _outer(max, summary.last_published_at, newest)

    def _judge_counters(self, kept: pl.DataFrame) -> None:
        """Count the channels' own counters that fall again and again, as gains of days do."""
        own = kept.filter(pl.col(ITEM_ID).is_null()) if ITEM_ID in kept.columns else kept
        for name in ("views", "subscribers"):
            if name not in own.columns or own.height < _FEWEST_STEPS:
                continue
            # Rows of a channel follow each other in time.
            steps = (
                own.select(CHANNEL_ID, name)
                .drop_nulls()
                .with_columns(
                    (pl.col(name).diff() < 0) & (pl.col(CHANNEL_ID) == pl.col(CHANNEL_ID).shift())
                )
                .group_by(CHANNEL_ID)
                .agg(pl.col(name).sum().alias("falls"), pl.len().alias("rows"))
                .filter(pl.col("rows") > _FEWEST_STEPS)
            )
            falling = steps.filter(pl.col("falls") > _FALLING_SHARE * pl.col("rows"))
            self._summary.followed += steps.height
            self._summary.falling += falling.height
            if not falling.is_empty():
                falls, rows = falling.select("falls", "rows").row(0)
                self._summary.falls = (
                    f"{name} falls from {falls:,} of {rows:,} readings to the next"
                )


def _on_its_own(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy a few rows: their texts are views, which keep those of all others in memory."""
    return pl.DataFrame(frame.to_dict(as_series=False), schema=frame.schema)


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """A companion's rows have fewer columns than those of the list itself."""
    return pl.concat(parts, how="diagonal")


def _outer(choose: Any, known: datetime | None, new: Any) -> datetime | None:
    times = [each for each in (known, new) if each is not None]
    return choose(times) if times else None


def _channels(kept: pl.DataFrame, number: int) -> pl.DataFrame:
    """A row for each channel, with the title that it had last."""
    return (
        kept.with_row_index("row")
        .group_by(CHANNEL_ID, maintain_order=True)
        .agg(
            pl.col(TITLE).drop_nulls().last(),
            pl.col(PLATFORM).first(),
            pl.col(LINE).min(),
            pl.col("row").first().alias("offset"),
            pl.len().alias("length"),
        )
        .with_columns(pl.lit(number, dtype=pl.UInt32).alias("file"))
    )


class FactFiles:
    """
    The facts in a finished folder; threads may share them.

    channels: `channel_id`, `channel_title`, `platform` of every channel, by first line.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        document = json.loads((folder / "summary.json").read_text())
        for name in ("first_at", "last_at", "last_published_at"):
            document[name] = None if document[name] is None else _time(document[name])
        self.summary = Summary(**document)
        self.channels = _read_channels(folder)
        self._many = self.channels["file"].n_unique() > 1
        self._whole: pl.DataFrame | None = None
        places = self.channels.select(CHANNEL_ID, "file", "offset", "length").iter_rows()
        self._places: dict[str, tuple[int, int, int]] = {each[0]: each[1:] for each in places}

    def __reduce__(self) -> tuple[object, ...]:
        """Another process opens the folder for itself."""
        return FactFiles, (self._folder,)

    def facts(
        self, channel_id: str, prepare: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """
        Return the channel's own facts by time, as *prepare* makes them of facts of any channels.

        A single file is held in memory, prepared once for all channels.
        """
        number, offset, length = self._places[channel_id]
        path = self._folder / f"facts-{number:03}.arrow"
        if self._many:
            return prepare(pl.scan_ipc(path).slice(offset, length).collect())
        if self._whole is None:
            self._whole = prepare(pl.read_ipc(path))
        return self._whole.slice(offset, length)

    def rejects(self) -> Sequence[pl.DataFrame]:
        """Return line, channel and problem of the rows that could not be used, in parts."""
        paths = sorted(self._folder.glob("rejects-*.arrow"))
        return [pl.read_ipc(path) for path in paths]


def _read_channels(folder: Path) -> pl.DataFrame:
    path = folder / "channels.arrow"
    if path.exists():
        return pl.read_ipc(path).sort(LINE, CHANNEL_ID)
    columns = (CHANNEL_ID, TITLE, PLATFORM, LINE, "file", "offset", "length")
    return pl.DataFrame(schema=columns)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
