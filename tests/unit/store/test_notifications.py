"""People are told a thing once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from jobs.store import NotStoredError
from tests.unit.store.samples import CHANNEL, DAY, START

if TYPE_CHECKING:
    from jobs.store import ChannelStore


async def test_notification_is_recorded_once(store: ChannelStore) -> None:
    """The first with a key is new and stands; later ones are told that it is known."""
    await store.register(CHANNEL, [])
    assert await store.record_notification("k", CHANNEL.id, "report", "Title", "Body") is True
    assert await store.record_notification("k", CHANNEL.id, "other", "Else", "") is False
    found = await store.notification("k")
    assert found is not None
    assert (found.channel_id, found.kind, found.title, found.body, found.delivered_at) == (
        CHANNEL.id,
        "report",
        "Title",
        "Body",
        None,
    )


async def test_one_of_many_records_it(store: ChannelStore) -> None:
    """However many record the same key at once, it is new to exactly one."""
    await store.register(CHANNEL, [])
    new = await asyncio.gather(
        *(store.record_notification("k", CHANNEL.id, "report", "t", "b") for _ in range(10))
    )
    assert sorted(new) == [False] * 9 + [True]


async def test_first_delivery_stands(store: ChannelStore) -> None:
    """Marked twice, it was delivered the first time."""
    await store.register(CHANNEL, [])
    await store.record_notification("k", CHANNEL.id, "report", "t", "b")
    await store.mark_notified("k", START)
    await store.mark_notified("k", START + DAY)
    found = await store.notification("k")
    assert found is not None
    assert found.delivered_at == START


async def test_unknown_notification_is_not_marked(store: ChannelStore) -> None:
    """Marking what was never recorded is an error, asking for it is not."""
    assert await store.notification("absent") is None
    with pytest.raises(NotStoredError, match="notification absent"):
        await store.mark_notified("absent", START)
