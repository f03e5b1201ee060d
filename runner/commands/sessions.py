"""`pipeline sessions`: who is logged in to the pages, and how to end that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.printing import as_json, echo, print_json, print_table
from runner.commands.run_command import run_async
from runner.operations.words import unreadable
from runner.wording import ago, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.host import Host
    from runner.operations.sessions import Session

_SHOWN_ID = 12
"""So many characters tell sessions apart; `revoke` takes any beginning of an id."""


@click.group
def sessions() -> None:
    """List who is logged in to the pages, and log them out."""


@sessions.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, *, as_json: bool) -> None:
    """List every session, the latest first."""
    found = run_async(_sessions(context.obj))
    if as_json:
        print_json(found)
    elif found:
        _show(found)
    else:
        echo("Nobody is logged in.", err=True)


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


async def _sessions(host: Host) -> list[Session]:
    from runner.operations.sessions import sessions as found

    async with host.operator_session() as session:
        return await found(session.redis)


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


def _show(found: Sequence[Session]) -> None:
    print_table(
        {
            "id": "left",
            "who": "left",
            "from": "left",
            "logged in": "right",
            "last used": "right",
            "with": "wrap",
        },
        [
            (
                one.session_id[:_SHOWN_ID],
                unreadable(one.unreadable) or one.name,
                one.address,
                ago(one.started_at),
                ago(one.used_at),
                one.program,
            )
            for one in found
        ],
    )
