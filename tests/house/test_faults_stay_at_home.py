"""A test that leaves something behind, or blocks its loop, fails itself and no other."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings

from runner import QueueClient, connect
from runner.worker import watchdog
from tests import left_connections


def test_connection_that_outlives_its_loop_is_named_once(redis_url: str) -> None:
    """After the test that left it, and before the collector meets it in another."""

    async def leave() -> QueueClient:
        client = connect(redis_url)
        await client.ping()
        return client

    clients = [asyncio.run(leave())]

    [name] = left_connections.newly_left()
    assert "Connection(host=127.0.0.1" in name
    assert left_connections.newly_left() == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        clients.clear()
        left_connections._kept.clear()
        gc.collect()


async def test_connection_in_use_or_closed_is_not_left(redis_url: str) -> None:
    """Only what nobody can close any more is named."""
    async with connect(redis_url) as client:
        await client.ping()
        assert left_connections.newly_left() == []
    assert left_connections.newly_left() == []


async def test_no_watchdog_ends_the_process_of_the_tests() -> None:
    """A blocked loop would take the other tests of the process with it."""
    assert watchdog.Watchdog(asyncio.get_running_loop())._end is not os._exit
