"""`pipeline schedules`: the periodic jobs."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.completion import named
from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.commands.tables import Column, Table
from runner.operations.verbs import SCHEDULE_VERBS
from runner.operations.words import arguments, unreadable

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.operations.schedules import Schedule
    from runner.operations.verbs import Verb


@click.group
def schedules() -> None:
    """List the periodic jobs, and run, pause or resume one."""


@schedules.command("list")
@shows
async def list_(host: Host) -> Shown:
    """List schedules with their last and next run, and the ticks that they missed."""
    from runner.operations.schedules import schedules as look

    async with host.operator_session() as session:
        found = await look(session.redis, session.schedule, session.catalog)
    note = "" if found else "There are no schedules."
    return Shown(found, [Table(_COLUMNS, found)], note=note)


def _verb_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @click.argument("name", shell_complete=named("schedule"))
    @click.pass_context
    def act(context: click.Context, *, name: str) -> None:
        job_id = run_async(_act(context.obj, verb, name))
        echo(f"{name}: {verb.done.format(job_id)}")

    return act


for verb in SCHEDULE_VERBS.values():
    schedules.add_command(_verb_command(verb))


async def _act(host: Host, verb: Verb, name: str) -> str:
    from runner.operations.schedules import act

    async with host.operator_session() as session:
        return await act(session.redis, session.operator, session.schedule, verb, name)


def _paused(one: Schedule) -> str:
    return "" if one.paused is None else f"paused by {one.paused.by}".removesuffix(" by ")


_COLUMNS = (
    Column("schedule", attrgetter("name"), least=16, color="cyan"),
    Column("job", attrgetter("job"), least=12, spare=True),
    Column("when", attrgetter("words"), least=14),
    Column("zone", attrgetter("timezone"), spare=True),
    Column("last", attrgetter("last_at")),
    Column("next", attrgetter("next_at")),
    Column("missed", attrgetter("missed"), right=True, color="yellow"),
    Column("", lambda one: unreadable(one.unreadable) or _paused(one), least=12, color="yellow"),
    Column("arguments", lambda one: arguments(one.arguments), least=16, spare=True),
)
