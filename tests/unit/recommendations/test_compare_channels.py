"""The jobs store answers and a profile of one channel, and neighbours of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs import compare_channels, recommend
from jobs.analysis import analyze
from jobs.channel.records import ChannelReading, ChannelRecord, ItemRecord, ItemSnapshot, Platform
from jobs.notifications.log_sender import LogSender
from jobs.notifications.target import Target
from jobs.recommendations.similar import pack, profile_of
from jobs.services import Services
from jobs.sources.reader import SourceReader
from jobs.store import migrate, open_store
from runner.testing import collect
from tests.job_context import job_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 2, 1, tzinfo=UTC)
THEMES = ("recipe", "gameplay")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Yield services over an empty store."""
    url = f"sqlite:///{tmp_path}/store.db"
    await migrate(url)
    async with open_store(url) as store:
        yield Services(store, SourceReader(), [Target("log", LogSender())], tmp_path / "reports")


def _reading(number: int) -> ChannelReading:
    theme = THEMES[number % 2]
    return ChannelReading(
        ChannelRecord(f"UC{number:02}", f"Channel {number}", Platform.YOUTUBE),
        items=[
            ItemRecord(f"v{i}", f"{theme} {i}", NOW - timedelta(days=i), 60, tags=(theme, f"t{i}"))
            for i in range(4)
        ],
        item_snapshots=[ItemSnapshot(f"v{i}", NOW, 100 + number) for i in range(4)],
    )


async def test_recommend_keeps_answers_and_compare_finds_neighbours(services: Services) -> None:
    """Every subject has an answer; after a comparison the neighbours are among them."""
    store = services.store
    for number in range(12):
        await store.readings.save([_reading(number)])
        data = await store.readings.load(f"UC{number:02}")
        profile = profile_of(data)
        assert profile is not None
        if number:
            key = await store.analyses.save(data.channel.id, data.fingerprint, {})
            await store.analyses.save_recommendations(key, [], {}, pack(profile))
    data = await store.readings.load("UC00")
    document = analyze(data).model_dump(mode="json")
    key = await store.analyses.save("UC00", data.fingerprint, document)
    with collect():
        assert await recommend(job_context(recommend, services), analysis_id=key) == 0
    answers = await store.analyses.answers(key)
    assert answers is not None
    assert {one["strength"] for one in answers["subjects"]} == {"not asked"}
    assert answers["similar"] is None
    assert await compare_channels(job_context(compare_channels, services)) == 12
    assert await compare_channels(job_context(compare_channels, services)) == 0
    similar = await store.profiles.similar("UC00")
    assert similar is not None
    assert similar["compared"] == 12
    assert {one["shared"][0] for one in similar["nearest"]} == {"recipe"}
    assert all(int(one["channel_id"][2:]) % 2 == 0 for one in similar["nearest"])
