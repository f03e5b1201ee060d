"""A channel's data as frames: fixed columns, fixed order, the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from jobs.channel.data import DAILY, ITEM_SNAPSHOTS, ITEMS, ChannelData
from jobs.channel.records import ChannelReading, ItemRecord, ItemSnapshot
from jobs.store import NotStoredError
from tests.unit.store.samples import CHANNEL, DAY, START, reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore


def _empty() -> ChannelData:
    return ChannelData(
        CHANNEL,
        pl.DataFrame(schema=DAILY),
        pl.DataFrame(schema=ITEMS),
        pl.DataFrame(schema=ITEM_SNAPSHOTS),
    )


async def test_unknown_channel_is_an_error(store: ChannelStore) -> None:
    """A channel that was never synced has nothing to analyse."""
    with pytest.raises(NotStoredError, match="channel UC9: it is not in the store"):
        await store.readings.load("UC9")


async def test_channel_without_data_has_all_columns(store: ChannelStore) -> None:
    """Empty frames have the same columns and types as full ones."""
    await store.channels.register(CHANNEL, [])
    found, empty = await store.readings.load(CHANNEL.id), _empty()
    assert found.channel == CHANNEL
    assert_frame_equal(found.daily, empty.daily)
    assert_frame_equal(found.items, empty.items)
    assert_frame_equal(found.item_snapshots, empty.item_snapshots)


async def test_rows_come_in_order(store: ChannelStore) -> None:
    """Days by time, items by publication with unknown dates last, snapshots by item and time."""
    given = reading(items=0, days=3)
    await store.readings.save(
        [
            ChannelReading(
                given.channel,
                items=[
                    ItemRecord("b", "undated"),
                    ItemRecord("Z", "undated"),
                    ItemRecord("c", "late", START),
                    ItemRecord("a", "late", START),
                    ItemRecord("d", "early", START - DAY),
                ],
                channel_snapshots=list(reversed(given.channel_snapshots)),
                item_snapshots=[
                    ItemSnapshot("d", START + DAY),
                    ItemSnapshot("a", START),
                    ItemSnapshot("d", START),
                ],
            )
        ]
    )
    data = await store.readings.load("UC0")
    assert data.items["item_id"].to_list() == ["d", "a", "c", "Z", "b"]
    assert data.daily["observed_at"].to_list() == [START + n * DAY for n in range(3)]
    assert data.item_snapshots.select("item_id", "observed_at").rows() == [
        ("a", START),
        ("d", START),
        ("d", START + DAY),
    ]


async def test_item_has_the_last_known_value_of_each_counter(store: ChannelStore) -> None:
    """A later snapshot without a counter does not hide the value of an earlier one."""
    given = replace(
        reading(items=2, days=0),
        item_snapshots=[
            ItemSnapshot("v0", START, views=10, likes=3),
            ItemSnapshot("v0", START + DAY, views=9),
            ItemSnapshot("v0", START + 2 * DAY),
        ],
    )
    await store.readings.save([given])
    items = (await store.readings.load("UC0")).items
    assert items.select("item_id", "views", "likes", "comments", "observed_at").rows() == [
        ("v1", None, None, None, None),
        ("v0", 9, 3, None, START + DAY),
    ]


async def test_fingerprint_changes_with_the_data(store: ChannelStore) -> None:
    """One more snapshot, another title: another fingerprint."""
    await store.readings.save([reading(days=2)])
    first = (await store.readings.load("UC0")).fingerprint
    await store.readings.save([reading(days=3)])
    second = (await store.readings.load("UC0")).fingerprint
    await store.readings.save([replace(reading(days=3), items=[ItemRecord("v1", "Retitled")])])
    third = (await store.readings.load("UC0")).fingerprint
    assert len({first, second, third}) == 3


async def test_fingerprint_does_not_depend_on_the_database(store: ChannelStore) -> None:
    """The same data has the same fingerprint in any process, on either database."""
    await store.readings.save([reading()])
    assert (await store.readings.load("UC0")).fingerprint == (
        "49cb532b7e696190d94cc4dc758539b4dfc54943f01481365b3b3b6aa62714bd"
    )


def test_fingerprint_distinguishes_null_from_empty() -> None:
    """An empty category is not a missing one."""
    blank, null = (
        replace(_empty(), items=pl.DataFrame([{"item_id": "v", "category": given}], schema=ITEMS))
        for given in ("", None)
    )
    assert blank.fingerprint != null.fingerprint


@pytest.mark.parametrize("table", ["daily", "items", "item_snapshots"])
def test_wrong_columns_are_refused_where_they_are_made(table: str) -> None:
    """A frame with other columns or types never becomes a `ChannelData`."""
    empty = _empty()
    tables = {name: getattr(empty, name) for name in ("daily", "items", "item_snapshots")}
    tables[table] = pl.DataFrame({"views": [1.5]})
    with pytest.raises(ValueError, match=f"{table} has the columns"):
        ChannelData(CHANNEL, **tables)
