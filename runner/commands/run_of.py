"""`pipeline run-of`: what led to a job and what followed, as a waterfall."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import click

from runner.commands.output import Shown, shows
from runner.commands.run_command import EXIT_NOTHING
from runner.commands.tables import STATE_COLORS, Column, Facts, Lines, Table
from runner.wording import local_time, span, zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from runner.commands.host import Host
    from runner.operations.run_jobs import RunJob
    from runner.operations.runs import RunGraph, RunKey, Runs

_WIDTH: Final = 36
_LOOKED_FOR_S: Final = 60.0
_WAITS, _RUNS, _FAILED = "·", "█", "▒"


@click.command(name="run-of")
@click.argument("job_id")
@shows
async def run_of(host: Host, *, job_id: str) -> Shown:
    """
    Show what led to the job JOB_ID and what followed; or a batch or flow, by its id.

    Exit status: 0; 1 if there is no such job or batch.
    """
    from runner.operations.runs import Runs

    async with host.operator_session() as session:
        runs = Runs(session.redis, session.queues, session.catalog)
        key = await _key(runs, job_id)
        graph = None if key is None else await runs.graph(key, for_s=_LOOKED_FOR_S)
    if graph is None:
        note = f"There is no job or batch {job_id}: it is done and forgotten, or never was."
        return Shown(None, note=note, status=EXIT_NOTHING)
    return Shown(graph, [Lines([graph.sentence], bold=True), Facts(_facts(graph)), _table(graph)])


async def _key(runs: Runs, asked: str) -> RunKey | None:
    from runner.errors import ConfigurationError

    found = await runs.of_job(asked)
    if found is not None:
        return found
    try:
        return await runs.of_batch(asked)
    except ConfigurationError:
        return None


def _facts(graph: RunGraph) -> dict[str, str]:
    took = span(graph.took_s)
    found = {
        "batch" if graph.batch_id else "trace": graph.batch_id or graph.trace,
        "began": f"{local_time(graph.began_at)} {zone()}",
        "took": took if graph.ended_at else f"{took} so far",
        "of that": f"{span(graph.ran_s)} running, {span(graph.waited_s)} waiting",
        "workers": ", ".join(graph.workers),
        "more": ""
        if graph.is_complete
        else f"there may be more: {graph.searched:,} ended jobs were looked through",
    }
    return {name: text for name, text in found.items() if text}


def _table(graph: RunGraph) -> Table:
    return Table(
        (
            Column("job", lambda one: f"{'  ' * one.depth}{one.name or '?'}", least=16),
            Column(
                "state", lambda one: one.state, color=lambda one: STATE_COLORS.get(one.state, "")
            ),
            Column("ran", lambda one: span(one.ran_s) if one.attempts else None, right=True),
            Column("over time", lambda one: bar(one, graph)),
            Column("id", attrgetter("job_id"), least=8),
            Column("worker", attrgetter("worker"), least=8, spare=True),
            Column("gave", attrgetter("gave"), least=8, spare=True),
        ),
        graph.jobs,
        title="Its jobs; · waits, █ runs, ▒ fails",
    )


def bar(job: RunJob, graph: RunGraph) -> str:
    """When it waited and ran, from the begin of the run to its end."""
    if graph.began_at is None or not graph.took_s:
        return ""
    begin, length_s, cells = graph.began_at, graph.took_s, [" "] * _WIDTH
    for mark, since, until in _parts(job, graph.ended_at or graph.at):
        first = int((since - begin).total_seconds() / length_s * _WIDTH)
        first = max(0, min(_WIDTH - 1, first))
        last = math.ceil((until - begin).total_seconds() / length_s * _WIDTH)
        last = max(first + 1, min(_WIDTH, last))
        cells[first:last] = mark * (last - first)
    return "".join(cells).rstrip()


def _parts(job: RunJob, end: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Waits first: a run that is shorter than a cell is drawn over one."""
    ends = [job.due_at, *(one.ended_at for one in job.attempts)]
    for since, one in zip(ends, job.attempts, strict=False):
        if since is not None and since < one.started_at:
            yield _WAITS, since, one.started_at
    if not job.attempts and job.due_at is not None and job.due_at < end:
        yield _WAITS, job.due_at, end
    for one in job.attempts:
        yield _FAILED if one.error else _RUNS, one.started_at, one.ended_at or end
