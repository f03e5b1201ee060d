"""Whose sources are that do not name their channel: as they are registered, or as a person says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from jobs.commands.run.source_list import FoundChannel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.store import ChannelStore


async def as_registered(
    store: ChannelStore, found: Mapping[str, FoundChannel], name: str | None
) -> dict[str, FoundChannel]:
    """
    Return *found* by the ids that count: what is stored keeps its own.

    name: what a person calls the one channel of all sources.

    Raises:
        click.ClickException: The sources are of several channels, which one name cannot mean.
    """
    from jobs.sources.identity import is_ours

    if name is not None:
        return {one.record.id: one for one in [_named(found, name)]}
    unnamed = [one for one in found.values() if is_ours(one.record.id)]
    owners = await store.channels.owners_of([ref for one in unnamed for ref in one.refs])
    kept: dict[str, FoundChannel] = {}
    for one in found.values():
        registered = {owners[ref] for ref in one.refs if ref in owners}
        own = is_ours(one.record.id) and one.record.id not in registered and len(registered) == 1
        _add(kept, registered.pop() if own else one.record.id, one)
    return kept


def _named(found: Mapping[str, FoundChannel], name: str) -> FoundChannel:
    from jobs.sources.identity import id_of_title, is_ours

    given = [one for one in found.values() if not is_ours(one.record.id)]
    platforms = {one.record.platform for one in found.values()}
    if len(given) > 1 or (given and len(found) > 1) or len(platforms) > 1:
        titles = ", ".join(one.record.title for one in list(found.values())[:3])
        raise click.ClickException(
            f"--name names one channel, and the sources have {len(found):,}: {titles}; "
            "give it with the sources of one"
        )
    channel_id = given[0].record.id if given else id_of_title(platforms.pop(), name)
    kept: dict[str, FoundChannel] = {}
    for one in found.values():
        _add(kept, channel_id, one)
    kept[channel_id].record = replace(kept[channel_id].record, title=name)
    return kept[channel_id]


def _add(kept: dict[str, FoundChannel], channel_id: str, one: FoundChannel) -> None:
    record = replace(one.record, id=channel_id)
    known = kept.setdefault(channel_id, FoundChannel(record))
    known.record = record
    known.refs += one.refs
    known.rejected += one.rejected
    known.has_days = known.has_days or one.has_days
