"""`pipeline workers`: the processes that work, how they are, and what they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.desk import EXIT_NOTHING
from runner.commands.printing import as_json, print_json, print_table, progress
from runner.commands.run_command import run_async
from runner.wording import elapsed, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.desk import Host
    from runner.operations.processes import Process


@click.group
def workers() -> None:
    """List the processes that work, and quiet, resume or stop them."""


@workers.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, *, as_json: bool) -> None:
    """List every process with a worker, as its last heartbeat told."""
    found = run_async(_processes(context.obj))
    if as_json:
        print_json(found)
    elif found:
        _show(found)
    else:
        click.echo("No worker lives. Start one: pipeline worker", err=True)


def _order_command(order: str, help_: str) -> click.Command:
    @click.command(order, help=help_)
    @click.argument("names", metavar="HOST:PID…", nargs=-1, required=True)
    @click.pass_context
    def command(context: click.Context, *, names: tuple[str, ...]) -> None:
        context.exit(0 if run_async(_order(context.obj, names, order)) else EXIT_NOTHING)

    return command


for order, told in (
    ("quiet", "Let them take no more jobs; running ones go on."),
    ("resume", "Let them take jobs again."),
    ("stop", "Let them finish what fits into their grace time, give the rest back, and end."),
):
    workers.add_command(_order_command(order, told))


async def _processes(host: Host) -> list[Process]:
    from runner.operations.processes import processes

    async with host.desk() as desk:
        return await processes(desk.redis, desk.queues)


async def _order(host: Host, names: Sequence[str], order: str) -> bool:
    from runner.operations.processes import processes

    async with host.desk() as desk:
        known = {one.name: one for one in await processes(desk.redis, desk.queues)}
        if unknown := [name for name in names if name not in known]:
            raise click.ClickException(
                f"there is no process {unknown[0]}; there are {', '.join(known) or 'none'}"
            )
        for name in names:
            await desk.operator.order(known[name], order)
            click.echo(f"{name}: asked to {order}; it hears that with its next heartbeat")
    return True


def standing(one: Process) -> str:
    """Whether it takes jobs: nothing where it does."""
    return "stopping" if one.stopping else "quiet" if one.quiet else ""


def vitals(one: Process) -> tuple[str, ...]:
    """How it is: slots, memory, lag of its loop, since when it is up and was heard of, standing."""
    return (
        f"{one.busy}/{one.slots}",
        size(one.rss),
        f"{one.lag_ms:.0f} ms",
        elapsed(one.started_at),
        elapsed(one.beat_at),
        standing(one),
    )


def _show(found: Sequence[Process]) -> None:
    columns = {"process": "left", "version": "left", "queues": "wrap"}
    columns |= dict.fromkeys(("busy", "memory", "loop lag", "up", "last beat"), "right")
    print_table(
        columns | {"": "left"},
        [
            (
                one.name,
                one.release,
                ", ".join(worker.queue for worker in one.workers),
                *vitals(one),
            )
            for one in found
        ],
    )
    running = [(job, one.name) for one in found for job in one.running]
    if running:
        click.echo()
        print_table(
            {"running": "left", "id": "left", "since": "right", "in": "left", "progress": "wrap"},
            [
                (
                    job.name or "(unreadable)",
                    job.job_id,
                    elapsed(job.started_at),
                    name,
                    progress(job.progress),
                )
                for job, name in running
            ],
        )
