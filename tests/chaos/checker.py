"""
Check the promises after a chaos run, from the ledger, the history and the dead set. Pure.

1. Nothing is lost: every job that was acknowledged at enqueue finished or is dead, unless an
   operator deleted it, or the replica that was promoted did not have it, which `copies=1` rules
   out.
2. Redis's history is one that jobs allow (`tests/job_history.py`): only the holder of a claim
   settles it, and once; no attempt and no crash is charged that did not happen; places are kept.
3. Crashes cost no attempt: an attempt's number is at most one more than the failures before it.
4. A killed worker's jobs are claimed again within one lease and a poll, while Redis is up and no
   job due before them is waiting.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.recovery import recoveries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from tests.chaos.ledger import Event


@dataclass(slots=True)
class Verdict:
    """
    The figures of a run; `problems` is empty if every promise was kept.

    duplicates: jobs that finished more than once, as at-least-once delivery allows.
    forgotten: acknowledged jobs that a promoted replica did not have. hour_later: jobs that were
        delayed just before Redis's clock was set back, and came later by that hour.
    contradictions: how the history breaks the rules, a line each. leftovers: what Redis still has
    of jobs that are over.
    worst_recovery_s: longest time from a worker's SIGKILL to the next claim of a job it held,
        without the time when Redis was down or the job waited for its turn.
    longest_turn_s: the longest such wait, behind jobs that were due before its lease ended.
    """

    acknowledged: int = 0
    ended: int = 0
    dead: int = 0
    deleted: int = 0
    duplicates: int = 0
    forgotten: int = 0
    hour_later: int = 0
    lost: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    overcharged: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    recoveries: int = 0
    worst_recovery_s: float = 0.0
    longest_turn_s: float = 0.0
    late: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Return a line for each kind of broken promise."""
        kinds = {
            "lost": self.lost,
            "contradicted by the history": self.contradictions,
            "charged an attempt for a crash": self.overcharged,
            "left behind in Redis": self.leftovers,
            "recovered late": self.late,
        }
        return [
            f"{len(found)} {what}: {', '.join(found[:5])}" for what, found in kinds.items() if found
        ]


def check(
    events: Sequence[Event],
    dead: Iterable[str],
    *,
    lease_s: float,
    within_s: float,
    forgotten: AbstractSet[str] = frozenset(),
) -> Verdict:
    """
    Check a run whose queue is drained.

    events: the whole ledger by time, with the claims and outcomes of the history. dead: ids in the
    dead set. lease_s: how long a claim lasts. within_s: a lease and a poll, and some time for a
    loaded machine. forgotten: the jobs that a promoted replica did not have.
    """
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event.kind].append(event)
    dead_ids = set(dead)
    ends = Counter(event.job_id for event in by_kind["ended"])
    settled_ids = {e.job_id for e in by_kind["settled"] if e.detail == "done"}
    deleted = _deleted(by_kind)
    acknowledged = {event.job_id for event in by_kind["acknowledged"]}
    verdict = Verdict(
        acknowledged=len(acknowledged),
        ended=len(acknowledged & ends.keys()),
        dead=len(acknowledged & dead_ids),
        deleted=len(acknowledged & deleted),
        duplicates=sum(count > 1 for count in ends.values()),
    )
    missing = acknowledged - ends.keys() - dead_ids - deleted
    copied = {event.job_id for event in by_kind["acknowledged"] if event.detail}
    excused = missing & forgotten - copied
    verdict.forgotten = len(excused)
    verdict.lost = sorted(missing - excused)
    # Redis's word is not enough: a job that it calls done must have finished in some process.
    verdict.lost += sorted((settled_ids - ends.keys()) & acknowledged - set(verdict.lost))
    verdict.lost += sorted(f"{event.job_id} (not whole)" for event in by_kind["garbled"])
    verdict.overcharged = _overcharged(events)
    _judge_recovery(verdict, by_kind, lease_s, within_s)
    return verdict


def _deleted(by_kind: Mapping[str, Sequence[Event]]) -> set[str]:
    """Return the jobs that may be deleted: an answer to the operator may have been lost."""
    asked = Counter(event.job_id for event in by_kind["deleting"])
    refused = Counter(event.job_id for event in by_kind["spared"])
    return {job_id for job_id, times in asked.items() if times > refused[job_id]}


def _overcharged(events: Sequence[Event]) -> list[str]:
    failures: Counter[str] = Counter()
    found = []
    for event in events:
        if event.kind == "raised":
            failures[event.job_id] += 1
        elif event.kind == "began" and event.detail > failures[event.job_id] + 1:
            found.append(event.job_id)
    return found


def _judge_recovery(
    verdict: Verdict, by_kind: Mapping[str, Sequence[Event]], lease_s: float, within_s: float
) -> None:
    for one in recoveries(by_kind, lease_s):
        verdict.recoveries += 1
        verdict.worst_recovery_s = max(verdict.worst_recovery_s, one.taken_s)
        verdict.longest_turn_s = max(verdict.longest_turn_s, one.behind_s)
        if one.taken_s > within_s:
            verdict.late.append(f"{one.job_id} after {one.taken_s:.1f} s")
