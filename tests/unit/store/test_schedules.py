"""Schedules of channels: found when due, moved, and gone with their channel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import SourceRef, SourceResult, SyncOutcome
from jobs.store import ChannelSchedule, NotStoredError
from tests.unit.store.samples import CHANNEL, DAY, START, reading

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.store import ChannelStore

API = SourceRef("youtube-api", "youtube:UC0")
HOURLY = ChannelSchedule(CHANNEL.id, 3600, 3600, START)


def _broken(_: ChannelSchedule, __: list[datetime]) -> ChannelSchedule:
    raise ZeroDivisionError


async def test_channel_is_not_scheduled_unless_asked(store: ChannelStore) -> None:
    """A registered channel is synced only on request."""
    await store.channels.register(CHANNEL, [])
    assert await store.schedules.find(CHANNEL.id) is None
    assert not await store.schedules.remove(CHANNEL.id)


async def test_schedule_is_replaced_and_removed(store: ChannelStore) -> None:
    """A channel has one schedule at most."""
    await store.channels.register(CHANNEL, [])
    await store.schedules.set(HOURLY)
    adaptive = replace(HOURLY, every_s=None, interval_s=7200)
    await store.schedules.set(adaptive)
    assert await store.schedules.find(CHANNEL.id) == adaptive
    assert await store.schedules.remove(CHANNEL.id)
    assert await store.schedules.find(CHANNEL.id) is None


async def test_unknown_channel_cannot_be_scheduled(store: ChannelStore) -> None:
    """A schedule belongs to a channel."""
    with pytest.raises(NotStoredError):
        await store.schedules.set(HOURLY)


async def test_longest_overdue_come_first(store: ChannelStore) -> None:
    """Due schedules come by time, up to the limit; later ones are left out."""
    for number, due_at in enumerate((START + DAY, START, START - DAY)):
        await store.channels.register(replace(CHANNEL, id=f"UC{number}"), [])
        await store.schedules.set(ChannelSchedule(f"UC{number}", None, 60, due_at))
    due = await store.schedules.due(START, 10)
    assert [one.channel_id for one in due] == ["UC2", "UC1"]
    assert await store.schedules.due(START, 1) == due[:1]


async def test_schedules_are_given_page_by_page(store: ChannelStore) -> None:
    """By due time, each once, even if several are due at the same time."""
    for number in range(5):
        await store.channels.register(replace(CHANNEL, id=f"UC{number}"), [])
        due_at = START + DAY * (number % 2)
        await store.schedules.set(ChannelSchedule(f"UC{number}", None, 60, due_at))
    seen: list[str] = []
    after = None
    while found := await store.schedules.page(after, 2):
        seen += [one.channel.id for one in found]
        after = (found[-1].schedule.due_at, found[-1].channel.id)
    assert seen == ["UC0", "UC2", "UC4", "UC1", "UC3"]


async def test_moving_a_schedule_does_not_bring_it_back(store: ChannelStore) -> None:
    """A sync that ends after its channel was taken off the schedule leaves it off."""
    await store.channels.register(CHANNEL, [])
    await store.schedules.set(HOURLY)
    later = replace(HOURLY, interval_s=1800, due_at=START + DAY)
    _, moved = await store.syncs.save(CHANNEL.id, [], lambda *_: later)
    assert moved == later
    assert await store.schedules.find(CHANNEL.id) == later
    await store.schedules.remove(CHANNEL.id)
    _, moved = await store.syncs.save(CHANNEL.id, [], lambda *_: later)
    assert moved is None
    assert await store.schedules.find(CHANNEL.id) is None


async def test_schedule_follows_from_what_its_sync_saved(store: ChannelStore) -> None:
    """The plan gets the current schedule, and the items of the sync itself."""
    await store.channels.register(CHANNEL, [API])
    await store.schedules.set(HOURLY)
    asked: list[tuple[ChannelSchedule, list[datetime]]] = []

    def plan(schedule: ChannelSchedule, publications: list[datetime]) -> ChannelSchedule:
        asked.append((schedule, publications))
        return schedule

    read = SourceResult(API, START, SyncOutcome.READ, reading=reading(items=2))
    await store.syncs.save(CHANNEL.id, [read], plan)
    assert asked == [(HOURLY, [START, START - DAY])]


async def test_sync_whose_plan_fails_saves_nothing(store: ChannelStore) -> None:
    """What was read and when it is read next are one transaction."""
    await store.channels.register(CHANNEL, [API])
    await store.schedules.set(HOURLY)
    read = SourceResult(API, START, SyncOutcome.READ, reading=reading())
    with pytest.raises(ZeroDivisionError):
        await store.syncs.save(CHANNEL.id, [read], _broken)
    assert (await store.readings.load(CHANNEL.id)).items.is_empty()


async def test_schedule_that_was_moved_is_not_moved_back(store: ChannelStore) -> None:
    """Enqueueing does not undo what a sync that has ended meanwhile decided."""
    await store.channels.register(CHANNEL, [])
    await store.schedules.set(HOURLY)
    await store.schedules.advance([(HOURLY, START + DAY)])
    assert await store.schedules.find(CHANNEL.id) == replace(HOURLY, due_at=START + DAY)
    await store.schedules.advance([(HOURLY, START + 2 * DAY)])
    assert await store.schedules.find(CHANNEL.id) == replace(HOURLY, due_at=START + DAY)


async def test_latest_publications_come_newest_first(store: ChannelStore) -> None:
    """Up to the limit, of items that have a date."""
    await store.readings.save([reading(items=4)])
    assert await store.schedules.latest_publications(CHANNEL.id, 3) == [
        START,
        START - DAY,
        START - 2 * DAY,
    ]
