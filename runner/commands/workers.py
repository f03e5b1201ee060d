"""`pipeline workers`: the processes that run workers, and what they run."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import EXIT_NOTHING, run_async
from runner.commands.tables import Column, Table
from runner.operations.verbs import PROCESS_VERBS
from runner.operations.words import UNREADABLE, progress, standing
from runner.wording import elapsed, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.host import Host
    from runner.operations.verbs import Verb


@click.group
def workers() -> None:
    """List the processes that run workers, and quiet, resume or stop them."""


@workers.command("list")
@shows
async def list_(host: Host) -> Shown:
    """List every process that runs workers, as of its last heartbeat."""
    from runner.operations.processes import processes

    async with host.operator_session() as session:
        found = await processes(session.redis, session.queues)
    running = [(job, one.name) for one in found for job in one.running]
    return Shown(
        found,
        [Table(_PROCESSES, found), Table(_RUNNING, running, title="Running now")],
        note="" if found else "No worker lives. Start one: pipeline worker",
    )


def _verb_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @click.argument("names", metavar="HOST:PID…", nargs=-1, required=True)
    @click.pass_context
    def act(context: click.Context, *, names: tuple[str, ...]) -> None:
        context.exit(0 if run_async(_act(context.obj, names, verb)) else EXIT_NOTHING)

    return act


for verb in PROCESS_VERBS.values():
    workers.add_command(_verb_command(verb))


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


_PROCESSES = (
    Column("process", attrgetter("name"), least=12, color="cyan"),
    Column("version", attrgetter("release"), least=7, spare=True),
    Column("queues", lambda one: ", ".join(w.label for w in one.workers), least=16),
    Column("busy", lambda one: f"{one.busy}/{one.slots}", right=True),
    Column("memory", lambda one: size(one.rss), right=True),
    Column("loop lag", lambda one: f"{one.lag_ms:.0f} ms", right=True),
    Column("up", lambda one: elapsed(one.started_at), right=True),
    Column("last beat", lambda one: elapsed(one.beat_at), right=True),
    Column("", standing, least=12, color="yellow"),
    Column("done", lambda one: sum(w.complete for w in one.workers), right=True, spare=True),
    Column("started", attrgetter("started_at"), spare=True),
)
_RUNNING = (
    Column("job", lambda one: one[0].name or UNREADABLE, least=16, color="green"),
    Column("id", lambda one: one[0].job_id, least=8),
    Column("queue", lambda one: one[0].queue, spare=True),
    Column("since", lambda one: elapsed(one[0].started_at), right=True),
    Column("attempt", lambda one: one[0].attempt, right=True, spare=True),
    Column("in", lambda one: one[1], least=12),
    Column("progress", lambda one: progress(one[0].progress), least=12),
)
