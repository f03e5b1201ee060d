"""Services over a real store and real local servers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jobs.notifications.log_sender import LogSender
from jobs.notifications.target import Target
from jobs.services import Services
from jobs.sources.reader import SourceReader
from jobs.sources.youtube.api import open_youtube_api
from jobs.store import migrate, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jobs.store import ChannelStore
    from tests.unit.sources.youtube.youtube_server import YoutubeServer


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ChannelStore]:
    """Give an empty store."""
    url = f"sqlite:///{tmp_path}/store.db"
    await migrate(url)
    async with open_store(url) as opened:
        yield opened


@pytest.fixture
async def services(
    store: ChannelStore, youtube: YoutubeServer, tmp_path: Path
) -> AsyncIterator[Services]:
    """Give services that may ask both servers; quotas are counted in the store."""

    async def at_once(seconds: float) -> None:
        del seconds

    async with open_youtube_api("key", store.quotas, units_per_day=10_000, url=youtube.url) as api:
        reader = SourceReader(replace(api, sleep=at_once), allow_private=True)
        yield Services(store, reader, [Target("log", LogSender())], tmp_path / "reports")
