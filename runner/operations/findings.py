"""
What is wrong now, the worst first: what the overview and `pipeline top` begin with, and doctor.

Each finding says what, how bad, since when, and what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from runner.operations.snapshot import last_minutes
from runner.wording import counted, milliseconds, number, size, span, time_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.operations.groups import Group
    from runner.operations.processes import Process
    from runner.operations.queues import Queue
    from runner.operations.redis_info import Store
    from runner.operations.snapshot import Snapshot

CHECKED: Final = (
    "workers",
    "waits",
    "failures",
    "dead jobs",
    "schedules",
    "event loops",
    "the poller",
    "Redis's memory",
    "Redis's disk",
)
"""What is looked at, in words."""

OLDEST_REDIS: Final = (6, 2)
SLOW_MS: Final = 10.0
_BEHIND_S: Final = 60.0
_BEHIND_MS: Final = _BEHIND_S * 1000
_STALE_POLL_S: Final = 120.0
_FAILING: Final = 0.2
_FAILING_AT_LEAST: Final = 10
_MANY_ALIKE: Final = 10
_FULL: Final = 0.85
REPAIR: Final = "pipeline doctor --repair"


class Severity(IntEnum):
    """How bad a finding is; the worst is the exit status of `pipeline doctor`."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was checked.

    name: of the check. text: what was found. remedy: what to do about it; empty if nothing.
    facts: what belongs to it. queue, group, process: what it is about, if it is about one.
    """

    name: str
    severity: Severity
    text: str
    remedy: str = ""
    facts: str = ""
    queue: str = ""
    group: Group | None = None
    process: str = ""


def findings(seen: Snapshot) -> list[Finding]:
    """Return what is wrong, the worst first; empty if all is well."""
    return sorted(
        (one for one in examined(seen) if one.severity), key=lambda one: -int(one.severity)
    )


def examined(seen: Snapshot) -> Iterator[Finding]:
    """Return the outcome of each check."""
    for group in seen.dead.groups:
        yield _of_group(group)
    for queue in seen.queues:
        yield _of_queue(queue)
    yield from _of_waits(seen)
    yield from _of_failures(seen)
    for process in seen.processes:
        yield from _of_process(process)
    yield from _of_schedules(seen)
    yield _of_poller(seen)
    yield from of_store(seen.store, seen.queues)


def title(found: Sequence[Finding]) -> str:
    """How many things are wrong, in words."""
    if not found:
        return "All well"
    if len(found) == 1:
        return "One thing is wrong"
    return f"{in_words(len(found))} things are wrong"


def in_words(many: int) -> str:
    """Return *many* as a sentence begins with it: Three, 12."""
    return _NUMBERS[many] if many < len(_NUMBERS) else f"{many}"


_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def _of_group(group: Group) -> Finding:
    what = f"{counted(group.count, 'job')} of {group.job or 'unreadable name'}"
    if not group.error:
        text = f"{what} {'is' if group.count == 1 else 'are'} dead"
    elif group.count == 1:
        text = f"{what} died of {group.error}"
    else:
        text = f"{what} died of one error"
    first, last = time_of_day(group.first_at), time_of_day(group.last_at)
    when = f"at {last}" if group.count == 1 else f"first {first}, last {last}"
    return Finding(
        "dead jobs",
        Severity.ERROR if group.count >= _MANY_ALIKE else Severity.WARNING,
        text,
        f"Retry them when the cause is gone, or delete them: pipeline dead --queue {group.queue}",
        f"{group.like} · queue {group.queue} · {when}".removeprefix(" · "),
        queue=group.queue,
        group=group,
    )


def _of_queue(one: Queue) -> Finding:
    name = f"queue {one.name}"
    counts = f"{number(one.ready)} ready, {number(one.running)} running, {number(one.dead)} dead"

    def wrong(severity: Severity, text: str, remedy: str) -> Finding:
        return Finding(name, severity, text, remedy, counts, queue=one.name)

    if one.unreadable:
        return wrong(Severity.WARNING, f"{one.unreadable}; {counts}", REPAIR)
    if not one.workers:
        severity = Severity.ERROR if one.ready else Severity.WARNING
        start = f"Start one: pipeline worker {one.name}"
        return wrong(severity, f"no worker takes jobs of {one.name}; {counts}", start)
    if one.paused is not None:
        by = f" by {one.paused.by}" if one.paused.by else ""
        return wrong(
            Severity.WARNING,
            f"{one.name} is paused{by}; {counts}",
            f"pipeline queues resume {one.name}",
        )
    if one.paused_jobs:
        names = ", ".join(paused.name for paused in one.paused_jobs)
        return wrong(
            Severity.WARNING,
            f"jobs named {names} of {one.name} are paused; {counts}",
            f"pipeline queues resume {one.name} --job {one.paused_jobs[0].name}",
        )
    if one.parked:
        return wrong(
            Severity.WARNING,
            f"{counted(one.parked, 'job')} of {one.name} that no worker knows; {counts}",
            f"pipeline jobs list --queue {one.name} --state parked shows them: deploy what knows "
            "them, or delete them.",
        )
    workers = counted(one.workers, "worker")
    return Finding(name, Severity.OK, f"{workers}; {counts}", queue=one.name)


def _of_waits(seen: Snapshot) -> Iterator[Finding]:
    for one in seen.queues:
        if one.paused is not None or not one.workers or not one.ready:
            continue
        most_ms = seen.last_of(one.name).wait_percentile_ms(0.95)
        waits_ms = max(most_ms or 0.0, one.oldest_wait_s * 1000)
        if waits_ms < _BEHIND_MS:
            continue
        ended = seen.last_of(one.name).attempts / 5
        pace = "" if not ended else f" · {number(ended)} end a minute"
        yield Finding(
            f"queue {one.name}",
            Severity.WARNING,
            f"{one.name} is behind: its oldest job waits {span(one.oldest_wait_s)}",
            "Add workers or slots, or wait.",
            f"{counted(one.ready, 'job')} due, {counted(one.workers, 'worker')}"
            + (f" · 95 % of its jobs waited up to {milliseconds(most_ms)}" if most_ms else "")
            + pace,
            queue=one.name,
        )


def _of_failures(seen: Snapshot) -> Iterator[Finding]:
    last, pace = seen.last, seen.pace
    if not last.attempts:
        return
    beside = f"; {pace.usual_failing}" if pace.usual_failing else ""
    is_much = last.failed >= _FAILING_AT_LEAST and last.failed >= _FAILING * last.attempts
    text = f"{pace.share_failing} of the attempts of the last {in_words(pace.minutes).lower()} "
    text += f"minutes failed{beside}"
    of_all = f"{number(last.failed)} of {number(last.attempts)} attempts"
    if not is_much and not pace.is_failing_more:
        yield Finding("failures", Severity.OK, text, facts=of_all)
        return
    failed = {(one.queue, one.name): last_minutes(one.cells).failed for one in seen.jobs}
    worst = max(failed, key=failed.__getitem__)
    yield Finding(
        "failures",
        Severity.WARNING,
        text,
        "pipeline retries and the page of failing jobs name their errors.",
        f"{of_all} · {number(failed[worst])} of them of {worst[1]}",
    )


def _of_process(process: Process) -> Iterator[Finding]:
    if not process.is_blocked:
        return
    yield Finding(
        "event loop",
        Severity.WARNING,
        f"that of {process.name} was {process.lag_ms:.0f} ms late at its last heartbeat",
        "Its log names the job that blocks it: let it await, or compute in ctx.offload.",
        f"{process.busy} of {process.slots} slots busy: its other jobs stood still meanwhile",
        process=process.name,
    )


def _of_schedules(seen: Snapshot) -> Iterator[Finding]:
    for one in seen.schedules:
        if one.missed:
            yield Finding(
                f"schedule {one.name}",
                Severity.WARNING,
                f"{one.name} missed {counted(one.missed, 'tick')}",
                "Start a worker: any of them runs the poller, which makes up for them.",
                f"last ran {time_of_day(one.last_at)} · {one.words}",
            )


def _of_poller(seen: Snapshot) -> Finding:
    age_s = seen.polled_s_ago
    if age_s is not None and age_s < _STALE_POLL_S:
        return Finding("poller", Severity.OK, f"last ran {age_s:.0f} s ago")
    text = (
        "the poller has not run yet" if age_s is None else f"the poller last ran {span(age_s)} ago"
    )
    return Finding(
        "poller",
        Severity.WARNING,
        text,
        "Start a worker: any of them runs it for all queues.",
        "it enqueues scheduled jobs, and rescues those of lost workers",
    )


def of_store(store: Store, queues: Sequence[Queue]) -> Iterator[Finding]:
    """Say what is wrong with one Redis server, which has these queues."""
    version = tuple(int(part) for part in store.version.split(".")[:2] if part.isdecimal())
    is_new = version >= OLDEST_REDIS
    used = f"Redis {store.version}, {size(store.memory)} in use"
    used += f" of {size(store.memory_limit)}" if store.memory_limit else ""
    yield Finding(
        "version",
        Severity.OK if is_new else Severity.ERROR,
        used,
        "" if is_new else "Upgrade to Redis 6.2 or newer, or to Valkey.",
    )
    if store.memory_limit and store.memory > _FULL * store.memory_limit:
        yield Finding(
            "memory",
            Severity.ERROR,
            f"Redis is {100 * store.memory / store.memory_limit:.0f} % full",
            "Raise maxmemory, or delete what nobody needs: docs/limits.md says what grows.",
            f"{size(store.memory)} of {size(store.memory_limit)} · when full: {store.policy}",
        )
    for risk in store.risks:
        what, _, remedy = risk.partition(": ")
        waiting = sum((queue.ready or 0) + (queue.scheduled or 0) for queue in queues)
        yield Finding(
            "durability",
            Severity.WARNING,
            f"Redis {what.removeprefix('it ')}",
            remedy,
            f"{counted(waiting, 'job')} may be lost with it" if waiting else "no job waits now",
        )
    if not store.risks:
        text = f"keeps what it is given (policy {store.policy})"
        yield Finding("durability", Severity.OK, text)
