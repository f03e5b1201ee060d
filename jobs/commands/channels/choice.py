"""Which channel a person means: by id, by title, or by a part of either that is unique."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.records import ChannelRecord

_NAMED = 5


def choose_channel(channels: Sequence[ChannelRecord], words: str) -> ChannelRecord:
    """
    Return the channel that *words* name; letter case matters only in ids.

    Raises:
        click.ClickException: No channel matches, or several do; the message names them.
    """
    lowered = words.strip().casefold()
    by_kind = (
        [one for one in channels if one.id == words],
        [one for one in channels if one.title.casefold() == lowered],
        [one for one in channels if lowered in f"{one.id}\n{one.title}".casefold()],
    )
    found = next((each for each in by_kind if each), [])
    if len(found) == 1:
        return found[0]
    if found:
        raise click.ClickException(f"{words!r} may be {_listed(found)}; give one of these ids")
    if not channels:
        raise click.ClickException("no channel is stored yet; begin with: pipeline run SOURCE")
    raise click.ClickException(f"no channel is named {words!r}; there are {_listed(channels)}")


def _listed(channels: Sequence[ChannelRecord]) -> str:
    named = ", ".join(f"{one.id} ({one.title})" for one in channels[:_NAMED])
    more = len(channels) - _NAMED
    return f"{named} and {more:,} more" if more > 0 else named
