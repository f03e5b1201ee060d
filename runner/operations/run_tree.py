"""The jobs of a run in order, each below the one that led to it; and what the whole waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runner import lineage
from runner.broker.reading import NEVER
from runner.operations.run_jobs import RunJob
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from runner.operations.batches import FlowNodeView
    from runner.operations.run_jobs import ReadJob, Stretch


def placed(found: Sequence[ReadJob], nodes: Sequence[FlowNodeView] = ()) -> list[RunJob]:
    """
    Return the jobs in the order of their start, each below the one that led to it.

    nodes: those of a flow; one that has no job yet, or of whose job nothing is left, is there, too.
    """
    by_id = {one.job.job_id: one.job for one in found}
    known = {lineage.first_id(job_id) for job_id in by_id}
    for node in nodes:
        if node.jobs is None and node.job_id not in known:
            by_id[node.job_id] = _without_job(node)
    by_mark = {one.mark: one.job.job_id for one in found}
    led_by = {
        one.job.job_id: by_mark[one.parent]
        for one in found
        if one.parent in by_mark and by_mark[one.parent] != one.job.job_id
    }
    led_by |= _needed_last(nodes, by_id)
    below: dict[str | None, list[RunJob]] = {}
    for job in by_id.values():
        leader = led_by.get(job.job_id)
        below.setdefault(leader if leader in by_id else None, []).append(job)
    path = _path(by_id, led_by)
    order = [
        replace(job, depth=depth, led_by=led_by.get(job.job_id), is_on_path=job.job_id in path)
        for job, depth in _walk(below)
    ]
    # Jobs that lead to each other stand below none: marks that somebody else wrote.
    seen = {job.job_id for job in order}
    return [*order, *(job for job in by_id.values() if job.job_id not in seen)]


def ran(stretches: Iterable[Stretch], until: datetime) -> timedelta:
    """Return how long at least one of them ran, as of *until*."""
    total, end = timedelta(), None
    for one in sorted(stretches, key=lambda one: one.started_at):
        start, stop = one.started_at, one.ended_at or until
        if end is not None:
            start = max(start, end)
        total += max(timedelta(), stop - start)
        end = stop if end is None else max(end, stop)
    return total


def _walk(below: Mapping[str | None, Sequence[RunJob]]) -> Iterator[tuple[RunJob, int]]:
    ahead = [(job, 0) for job in _by_start(below.get(None, ()))]
    while ahead:
        job, depth = ahead.pop()
        yield job, depth
        ahead += [(one, depth + 1) for one in _by_start(below.get(job.job_id, ()))]


def _by_start(jobs: Sequence[RunJob]) -> list[RunJob]:
    """The last one first, as they are taken from the end."""
    return sorted(
        jobs,
        key=lambda one: (one.started_at or NEVER, one.due_at or NEVER, one.job_id),
        reverse=True,
    )


def _path(by_id: Mapping[str, RunJob], led_by: Mapping[str, str]) -> set[str]:
    """The jobs from the first one to the one that ended last, or has not ended."""
    tried = [job for job in by_id.values() if job.attempts or job.state is JobState.RUNNING]
    if not tried:
        return set()
    last = max(tried, key=lambda one: (one.ended_at or NEVER, one.started_at or NEVER))
    found: set[str] = set()
    job_id: str | None = last.job_id
    while job_id is not None and job_id not in found:
        found.add(job_id)
        job_id = led_by.get(job_id)
    return found


def _needed_last(nodes: Sequence[FlowNodeView], by_id: Mapping[str, RunJob]) -> dict[str, str]:
    """By the id of each job of a flow, that of those which it needed that ended last."""
    by_first_id = {lineage.first_id(job_id): job for job_id, job in by_id.items()}
    of_node = {node.node: [*_jobs_of(node, by_first_id)] for node in nodes}
    found: dict[str, str] = {}
    for node in nodes:
        needed = [job for number in node.needs for job in of_node.get(number, ())]
        if needed:
            last = max(needed, key=lambda one: one.ended_at or NEVER)
            found |= {job.job_id: last.job_id for job in of_node[node.node]}
    return found


def _jobs_of(node: FlowNodeView, by_id: Mapping[str, RunJob]) -> Iterator[RunJob]:
    if node.job_id in by_id:
        yield by_id[node.job_id]
    for place in range(node.jobs or 0):
        job = by_id.get(f"{node.job_id}.{place}")
        if job is not None:
            yield job


def _without_job(node: FlowNodeView) -> RunJob:
    is_done = node.state in {"done", "failed"}
    return RunJob(
        job_id=node.job_id,
        queue=node.queue,
        name=node.name,
        state=JobState.DONE if is_done else JobState.UNKNOWN,
        depth=0,
        enqueued_at=None,
        due_at=None,
        attempts=(),
        worker="",
        succeeded=None,
        gave="" if is_done else f"node {node.node} {_said(node)}",
        batch_id=node.job_id.rpartition(":")[0],
        led_by=None,
        is_on_path=False,
        unreadable="",
    )


def _said(node: FlowNodeView) -> str:
    if node.waits_for:
        return f"waits for {', '.join(map(str, node.waits_for[:5]))}"
    return "is about to start" if node.state == "waiting" else f"was {node.state}"
