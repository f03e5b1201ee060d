"""Put a channel on a schedule of its own; `store.schedules.remove` takes it off again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.sync_pace import LOOK_BACK
from runner.wording import counted, span

if TYPE_CHECKING:
    from jobs.services import Services
    from jobs.store import ChannelSchedule

SHORTEST_S = 60
LONGEST_S = 366 * 86_400

ADAPTING = "auto"
"""The word for an interval that follows how often a channel publishes."""

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


async def schedule_channel(
    services: Services, channel_id: str, every_s: int | None = None
) -> ChannelSchedule:
    """
    Schedule the channel: from now on it is synced without being asked.

    The first sync is within a minute. A channel that was scheduled before is synced when that was
    due, or after the new interval, whichever is sooner.

    every_s: None for an interval that follows what it publishes, or the one in the settings.

    Raises:
        NotStoredError: There is no such channel.
        ValueError: *every_s* is less than a minute, which is how often due channels are looked
            for, or more than a year.
    """
    from jobs.store import ChannelSchedule

    if every_s is not None:
        _check(every_s)
    now, store = datetime.now(UTC), services.store
    publications = await store.schedules.latest_publications(channel_id, LOOK_BACK)
    interval_s = services.pace.interval_s(every_s, publications, now)
    before = await store.schedules.find(channel_id)
    due_at = now if before is None else min(before.due_at, now + timedelta(seconds=interval_s))
    schedule = ChannelSchedule(channel_id, every_s, interval_s, due_at)
    await store.schedules.set(schedule)
    return schedule


def read_interval(text: str) -> int | None:
    """
    Read `90s`, `60m`, `12h` or `2d` as seconds, a bare number as minutes; `auto` is None.

    Raises:
        ValueError: *text* is none of these, or out of range; the message is one line.
    """
    words = text.strip().lower()
    if words == ADAPTING:
        return None
    number, unit = (words[:-1], words[-1]) if words[-1:] in _UNITS else (words, "m")
    try:
        seconds = int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:50]!r} is not a time: write 60m, 12h, 1d or auto") from None
    _check(seconds)
    return seconds


def write_interval(every_s: int | None) -> str:
    """Return the text that `read_interval` reads as *every_s*, in the largest whole unit."""
    if every_s is None:
        return ADAPTING
    return next(f"{every_s // size}{unit}" for unit, size in _UNITS.items() if not every_s % size)


def how_often(every_s: float) -> str:
    """Return how often that is, in words: every day, every 12 hours, every 4 min 10 s."""
    for word, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        many, rest = divmod(every_s, size)
        if many and not rest:
            return f"every {word}" if many == 1 else f"every {counted(int(many), word)}"
    return f"every {span(every_s)}"


def _check(every_s: int) -> None:
    if every_s < SHORTEST_S:
        raise ValueError(f"a channel is synced at most once a minute, not every {every_s} s")
    if every_s > LONGEST_S:
        raise ValueError(f"a channel is synced at least once a year, not every {every_s} s")
