"""
`pipeline jobs`, and `scheduled`, `retries` and `dead`: the jobs in one state.

Each lists the jobs that match, and acts on jobs by their ids or, with `--all`, on all that match.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.commands.completion import named
from runner.commands.moment import MomentType
from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import EXIT_NOTHING, run_async
from runner.commands.tables import STATE_COLORS, Column, Facts, Lines, Table
from runner.operations.job_text import facts, sentence, timeline
from runner.operations.verbs import JOB_VERBS, Asks, job_verbs
from runner.operations.words import arguments, failure, job_name, unreadable
from runner.states import LISTED, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from runner.commands.host import Host
    from runner.operations.actions import Request
    from runner.operations.job import JobView
    from runner.operations.jobs import Row
    from runner.operations.search import Filter
    from runner.operations.session import OperatorSession
    from runner.operations.verbs import JobVerb
    from runner.operations.why import Why

F = TypeVar("F", bound="Callable[..., Any]")

_FILTERS = (
    click.option(
        "--queue",
        "queues",
        multiple=True,
        shell_complete=named("queue"),
        help="Jobs of this queue; may be repeated.",
    ),
    click.option(
        "--name", default="", shell_complete=named("job"), help="Jobs with exactly this name."
    ),
    click.option("--id", "job_id", default="", help="Jobs with this in the id."),
    click.option("--text", default="", help="Jobs with this in the arguments."),
    click.option("--error", default="", help="Jobs with this in the last error."),
)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which jobs a command is about."""

    states: Sequence[JobState]
    queues: Sequence[str]
    where: Filter


def _filtered(command: F) -> F:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def _group(
    name: str, help_: str, states: Sequence[JobState], verbs: Sequence[JobVerb]
) -> click.Group:
    """Make a group: its list, and a command for each verb."""
    group = click.Group(name, help=help_)
    group.add_command(_list_command(states))
    for verb in verbs:
        group.add_command(_verb_command(verb, verb.name, states))
    return group


def _group_of(name: str, help_: str, state: JobState) -> click.Group:
    """Make the group of one state: the verbs that it offers, by all their names."""
    verbs = [verb for verb in job_verbs(state) if verb.in_groups]
    group = _group(name, help_, (state,), verbs)
    for verb in verbs:
        if verb.name_in(state) != verb.name:
            group.add_command(_verb_command(verb, verb.name_in(state), (state,)))
    return group


def _list_command(states: Sequence[JobState]) -> click.Command:
    @click.command(
        "list",
        help="List the jobs that match: those due first, or those that died or ended last, on top.",
    )
    @_filtered
    @click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
    @shows
    async def list_(host: Host, *, limit: int, **given: Any) -> Shown:
        rows, summary = await _rows(host, _chosen(given, states), limit)
        return Shown(rows, [Table(_columns(rows), rows)], note=summary)

    if len(states) > 1:
        choice = click.Choice([str(state) for state in states])
        click.option("--state", "only", type=choice, help="Jobs in this state.")(list_)
    return list_


def _verb_command(verb: JobVerb, name: str, states: Sequence[JobState]) -> click.Command:
    # What is done is listed, and nothing can be done to it.
    states = [state for state in states if state is not JobState.DONE]

    @click.command(name, help=verb.help)
    @click.argument("job_ids", metavar="[JOB_ID…]", nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All jobs that match, instead of ids.")
    @_filtered
    @click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
    @click.pass_context
    def act(
        context: click.Context,
        /,
        *,
        job_ids: tuple[str, ...],
        everything: bool,
        yes: bool,
        at: datetime | timedelta | None = None,
        to: str | None = None,
        **given: Any,
    ) -> None:
        if bool(job_ids) == everything:
            raise click.UsageError("name jobs by their ids, or say --all")
        from runner.operations.actions import Request

        request = Request(verb.name, at=at, to=to)
        if everything:
            done = run_async(_act_on_all(context.obj, _chosen(given, states), request, yes=yes))
        else:
            done = run_async(_act_on(context.obj, job_ids, request))
        context.exit(0 if done else EXIT_NOTHING)

    if verb.asks is Asks.TIME:
        help_ = "10m, 2h or 1d from now, or 2030-01-31T12:00Z."
        click.option("--at", "at", type=MomentType(), required=True, help=help_)(act)
    if verb.asks is Asks.QUEUE:
        offered = named("queue")
        click.option(
            "--to",
            "to",
            metavar="QUEUE",
            required=True,
            shell_complete=offered,
            help="The queue to move them to.",
        )(act)
    return act


jobs = _group("jobs", "List jobs, show one, and act on them.", LISTED, tuple(JOB_VERBS.values()))
scheduled = _group_of("scheduled", "Jobs that are due later.", JobState.SCHEDULED)
retries = _group_of("retries", "Jobs that failed and wait for another attempt.", JobState.RETRYING)
dead = _group_of(
    "dead", "Jobs that failed for good: kept until somebody retries or deletes them.", JobState.DEAD
)


@click.command
@click.argument("job_id")
@shows
async def show(host: Host, *, job_id: str) -> Shown:
    """Show one job: its state and why, its arguments, its attempts, its result."""
    view, found = await _look_at(host, job_id)
    return Shown(
        {"job": view, "why": sentence(found)},
        [Facts(facts(view, found)), Lines(list(timeline(view)), whole=True)],
    )


for one in (jobs, scheduled, retries, dead):
    one.add_command(show)


def _chosen(given: dict[str, Any], states: Sequence[JobState]) -> _Chosen:
    only = given.pop("only", None)
    queues = given.pop("queues")
    from runner.operations.search import Filter

    return _Chosen([JobState(only)] if only else states, queues, Filter(**given))


async def _rows(host: Host, chosen: _Chosen, limit: int) -> tuple[list[Row], str]:
    from runner.operations.jobs import list_jobs

    rows: list[Row] = []
    total = searched = 0
    more = False
    problems: list[str] = []
    async with host.operator_session() as session:
        for queue in session.chosen_queues(chosen.queues):
            for state in chosen.states:
                left = limit - len(rows)
                page = await list_jobs(
                    session.redis,
                    queue,
                    state,
                    session.catalog,
                    where=chosen.where,
                    limit=max(1, left),
                )
                total += page.total
                searched += page.searched
                problems += filter(None, [unreadable(page.unreadable)])
                more = more or page.after is not None or (left <= 0 and bool(page.rows))
                rows += page.rows[: max(0, left)]
    filtered = not chosen.where.is_empty
    summary = _summary(len(rows), total, searched, more=more, filtered=filtered)
    return rows, "; ".join(dict.fromkeys([summary, *problems]))


def _summary(shown: int, total: int, searched: int, *, more: bool, filtered: bool) -> str:
    if not total:
        return "No jobs."
    if filtered:
        end = "; there may be more further on: --limit, --queue" if more else ""
        return f"{shown:,} found, {searched:,} of {total:,} searched{end}"
    return f"{shown:,} of {total:,}"


async def _look_at(host: Host, job_id: str) -> tuple[JobView, Why]:
    from runner.operations.job import job
    from runner.operations.why import explain

    async with host.operator_session() as session:
        queue = await session.queue_of(job_id)
        view = await job(session.redis, queue, job_id, session.catalog)
        if view is None:
            raise click.ClickException(f"job {job_id} has gone just now")
        return view, await explain(session.redis, view)


async def _act_on(host: Host, job_ids: Sequence[str], request: Request) -> int:
    """Act on each of *job_ids*; return how many it was done to."""
    done = 0
    async with host.operator_session() as session:
        for job_id in job_ids:
            queue = await session.queue_of(job_id)
            found = await session.operator.act(request, queue, job_id)
            if found in request.verb.reaches:
                done += 1
                now_as = await session.operator.goes_on_as(request, found, queue, job_id)
                echo(f"{job_id}: {request.verb.done}{now_as}")
            else:
                echo(f"{job_id}: nothing was done, for it is {found}")
    return done


async def _act_on_all(host: Host, chosen: _Chosen, request: Request, *, yes: bool) -> int:
    from runner.operations.bulk import Selection, count, refuse_idle

    refuse_idle(request, chosen.states)
    async with host.operator_session() as session:
        selections = [
            Selection(queue, state, chosen.where)
            for queue in session.chosen_queues(chosen.queues)
            for state in chosen.states
        ]
        counts = [await count(session.redis, one, session.catalog) for one in selections]
        total = sum(one.jobs for one in counts)
        if not total:
            echo("No job matches.")
            return 0
        number = f"{total:,}" if all(one.is_exact for one in counts) else f"at least {total:,}"
        if not yes:
            verb = request.action.capitalize()
            click.confirm(f"{verb} {number} {'job' if total == 1 else 'jobs'}?", abort=True)
        return await _run_all(session, selections, [one.jobs for one in counts], request)


async def _run_all(
    session: OperatorSession, selections: Sequence[Any], totals: Sequence[int], request: Request
) -> int:
    from runner.operations.actions import ids_back
    from runner.operations.bulk import Bulk

    acted = passed = renamed = 0
    bulks = [
        (Bulk(session.redis, session.operator, request, selection), total)
        for selection, total in zip(selections, totals, strict=True)
        if total
    ]
    for bulk, _ in bulks:
        await bulk.check(session.catalog)
    for bulk, total in bulks:
        progress = await bulk.run(session.catalog, total=total)
        acted += progress.acted
        passed += progress.passed
        renamed += progress.renamed
    moved_on = f", {passed:,} had moved on" if passed else ""
    also = f"; {ids_back(renamed)}" if renamed else ""
    echo(f"{acted:,} {request.verb.done}{moved_on}{also}")
    return acted


def _columns(rows: Sequence[Row]) -> Sequence[Column]:
    """Errors where there are any; else arguments, which are left out then where room is short."""
    failed = any(row.error for row in rows)
    given = Column("arguments", lambda row: arguments(row.arguments), least=16, spare=failed)
    error = Column("error", _problem, least=16, color="red")
    return (
        Column("id", attrgetter("job_id"), least=8),
        Column("queue", attrgetter("queue"), least=8),
        Column("state", attrgetter("state"), color=lambda row: STATE_COLORS.get(row.state, "")),
        Column("job", job_name, least=12, color="cyan"),
        Column("at", attrgetter("at")),
        *((Column("attempts", attrgetter("attempts_made"), right=True), error) if failed else ()),
        given,
        Column("enqueued", attrgetter("enqueued_at"), spare=True),
        Column("worker", attrgetter("worker"), spare=True),
    )


def _problem(row: Row) -> str:
    return unreadable(row.unreadable) or failure(row)
