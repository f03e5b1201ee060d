"""Profiles: one per channel, replaced when the content changed, compared from time to time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.store import StoredProfile
from tests.unit.store.samples import CHANNEL

if TYPE_CHECKING:
    from jobs.store import ChannelStore


async def recommend(store: ChannelStore, fingerprint: str, packed: bytes) -> None:
    """Save a profile as the recommendations of an analysis do."""
    analysis_id = await store.analyses.save(CHANNEL.id, fingerprint, {})
    await store.analyses.save_recommendations(analysis_id, [], {}, (fingerprint, packed))


async def test_profile_is_replaced_when_the_content_changed(store: ChannelStore) -> None:
    """The same fingerprint changes nothing; another brings the new profile."""
    await store.channels.register(CHANNEL, [])
    for fingerprint, packed in (("a", b"one"), ("a", b"two"), ("b", b"three")):
        await recommend(store, fingerprint, packed)
    assert await store.profiles.all() == [StoredProfile(CHANNEL.id, CHANNEL.title, b"three")]


async def test_similar_channels_come_back(store: ChannelStore) -> None:
    """The last comparison is returned; an unknown channel has none."""
    await store.channels.register(CHANNEL, [])
    await recommend(store, "a", b"one")
    assert await store.profiles.similar(CHANNEL.id) is None
    await store.profiles.save_similar({CHANNEL.id: {"nearest": []}, "UC9": {"nearest": []}})
    await store.profiles.save_similar({CHANNEL.id: {"nearest": [{"title": "X"}]}})
    assert await store.profiles.similar(CHANNEL.id) == {"nearest": [{"title": "X"}]}
    assert await store.profiles.similar("UC9") is None


async def test_profiles_change_until_they_are_compared(store: ChannelStore) -> None:
    """A new or changed profile waits to be compared; one that was saved again does not."""
    await store.channels.register(CHANNEL, [])
    assert not await store.profiles.changed()
    for fingerprint in ("a", "b"):
        await recommend(store, fingerprint, b"one")
        assert await store.profiles.changed()
        await store.profiles.save_similar({CHANNEL.id: {}})
        await recommend(store, fingerprint, b"one")
        assert not await store.profiles.changed()
