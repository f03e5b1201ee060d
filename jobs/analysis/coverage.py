"""What the data covers: its period, its gaps, and how its counters behave."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.columns import aware, floats_of, instants_of
from jobs.analysis.daily_gains import gains_of, readings_of
from jobs.analysis.rounding import is_rounded, resolution_at
from jobs.analysis.section import Missing, Section
from jobs.analysis.wording import noun, with_days
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from jobs.channel.data import ChannelData

COUNTERS = ("subscribers", "views", "items")


class MissingDays(BaseModel):
    """*days* days without a reading of the channel's counters, both ends inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: date
    last: date
    days: int


class CounterFacts(BaseModel):
    """
    How one counter of the channel behaves.

    *resolution* is the rounding step of its last reading, None if it is exact; *falls* counts
    steps down, *zero_filled* zeros taken for "not read", *unchanged_days* days without a gain.
    *last* is its reading on *last_day*.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    readings: int
    resolution: int | None
    falls: int
    zero_filled: int
    unchanged_days: int
    last: int | None = None
    last_day: date | None = None


class Coverage(Section):
    """
    What the analysis rests on.

    *first_at* and *last_at* bound all observations, or the publication times if nothing was
    observed. *days_observed* and *gaps* are about the channel's own counters. *items_left* are no
    longer listed. *clock* says whose days the daily views are of. *items_counted* is the channel's
    own count of its items; *partial* means that clearly fewer are listed, *successes_only* that
    items are listed only while they do well.
    *scopes* say what each source is of that says so, *cautions* what misleads who does not know it.
    """

    first_at: datetime
    last_at: datetime
    days_observed: int
    days_missing: int
    gaps: list[MissingDays]
    counters: list[CounterFacts]
    items_listed: int
    items_left: int
    items_counted: int | None
    partial: bool
    successes_only: bool = False
    item_snapshots: int
    notes: list[str]
    scopes: list[str] = Field(default_factory=list)
    cautions: list[str] = Field(default_factory=list)
    clock: str = "UTC"


def coverage(data: ChannelData) -> Coverage | Missing:
    """Return what *data* covers, or that it holds nothing with a date."""
    bounds = _bounds(data)
    if bounds is None:
        listed = data.items.height
        if listed:
            things = counted(listed, noun(data.channel.platform))
            return Missing(
                reason=f"{things} listed, none with a date: nothing can be said of time."
            )
        if rows := data.figures.height:
            return Missing(
                reason="Only what an owner alone sees was read, such as viewers "
                f"({counted(rows, 'row')}). Add the export of views by day: they can be compared."
            )
        return Missing(reason="Nothing with a date was read for this channel yet.")
    days = np.sort(instants_of(data.daily["observed_at"]).astype("datetime64[D]")).tolist()
    observed_on = list(dict.fromkeys(days))
    gaps = [
        MissingDays(
            first=date.fromordinal(before.toordinal() + 1),
            last=date.fromordinal(after.toordinal() - 1),
            days=after.toordinal() - before.toordinal() - 1,
        )
        for before, after in pairwise(observed_on)
        if after.toordinal() - before.toordinal() > 1
    ]
    counters = [facts for name in COUNTERS if (facts := _facts(data.daily, name)) is not None]
    own_count = _last_known(data.daily, "items")
    found = Coverage(
        first_at=bounds[0],
        last_at=bounds[1],
        days_observed=len(observed_on),
        days_missing=sum(gap.days for gap in gaps),
        gaps=gaps,
        counters=counters,
        items_listed=data.current_items.height,
        items_left=data.items.height - data.current_items.height,
        items_counted=own_count,
        partial=is_partial(data),
        successes_only=data.channel.successes_only is True,
        item_snapshots=data.item_snapshots.height,
        notes=[],
        scopes=list(dict.fromkeys(scope.words() for scope in data.scopes)),
        clock=_clock(data),
        cautions=list(dict.fromkeys(each for scope in data.scopes for each in scope.cautions)),
    )
    return found.model_copy(update={"notes": list(_notes(found))})


def _clock(data: ChannelData) -> str:
    """Return whose days the daily views are of: those of an owner's export are the platform's."""
    if data.gains.is_empty():
        return "UTC"
    named = next((scope.clock for scope in data.scopes if scope.clock), "")
    return f"{named} time" if named == "Pacific" else named or "UTC"


def is_partial(data: ChannelData) -> bool:
    """Return whether the channel counts over a tenth more items than are listed."""
    own_count = _last_known(data.daily, "items")
    listed = data.current_items.height
    return own_count is not None and listed > 0 and own_count > 1.1 * listed


def _bounds(data: ChannelData) -> tuple[datetime, datetime] | None:
    observed = [
        instants_of(data.daily["observed_at"]),
        instants_of(data.item_snapshots["observed_at"]),
        instants_of(data.gains["day"]),
    ]
    for instants in (np.concatenate(observed), instants_of(data.items["published_at"])):
        known = instants[~np.isnat(instants)]
        if known.size:
            return aware(known.min()), aware(known.max())
    return None


def _last_known(daily: pl.DataFrame, column: str) -> int | None:
    values = floats_of(daily[column])
    known = values[~np.isnan(values)]
    return int(known[-1]) if known.size else None


def _facts(daily: pl.DataFrame, name: str) -> CounterFacts | None:
    instants, values = readings_of(daily, name)
    known = ~np.isnan(values)
    readings = values[known]
    if readings.size == 0:
        return None
    gains = gains_of(daily, name)
    rounded = is_rounded(values)
    return CounterFacts(
        name=name,
        readings=int(readings.size),
        resolution=int(resolution_at(readings[-1:])[0]) if rounded else None,
        falls=len(gains.corrections),
        zero_filled=gains.zero_filled,
        unchanged_days=int(np.count_nonzero(gains.known == 0)),
        last=int(readings[-1]),
        last_day=aware(instants[known][-1]).date(),
    )


def _notes(found: Coverage) -> Iterator[str]:
    for scope in found.scopes:
        yield f"A source gives {with_days(scope)}."
    if found.successes_only:
        yield (
            "The source lists items only while they do well: every number on items holds among "
            "such items, and not for the channel's others."
        )
    if found.days_missing:
        yield (
            f"{counted(found.days_missing, 'day')} without a reading: what came in over a gap "
            "is not counted on any single day."
        )
    if found.partial:
        yield (
            f"The source lists {found.items_listed:,} of the channel's "
            f"{found.items_counted:,} items; what is said of items holds for the listed ones."
        )
    if found.items_left:
        yield (
            f"{counted(found.items_left, 'item')} left the source: what is said of now leaves "
            "them out, what is said of the past counts them."
        )
    for counter in found.counters:
        if counter.resolution is not None and counter.resolution > 1:
            yield (
                f"The source rounds {counter.name} to steps of {counter.resolution:,}: "
                "smaller changes cannot be seen."
            )
        if counter.falls and counter.name == "views":
            yield (
                f"The counter of views fell {_times(counter.falls)} (recounts, removed items): "
                "the reach of such a day is unknown, not negative."
            )
        if counter.zero_filled:
            yield (
                f"{counted(counter.zero_filled, 'reading')} of zero {counter.name} "
                "taken for “not read”."
            )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
