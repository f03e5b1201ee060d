"""Fixtures for tests of sources: files, a quota ledger, the Data API on a local server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from jobs.sources.youtube.api import open_youtube_api
from tests.unit.sources.youtube.ledger import MemoryLedger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jobs.sources.youtube.api import YoutubeApi
    from tests.unit.sources.youtube.youtube_server import YoutubeServer

KEY = "AIza-not-a-real-key-0123456789"


class Write(Protocol):
    """Writes a file of the test's own and returns its path."""

    def __call__(self, name: str, content: str | bytes) -> str:
        """Write *content* to the file *name*."""
        ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file into the test's own folder; text as UTF-8 with its line ends as they are."""

    def written(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return written


@pytest.fixture
def ledger() -> MemoryLedger:
    """Return a quota ledger."""
    return MemoryLedger()


@pytest.fixture
async def api(youtube: YoutubeServer, ledger: MemoryLedger) -> AsyncIterator[YoutubeApi]:
    """Open the API on the local server, with a budget of 100 units and no real waiting."""
    async with open_youtube_api(KEY, ledger, units_per_day=100, url=youtube.url) as opened:
        yield replace(opened, sleep=_at_once, spread=lambda: 1.0)


async def _at_once(seconds: float) -> None:
    del seconds
