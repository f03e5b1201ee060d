"""Put a channel on a schedule of its own, and take it off again: `ChannelStore.remove_schedule`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.sync_pace import LOOK_BACK

if TYPE_CHECKING:
    from jobs.services import Services
    from jobs.store import ChannelSchedule

_LEAST_S = 60


async def schedule_channel(
    services: Services, channel_id: str, every_s: int | None = None
) -> ChannelSchedule:
    """
    Sync the channel by itself from now on, the first time within a minute.

    every_s: None for as often as suits what it publishes, or what the settings say.

    Raises:
        NotStoredError: There is no such channel.
        ValueError: *every_s* is less than a minute, which is as often as due ones are looked for.
    """
    from jobs.store import ChannelSchedule

    if every_s is not None and every_s < _LEAST_S:
        raise ValueError(f"a channel is synced every minute at most, not every {every_s} s")
    now, store = datetime.now(UTC), services.store
    publications = await store.latest_publications(channel_id, LOOK_BACK)
    interval_s = services.pace.interval_s(every_s, publications, now)
    schedule = ChannelSchedule(channel_id, every_s, interval_s, now)
    await store.set_schedule(schedule)
    return schedule
