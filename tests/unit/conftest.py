"""Servers of the test's own that the sources of channels are read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sources.local_server import serving
from tests.unit.sources.youtube.youtube_server import serving_youtube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.sources.local_server import LocalServer
    from tests.unit.sources.youtube.youtube_server import YoutubeServer


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    """Run a real HTTP server on this machine."""
    async with serving() as local:
        yield local


@pytest.fixture
async def youtube() -> AsyncIterator[YoutubeServer]:
    """Run a server that speaks as the YouTube Data API does."""
    async with serving_youtube() as local:
        yield local
