"""`pipeline unique`: the unique keys of jobs."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.commands.tables import Column, Table

if TYPE_CHECKING:
    from runner.commands.host import Host


@click.group
def unique() -> None:
    """List the unique keys of jobs, or free one."""


@unique.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, help="How many to list; 50 by default."
)
@shows
async def list_(host: Host, *, limit: int) -> Shown:
    """List jobs that have unique keys, and whether they hold them."""
    from runner.operations.unique import unique_keys

    async with host.operator_session() as session:
        rows = await unique_keys(session.redis, session.queues, limit=limit)
    note = "" if rows else "No job has a unique key."
    return Shown(rows, [Table(_COLUMNS, rows)], note=note)


@unique.command
@click.argument("key", metavar="KEY|JOB_ID")
@click.pass_context
def release(context: click.Context, *, key: str) -> None:
    """
    Free a unique key, given as it is or by the id of a job that has it.

    A job that runs goes on, and another one may run beside it. It is of use where a job never ends,
    or to run one again before for_s is over.
    """
    echo(f"{run_async(_release(context.obj, key))}: released")


async def _release(host: Host, key: str) -> str:
    from runner.operations.unique import release

    async with host.operator_session() as session:
        return await release(session.redis, session.operator, session.queues, key)


_COLUMNS = (
    Column("key", attrgetter("key"), least=8),
    Column("queue", attrgetter("queue"), least=8),
    Column("job", attrgetter("job_id"), least=8),
    Column("role", attrgetter("role"), least=8),
)
