"""A store in a file for the tests of notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.store import ChannelStore, migrate, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ChannelStore]:
    """Yield an empty store."""
    url = f"sqlite:///{tmp_path}/store.db"
    await migrate(url)
    async with open_store(url) as opened:
        yield opened
