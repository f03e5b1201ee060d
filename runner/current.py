"""
Where `enqueue` sends jobs: to the running worker's client, or to this event loop's own.

A service needs only `REDIS_URL`: the first `enqueue` in an event loop opens a client for it, which
is closed with the loop; all threads without one share a few connections. `use` replaces that
client, as a worker does for the jobs that it runs.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from runner.broker.blocking import finished
from runner.client import QueueClient, connect
from runner.enqueue import CALL_TIMEOUT_S, MAX_BODY_BYTES
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from runner.blocking import BlockingClient
    from runner.enqueue import ClientMiddleware, Enqueue, Transport

CALL_TIMEOUT_VARIABLE = "RUNNER__CALL_TIMEOUT_S"
MAX_BODY_VARIABLE = "RUNNER__MAX_BODY_BYTES"
STRICT_VARIABLE = "RUNNER__STRICT_QUEUES"

_used: ContextVar[tuple[QueueClient, asyncio.AbstractEventLoop] | None] = ContextVar(
    "used_client", default=None
)
_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[QueueClient | None, _Own]] = (
    weakref.WeakKeyDictionary()
)
"""Clients that `current_client` opened, by loop and by what they are a twin of."""
_redirections: list[tuple[Transport, asyncio.AbstractEventLoop | None]] = []


class _Process:
    """
    What all threads of this process share.

    client: whose Redis synchronous calls go to; it never connects itself.
    """

    def __init__(self) -> None:
        self.middleware: Sequence[ClientMiddleware] = ()
        self.client: QueueClient | None = None
        self.opening = threading.Lock()

    def after_fork(self) -> None:
        """Another thread may have held the lock as this process was forked."""
        self.opening = threading.Lock()


_process = _Process()
os.register_at_fork(after_in_child=lambda: _process.after_fork())  # noqa: PLW0108 -- the one at the time


def current_client() -> QueueClient:
    """
    Return the client in use: the running worker's, or this event loop's own for `REDIS_URL`.

    A client belongs to its loop. In another one, such as of a job's thread, its place is taken by
    a twin, which is closed with that loop.

    Raises:
        ConfigurationError: `REDIS_URL` is not set, or is not a Redis address, or
            `RUNNER__CALL_TIMEOUT_S` is not a number of seconds, or `RUNNER__MAX_BODY_BYTES` not
            one of bytes, or `RUNNER__STRICT_QUEUES` neither true nor false.
    """
    loop = asyncio.get_running_loop()
    used = _used.get()
    if used is not None and used[1] is loop:
        return used[0]
    original = None if used is None else used[0]
    own = _by_loop.get(loop, {}).get(original)
    if own is None:
        for other in [one for one in _by_loop if one.is_closed()]:
            # Its clients refer to it, and would keep it for ever.
            del _by_loop[other]
        own = _Own(_connect() if original is None else original.twin())
        _by_loop.setdefault(loop, {})[original] = own
    return own.client


def blocking_client() -> BlockingClient:
    """
    Return what synchronous calls go through: for the Redis of the running worker or `REDIS_URL`.

    Raises:
        ConfigurationError: As for `current_client`. Or an event loop runs in this thread, which the
            call would block.
    """
    refuse_in_loop()
    used = _used.get()
    if used is not None:
        return used[0].blocking
    with _process.opening:
        if _process.client is None:
            _process.client = _connect()
        return _process.client.blocking


def refuse_in_loop() -> None:
    """
    Refuse a synchronous call where it would block an event loop.

    Raises:
        ConfigurationError: One runs in this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigurationError(
        "a synchronous call would block the event loop that runs in this thread: "
        "await the call without _sync"
    )


class _Own:
    """A client that is closed as its event loop shuts down."""

    def __init__(self, client: QueueClient) -> None:
        self.client = client
        # A loop closes the asynchronous generators that were begun in it: `asyncio.run` sees to it.
        self._closing = self._until_closed()
        with suppress(StopIteration):
            self._closing.__anext__().send(None)

    async def _until_closed(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.client.aclose()

    async def close(self) -> None:
        """Close it now."""
        await self._closing.aclose()


def _connect() -> QueueClient:
    # Not by `runner.configuration`: a service that enqueues needs no more than REDIS_URL, and
    # not the extra that reads the rest.
    url = os.environ.get("REDIS_URL")
    if not url:
        raise ConfigurationError(
            "no Redis to enqueue into: set REDIS_URL, such as redis://localhost:6379/0"
        )
    return connect(
        url,
        client_middleware=_process.middleware,
        call_timeout_s=_call_timeout_s(),
        max_body_bytes=_max_body_bytes(),
        strict_queues=_strict_queues(),
    )


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


def _strict_queues() -> bool:
    given = os.environ.get(STRICT_VARIABLE, "").lower()
    if given not in {"", *_TRUE, *_FALSE}:
        raise ConfigurationError(f"{STRICT_VARIABLE} is {given!r}: give true or false")
    return given in _TRUE


_TRUE = ("true", "1", "yes", "on", "t", "y")
_FALSE = ("false", "0", "no", "off", "f", "n")
"""As pydantic reads them, which reads the same variable for workers."""


def configure(*, client_middleware: Sequence[ClientMiddleware] = ()) -> None:
    """
    Wrap what this process enqueues, for a service that has no worker. Call it before the first.

    client_middleware: wraps each enqueue, the first in the list outermost. Workers have their own,
    from their settings class.

    Raises:
        ConfigurationError: A client is open already.
    """
    if _process.client is not None or any(None in own for own in _by_loop.values()):
        raise ConfigurationError("configure: call it before the first enqueue of this process")
    _process.middleware = tuple(client_middleware)


def use(client: QueueClient) -> None:
    """Enqueue through *client*, which belongs to the running loop, in this task and its own."""
    _used.set((client, asyncio.get_running_loop()))


@contextmanager
def using(client: QueueClient) -> Iterator[None]:
    """Enqueue through *client* in the block, in this task and in those that it starts."""
    before = _used.get()
    use(client)
    try:
        yield
    finally:
        _used.set(before)


async def disconnect() -> None:
    """Close this event loop's own clients, if there are any. A service calls this as it ends."""
    for own in _by_loop.pop(asyncio.get_running_loop(), {}).values():
        await own.close()


def transport() -> Transport:
    """Return where `enqueue` sends jobs: the innermost `redirect`, or the current client."""
    return _redirections[-1][0] if _redirections else current_client().enqueuer


def put_blocking(requests: Sequence[Enqueue]) -> list[bool]:
    """
    Enqueue from a thread without an event loop; False for each one that was there already.

    Raises:
        EnqueueError, CodecError: As `Sender.put_many` does.
        ConfigurationError: As `blocking_client` does.
    """
    if not _redirections:
        client = blocking_client()
        return [client.put(requests[0])] if len(requests) == 1 else client.put_many(requests)
    refuse_in_loop()
    to, loop = _redirections[-1]
    putting = to.put_many(requests)
    if loop is None or not loop.is_running():
        return finished(putting)
    return asyncio.run_coroutine_threadsafe(putting, loop).result()


@contextmanager
def redirect(to: Transport) -> Iterator[None]:
    """Send all that this process enqueues *to* another transport, from every task and thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    _redirections.append((to, loop))
    try:
        yield
    finally:
        _redirections.remove((to, loop))
