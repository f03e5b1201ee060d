"""`pipeline schedules`: the periodic jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.completion import named
from runner.commands.printing import as_json, echo, print_json, print_table
from runner.commands.run_command import run_async
from runner.operations.verbs import SCHEDULE_VERBS
from runner.operations.words import unreadable
from runner.wording import time_of_day

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.operations.schedules import Schedule
    from runner.operations.verbs import Verb


@click.group
def schedules() -> None:
    """List the periodic jobs, and run, pause or resume one."""


@schedules.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, *, as_json: bool) -> None:
    """List schedules with their last and next run, and the ticks that they missed."""
    found = run_async(_schedules(context.obj))
    if as_json:
        print_json(found)
    elif found:
        _show(found)
    else:
        echo("There are no schedules.", err=True)


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


async def _schedules(host: Host) -> list[Schedule]:
    from runner.operations.schedules import schedules as look

    async with host.operator_session() as session:
        return await look(session.redis, session.schedule, session.catalog)


async def _act(host: Host, verb: Verb, name: str) -> str:
    from runner.operations.schedules import act

    async with host.operator_session() as session:
        return await act(session.redis, session.operator, session.schedule, verb, name)


def _paused(one: Schedule) -> str:
    return "" if one.paused is None else f"paused by {one.paused.by}".removesuffix(" by ")


def _show(found: list[Schedule]) -> None:
    columns = {"schedule": "left", "when": "wrap", "zone": "left", "last": "left", "next": "left"}
    print_table(
        columns | {"missed": "right", "": "left"},
        [
            (
                one.name,
                one.words,
                one.timezone,
                time_of_day(one.last_at),
                time_of_day(one.next_at),
                one.missed,
                unreadable(one.unreadable) or _paused(one),
            )
            for one in found
        ],
    )
