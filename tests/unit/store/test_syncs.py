"""How sources were read last is saved with their readings, and shown to people."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import SourceRef, SourceResult, SyncOutcome
from jobs.channel.scope import Measure, Scope
from jobs.store import SyncCounts
from tests.unit.store.samples import CHANNEL, DAY, START, reading

if TYPE_CHECKING:
    from jobs.store import ChannelStore

API = SourceRef("youtube-api", "youtube:UC0")
FEED = SourceRef("feed", "https://example.org/feed.xml")
DOWN = "answered 503 Busy"


def _result(ref: SourceRef, outcome: SyncOutcome, day: int = 0, reason: str = "") -> SourceResult:
    return SourceResult(ref, START + day * DAY, outcome, reason)


async def test_source_that_was_never_read_says_so(store: ChannelStore) -> None:
    """A registered source that was never synced has no outcome and no failure."""
    await store.channels.register(CHANNEL, [API])
    [source] = await store.syncs.sources(CHANNEL.id)
    assert (source.ref, source.outcome, source.tried_at) == (API, None, None)
    assert (source.consecutive_failures, source.memory) == (0, {})


async def test_what_was_read_and_its_memory_are_saved_together(store: ChannelStore) -> None:
    """A sync saves the reading, its outcome and the source's memory."""
    await store.channels.register(CHANNEL, [API, FEED])
    memory = {"etag": '"abc"'}
    read = SourceResult(API, START, SyncOutcome.READ, reading=reading(), memory=memory)
    saved = await store.syncs.save(CHANNEL.id, [read, _result(FEED, SyncOutcome.UNCHANGED)])
    assert saved == (SyncCounts(3, 0, 8, 0), None)
    api, feed = await store.syncs.sources(CHANNEL.id)
    assert (api.outcome, api.succeeded_at, api.memory) == (SyncOutcome.READ, START, memory)
    assert (feed.outcome, feed.memory) == (SyncOutcome.UNCHANGED, {})


async def test_memory_is_kept_until_there_is_another(store: ChannelStore) -> None:
    """A result without a memory keeps the earlier one."""
    await store.channels.register(CHANNEL, [API])
    await store.syncs.save(
        CHANNEL.id, [SourceResult(API, START, SyncOutcome.READ, memory={"n": 1})]
    )
    await store.syncs.save(CHANNEL.id, [_result(API, SyncOutcome.FAILED, 1, DOWN)])
    [source] = await store.syncs.sources(CHANNEL.id)
    assert source.memory == {"n": 1}


async def test_failures_in_a_row_are_counted_until_a_success(store: ChannelStore) -> None:
    """Failures add up, a parked source has not failed, and a success resets the count."""
    await store.channels.register(CHANNEL, [API])
    for day, outcome in enumerate(
        (SyncOutcome.READ, SyncOutcome.FAILED, SyncOutcome.PARKED, SyncOutcome.FAILED)
    ):
        await store.syncs.save(CHANNEL.id, [_result(API, outcome, day, DOWN)])
    [(channel_id, source)] = await store.syncs.failing(at_least=2)
    assert (channel_id, source.ref, source.reason) == (CHANNEL.id, API, DOWN)
    assert (source.consecutive_failures, source.succeeded_at) == (2, START)
    assert source.tried_at == START + 3 * DAY
    assert await store.syncs.failing(at_least=3) == []

    await store.syncs.save(CHANNEL.id, [_result(API, SyncOutcome.UNCHANGED, 4)])
    assert await store.syncs.failing() == []


async def test_sync_of_one_channel_takes_no_reading_of_another(store: ChannelStore) -> None:
    """A reading of another channel is refused, and nothing is saved."""
    await store.channels.register(CHANNEL, [API])
    stray = SourceResult(API, START, SyncOutcome.READ, reading=reading("UC1"))
    with pytest.raises(ValueError, match="a sync of UC0 saves only its own readings"):
        await store.syncs.save(CHANNEL.id, [stray])
    assert await store.channels.find("UC1") is None


async def test_the_scope_of_a_source_is_kept_and_loaded(store: ChannelStore) -> None:
    """What was read last says what it is of; a failure changes nothing of it."""
    await store.channels.register(CHANNEL, [API])
    scope = Scope(date(2023, 5, 1), date(2023, 5, 2), (Measure.GAINS,), "Pacific", cautions=("x",))
    read = replace(reading(), scope=scope)
    await store.syncs.save(CHANNEL.id, [SourceResult(API, START, SyncOutcome.READ, reading=read)])
    await store.syncs.save(CHANNEL.id, [_result(API, SyncOutcome.FAILED, 1, DOWN)])
    [source] = await store.syncs.sources(CHANNEL.id)
    assert source.scope == scope
    data = await store.readings.load(CHANNEL.id)
    assert data.scopes == (scope,)
    assert data.fingerprint != replace(data, scopes=()).fingerprint
