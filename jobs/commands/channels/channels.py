"""`pipeline channels add|list|show|sync|schedule|rename|set|remove`: the channels of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import click

from jobs.scheduling import read_interval
from runner.commands.completion import files
from runner.commands.output import shows
from runner.commands.run_command import run_async

if TYPE_CHECKING:
    from jobs.commands.host import Host
    from runner.commands.output import Shown

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_CHANNELS_LISTED = 50


class Interval(click.ParamType):  # type: ignore[type-arg]  # generic for the type checker only
    """What `read_interval` reads, but `auto` is 0, since None means that the option is absent."""

    name = "interval"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the interval."""
        try:
            return read_interval(str(value)) or 0
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Zone(click.ParamType):  # type: ignore[type-arg]  # generic for the type checker only
    """The name of a time zone."""

    name = "zone"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Check the name."""
        zones = available_timezones() - {"Factory", "localtime"}  # names of no place
        if value not in zones:
            self.fail(f"{value!r} is no time zone, as Europe/Berlin is one", param, ctx)
        return str(value)


@click.group
def channels() -> None:
    """Add, list, show, sync, schedule, rename, set and remove the channels of the store."""


@channels.command
@click.argument("locations", metavar="LOCATION…", nargs=-1, required=True, shell_complete=files)
@click.option(
    "--every",
    "every_s",
    type=Interval(),
    metavar="TIME",
    help="How often, such as 60m, 12h or 1d; with auto, the default, the interval follows what "
    "they publish.",
)
@click.option("--off", is_flag=True, help="Sync only on request.")
@click.option(
    "--name", metavar="TITLE", help="Call the channel so, where its sources do not name it."
)
@_JSON
@click.pass_context
def add(
    context: click.Context,
    *,
    locations: tuple[str, ...],
    every_s: int | None,
    off: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """
    Add every channel of each LOCATION, and sync it automatically while workers run.

    A LOCATION is anything that `pipeline run` takes: a file, a folder, the address of a feed, a
    channel. Known channels keep their schedule, unless --every changes it.

    Exit status: 0; 2 if a source was refused.
    """
    from jobs.commands.channels.registration import add_channels

    if off and every_s is not None:
        raise click.UsageError("give --every or --off, not both")
    host: Host = context.obj
    host.check()
    adding = add_channels(host, locations, every_s, off=off, as_json=as_json, name=name)
    context.exit(run_async(adding))


@channels.command("list")
@click.argument("text", metavar="[TEXT]", default="")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=_CHANNELS_LISTED,
    show_default=True,
    metavar="N",
    help="List at most N; 0 for all.",
)
@shows
async def list_(host: Host, *, text: str, limit: int) -> Shown:
    """List channels by title, those with TEXT in title or id."""
    from jobs.commands.channels.listing import list_channels

    host.configure_logs()
    return await list_channels(host, text, limit or None)


@channels.command
@click.argument("channel", metavar="CHANNEL")
@shows
async def show(host: Host, *, channel: str) -> Shown:
    """
    Show what is known about CHANNEL.

    CHANNEL is an id, a title, or a part of either that is unique.
    """
    from jobs.commands.channels.details import show_channel

    host.configure_logs()
    return await show_channel(host, channel)


@channels.command
@click.argument("chosen", metavar="CHANNEL…", nargs=-1)
@click.option("--all", "every_one", is_flag=True, help="Sync every channel of the store.")
@click.option(
    "--wait", is_flag=True, help="Work on the jobs here, too, and return when all have ended."
)
@click.option(
    "--reports/--no-reports",
    default=True,
    show_default=True,
    help="Draw charts and make reports afterwards.",
)
@_JSON
@click.pass_context
def sync(
    context: click.Context,
    *,
    chosen: tuple[str, ...],
    every_one: bool,
    wait: bool,
    reports: bool,
    as_json: bool,
) -> None:
    """
    Read the sources of each CHANNEL again, then analyse it: now, whatever its schedule.

    Exit status: 0; with --wait, 1 if a job died.
    """
    from jobs.commands.channels.sync import Wish, sync_channels

    if bool(chosen) == every_one:
        raise click.UsageError("Name one or more channels, or give --all.")
    wish = Wish(chosen, wait=wait, reports=reports, as_json=as_json)
    context.exit(run_async(sync_channels(context.obj, wish)))


@channels.command
@click.argument("channel", metavar="CHANNEL")
@click.option(
    "--every",
    "every_s",
    type=Interval(),
    metavar="TIME",
    help="How often, such as 60m, 12h or 1d; with auto the interval follows what it publishes.",
)
@click.option("--off", is_flag=True, help="Sync only on request.")
@shows
async def schedule(host: Host, *, channel: str, every_s: int | None, off: bool) -> Shown:
    """
    Set how often CHANNEL is synced automatically while workers run; without an option, show it.

    CHANNEL is an id, a title, or a part of either that is unique.
    """
    from jobs.commands.channels.schedule import change_schedule

    if off and every_s is not None:
        raise click.UsageError("give --every or --off, not both")
    host.configure_logs()
    return await change_schedule(host, channel, every_s, off=off)


@channels.command
@click.argument("channel", metavar="CHANNEL")
@click.argument("title", metavar="TITLE")
@_JSON
@click.pass_obj
def rename(host: Host, *, channel: str, title: str, as_json: bool) -> None:
    """
    Call CHANNEL TITLE from now on, whatever its sources call it; its id stays.

    CHANNEL is an id, a title, or a part of either that is unique.
    """
    from jobs.commands.channels.renaming import rename_channel

    host.configure_logs()
    run_async(rename_channel(host, channel, title, as_json=as_json))


@channels.command("set")
@click.argument("channel", metavar="CHANNEL")
@click.option(
    "--timezone",
    type=Zone(),
    required=True,
    metavar="ZONE",
    help="The clock of its publisher, such as Europe/Berlin: weekdays and hours of publication, "
    "and advice on them, are told by it. UTC is the default.",
)
@shows
async def set_(host: Host, *, channel: str, timezone: str) -> Shown:
    """
    Set what no source of CHANNEL says.

    CHANNEL is an id, a title, or a part of either that is unique.
    """
    from jobs.commands.channels.setting import set_time_zone

    host.configure_logs()
    return await set_time_zone(host, channel, timezone)


@channels.command
@click.argument("channel", metavar="CHANNEL")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
@click.pass_obj
def remove(host: Host, *, channel: str, yes: bool, as_json: bool) -> None:
    """
    Remove CHANNEL with its history, its schedule and its reports; its sources stay as they are.

    CHANNEL is an id, a title, or a part of either that is unique.
    """
    from jobs.commands.channels.removal import remove_channel

    host.configure_logs()
    run_async(remove_channel(host, channel, sure=yes, as_json=as_json))
