"""`pipeline schedules`: what the poller enqueues by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.completing import named
from runner.commands.printing import as_json, print_json, print_table
from runner.commands.run_command import run_async
from runner.wording import clock

if TYPE_CHECKING:
    from runner.commands.desk import Host
    from runner.operations.schedules import Schedule


@click.group
def schedules() -> None:
    """List the periodic jobs, and run, pause or resume one."""


@schedules.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, *, as_json: bool) -> None:
    """List them with their last and next run, and the ticks that were missed."""
    found = run_async(_schedules(context.obj))
    if as_json:
        print_json(found)
    elif found:
        _show(found)
    else:
        click.echo("Nothing runs by the clock.", err=True)


@schedules.command
@click.argument("name", shell_complete=named("schedule"))
@click.pass_context
def run(context: click.Context, *, name: str) -> None:
    """Enqueue the job of NAME now, beside its ticks."""
    click.echo(f"{name}: enqueued as {run_async(_run(context.obj, name))}")


@schedules.command
@click.argument("name", shell_complete=named("schedule"))
@click.pass_context
def pause(context: click.Context, *, name: str) -> None:
    """Let the ticks of NAME pass until it is resumed."""
    run_async(_pause(context.obj, name, paused=True))
    click.echo(f"{name}: paused")


@schedules.command
@click.argument("name", shell_complete=named("schedule"))
@click.pass_context
def resume(context: click.Context, *, name: str) -> None:
    """Let the ticks of NAME count again; those of the pause do not."""
    run_async(_pause(context.obj, name, paused=False))
    click.echo(f"{name}: resumed")


async def _schedules(host: Host) -> list[Schedule]:
    from runner.operations.schedules import schedules as look

    async with host.desk() as desk:
        return await look(desk.redis, desk.schedule, desk.catalog)


async def _run(host: Host, name: str) -> str:
    from runner.operations.schedules import run_now

    async with host.desk() as desk:
        return await run_now(desk.redis, desk.operator, desk.schedule, name)


async def _pause(host: Host, name: str, *, paused: bool) -> None:
    from runner.operations import schedules as act

    async with host.desk() as desk:
        change = act.pause if paused else act.resume
        await change(desk.redis, desk.operator, desk.schedule, name)


def _show(found: list[Schedule]) -> None:
    columns = {"schedule": "left", "when": "wrap", "zone": "left", "last": "left", "next": "left"}
    print_table(
        columns | {"missed": "right", "": "left"},
        [
            (
                one.name,
                one.words,
                one.timezone,
                clock(one.last_at),
                clock(one.next_at),
                one.missed,
                "" if one.paused is None else f"paused by {one.paused.by}".removesuffix(" by "),
            )
            for one in found
        ],
    )
