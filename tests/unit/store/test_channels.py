"""Channels and their sources."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import ChannelRecord, Platform, SourceRef
from jobs.store import NotStoredError
from tests.unit.store.samples import CHANNEL

if TYPE_CHECKING:
    from jobs.store import ChannelStore

DAILY = SourceRef("daily-csv", "/data/daily.csv")
FEED = SourceRef("feed", "https://example.org/feed.xml")


async def test_unknown_channel_is_none(store: ChannelStore) -> None:
    """Looking for an unknown channel is not an error."""
    assert await store.channels.find("UC9") is None
    assert await store.channels.all() == []
    assert await store.channels.sources_of("UC9") == []


async def test_registered_channel_comes_back(store: ChannelStore) -> None:
    """Every field is kept, and channels are listed by id."""
    sample = ChannelRecord("sample:stream", "Sample", Platform.STREAM, generated=True)
    await store.channels.register(sample, [])
    await store.channels.register(CHANNEL, [])
    assert await store.channels.find(sample.id) == sample
    assert await store.channels.all() == [CHANNEL, sample]


async def test_registering_again_adds_what_is_new(store: ChannelStore) -> None:
    """Sources are added in the order of their first registration; none is lost or doubled."""
    await store.channels.register(CHANNEL, [DAILY, DAILY])
    await store.channels.register(CHANNEL, [FEED, DAILY])
    await store.channels.register(CHANNEL, [])
    assert await store.channels.sources_of(CHANNEL.id) == [DAILY, FEED]


async def test_many_are_registered_at_once_as_one_by_one(store: ChannelStore) -> None:
    """A channel that is named twice gets all its sources, known ones included."""
    others = [ChannelRecord(f"UC{number}", "Other", Platform.PODCAST) for number in range(2_500)]
    await store.channels.register(CHANNEL, [FEED])

    await store.channels.register_all(
        [(CHANNEL, [DAILY, FEED]), *((one, [FEED]) for one in others), (CHANNEL, [DAILY])]
    )

    assert await store.channels.sources_of(CHANNEL.id) == [FEED, DAILY]
    assert await store.channels.sources_of("UC2499") == [FEED]
    assert len(await store.channels.all()) == len({CHANNEL.id, *(one.id for one in others)})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([None], None),
        ([True, None], True),
        ([None, True, True], True),
        ([True, False], False),
        ([False, True, None], False),
    ],
)
async def test_a_source_that_lists_everything_outweighs_lists_of_successes(
    store: ChannelStore, given: list[bool | None], *, kept: bool | None
) -> None:
    """A channel is known by its successes only while no source lists everything."""
    for one in given:
        await store.channels.register(replace(CHANNEL, successes_only=one), [])
    found = await store.channels.find(CHANNEL.id)
    assert found is not None
    assert found.successes_only is kept


async def test_latest_title_wins(store: ChannelStore) -> None:
    """A new title replaces the old one; an empty one or a missing address does not."""
    await store.channels.register(CHANNEL, [])
    await store.channels.register(replace(CHANNEL, title="Cours de data", url=None), [])
    await store.channels.register(replace(CHANNEL, title=""), [])
    assert await store.channels.find(CHANNEL.id) == replace(CHANNEL, title="Cours de data")


async def test_a_chosen_title_stays(store: ChannelStore) -> None:
    """What a person calls a channel stands, whatever its sources call it later."""
    await store.channels.register(CHANNEL, [DAILY])
    await store.channels.rename(CHANNEL.id, "Mine")
    await store.channels.register(replace(CHANNEL, title="Theirs", url="https://e.example"), [])
    found = await store.channels.find(CHANNEL.id)
    assert found is not None
    assert (found.title, found.url) == ("Mine", "https://e.example")
    with pytest.raises(NotStoredError, match="channel UC9"):
        await store.channels.rename("UC9", "x")


async def test_a_time_zone_stays(store: ChannelStore) -> None:
    """Only a person sets it; no source that is read later changes it."""
    await store.channels.register(CHANNEL, [DAILY])
    await store.channels.set_time_zone(CHANNEL.id, "Asia/Tokyo")
    await store.channels.register(CHANNEL, [FEED])
    assert await store.channels.find(CHANNEL.id) == replace(CHANNEL, time_zone="Asia/Tokyo")
    await store.channels.set_time_zone(CHANNEL.id, None)
    assert await store.channels.find(CHANNEL.id) == CHANNEL
    with pytest.raises(NotStoredError, match="channel UC9"):
        await store.channels.set_time_zone("UC9", "UTC")


async def test_a_source_says_whose_it_is_registered_as(store: ChannelStore) -> None:
    """One that several channels have says nothing."""
    other = replace(CHANNEL, id="UC2")
    await store.channels.register(CHANNEL, [DAILY, FEED])
    await store.channels.register(other, [FEED])
    assert await store.channels.owners_of([DAILY, FEED]) == {DAILY: CHANNEL.id}
    assert await store.channels.owners_of([]) == {}
