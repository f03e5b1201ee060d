"""`pipeline batches`: batches of jobs."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.commands.tables import Column, Facts, Table
from runner.operations.verbs import BATCH_VERBS
from runner.operations.words import unreadable
from runner.wording import counted, local_time, zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.commands.host import Host
    from runner.operations.batches import BatchDetail, BatchView, FlowNodeView
    from runner.operations.verbs import Verb


@click.group
def batches() -> None:
    """List batches of jobs and flows, show one, cancel it, or retry its dead jobs."""


@batches.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, help="How many to list; 50 by default."
)
@shows
async def list_(host: Host, *, limit: int) -> Shown:
    """List batches, the latest first."""
    from runner.operations.batches import batches as look

    async with host.operator_session() as session:
        page = await look(session.redis, limit=limit)
    note = "" if page.rows else "There are no batches."
    if page.after is not None:
        note = f"{len(page.rows):,} of {page.total:,}: --limit lists more"
    return Shown(page.rows, [Table(_COLUMNS, page.rows)], note=note)


@batches.command
@click.argument("batch_id")
@shows
async def show(host: Host, *, batch_id: str) -> Shown:
    """Show a batch, some of its jobs that wait or are dead, and the nodes of a flow."""
    from runner.operations.batches import batch

    async with host.operator_session() as session:
        detail = await batch(session.redis, batch_id)
    nodes = Table(_NODES, detail.nodes or (), title="Nodes")
    return Shown(detail, [Facts(_facts(detail.batch)), *_jobs(detail), nodes])


def _verb_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @click.argument("batch_id")
    @click.pass_context
    def act(context: click.Context, *, batch_id: str) -> None:
        outcome = run_async(_act(context.obj, verb, batch_id))
        echo(f"{batch_id}: {verb.done.format(outcome)}")

    return act


for verb in BATCH_VERBS.values():
    batches.add_command(_verb_command(verb))


async def _act(host: Host, verb: Verb, batch_id: str) -> str:
    from runner.operations.batches import act

    async with host.operator_session() as session:
        return await act(session.redis, session.operator, verb, batch_id)


_COLUMNS = (
    Column("batch", attrgetter("batch_id"), least=8),
    Column("name", attrgetter("name"), least=12, color="cyan"),
    Column("state", lambda one: unreadable(one.unreadable) or one.state, least=10),
    Column("began", attrgetter("began_at")),
    Column("done", lambda one: f"{one.done:,} of {one.total:,}", right=True),
    Column("dead", attrgetter("dead"), right=True, color="red"),
    Column("waiting", attrgetter("waiting"), right=True),
    Column("to come", lambda one: ", ".join(one.to_come), least=8),
    Column("ended", attrgetter("ended_at"), spare=True),
    Column("aborted", attrgetter("aborted"), right=True, spare=True),
    Column("failed", attrgetter("failed"), right=True, spare=True),
    Column("expired", attrgetter("expired"), right=True, spare=True),
    Column("retried", attrgetter("retries"), right=True, spare=True),
)


def _facts(one: BatchView) -> dict[str, str]:
    found = {
        "batch": one.batch_id,
        "name": one.name,
        "state": one.state,
        "began": f"{local_time(one.began_at)} {zone()}",
        "ended": local_time(one.ended_at),
        "jobs": _counts(one),
        "in": one.parent,
        "batches": f"{one.batches:,} of these are batches within it" if one.batches else "",
        "queues": ", ".join(f"{many:,} in {name}" for name, many in one.waiting_by_queue.items()),
        "to come": ", ".join(one.to_come),
        "unreadable": one.unreadable,
    }
    return {label: text for label, text in found.items() if text}


def _jobs(detail: BatchDetail) -> Iterator[Table]:
    columns = (
        Column("id", attrgetter("job_id"), least=8),
        Column("queue", attrgetter("queue"), least=8),
    )
    for title, jobs, count in (
        ("Waiting or running", detail.waiting, detail.batch.waiting),
        ("Dead", detail.dead, detail.batch.dead),
    ):
        yield Table(columns, jobs, title=f"{title}, {len(jobs):,} of {count:,}")
    if detail.batches:
        ids = Column("batch", str, least=8)
        yield Table((ids,), detail.batches, title="Batches within it that go on or have dead jobs")


def _state(node: FlowNodeView) -> str:
    if node.waits_for:
        return f"waits for {', '.join(map(str, node.waits_for))}"
    if node.jobs is None or node.left is None:
        return node.state
    return f"{node.state}, {node.jobs - node.left:,} of {counted(node.jobs, 'job')} done"


_NODES = (
    Column("node", lambda node: f"{'  ' * node.depth}{node.node}. {node.name}", least=16),
    Column("queue", attrgetter("queue"), least=8),
    Column("state", _state, least=16),
)


def _counts(one: BatchView) -> str:
    others = {"dead": one.dead, "aborted": one.aborted, "failed": one.failed}
    others["expired"] = one.expired
    parts = [f"{count:,} {name}" for name, count in others.items() if count]
    done = f"{one.done:,} of {counted(one.total, 'job')} done"
    return ", ".join([done, *parts, f"{one.waiting:,} waiting", f"{one.retries:,} retried"])
