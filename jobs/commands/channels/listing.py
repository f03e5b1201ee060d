"""A table of channels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobs.channel.words import spoken
from runner.commands.output import Shown
from runner.commands.tables import Column, Table
from runner.wording import NOTHING, ago, due, gained, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.channel.records import Platform
    from jobs.commands.host import Host
    from jobs.store import ChannelOverview

_OK = "ok"


async def list_channels(host: Host, text: str, limit: int | None) -> Shown:
    """Find the channels with *text* in title or id."""
    async with host.open_services() as services:
        total, found = await services.store.channels.overviews(text, limit)
    return Shown(
        [_as_object(one) for one in found],
        [Table(columns(found), found)],
        note=_note(text, total, found),
    )


def _note(text: str, total: int, found: Sequence[ChannelOverview]) -> str:
    if not found:
        return (
            f"No channel has {text!r} in title or id."
            if text
            else "No channel yet: pipeline channels add LOCATION"
        )
    if len(found) == total:
        return ""
    return f"{len(found):,} of {total:,} channels; name a part of the title, or give --limit 0"


def status(one: ChannelOverview) -> str:
    """Whether the channel's sources can be read, or why not."""
    if one.sync.problem:
        return one.sync.problem
    if one.sync.synced_at is None and not one.items and one.counters == (None, None, None):
        return "never synced"
    return _OK


def _color(one: ChannelOverview) -> str:
    return "red" if one.sync.problem else "green" if status(one) == _OK else "yellow"


def columns(found: Sequence[ChannelOverview]) -> list[Column]:
    """Return the columns; what is counted is named as the platform does, if all are of one."""
    platforms = {one.channel.platform for one in found}
    only = platforms.pop() if len(platforms) == 1 else None

    def counted(heading: str, value: Callable[[ChannelOverview], str], name: str) -> Column:
        if only:
            return Column(spoken(heading, only), value, right=True)
        return Column(
            heading, lambda one: _named(value(one), name, one.channel.platform), right=True
        )

    return [
        Column("channel", lambda one: one.channel.title, least=16, color="cyan"),
        Column("id", lambda one: one.channel.id, least=12, spare=True),
        Column("platform", lambda one: str(one.channel.platform), spare=True),
        counted("items", lambda one: number(one.items), "items"),
        counted("subscribers", lambda one: number(one.counters[0]), "subscribers"),
        counted("views, 7 d", lambda one: gained(one.counters[2]), "views"),
        Column("synced", lambda one: ago(one.sync.synced_at)),
        Column("next", lambda one: due(one.sync.due_at), spare=True),
        Column("status", status, least=8, color=_color),
        replace(counted("views", lambda one: number(one.counters[1]), "views"), spare=True),
        Column("address", lambda one: one.channel.url, spare=True),
    ]


def _named(value: str, name: str, platform: Platform) -> str:
    """Return *value* with the platform's own word behind it, where that is not *name*."""
    ours = name.removesuffix("s") if value.lstrip("+-") == "1" else name
    own = spoken(ours, platform)
    return value if own == ours or value == NOTHING else f"{value} {own}"


def _as_object(one: ChannelOverview) -> dict[str, Any]:
    subscribers, views, week = one.counters
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
        "synced_at": one.sync.synced_at,
        "next_sync_at": one.sync.due_at,
        "problem": one.sync.problem or None,
    }
