"""`pipeline sessions`: who is logged in to the pages, and how to end that."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.commands.tables import Column, Table
from runner.operations.words import unreadable
from runner.wording import ago, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.host import Host

_SHOWN_ID = 12
"""So many characters tell sessions apart; `revoke` takes any beginning of an id."""


@click.group
def sessions() -> None:
    """List who is logged in to the pages, and log them out."""


@sessions.command("list")
@shows
async def list_(host: Host) -> Shown:
    """List every session, the latest first."""
    from runner.operations.sessions import sessions as look

    async with host.operator_session() as session:
        found = await look(session.redis)
    return Shown(found, [Table(_COLUMNS, found)], note="" if found else "Nobody is logged in.")


@sessions.command
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--user", metavar="NAME", help="Revoke every session of this user.")
@click.option("--all", "every", is_flag=True, help="Revoke every session.")
@click.pass_context
def revoke(context: click.Context, *, ids: tuple[str, ...], user: str | None, every: bool) -> None:
    """Revoke sessions, on all servers at once: their users have to log in again."""
    if not (ids or user or every):
        raise click.UsageError("name sessions by their ids, or give --user or --all")
    ended = run_async(_revoke(context.obj, ids, user, every=every))
    echo(f"Revoked {counted(ended, 'session')}.")


async def _revoke(host: Host, ids: Sequence[str], user: str | None, *, every: bool) -> int:
    from runner.operations.sessions import revoke as end
    from runner.operations.sessions import sessions as found

    async with host.operator_session() as session:
        known = await found(session.redis)
        for one in ids:
            if sum(session.session_id.startswith(one) for session in known) != 1:
                raise click.ClickException(
                    f"there is no single session {one}: see `pipeline sessions list`"
                )
        chosen = [
            one
            for one in known
            if every or one.name == user or one.session_id.startswith(tuple(ids))
        ]
        return await end(session.redis, session.operator, chosen)


_COLUMNS = (
    Column("id", attrgetter("session_id"), least=_SHOWN_ID),
    Column("who", lambda one: unreadable(one.unreadable) or one.name, least=12, color="cyan"),
    Column("from", attrgetter("address"), least=15),
    Column("logged in", attrgetter("started_at")),
    Column("last used", lambda one: ago(one.used_at), right=True),
    Column("with", attrgetter("program"), least=12),
)
