"""`pipeline notifications list|test|resend`: what was sent, to whom, and once more."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from runner.commands.printing import echo, echo_json
from runner.commands.run_command import EXIT_WRONG, run_async, tell

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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def list_(context: click.Context, *, state: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List notifications with the state of each delivery, the newest first."""
    found = run_async(_deliveries(context.obj, state or _STATES, limit))
    if as_json:
        for one in found:
            echo_json(json.dumps(_document(one), ensure_ascii=False))
    elif found:
        _show(found)
    else:
        echo("No notifications.")


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


async def _deliveries(host: Host, states: Sequence[str], limit: int) -> list[Delivery]:
    from jobs.store import DeliveryState

    host.configure_logs()
    async with host.open_services() as services:
        wanted = [DeliveryState(state) for state in states]
        return await services.store.outbox.deliveries(states=wanted, limit=limit)


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
        "recorded_at": one.recorded_at.isoformat(),
        "due_at": one.due_at.isoformat(),
        "attempts": one.attempts,
        "error": one.error,
    }


def _show(found: Sequence[Delivery]) -> None:
    from rich.table import Table
    from rich.text import Text

    from runner.commands.console import SafeConsole

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("when (UTC)", "target", "state", "what"):
        table.add_column(heading, no_wrap=heading != "what")
    for one in found:
        table.add_row(
            f"{one.recorded_at:%Y-%m-%d %H:%M}",
            Text(one.target),
            Text(one.state, style=_STYLES.get(one.state, "")),
            Text(one.title),
        )
        if one.error:
            table.add_row("", "", "", Text(one.error, style="dim"))
    SafeConsole().print(table)


_STYLES = {"failed": "red", "unconfirmed": "yellow", "waiting": "cyan"}
