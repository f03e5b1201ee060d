"""
Measure how soon the jobs of a killed worker were claimed again, from a chaos run's ledger. Pure.

A job whose lease has ended is due again since that moment, behind the jobs that were due before.
While the workers are still claiming those, the recovered job waits in a backlog, which does not
count as a late recovery. The backlog is not subtracted if a job that became due later was claimed
first: then the recovered job was passed over.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.chaos.ledger import Event

ALONE = "alone"
"""Of a claim: the job was a suspect, and ran while nothing else did in its process."""

Span = tuple[float, float]
"""Start and end, in seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """
    One job of a killed worker, claimed again.

    taken_s: from the worker's SIGKILL to the claim, without the time when Redis or all workers
        were down, or the job waited for its turn. behind_s: the wait for its turn.
    """

    job_id: str
    taken_s: float
    behind_s: float


@dataclass(frozen=True, slots=True)
class _First:
    """The first claim of a job; until then the producer's due time holds."""

    at_s: float
    due_s: float
    queued_s: float


def recoveries(by_kind: Mapping[str, Sequence[Event]], lease_s: float) -> Iterator[Recovery]:
    """Yield each job that a killed worker held and that was claimed again."""
    claims: dict[str, list[Event]] = defaultdict(list)
    jobs_of: dict[int, dict[str, None]] = defaultdict(dict)
    for event in by_kind["claimed"]:
        claims[event.job_id].append(event)
        jobs_of[event.pid][event.job_id] = None
    firsts = sorted(_firsts(by_kind, claims), key=_first_at_s)
    settled = {(event.job_id, event.token) for event in by_kind["settled"]}
    away = [
        (start.at_s, end.at_s) for start, end in zip(by_kind["away"], by_kind["back"], strict=False)
    ]
    idle = [*away, *_without_workers(by_kind)]
    alone = list(_alone(by_kind))
    for killed in by_kind["killed"]:
        for job_id in jobs_of[killed.detail]:
            of_job = claims[job_id]
            before = [c for c in of_job if c.at_s <= killed.at_s]
            # Another worker may already have taken the job over.
            if not before or before[-1].pid != killed.detail:
                continue
            later = [c for c in of_job if c.at_s > killed.at_s]
            if not later or (job_id, before[-1].token) in settled:
                continue
            span = (killed.at_s, later[0].at_s)
            turns = [_backlog(firsts, span, killed.at_s + lease_s)]
            if later[0].detail == ALONE:
                turns += [one for job, one in alone if job != job_id]
            taken_s = _left(span, idle)
            without_s = _left(span, [*idle, *turns])
            yield Recovery(job_id, without_s, taken_s - without_s)


def _alone(by_kind: Mapping[str, Sequence[Event]]) -> Iterator[tuple[str, Span]]:
    """Yield each job that ran alone, and when: other suspects wait until its worker is free."""
    ended = {(event.job_id, event.token): event.at_s for event in by_kind["settled"]}
    for claim in by_kind["claimed"]:
        until_s = ended.get((claim.job_id, claim.token))
        if claim.detail == ALONE and until_s is not None:
            yield claim.job_id, (claim.at_s, until_s)


def _without_workers(by_kind: Mapping[str, Sequence[Event]]) -> Iterator[Span]:
    """Yield the spans in which no worker was up: on a busy machine it takes seconds to start."""
    up: set[int] = set()
    since_s = 0.0
    changes = sorted([*by_kind["up"], *by_kind["down"]], key=lambda event: event.at_s)
    for change in changes:
        if change.kind == "up":
            if not up:
                yield (since_s, change.at_s)
            up.add(change.pid)
        elif change.detail in up:
            up.remove(change.detail)
            since_s = change.at_s


def _first_at_s(first: _First) -> float:
    return first.at_s


def _firsts(
    by_kind: Mapping[str, Sequence[Event]], claims: Mapping[str, Sequence[Event]]
) -> Iterator[_First]:
    queued = {event.job_id: event.at_s for event in by_kind["acknowledged"]}
    for sent in by_kind["sent"]:
        if sent.job_id in queued and sent.job_id in claims:
            due_s = sent.at_s + (sent.detail or 0.0)
            yield _First(claims[sent.job_id][0].at_s, due_s, queued[sent.job_id])


def _backlog(firsts: Sequence[_First], span: Span, lease_end_s: float) -> Span:
    """
    Return the span from the lease end to the last claim of a job that was due before it.

    firsts: by the time of their claims.
    """
    nothing = (lease_end_s, lease_end_s)
    until_s = lease_end_s
    start = bisect_right(firsts, lease_end_s, key=_first_at_s)
    end = bisect_left(firsts, span[1], key=_first_at_s)
    for first in firsts[start:end]:
        if first.due_s > lease_end_s:
            return nothing
        if first.queued_s <= lease_end_s:
            until_s = max(until_s, first.at_s)
    return (lease_end_s, until_s)


def _left(span: Span, without: Iterable[Span]) -> float:
    """Return the seconds of *span* outside all of *without*, which may overlap."""
    left_s, reached_s = 0.0, span[0]
    for start_s, end_s in sorted(without):
        left_s += max(0.0, min(start_s, span[1]) - reached_s)
        reached_s = max(reached_s, min(end_s, span[1]))
    return left_s + max(0.0, span[1] - reached_s)
