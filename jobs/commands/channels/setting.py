"""Set what no source of a channel says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.commands.channels.choice import choose_channel
from runner.commands.output import Shown
from runner.commands.tables import Lines

if TYPE_CHECKING:
    from jobs.commands.host import Host


async def set_time_zone(host: Host, words: str, zone: str) -> Shown:
    """Tell of the publications of the channel that *words* name by the clock of *zone*."""
    async with host.open_services() as services:
        store = services.store
        channel = choose_channel(await store.channels.all(), words)
        await store.channels.set_time_zone(channel.id, None if zone == "UTC" else zone)
    said = (
        f"{channel.title}: publications are told by the clock of {zone} from its next analysis on; "
        "days of counters stay as they are."
    )
    document = {"id": channel.id, "time_zone": zone, "before": channel.time_zone or "UTC"}
    return Shown(document, [Lines([said])])
