"""Put a channel on a schedule of its own, and take it off again: `ChannelStore.remove_schedule`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.sync_pace import LOOK_BACK

if TYPE_CHECKING:
    from jobs.services import Services
    from jobs.store import ChannelSchedule


async def schedule_channel(
    services: Services, channel_id: str, every_minutes: int | None = None
) -> ChannelSchedule:
    """
    Sync the channel by itself from now on, the first time within a minute.

    every_minutes: None for as often as suits what it publishes, or what the settings say.

    Raises:
        NotStoredError: There is no such channel.
        ValueError: *every_minutes* is less than one.
    """
    from jobs.store import ChannelSchedule

    if every_minutes is not None and every_minutes < 1:
        raise ValueError(f"a channel is synced every minute at most, not every {every_minutes}")
    now, store = datetime.now(UTC), services.store
    every_s = None if every_minutes is None else every_minutes * 60
    publications = await store.latest_publications(channel_id, LOOK_BACK)
    interval_s = services.pace.interval_s(every_s, publications, now)
    schedule = ChannelSchedule(channel_id, every_s, interval_s, now)
    await store.set_schedule(schedule)
    return schedule
