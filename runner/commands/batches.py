"""`pipeline batches`: batches of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.printing import as_json, echo, print_json, print_table
from runner.commands.run_command import run_async
from runner.operations.verbs import BATCH_VERBS
from runner.operations.words import unreadable
from runner.wording import counted, time_of_day

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.operations.batches import BatchDetail, BatchPage, BatchView, FlowNodeView
    from runner.operations.verbs import Verb


@click.group
def batches() -> None:
    """List batches of jobs and flows, show one, cancel it, or retry its dead jobs."""


@batches.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, help="How many to list; 50 by default."
)
@as_json
@click.pass_context
def list_(context: click.Context, *, limit: int, as_json: bool) -> None:
    """List batches, the latest first."""
    page = run_async(_batches(context.obj, limit))
    if as_json:
        print_json(page)
    elif page.rows:
        _show_all(page)
    else:
        echo("There are no batches.", err=True)


@batches.command
@click.argument("batch_id")
@as_json
@click.pass_context
def show(context: click.Context, *, batch_id: str, as_json: bool) -> None:
    """Show a batch, some of its jobs that wait or are dead, and the nodes of a flow."""
    detail = run_async(_batch(context.obj, batch_id))
    if as_json:
        print_json(detail)
    else:
        _show_one(detail)


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


async def _batches(host: Host, limit: int) -> BatchPage:
    from runner.operations.batches import batches as look

    async with host.operator_session() as session:
        return await look(session.redis, limit=limit)


async def _batch(host: Host, batch_id: str) -> BatchDetail:
    from runner.operations.batches import batch

    async with host.operator_session() as session:
        return await batch(session.redis, batch_id)


async def _act(host: Host, verb: Verb, batch_id: str) -> str:
    from runner.operations.batches import act

    async with host.operator_session() as session:
        return await act(session.redis, session.operator, verb, batch_id)


def _show_all(page: BatchPage) -> None:
    columns = {"batch": "left", "name": "wrap", "state": "left", "began": "left", "done": "right"}
    print_table(
        columns | {"dead": "right", "waiting": "right", "to come": "left"},
        [
            (
                one.batch_id,
                one.name,
                unreadable(one.unreadable) or one.state,
                time_of_day(one.began_at),
                f"{one.done:,} of {one.total:,}",
                f"{one.dead:,}",
                f"{one.waiting:,}",
                ", ".join(one.to_come),
            )
            for one in page.rows
        ],
    )
    if page.after is not None:
        echo(f"{len(page.rows):,} of {page.total:,}: --limit lists more")


def _show_one(detail: BatchDetail) -> None:
    one = detail.batch
    echo(f"{one.name or 'batch'} {one.batch_id}: {one.state}")
    echo(f"began {time_of_day(one.began_at)}, ended {time_of_day(one.ended_at)}")
    echo(_counts(one))
    for queue, count in one.waiting_by_queue.items():
        echo(f"  {count:,} wait or run in {queue}")
    if one.to_come:
        echo(f"still to come: {', '.join(one.to_come)}")
    if one.unreadable:
        echo(unreadable(one.unreadable))
    for title, jobs, count in (
        ("waiting or running", detail.waiting, one.waiting),
        ("dead", detail.dead, one.dead),
    ):
        if jobs:
            echo(f"{title}, {len(jobs):,} of {count:,}:")
            for job in jobs:
                echo(f"  {job.queue}  {job.job_id}")
    if detail.nodes:
        echo("nodes:")
        for node in detail.nodes:
            echo(f"  {'  ' * node.depth}{node.node}. {node.name} ({node.queue}): {_state(node)}")


def _state(node: FlowNodeView) -> str:
    if node.waits_for:
        return f"waits for {', '.join(map(str, node.waits_for))}"
    if node.jobs is None or node.left is None:
        return node.state
    return f"{node.state}, {node.jobs - node.left:,} of {counted(node.jobs, 'job')} done"


def _counts(one: BatchView) -> str:
    others = {"dead": one.dead, "aborted": one.aborted, "failed": one.failed}
    parts = [f"{count:,} {name}" for name, count in others.items() if count]
    done = f"{one.done:,} of {counted(one.total, 'job')} done"
    return ", ".join([done, *parts, f"{one.waiting:,} waiting", f"{one.retries:,} retried"])
