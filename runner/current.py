"""
Where `enqueue` sends jobs: to the running worker's client, or to this event loop's own.

A service needs only `REDIS_URL`: the first `enqueue` in an event loop opens a client for it. `use`
replaces that client, as a worker does for the jobs that it runs.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from runner.client import QueueClient, connect
from runner.enqueue import CALL_TIMEOUT_S, MAX_BODY_BYTES
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.enqueue import Transport

CALL_TIMEOUT_VARIABLE = "RUNNER__CALL_TIMEOUT_S"
MAX_BODY_VARIABLE = "RUNNER__MAX_BODY_BYTES"

_used: ContextVar[QueueClient | None] = ContextVar("used_client", default=None)
_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, QueueClient] = (
    weakref.WeakKeyDictionary()
)
_redirections: list[Transport] = []


def current_client() -> QueueClient:
    """
    Return the client in use: the running worker's, or this event loop's own for `REDIS_URL`.

    Raises:
        ConfigurationError: `REDIS_URL` is not set, or is not a Redis address, or
            `RUNNER__CALL_TIMEOUT_S` is not a number of seconds, or `RUNNER__MAX_BODY_BYTES` not
            one of bytes.
    """
    client = _used.get()
    if client is not None:
        return client
    loop = asyncio.get_running_loop()
    client = _by_loop.get(loop)
    if client is None:
        # Not by `runner.configuration`: a service that enqueues needs no more than REDIS_URL, and
        # not the extra that reads the rest.
        url = os.environ.get("REDIS_URL")
        if not url:
            raise ConfigurationError(
                "no Redis to enqueue into: set REDIS_URL, such as redis://localhost:6379/0"
            )
        for other in [one for one in _by_loop if one.is_closed()]:
            # Its client refers to it, and would keep it for ever.
            del _by_loop[other]
        client = _by_loop[loop] = connect(
            url, call_timeout_s=_call_timeout_s(), max_body_bytes=_max_body_bytes()
        )
    return client


def _call_timeout_s() -> float:
    given = os.environ.get(CALL_TIMEOUT_VARIABLE)
    if not given:
        return CALL_TIMEOUT_S
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"{CALL_TIMEOUT_VARIABLE} is {given!r}: give seconds, such as 10")
    return seconds


def _max_body_bytes() -> int:
    given = os.environ.get(MAX_BODY_VARIABLE)
    if not given:
        return MAX_BODY_BYTES
    if not (given.isascii() and given.isdigit() and int(given)):
        raise ConfigurationError(f"{MAX_BODY_VARIABLE} is {given!r}: give bytes, such as 1000000")
    return int(given)


def use(client: QueueClient) -> None:
    """Enqueue through *client* from now on, in this task and in those that it starts."""
    _used.set(client)


async def disconnect() -> None:
    """Close this event loop's own client, if there is one. A service calls this as it ends."""
    client = _by_loop.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


def transport() -> Transport:
    """Return where `enqueue` sends jobs: the innermost `redirect`, or the current client."""
    return _redirections[-1] if _redirections else current_client().enqueuer


@contextmanager
def redirect(to: Transport) -> Iterator[None]:
    """Send all that this process enqueues *to* another transport, from every task and thread."""
    _redirections.append(to)
    try:
        yield
    finally:
        _redirections.remove(to)
