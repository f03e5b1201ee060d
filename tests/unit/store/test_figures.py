"""What only an owner sees: kept by its span, beside counters and gains."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from jobs.channel.columns import FIGURES
from jobs.channel.records import (
    FROM_THE_FIRST,
    ChannelReading,
    Figures,
    ItemFigures,
    ItemRecord,
)
from tests.unit.store.samples import CHANNEL

if TYPE_CHECKING:
    from jobs.store import ChannelStore

FIRST, LAST = date(2025, 6, 1), date(2025, 6, 28)
WHOLE = Figures(first=FIRST, last=LAST, views=900, impressions=40_000, click_through=0.0175)
DAY = Figures(first=LAST, last=LAST, impressions=1_500)
OF_ITEM = ItemFigures(item_id="v", first=FROM_THE_FIRST, last=LAST, viewed=1.31, subscribers=-2)
READING = ChannelReading(
    CHANNEL,
    items=[ItemRecord("v", "A video")],
    channel_figures=[DAY, WHOLE],
    item_figures=[OF_ITEM],
)


def _row(found: Figures) -> tuple[object, ...]:
    return tuple(getattr(found, name) for name in FIGURES)


async def test_figures_come_back_unchanged(store: ChannelStore) -> None:
    """By their first day, those of one day among them; a lifetime begins with the first day."""
    await store.readings.save([READING])
    data = await store.readings.load(CHANNEL.id)
    assert data.figures.rows() == [_row(WHOLE), _row(DAY)]
    assert data.item_figures.rows() == [("v", *_row(OF_ITEM))]


async def test_spans_are_kept_apart(store: ChannelStore) -> None:
    """The same export again changes nothing; another span is another row."""
    first = await store.readings.save([READING])
    again = await store.readings.save([READING])
    assert (first.snapshots_new, again.snapshots_new) == (3, 0)
    later = Figures(first=FIRST, last=date(2025, 7, 28), views=1_900)
    await store.readings.save([ChannelReading(CHANNEL, channel_figures=[later])])
    assert (await store.readings.load(CHANNEL.id)).figures.rows() == [
        _row(WHOLE),
        _row(later),
        _row(DAY),
    ]


async def test_a_fingerprint_knows_figures(store: ChannelStore) -> None:
    """A channel without any has the one that it had; new figures make another analysis."""
    await store.readings.save([ChannelReading(CHANNEL, items=READING.items)])
    without = (await store.readings.load(CHANNEL.id)).fingerprint
    await store.readings.save([READING])
    assert (await store.readings.load(CHANNEL.id)).fingerprint != without


async def test_figures_go_with_their_channel(store: ChannelStore) -> None:
    """Nothing is left of a channel that was removed."""
    await store.readings.save([READING])
    assert await store.channels.remove(CHANNEL.id)
    for table in ("figures", "item-figures"):
        assert not await store.tables.page(table, ("channel_id",))
