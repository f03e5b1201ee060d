"""Add channels: where their data comes from, and how often it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.commands.run.source_list import Reading, find_sources
from jobs.commands.run.whose import as_registered
from jobs.scheduling import schedule_channel
from runner.commands.console import SafeConsole
from runner.commands.output import print_document
from runner.commands.printing import echo
from runner.commands.run_command import EXIT_WRONG, tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.commands.host import Host
    from jobs.commands.run.source_list import FoundChannel, SourceList
    from jobs.services import SourceAccess


async def add_channels(
    host: Host,
    locations: Sequence[str],
    every_s: int | None,
    *,
    off: bool,
    as_json: bool,
    name: str | None = None,
) -> int:
    """
    Add the channels of all *locations*, and return the exit status.

    every_s: how often to sync each; 0 for an interval that follows what it publishes. None is 0
    for new channels, and leaves known ones as they are. off: schedules none. name: what to call
    the channel, where its sources do not name it.
    """
    console = SafeConsole(stderr=True)
    async with host.sources() as access:
        named = await _with_listed(access, locations)
        sources = await find_sources(access, named, console, Reading(host.rejects_dir))
    found = sources.channels()
    new: set[str] = set()
    if found:
        async with host.open_services() as services:
            store = services.store
            found = await as_registered(store, found, name)
            new = set(found) - {channel.id for channel in await store.channels.all()}
            await store.channels.register_all([(one.record, one.refs) for one in found.values()])
            for channel_id in found if name is not None else ():
                await store.channels.rename(channel_id, str(name))
            for channel_id in () if off else new if every_s is None else found:
                await schedule_channel(services, channel_id, every_s or None)
    if as_json:
        print_document(_document(sources, found, new, every_s))
    else:
        _show(found, new, off=off)
    return EXIT_WRONG if sources.refused else 0


async def _with_listed(access: SourceAccess, locations: Sequence[str]) -> list[str]:
    """*locations*, and for a list of feeds what it names; a damaged one is said to be so later."""
    from jobs.sources import SourceError

    found: list[str] = []
    for location in locations:
        try:
            found += await access.feeds_listed(location) or [location]
        except SourceError:
            found.append(location)
    return found


def _document(
    sources: SourceList, found: Mapping[str, FoundChannel], new: set[str], every_s: int | None
) -> dict[str, Any]:
    return {
        "channels": [
            {
                "id": one.record.id,
                "title": one.record.title,
                "platform": one.record.platform,
                "new": one.record.id in new,
                "sources": [ref.location for ref in one.refs],
            }
            for one in found.values()
        ],
        "every_s": every_s or None,
        "errors": [{"source": one.location, "reason": one.reason} for one in sources.refused],
    }


def _show(found: Mapping[str, FoundChannel], new: set[str], *, off: bool) -> None:
    if not found:
        tell("the sources contain no channel: nothing was added")
        return
    known = f", {len(found) - len(new):,} already known" if len(new) < len(found) else ""
    echo(f"{len(new):,} added{known}.")
    if off:
        echo("Read them with: pipeline channels sync --all --wait")
    else:
        echo("They are synced automatically while workers run: pipeline up")
