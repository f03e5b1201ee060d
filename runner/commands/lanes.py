"""`pipeline lanes`: of which jobs so many run at a time."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.completion import named
from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.commands.tables import Column, Table
from runner.lanes import MOST
from runner.operations.verbs import LANE_VERBS
from runner.operations.words import unreadable

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.operations.lanes import LaneRow
    from runner.operations.verbs import Verb


@click.group
def lanes() -> None:
    """List the lanes of jobs, and pause one, resume it, or give it another limit."""


@lanes.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, help="How many to list; 50 by default."
)
@click.option("--name", "part", default="", help="Only those with this in their names.")
@shows
async def list_(host: Host, *, limit: int, part: str) -> Shown:
    """List lanes that have jobs or a limit of an operator, the longest first."""
    from runner.operations.lanes import lanes as look

    async with host.operator_session() as session:
        page = await look(session.redis, session.queues, limit=limit, part=part)
    left = page.total - len(page.rows)
    note = "" if page.rows else "No job has a lane." if not part else "No lane has such a name."
    if page.rows and left:
        note = f"{left:,} more; {page.read:,} were looked at."
    return Shown(page, [Table(_COLUMNS, page.rows)], note=note)


@lanes.command
@click.argument("queue", shell_complete=named("queue"))
@click.argument("lane")
@click.argument("limit", type=click.IntRange(0, MOST))
@click.pass_context
def limit(context: click.Context, *, queue: str, lane: str, limit: int) -> None:
    """
    Let LIMIT jobs of a lane run at a time, whatever its jobs say; 0 pauses it.

    Jobs that run go on. `pipeline lanes resume` takes that back.
    """
    moved = run_async(_limit(context.obj, queue, lane, limit))
    echo(f"{lane}: {limit:,} at a time{f', {moved:,} jobs moved' if moved else ''}")


def _verb_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @click.argument("queue", shell_complete=named("queue"))
    @click.argument("lane")
    @click.pass_context
    def act(context: click.Context, *, queue: str, lane: str) -> None:
        run_async(_limit(context.obj, queue, lane, 0 if verb.name == "pause" else None))
        echo(f"{lane}: {verb.done}")

    return act


for verb in LANE_VERBS.values():
    lanes.add_command(_verb_command(verb))


async def _limit(host: Host, queue: str, lane: str, limit: int | None) -> int:
    from runner.operations.actions import known_queue
    from runner.operations.lanes import set_limit

    async with host.operator_session() as session:
        known = known_queue(session.queues, queue)
        return await set_limit(session.redis, session.operator, known, lane, limit)


def _set(one: LaneRow) -> str:
    if one.set_to is None:
        return ""
    return "paused" if one.set_to == 0 else f"set by hand; its jobs say {one.of_jobs or '-'}"


_COLUMNS = (
    Column("lane", attrgetter("lane"), least=12, color="cyan"),
    Column("queue", attrgetter("queue"), least=8),
    Column("inside", attrgetter("inside"), right=True),
    Column("limit", attrgetter("limit"), right=True),
    Column("waiting", attrgetter("waiting"), right=True, color="yellow"),
    Column("none before", attrgetter("used_until"), spare=True),
    Column("", lambda one: unreadable(one.unreadable) or _set(one), least=8, color="yellow"),
)
