"""A client for the tests against a real redis-server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner import QueueClient, connect
from runner.connection import disconnect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[QueueClient]:
    """Give a client of the empty Redis; what the test enqueues goes there too."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    client = connect(redis_url)
    yield client
    await client.aclose()
    await disconnect()
