"""The events that people are notified of. `rules` finds those of an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.channel.records import ChannelRecord
    from jobs.store import StoredSource
    from runner.admin import DeadJob


class Kind(StrEnum):
    """What a notification is about; targets choose kinds by these names."""

    MILESTONE = "milestone"
    UNUSUAL = "unusual"
    QUIET = "quiet"
    SOURCE_FAILING = "source_failing"
    REPORT_READY = "report_ready"
    JOB_DIED = "job_died"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something that happened and is reported once: *key* identifies it for ever, in every process.

    channel_id: None if the event is about the jobs themselves. title: one line. body: plain text.
    """

    key: str
    kind: Kind
    channel_id: str | None
    title: str
    body: str


def report_ready(channel: ChannelRecord, advice: Sequence[str], path: str, now: datetime) -> Event:
    """Return the event of a new report: once per calendar week, however often it is renewed."""
    year, week, _ = now.isocalendar()
    found = "\n".join(f"- {one}" for one in advice)
    return Event(
        key=f"report:{channel.id}:{year}-W{week:02d}",
        kind=Kind.REPORT_READY,
        channel_id=channel.id,
        title=f"{channel.title}: the report of week {week} is ready",
        body=f"{found or 'Nothing that has been tested stands out.'}\n\n{path}",
    )


def source_failing(channel: ChannelRecord, source: StoredSource) -> Event:
    """Return the event of a source failing repeatedly: once, until it works again."""
    since = source.succeeded_at
    worked = f"It was last read on {since:%Y-%m-%d %H:%M} UTC" if since else "It was never read"
    return Event(
        key=f"source:{channel.id}:{source.ref.location}:{since.isoformat() if since else 'never'}",
        kind=Kind.SOURCE_FAILING,
        channel_id=channel.id,
        title=f"{channel.title}: a source cannot be read",
        body=f"{source.reason}\n"
        f"{worked}; {source.consecutive_failures} attempts have failed since. "
        "Data read before is kept, and each sync tries again.",
    )


def job_died(dead: DeadJob) -> Event:
    """Return the event of a job in the dead set: once for each death."""
    died_ms = round(dead.died_at.timestamp() * 1000)
    attempts = "1 attempt" if dead.attempts == 1 else f"{dead.attempts} attempts"
    return Event(
        key=f"died:{dead.queue}:{dead.job_id}:{died_ms}",
        kind=Kind.JOB_DIED,
        channel_id=None,
        title=f"{dead.name or 'an unreadable job'} died after {attempts}",
        body=f"{dead.error}: {dead.message}\n"
        f"Job {dead.job_id} of the queue {dead.queue}, {dead.died_at:%Y-%m-%d %H:%M} UTC. "
        "It is kept with the history of its attempts, and can be retried.",
    )
