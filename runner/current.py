"""
Where jobs enqueued here go: the running worker's client, or this event loop's own for `REDIS_URL`.

A service needs nothing but `REDIS_URL`: the first `enqueue` of an event loop opens a client for
it. `use` puts another client in its place, as a worker does for the jobs that it runs.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from runner.client import QueueClient, connect
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.enqueue import Transport

_used: ContextVar[QueueClient | None] = ContextVar("used_client", default=None)
_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, QueueClient] = (
    weakref.WeakKeyDictionary()
)
_redirections: list[Transport] = []


def current_client() -> QueueClient:
    """
    Return the client in use here: the running worker's, or this event loop's own for `REDIS_URL`.

    Raises:
        ConfigurationError: `REDIS_URL` is not set, or is not a Redis address.
    """
    client = _used.get()
    if client is not None:
        return client
    loop = asyncio.get_running_loop()
    client = _by_loop.get(loop)
    if client is None:
        # The one place outside settings/ that reads the environment: a service that enqueues
        # has our jobs and REDIS_URL, and none of our settings.
        url = os.environ.get("REDIS_URL")
        if not url:
            raise ConfigurationError(
                "no Redis to enqueue into: set REDIS_URL, such as redis://localhost:6379/0"
            )
        client = _by_loop[loop] = connect(url)
    return client


def use(client: QueueClient) -> None:
    """Enqueue through *client* from here on: in this task and all that it starts."""
    _used.set(client)


async def disconnect() -> None:
    """Close this event loop's own client, if there is one. A service calls it as it ends."""
    client = _by_loop.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


def transport() -> Transport:
    """Return where jobs enqueued here go: the innermost `redirect`, or the current client."""
    return _redirections[-1] if _redirections else current_client().enqueuer


@contextmanager
def redirect(to: Transport) -> Iterator[None]:
    """Send what this process enqueues *to* another transport, in every task and thread of it."""
    _redirections.append(to)
    try:
        yield
    finally:
        _redirections.remove(to)
