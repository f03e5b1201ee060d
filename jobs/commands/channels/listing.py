"""A table of channels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from jobs.commands.console import table_console
from runner.commands.printing import echo_json
from runner.wording import ago, due, gained, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from jobs.commands.host import Host
    from jobs.store import ChannelOverview

_WIDE = 120
"""A terminal of so many columns shows everything; a narrower one leaves out some columns."""


async def list_channels(host: Host, text: str, limit: int | None, *, as_json: bool) -> None:
    """Print the channels with *text* in title or id."""
    async with host.open_services() as services:
        total, found = await services.store.channels.overviews(text, limit)
    if as_json:
        channels = [_as_object(one) for one in found]
        document = {"total": total, "channels": channels}
        echo_json(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        show_overviews(table_console(), text, total, found)


def show_overviews(
    console: Console, text: str, total: int, found: Sequence[ChannelOverview]
) -> None:
    """Print a table of *found*, which are some of *total*."""
    if not found:
        console.print(
            f"No channel has {text!r} in title or id."
            if text
            else "No channel yet: pipeline channels add LOCATION"
        )
        return
    console.print(_table(found, wide=console.width >= _WIDE))
    if len(found) < total:
        hint = "name a part of the title, or give --limit 0"
        console.print(Text(f"{len(found):,} of {total:,} channels; {hint}", style="dim"))


def _table(found: Sequence[ChannelOverview], *, wide: bool) -> Table:
    """On a narrow terminal, words are cut; numbers never."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("Channel")
    if wide:
        table.add_column("Id", style="dim")
        table.add_column("Platform", no_wrap=True)
    for title in ("Items", "Subscribers", "Views, 7 d"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Synced", no_wrap=True)
    if wide:
        table.add_column("Next", no_wrap=True)
    table.add_column("Status")
    for one in found:
        subscribers, _, week = one.counters
        table.add_row(
            _cut(one.channel.title),
            *((_cut(one.channel.id), str(one.channel.platform)) if wide else ()),
            number(one.items),
            number(subscribers),
            gained(week),
            ago(one.sync.synced_at),
            *((due(one.sync.due_at),) if wide else ()),
            status(one),
        )
    return table


def _cut(words: str, style: str = "") -> Text:
    return Text(words, style=style, no_wrap=True, overflow="ellipsis")


def status(one: ChannelOverview) -> Text:
    """Return whether the channel's sources can be read, or why not."""
    if one.sync.problem:
        return _cut(one.sync.problem, "red")
    if one.sync.synced_at is None and not one.items and one.counters == (None, None, None):
        return _cut("never synced", "yellow")
    return _cut("ok", "green")


def _as_object(one: ChannelOverview) -> dict[str, Any]:
    subscribers, views, week = one.counters
    synced_at, due_at = one.sync.synced_at, one.sync.due_at
    return {
        "id": one.channel.id,
        "title": one.channel.title,
        "platform": one.channel.platform,
        "url": one.channel.url,
        "generated": one.channel.generated,
        "items": one.items,
        "subscribers": subscribers,
        "views": views,
        "views_7d": week,
        "synced_at": None if synced_at is None else synced_at.isoformat(),
        "next_sync_at": None if due_at is None else due_at.isoformat(),
        "problem": one.sync.problem or None,
    }
