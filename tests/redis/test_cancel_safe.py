"""A cancellation ends any wait for Redis, at whatever moment it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runner import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient

TURNS = 100
"""More turns of the loop than a command takes."""


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[QueueClient]:
    """Return a connected client."""
    one = connect(redis_url)
    await one.ping()
    yield one
    await one.aclose()


async def test_cancelled_task_may_use_redis_while_it_cleans_up(client: QueueClient) -> None:
    """It may release a lock or write a note, on every Python 3.11."""
    started = asyncio.Event()

    async def hold() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await client.set("given back", "yes")

    holding = asyncio.ensure_future(hold())
    await started.wait()
    holding.cancel()
    await asyncio.wait({holding})

    assert holding.cancelled()
    assert await client.get("given back") == b"yes"


async def test_cancellation_works_in_each_turn_of_a_command(client: QueueClient) -> None:
    """Before the command is sent, while it waits, and just as it is answered."""
    cancelled = 0
    for turns in range(TURNS):
        asking = asyncio.ensure_future(client.get("anything"))
        for _ in range(turns):
            await asyncio.sleep(0)
        if asking.done():
            break
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled(), f"lost in turn {turns}"
        cancelled += 1

    assert cancelled > 1
    assert await client.get("anything") is None
