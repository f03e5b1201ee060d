"""Profiles: one per channel, replaced when the content changed, compared now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.store import StoredProfile
from tests.unit.store.samples import CHANNEL

if TYPE_CHECKING:
    from jobs.store import ChannelStore


async def test_profile_is_replaced_when_the_content_changed(store: ChannelStore) -> None:
    """The same fingerprint changes nothing; another brings the new profile."""
    await store.register(CHANNEL, [])
    for fingerprint, packed in (("a", b"one"), ("a", b"two"), ("b", b"three")):
        await store.save_profile(CHANNEL.id, fingerprint, packed)
    assert await store.profiles() == [StoredProfile(CHANNEL.id, CHANNEL.title, b"three")]


async def test_similar_channels_come_back(store: ChannelStore) -> None:
    """What was noted last is given; of an unknown channel nothing is noted."""
    await store.register(CHANNEL, [])
    await store.save_profile(CHANNEL.id, "a", b"one")
    assert await store.similar(CHANNEL.id) is None
    await store.save_similar({CHANNEL.id: {"nearest": []}, "UC9": {"nearest": []}})
    await store.save_similar({CHANNEL.id: {"nearest": [{"title": "X"}]}})
    assert await store.similar(CHANNEL.id) == {"nearest": [{"title": "X"}]}
    assert await store.similar("UC9") is None


async def test_profiles_change_until_they_are_compared(store: ChannelStore) -> None:
    """A new or changed profile waits to be compared; one that was saved again does not."""
    await store.register(CHANNEL, [])
    assert not await store.profiles_changed()
    for fingerprint in ("a", "b"):
        await store.save_profile(CHANNEL.id, fingerprint, b"one")
        assert await store.profiles_changed()
        await store.save_similar({CHANNEL.id: {}})
        await store.save_profile(CHANNEL.id, fingerprint, b"one")
        assert not await store.profiles_changed()
