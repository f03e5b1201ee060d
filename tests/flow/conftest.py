"""Fixtures of end-to-end tests: a client, a switchboard, commands, and the event loops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

from runner import QueueClient, connect, disconnect
from tests.pipeline_command import Commands
from tests.switchboard import Switchboard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run a test on asyncio's own loop; by `mark.asyncio(loop_factories=…)` on uvloop's, too."""
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    asked = any("loop_factories" in mark.kwargs for mark in item.iter_markers("asyncio"))
    return loops if asked else {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[QueueClient]:
    """Return a client of the empty Redis; the test's enqueues go there, too."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    client = connect(redis_url)
    yield client
    await client.aclose()
    await disconnect()


@pytest.fixture
async def board() -> AsyncIterator[Switchboard]:
    """Return a switchboard that the test's processes report to."""
    async with Switchboard().open() as board:
        yield board


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """
    Return the installed commands, in an empty folder that is also their home.

    Each computes in one process beside its own, where production has one for each core: to start
    one takes longer than most of what is computed here.
    """
    return Commands(tmp_path, {"RUNNER__OFFLOAD_PROCESSES": "1"})
