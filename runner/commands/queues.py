"""`pipeline queues`: how many jobs are in the queues, and whether workers take them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.completion import named
from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.commands.tables import STATE_COLORS, Column, Table
from runner.operations.verbs import QUEUE_VERBS
from runner.operations.words import note
from runner.wording import NOTHING, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.host import Host
    from runner.operations.queues import Queue
    from runner.operations.verbs import Verb


@click.group
def queues() -> None:
    """List, pause and resume queues."""


@queues.command("list")
@shows
async def list_(host: Host) -> Shown:
    """List every queue, with its number of jobs in each state."""
    from runner.operations.queues import queues as count

    async with host.operator_session() as session:
        found = await count(session.redis, session.queues)
    return Shown(found, [Table(_COLUMNS, found)], note="" if found else "There are no queues.")


def _verb_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @click.argument("queue", nargs=-1, required=True, shell_complete=named("queue"))
    @click.option(
        "--job", shell_complete=named("job"), help="Only its jobs of this name; the others go on."
    )
    @click.pass_context
    def act(context: click.Context, *, queue: tuple[str, ...], job: str | None) -> None:
        for name in run_async(_act(context.obj, queue, verb, job)):
            echo(f"{name}: {verb.done}" if job is None else f"{name}: {job} {verb.done}")

    return act


for verb in QUEUE_VERBS.values():
    queues.add_command(_verb_command(verb))


async def _act(host: Host, names: Sequence[str], verb: Verb, job: str | None) -> Sequence[str]:
    async with host.operator_session() as session:
        chosen = session.chosen_queues(names)
        for name in chosen:
            if job is None:
                await session.operator.act_on_queue(verb, name)
            else:
                await session.operator.act_on_job_name(verb, name, job)
        return chosen


def _wait(one: Queue) -> str:
    return span(one.oldest_wait_s) if one.ready else NOTHING


_COLUMNS = (
    Column("queue", attrgetter("name"), least=11, color="cyan"),
    *(
        Column(state, attrgetter(state), right=True, color=STATE_COLORS[state])
        for state in ("ready", "running", "scheduled", "retrying", "dead")
    ),
    Column("parked", lambda one: one.parked or None, right=True, spare=True),
    Column("waiting", lambda one: one.waiting or None, right=True, spare=True),
    Column("waits", _wait, right=True),
    Column("workers", attrgetter("workers"), right=True, spare=True),
    Column("", note, least=11, color="yellow"),
    Column("paused at", lambda one: one.paused and one.paused.at, spare=True),
)
