"""`pipeline workers`: the processes that run workers, and what they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.printing import as_json, echo, print_json, print_table
from runner.commands.run_command import EXIT_NOTHING, run_async
from runner.operations.verbs import PROCESS_VERBS
from runner.operations.words import progress, vitals
from runner.wording import elapsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.host import Host
    from runner.operations.processes import Process
    from runner.operations.verbs import Verb


@click.group
def workers() -> None:
    """List the processes that run workers, and quiet, resume or stop them."""


@workers.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, *, as_json: bool) -> None:
    """List every process that runs workers, as of its last heartbeat."""
    found = run_async(_processes(context.obj))
    if as_json:
        print_json(found)
    elif found:
        _show(found)
    else:
        echo("No worker lives. Start one: pipeline worker", err=True)


def _verb_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @click.argument("names", metavar="HOST:PID…", nargs=-1, required=True)
    @click.pass_context
    def act(context: click.Context, *, names: tuple[str, ...]) -> None:
        context.exit(0 if run_async(_act(context.obj, names, verb)) else EXIT_NOTHING)

    return act


for verb in PROCESS_VERBS.values():
    workers.add_command(_verb_command(verb))


async def _processes(host: Host) -> list[Process]:
    from runner.operations.processes import processes

    async with host.operator_session() as session:
        return await processes(session.redis, session.queues)


async def _act(host: Host, names: Sequence[str], verb: Verb) -> bool:
    from runner.operations.processes import processes

    async with host.operator_session() as session:
        known = {one.name: one for one in await processes(session.redis, session.queues)}
        if unknown := [name for name in names if name not in known]:
            raise click.ClickException(
                f"there is no process {unknown[0]}; there are {', '.join(known) or 'none'}"
            )
        for name in names:
            await session.operator.order(known[name], verb.name)
            echo(f"{name}: {verb.done}")
    return True


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
        echo()
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
