"""Read a channel's sources and store what they have."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from jobs.lazy_import import imported
from jobs.run_analytics import run_analytics
from jobs.services import Services
from runner import Bury, Context, Retry, Unique, job
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.channel.records import SourceResult
    from jobs.sources.source import SourceError
    from jobs.store import ChannelSchedule, StoredSource
    from jobs.sync_pace import Pace

_log = lazy_log("jobs.sync_channel")

_PARKED_SPREAD_S = 1_800
"""So that not all who waited for a quota return in the second in which it is renewed."""


@job(queue="default", unique=Unique(by=("channel_id",)))
async def sync_channel(
    ctx: Context, channel_id: str, *, report: bool | None = True, analyze: bool = True
) -> dict[str, int]:
    """
    Bring the store up to date with all sources of the channel, then start its analysis.

    Durable afterwards, in one transaction: what was read, unchanged; which items left; how
    reading each source went, and what it remembers for the next time; and when a scheduled
    channel is synced next, by how often it publishes. Running it again changes nothing. One sync
    of a channel waits or runs at a time.

    Without *report* no chart is drawn and no report is made; both can be requested at any time.
    With None they are made if something new was read. Without *analyze* nothing follows.

    Returns how many items and snapshots were new, and how many were known.

    If a source fails, the others are saved all the same, and the job is retried where waiting may
    help. When a quota is used up, the job waits until the day ends, at no attempt's cost. A
    scheduled channel is next read by its schedule, later each time; the job of any other is
    buried.

    Raises:
        SourceError: A source cannot be read now; a server may answer later, so it is retried.
        Retry: The same, if the server said when.
        Bury: No source can be read, and waiting will not help.
    """
    services = ctx.get(Services)
    sources = await services.store.syncs.sources(channel_id)
    readings = [await _read(services, channel_id, source) for source in sources]
    counts, schedule = await services.store.syncs.save(
        channel_id, [one.result for one in readings], partial(_planned, services.pace, readings)
    )
    if analyze and any(one.succeeded for one in readings):
        is_new = counts.items_new + counts.items_left + counts.items_back + counts.snapshots_new > 0
        wanted = is_new if report is None else report
        await run_analytics.enqueue(channel_id=channel_id, report=wanted)
    _end(ctx, channel_id, readings, scheduled=schedule is not None)
    return {
        "items_new": counts.items_new,
        "items_known": counts.items_known,
        "items_left": counts.items_left,
        "snapshots_new": counts.snapshots_new,
        "snapshots_known": counts.snapshots_known,
    }


sync_now = sync_channel.options(unique=Unique(by=("channel_id",), on_conflict="reschedule"))
"""As a person asks for it: one that waits is due now; while one runs, another one follows it."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of reading *source*, and the error if it failed."""

    source: StoredSource
    result: SourceResult
    error: SourceError | None = None
    parked_until: datetime | None = None

    @property
    def succeeded(self) -> bool:
        """Whether something was read, if only that nothing changed."""
        return self.error is None or self.result.reading is not None


async def _read(services: Services, channel_id: str, source: StoredSource) -> _Reading:
    """A failure is a result, too, and does not stop the other sources."""
    # Only a worker that syncs loads the parsers, in a thread, since they are large.
    await imported("jobs.sources")
    from jobs.channel.records import SourceResult, SyncOutcome
    from jobs.sources.memory import SourceMemory
    from jobs.sources.source import SourceError
    from jobs.sources.youtube.quota import QuotaError

    async def listed_items() -> Mapping[str, datetime | None]:
        return await services.store.syncs.listed_items(channel_id)

    try:
        memory = SourceMemory(source.memory, listed_items)
        return _Reading(source, await services.sources.read(source.whole, channel_id, memory))
    except SourceError as error:
        _log.warning("source skipped", channel_id=channel_id, reason=str(error))
        result = SourceResult(source.ref, datetime.now(UTC), SyncOutcome.FAILED, str(error))
        if not isinstance(error, QuotaError):
            return _Reading(source, result, error)
        result = replace(result, outcome=SyncOutcome.PARKED, reading=error.reading)
        return _Reading(source, result, error, error.until)


def _planned(
    pace: Pace,
    readings: Sequence[_Reading],
    schedule: ChannelSchedule,
    publications: Sequence[datetime],
) -> ChannelSchedule:
    """Return the next schedule of a scheduled channel."""
    now = datetime.now(UTC)
    interval_s = pace.interval_s(schedule.every_s, publications, now)
    failures = [one.source.consecutive_failures + 1 for one in readings]
    in_a_row = 0 if any(one.succeeded for one in readings) else min(failures, default=1)
    start = max([now, *(one.parked_until for one in readings if one.parked_until)])
    due_at = pace.next_at(start, interval_s, in_a_row, random.random())  # noqa: S311 -- spread
    return replace(schedule, interval_s=interval_s, due_at=due_at)


def _end(ctx: Context, channel_id: str, readings: Sequence[_Reading], *, scheduled: bool) -> None:
    """Raise the consequence of what could not be read; what could be is saved already."""
    errors = [one.error for one in readings if one.error is not None]
    parked_until = max((one.parked_until for one in readings if one.parked_until), default=None)
    if parked_until is not None:
        wait_s = (parked_until - datetime.now(UTC)).total_seconds()
        spread_s = random.random() * _PARKED_SPREAD_S  # noqa: S311
        raise Retry(max(0.0, wait_s) + spread_s, charge=False)
    gives_up = scheduled and ctx.attempt > ctx.max_retries
    for error in errors:
        if error.transient and not gives_up:
            raise error if error.retry_after_s is None else Retry(error.retry_after_s)
    if not scheduled and not any(one.succeeded for one in readings):
        reason = "; ".join(map(str, errors)) or "the channel has no source; register one first"
        raise Bury(f"{channel_id}: {reason}")
