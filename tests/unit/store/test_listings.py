"""Items that left their source are marked, kept, and unmarked when they come back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import EVER, Listing
from tests.unit.store.samples import CHANNEL, DAY, START, reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.store import ChannelStore, SyncCounts


async def _list(
    store: ChannelStore,
    day: int,
    item_ids: Sequence[str],
    since: datetime | None = None,
    gone: Sequence[str] = (),
) -> SyncCounts:
    """Save a listing on *day*, without any item."""
    listing = Listing(START + day * DAY, item_ids, since, gone)
    return await store.readings.save([replace(reading(items=0, days=0), listing=listing)])


@pytest.fixture
async def stocked(store: ChannelStore) -> ChannelStore:
    """Store v0, v1 and v2, each a day older, all listed on day 0."""
    listing = Listing(START, ("v0", "v1", "v2"), EVER)
    await store.readings.save([replace(reading(items=3), listing=listing)])
    return store


async def test_item_missing_from_a_whole_listing_left(stocked: ChannelStore) -> None:
    """An item missing from a complete listing is marked once, and stays in the store."""
    first = await _list(stocked, 1, ("v0", "v2"), EVER)
    again = await _list(stocked, 2, ("v0", "v2"), EVER)
    assert (first.items_left, again.items_left) == (1, 0)
    assert set(await stocked.syncs.listed_items(CHANNEL.id)) == {"v0", "v2"}
    loaded = await stocked.readings.load(CHANNEL.id)
    assert loaded.items["item_id"].to_list() == ["v2", "v1", "v0"]
    assert loaded.items["left_at"].to_list() == [None, START + DAY, None]
    assert loaded.current_items["item_id"].to_list() == ["v2", "v0"]


async def test_item_that_is_back_is_unmarked(stocked: ChannelStore) -> None:
    """A later listing that contains it again removes the mark."""
    await _list(stocked, 1, ("v0", "v2"), EVER)
    back = await _list(stocked, 2, ("v0", "v1", "v2"), EVER)
    assert (back.items_left, back.items_back) == (0, 1)
    assert set(await stocked.syncs.listed_items(CHANNEL.id)) == {"v0", "v1", "v2"}


async def test_older_listing_does_not_bring_an_item_back(stocked: ChannelStore) -> None:
    """A listing from before it left does not count."""
    await _list(stocked, 2, ("v0",), EVER)
    old = await _list(stocked, 1, ("v0", "v1", "v2"), EVER)
    assert (old.items_left, old.items_back) == (0, 0)


async def test_windowed_listing_says_nothing_of_older_items(stocked: ChannelStore) -> None:
    """Beyond its window a feed may drop what it likes; within it a missing item has left."""
    outside = await _list(stocked, 1, ("v0", "v1"), START - DAY)
    inside = await _list(stocked, 2, ("v1",), START - DAY)
    assert (outside.items_left, inside.items_left) == (0, 1)
    assert set(await stocked.syncs.listed_items(CHANNEL.id)) == {"v1", "v2"}


async def test_listing_that_promises_nothing_marks_nothing(stocked: ChannelStore) -> None:
    """Without a window, only items requested by id can be missing."""
    counts = await _list(stocked, 1, (), gone=("v2", "v9"))
    assert counts.items_left == 1
    assert set(await stocked.syncs.listed_items(CHANNEL.id)) == {"v0", "v1"}


async def test_item_that_was_never_listed_cannot_leave(store: ChannelStore) -> None:
    """An item known from a file alone, such as an unlisted video, was never on the list."""
    await store.readings.save([reading(items=3)])
    counts = await _list(store, 1, ("v0",), EVER)
    assert counts.items_left == 0
    assert set(await store.syncs.listed_items(CHANNEL.id)) == {"v0"}
