"""Daily gains of an owner's export: kept unchanged, beside the counters."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from jobs.channel.records import ChannelGain, ChannelReading, ItemGain, ItemRecord
from tests.unit.store.samples import CHANNEL

if TYPE_CHECKING:
    from jobs.store import ChannelStore

FIRST, SECOND = date(2025, 6, 13), date(2025, 6, 14)
READING = ChannelReading(
    CHANNEL,
    items=[ItemRecord("v", "A video")],
    channel_gains=[ChannelGain(SECOND, 147), ChannelGain(FIRST, 1_224, subscribers=-3)],
    item_gains=[ItemGain("v", SECOND, 9), ItemGain("v", FIRST, 0)],
)


async def test_gains_come_back_unchanged(store: ChannelStore) -> None:
    """Days are loaded by time, with negative and with unknown subscribers."""
    await store.readings.save([READING])
    data = await store.readings.load(CHANNEL.id)
    assert data.gains.rows() == [(FIRST, 1_224, -3), (SECOND, 147, None)]
    assert data.item_gains.rows() == [("v", FIRST, 0), ("v", SECOND, 9)]
    assert data.daily.is_empty()
    assert (await store.channels.counts([CHANNEL.id]))[CHANNEL.id].gains == 2


async def test_gains_are_saved_once_and_corrected(store: ChannelStore) -> None:
    """The same export again changes nothing; a later one corrects a day and erases none."""
    first = await store.readings.save([READING])
    again = await store.readings.save([READING])
    assert (first.snapshots_new, again.snapshots_new, again.snapshots_known) == (4, 0, 4)
    later = ChannelReading(CHANNEL, channel_gains=[ChannelGain(SECOND, 150, subscribers=2)])
    await store.readings.save([later])
    assert (await store.readings.load(CHANNEL.id)).gains.rows() == [
        (FIRST, 1_224, -3),
        (SECOND, 150, 2),
    ]
