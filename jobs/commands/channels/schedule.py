"""Change or show how often a channel is synced automatically."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobs.commands.channels.choice import choose_channel
from jobs.scheduling import schedule_channel, write_interval
from runner.commands.printing import echo, echo_json
from runner.wording import span

if TYPE_CHECKING:
    from jobs.commands.host import Host
    from jobs.store import ChannelSchedule


async def change_schedule(
    host: Host, words: str, every_s: int | None, *, off: bool, as_json: bool
) -> None:
    """
    Change the schedule of the channel that *words* name, and print it.

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
    if as_json:
        echo_json(_as_json(channel.id, schedule))
    else:
        echo(f"{channel.title or channel.id}: {_words(schedule)}")


def _as_json(channel_id: str, schedule: ChannelSchedule | None) -> str:
    document = {"id": channel_id, "scheduled": schedule is not None}
    if schedule is not None:
        document |= {
            "every_s": schedule.every_s,
            "interval_s": schedule.interval_s,
            "due_at": schedule.due_at.isoformat(),
        }
    return json.dumps(document, ensure_ascii=False)


def _words(schedule: ChannelSchedule | None) -> str:
    if schedule is None:
        return "synced only on request"
    if schedule.every_s is None:
        often = f"as often as it publishes, now every {span(schedule.interval_s)}"
    else:
        often = f"every {write_interval(schedule.every_s)}"
    return f"synced automatically {often}; next at {schedule.due_at:%Y-%m-%d %H:%M} UTC"
