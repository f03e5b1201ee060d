"""A client for the tests against a real redis-server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from runner import QueueClient, connect
from runner.current import disconnect
from tests.runner_kit import stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(autouse=True)
def _plain_log_lines() -> Iterator[None]:
    """Log without colours and boxes: drawing a traceback takes longer than many a test here."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _fresh_stage() -> None:
    """Let the jobs of each test report and wait on a stage of its own."""
    stage.clear()


@pytest.fixture
async def redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[QueueClient]:
    """Give a client of the empty Redis; what the test enqueues goes there too."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    client = connect(redis_url)
    yield client
    await client.aclose()
    await disconnect()
