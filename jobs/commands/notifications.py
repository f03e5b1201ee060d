"""`pipeline notifications list|test|resend`: what was sent, to whom, and once more."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.printing import echo
from runner.commands.run_command import EXIT_WRONG, run_async, tell
from runner.commands.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.commands.host import Host
    from jobs.notifications.target import Target
    from jobs.store import Delivery

EXIT_UNDELIVERED = 1
"""Exit status if a target did not get its test."""

_STATES = ("waiting", "sending", "sent", "unconfirmed", "failed")


@click.group
def notifications() -> None:
    """List notifications, test targets, and send a notification again."""


@notifications.command("list")
@click.option(
    "--state", type=click.Choice(_STATES), multiple=True, help="Only these; may be given again."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@shows
async def list_(host: Host, *, state: tuple[str, ...], limit: int) -> Shown:
    """List notifications with the state of each delivery, the newest first."""
    from jobs.store import DeliveryState

    host.configure_logs()
    async with host.open_services() as services:
        wanted = [DeliveryState(one) for one in state or _STATES]
        found = await services.store.outbox.deliveries(states=wanted, limit=limit)
    note = "" if found else "No notifications."
    return Shown([_document(one) for one in found], [Table(_COLUMNS, found)], note=note)


@notifications.command("test")
@click.argument("targets", metavar="[TARGET…]", nargs=-1)
@click.pass_context
def test(context: click.Context, *, targets: tuple[str, ...]) -> None:
    """
    Send a test message to each TARGET, or to all, and print whether it was delivered.

    Exit status: 0; 1 if one was not delivered; 2 if there is no such target.
    """
    context.exit(run_async(_test(context.obj, targets)))


@notifications.command("resend")
@click.argument("key")
@click.argument("target")
@click.pass_context
def resend(context: click.Context, *, key: str, target: str) -> None:
    """
    Send the notification KEY to TARGET again, even if it may have arrived.

    A worker of the notifications queue sends it within a minute.
    """
    context.exit(run_async(_resend(context.obj, key, target)))


async def _test(host: Host, names: Sequence[str]) -> int:
    host.configure_logs()
    async with host.open_services() as services:
        known = {one.name: one for one in services.targets}
        if unknown := [name for name in names if name not in known]:
            tell(f"there is no target {unknown[0]!r}; there are: {', '.join(known)}")
            return EXIT_WRONG
        arrived = [await _try(known[name]) for name in names or known]
    return 0 if all(arrived) else EXIT_UNDELIVERED


async def _try(target: Target) -> bool:
    from jobs.notifications.event import Event, Kind
    from jobs.notifications.message import compose
    from jobs.notifications.sender import NotificationError

    now = datetime.now(UTC)
    key, body = f"test:{target.name}:{now.isoformat()}", "Notifications of Pipeline reach you here."
    event = Event(key, Kind.TEST, None, "Pipeline: a test", body)
    try:
        await target.sender.send(compose(key, [event]))
    except NotificationError as error:
        echo(f"{target.name}: not delivered: {error}")
        return False
    echo(f"{target.name}: delivered")
    return True


async def _resend(host: Host, key: str, target: str) -> int:
    host.configure_logs()
    async with host.open_services() as services:
        if await services.store.outbox.resend(key, target, datetime.now(UTC)):
            echo(f"{key} is sent to {target} again")
            return 0
    tell(f"{key} to {target}: no delivery that has finished; see `pipeline notifications list`")
    return EXIT_WRONG


def _document(one: Delivery) -> dict[str, object]:
    return {
        "key": one.key,
        "target": one.target,
        "state": one.state,
        "kind": one.kind,
        "channel_id": one.channel_id,
        "title": one.title,
        "recorded_at": one.recorded_at,
        "due_at": one.due_at,
        "attempts": one.attempts,
        "error": one.error,
    }


_STYLES = {"failed": "red", "unconfirmed": "yellow", "waiting": "cyan"}
_COLUMNS = (
    Column("when", attrgetter("recorded_at")),
    Column("target", attrgetter("target"), least=12, color="cyan"),
    Column("state", attrgetter("state"), color=lambda one: _STYLES.get(one.state, "")),
    Column("what", attrgetter("title"), least=24),
    Column("error", attrgetter("error"), least=16, color="red"),
    Column("attempts", attrgetter("attempts"), right=True, spare=True),
    Column("due", attrgetter("due_at"), spare=True),
    Column("key", attrgetter("key"), least=8, spare=True),
)
