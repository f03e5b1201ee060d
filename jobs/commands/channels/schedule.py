"""Change or show how often a channel is synced automatically."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.commands.channels.choice import choose_channel
from jobs.scheduling import how_often, schedule_channel
from runner.commands.output import Shown
from runner.commands.tables import Lines
from runner.wording import local_time, zone

if TYPE_CHECKING:
    from jobs.commands.host import Host
    from jobs.store import ChannelSchedule


async def change_schedule(host: Host, words: str, every_s: int | None, *, off: bool) -> Shown:
    """
    Change the schedule of the channel that *words* name, and show it.

    every_s: None leaves it as it is; with 0 the interval follows what the channel publishes.

    Raises:
        click.ClickException: *words* name no channel, or several.
    """
    async with host.open_services() as services:
        channel = choose_channel(await services.store.channels.all(), words)
        if off:
            await services.store.schedules.remove(channel.id)
        elif every_s is not None:
            await schedule_channel(services, channel.id, every_s or None)
        schedule = await services.store.schedules.find(channel.id)
    line = f"{channel.title or channel.id}: {_words(schedule)}"
    return Shown(_as_object(channel.id, schedule), [Lines([line])])


def _as_object(channel_id: str, schedule: ChannelSchedule | None) -> dict[str, Any]:
    return {
        "id": channel_id,
        "scheduled": schedule is not None,
        "every_s": None if schedule is None else schedule.every_s,
        "interval_s": None if schedule is None else schedule.interval_s,
        "due_at": None if schedule is None else schedule.due_at,
    }


def _words(schedule: ChannelSchedule | None) -> str:
    if schedule is None:
        return "synced only on request"
    if schedule.every_s is None:
        often = f"as often as it publishes, now {how_often(schedule.interval_s)}"
    else:
        often = how_often(schedule.every_s)
    return f"synced automatically {often}; next at {local_time(schedule.due_at)} {zone()}"
