"""A cancellation ends any wait for Redis, at whatever moment it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from runner import connect
from runner.enqueue import Enqueue
from tests.runner_kit import eventually, soon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

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


def _wait_for_result(client: QueueClient) -> Awaitable[object]:
    return client.results.wait(("default", "nobody"))


def _enqueue(client: QueueClient) -> Awaitable[object]:
    return client.enqueuer.put(Enqueue("default", "one", "nothing"))


@pytest.mark.parametrize("ask", [_wait_for_result, _enqueue])
@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_closed_client_has_no_connection_whatever_was_under_way(
    redis_url: str,
    client: QueueClient,
    ask: Callable[[QueueClient], Awaitable[object]],
    *,
    is_cancelled: bool,
) -> None:
    """A task that goes on in the background would connect again, and nobody would close that."""
    before = await _connections(client)
    for turns in range(1, TURNS):
        other = connect(redis_url)
        asking = asyncio.ensure_future(ask(other))
        for _ in range(turns):
            await asyncio.sleep(0)
        if is_cancelled:
            asking.cancel()
            await asyncio.wait({asking})
        await soon(other.aclose())
        await asyncio.wait({asking})

    await eventually(lambda: _is_settled(client, before))


async def _is_settled(client: QueueClient, before: set[str]) -> bool:
    return await _connections(client) == before


async def _connections(client: QueueClient) -> set[str]:
    return {one["id"] for one in await client.client_list()}


async def test_closing_a_client_ends_the_wait_for_a_result(redis_url: str) -> None:
    """Nothing waits for ever: whoever waited gets an error."""
    other = connect(redis_url)
    waiting = asyncio.ensure_future(other.results.wait(("default", "nobody")))
    await asyncio.sleep(0)
    await other.aclose()
    with pytest.raises(RedisConnectionError, match="closed"):
        await soon(waiting)


async def test_closing_a_client_sends_what_is_being_enqueued(
    redis_url: str, client: QueueClient
) -> None:
    """Its caller still waits, and is told the truth."""
    other = connect(redis_url)
    enqueuing = asyncio.ensure_future(other.enqueuer.put(Enqueue("default", "one", "nothing")))
    await asyncio.sleep(0)
    await other.aclose()
    assert await soon(enqueuing)
    assert await client.zcard("arq:queue:default") == 1
