"""The list of channels: what it shows of each, by title, and only a page of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs.channel.records import (
    ChannelGain,
    ChannelReading,
    ChannelRecord,
    ChannelSnapshot,
    Platform,
)
from jobs.store import ChannelSchedule
from tests.unit.store.samples import CHANNEL, DAY, START, reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore


def _named(title: str, number: int) -> ChannelRecord:
    return ChannelRecord(f"UC{number}", title, Platform.YOUTUBE)


async def test_channels_come_by_title_a_page_at_a_time(store: ChannelStore) -> None:
    """Letter case does not matter, the count is of all, and a limit takes the first."""
    await store.channels.register_all(
        [(_named(title, at), ()) for at, title in enumerate(("beta", "Alpha", "gamma"))]
    )
    total, found = await store.channels.overviews(limit=2)
    assert total == 3
    assert [one.channel.title for one in found] == ["Alpha", "beta"]


async def test_text_finds_a_part_of_title_or_id(store: ChannelStore) -> None:
    """A per cent sign in the text is one, not a wildcard."""
    await store.channels.register_all([(_named("100 % cats", 7), ()), (_named("dogs", 8), ())])
    assert [one.channel.id for one in (await store.channels.overviews("CATS"))[1]] == ["UC7"]
    assert [one.channel.id for one in (await store.channels.overviews("uc8"))[1]] == ["UC8"]
    assert [one.channel.id for one in (await store.channels.overviews("%"))[1]] == ["UC7"]


async def test_week_is_what_views_grew_by_in_seven_days(store: ChannelStore) -> None:
    """From the last reading to the one seven days before; readings without views are skipped."""
    snapshots = [ChannelSnapshot(START + n * DAY, 10 + n, 100 * n) for n in range(10)]
    untold = ChannelSnapshot(START + 10 * DAY)
    await store.readings.save([ChannelReading(CHANNEL, channel_snapshots=[*snapshots, untold])])
    _, (one,) = await store.channels.overviews()
    assert one.counters == (19, 900, 700)


async def test_week_is_unknown_without_a_reading_about_a_week_ago(store: ChannelStore) -> None:
    """Two readings a month apart say nothing about a week."""
    given = [ChannelSnapshot(START, 1, 1), ChannelSnapshot(START + 30 * DAY, 1, 900)]
    await store.readings.save([ChannelReading(CHANNEL, channel_snapshots=given)])
    _, (one,) = await store.channels.overviews()
    assert one.counters == (1, 900, None)


async def test_overview_has_items_and_the_next_sync(store: ChannelStore) -> None:
    """A scheduled channel says when it is due."""
    due_at = datetime(2027, 1, 1, tzinfo=UTC)
    await store.readings.save([replace(reading(items=4), channel=CHANNEL)])
    await store.schedules.set(ChannelSchedule(CHANNEL.id, 3600, 3600, due_at))
    _, (one,) = await store.channels.overviews()
    assert (one.items, one.sync.due_at, one.sync.problem) == (4, due_at, "")


async def test_store_without_channels_lists_none(store: ChannelStore) -> None:
    """An empty store is no error."""
    assert await store.channels.overviews() == (0, [])


async def test_gains_of_the_last_week_are_shown_where_there_are_no_counters(
    store: ChannelStore,
) -> None:
    """Seven days that follow each other are a week; fewer are none."""
    days = [ChannelGain(date(2023, 5, day), views=day) for day in range(1, 10)]
    await store.readings.save([ChannelReading(CHANNEL, channel_gains=days)])
    _, [found] = await store.channels.overviews()
    assert found.counters == (None, None, 3 + 4 + 5 + 6 + 7 + 8 + 9)
    gap = replace(CHANNEL, id="UC2")
    await store.readings.save([ChannelReading(gap, channel_gains=[*days[:5], *days[7:]])])
    _, both = await store.channels.overviews()
    assert {one.channel.id: one.counters[2] for one in both}["UC2"] is None
