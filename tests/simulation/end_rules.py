"""What must hold when a history has ended, by the ledger and by what Redis still has."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.simulation.redis.sorted_set import SortedSet
from tests.simulation.ledger import ASKED_DELAY_S, QUEUE
from tests.simulation.schedule import MAX_CRASHES, MAX_RETRIES, RETRY_STEP_S, TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.job_history import JobModel
    from tests.simulation.judge import Judge
    from tests.simulation.ledger import Run

_CHARGED = frozenset({"fail", "hang", "retry", "cancel"})
_SLACK_S = 0.005

_LISTED = frozenset({"done", "abort", "fail"})
"""How jobs end that are listed afterwards."""

Broken = tuple[str, str]


def broken(judge: Judge) -> Iterator[Broken]:
    """Yield each promise that was not kept, and how."""
    ledger = judge.ledger
    for number, job_id in ledger.ids.items():
        job = judge.jobs.get(job_id.encode())
        runs = ledger.runs_of(number)
        if job is None:
            if job_id in ledger.acknowledged:
                yield "an acknowledged job was lost", job_id
            if runs and job_id not in ledger.forgotten:
                yield "a job ran that was never enqueued", job_id
            continue
        is_plain = not job.was_stock and job.id not in judge.history.used_again
        if number not in ledger.acted_on and is_plain:
            yield from _attempts(job, runs)
            yield from _ending(job, runs)
            if not any(fault.kind == "clock" for fault in judge.injected):
                yield from _pauses(job, runs)
            yield from _crashes(judge, job, runs)
            yield from _economy(judge, job, runs)
        yield from _keys(judge, job)


def _attempts(job: JobModel, runs: list[Run]) -> Iterator[Broken]:
    """No attempt is charged that did not fail, and none that failed is forgotten."""
    raised = 0
    for run in runs:
        if run.attempt - 1 > raised:
            yield "charged too much", f"{job.id.decode()}: attempt {run.attempt}, raised {raised}"
        raised += _failed(run)
    if raised < job.spent and job.ended_how != "dead":
        yield "charged too much", f"{job.id.decode()}: spent {job.spent}, raised {raised}"


def _failed(run: Run) -> bool:
    """Whether a run failed by its own doing: it raised, or took longer than it may."""
    if run.how == "cancelled" and run.ended_at is not None:
        return run.ended_at - run.began_at >= TIMEOUT_S - _SLACK_S
    return run.how in _CHARGED


def _ending(job: JobModel, runs: list[Run]) -> Iterator[Broken]:
    """What is done returned; what is dead failed for good, buried itself, or is poison."""
    name = job.id.decode()
    if job.ended_how == "done" and not any(run.how == "ok" for run in runs):
        yield "done, and never returned", name
    if job.ended_how == "dead":
        buried = any(run.how == "bury" for run in runs)
        failed = sum(map(_failed, runs))
        if not buried and failed < MAX_RETRIES + 1:
            yield "dead without a reason", f"{name}: failed {failed}"
        if job.spent > MAX_RETRIES + 1:
            yield "too many attempts", f"{name}: {job.spent}"


def _pauses(job: JobModel, runs: list[Run]) -> Iterator[Broken]:
    """A retry comes no sooner than it may."""
    for before, after in itertools.pairwise(runs):
        if before.ended_at is None or after.attempt <= before.attempt:
            continue
        least_s = ASKED_DELAY_S if before.how == "retry" else RETRY_STEP_S * before.attempt
        if (
            before.how in {"fail", "retry"}
            and after.began_at < before.ended_at + least_s - _SLACK_S
        ):
            waited_s = after.began_at - before.ended_at
            yield "ran again too soon", f"{job.id.decode()}: after {waited_s:.3f} s of {least_s}"


def _crashes(judge: Judge, job: JobModel, runs: list[Run]) -> Iterator[Broken]:
    """A suspect runs alone; only what died alone is buried; poison kills no more than it may."""
    name = job.id.decode()
    killed = [run for run in runs if run.ended_at is None]
    for run in runs:
        if run.was_suspect and not run.alone:
            yield "a suspect did not run alone", f"{name} in {run.process.name}"
    # A worker that is cut off for longer than its lease counts as lost, too.
    claims = [judge.history.claim_of_fence.get(run.fence) for run in runs if run.alone]
    alone = sum(token in job.blamed for token in claims)
    if job.ended_how == "poison" and alone < MAX_CRASHES - 1:
        yield "an innocent was buried", f"{name}: {len(killed)} crashes, not alone"
    yield from _poison(judge, job, [run for run in killed if run.step == "kill"])


_LOSE_NO_START = frozenset(
    {
        "crash_soon",
        "crash_sender",
        "freeze",
        "freeze_sender",
        "terminate",
        "askew",
        "slow",
        "late_answer",
        "flush_scripts",
        "flush_after",
    }
)
"""Faults in which what a process has sent reaches Redis, and in time."""


def _poison(judge: Judge, job: JobModel, killers: list[Run]) -> Iterator[Broken]:
    """A start that never reached Redis, or not before its lease had ended, is not counted there."""
    history, name = judge.history, job.id.decode()
    heard = [
        run for run in killers if (history.claim_of_fence.get(run.fence), job.id) in history.heard
    ]
    forgotten = sum(fault.kind == "lose_second" for fault in judge.injected)
    if len(heard) > MAX_CRASHES + forgotten:
        yield "poison killed too often", f"{name}: {len(heard)} times"
    if len(heard) < len(killers) and {one.kind for one in judge.injected} <= _LOSE_NO_START:
        yield "a start was not told", f"{name} in {killers[-1].process.name}"


_HARMLESS = frozenset({"flush_scripts", "flush_after", "askew"})
"""Faults that are no reason to run again what has returned."""


def _economy(judge: Judge, job: JobModel, runs: list[Run]) -> Iterator[Broken]:
    """Without a reason, nothing runs again that has returned."""
    if {fault.kind for fault in judge.injected} <= _HARMLESS and not judge.schedule.acts:
        returned = [run.how == "ok" for run in runs]
        if any(returned[:-1]) and not any(run.step == "kill" for run in judge.ledger.runs):
            yield "ran again for nothing", f"{job.id.decode()}: {len(runs)} times"


def _keys(judge: Judge, job: JobModel) -> Iterator[Broken]:
    """A job that is over leaves nothing behind; a dead one keeps its body."""
    values = judge.world.redis.db.values

    def holds(key: bytes) -> bool:
        found = values.get(key, {})
        return job.key in (found.scores if isinstance(found, SortedSet) else found)  # type: ignore[operator]  # a hash

    queue = keys.ARQ.queue_key(QUEUE).encode()
    own = {
        "body": keys.ARQ.job_prefix.encode() + job.key in values,
        "attempts": keys.ARQ.retry_prefix.encode() + job.key in values,
        "mark": keys.ARQ.in_progress_prefix.encode() + job.id in values,
        "queue": holds(queue),
        "running": holds(queue + keys.RUNNING_SUFFIX.encode()),
        "retrying": holds(queue + keys.RETRYING_SUFFIX.encode()),
        "crashes": holds(queue + keys.CRASHES_SUFFIX.encode()),
        "waiting": holds(queue + keys.WAITING_SUFFIX.encode()),
        "lane": holds(queue + keys.LANE_SUFFIX.encode() + job.lane),
        "dead": holds(queue + keys.DEAD_SUFFIX.encode()),
    }
    there = {name for name, present in own.items() if present}
    if job.is_over and there and not job.was_stock:
        yield "left something behind", f"{job.id.decode()} ({job.ended_how}): {sorted(there)}"
    if job.is_dead and not {"body", "dead"} <= there:
        yield "dead, and not whole", f"{job.id.decode()}: {sorted(there)}"
    if job.is_over and holds(queue + keys.LANED_SUFFIX.encode()) and not job.was_stock:
        yield "left its lane behind", job.id.decode()
    if job.is_over and holds(queue + keys.AHEAD_SUFFIX.encode()) and not job.was_stock:
        yield "left its head start behind", job.id.decode()
    if job.is_dead and there & {"queue", "running", "mark", "retrying", "waiting", "lane"}:
        yield "dead, and elsewhere too", f"{job.id.decode()}: {sorted(there)}"
    if not job.was_stock and job.id not in judge.history.used_again:
        is_listed = holds(queue + keys.DONE_SUFFIX.encode())
        if is_listed != (job.is_over and job.ended_how in _LISTED):
            yield "the list of ended jobs is wrong", f"{job.id.decode()} ({job.ended_how})"
