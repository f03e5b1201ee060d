"""
Where `enqueue` sends jobs: to the running worker's client, or to this event loop's own.

A service needs only `REDIS_URL`, and `REDIS_PREFIX` and `REDIS_URLS__<QUEUE>` if its application
has those: the first `enqueue` in an event loop opens a client for it, which is closed with the
loop; all threads without one share a few connections. `use` replaces that client, as a worker does
for the jobs that it runs.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from runner.broker.blocking import finished
from runner.broker.keys import prefix_problem
from runner.broker.servers import servers_of
from runner.client import QueueClient, connect
from runner.enqueue import CALL_TIMEOUT_S, MAX_BODY_BYTES
from runner.enqueuer import OPENED, in_order, plan_of, shared, torn_batch
from runner.errors import ConfigurationError, refuse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence

    from runner.blocking import BlockingClient
    from runner.enqueue import ClientMiddleware, Enqueue, Memory, Transport

T = TypeVar("T")

PREFIX_VARIABLE = "REDIS_PREFIX"
QUEUE_VARIABLE = "REDIS_URLS__"
"""Begins the name of a variable that says where a queue is which has a Redis of its own."""
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


class _Process:
    """
    What all threads of this process share.

    client: whose Redis synchronous calls go to; it never connects itself. prefix, queues: without
    those in the environment.
    """

    def __init__(self) -> None:
        self.middleware: Sequence[ClientMiddleware] = ()
        self.prefix = ""
        self.queues: Mapping[str, str] = {}
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
        ConfigurationError: `REDIS_URL` is not set, or is not a Redis address, or `REDIS_PREFIX`
            cannot be a prefix, or `RUNNER__CALL_TIMEOUT_S` is not a number of seconds, or
            `RUNNER__MAX_BODY_BYTES` not one of bytes, or `RUNNER__STRICT_QUEUES` neither true nor
            false.
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


def blocking_client(queue: str) -> BlockingClient:
    """
    Return what synchronous calls for *queue* go through: for its Redis, as `current_client` has it.

    Raises:
        ConfigurationError: As for `current_client`. Or an event loop runs in this thread, which the
            call would block.
    """
    refuse_in_loop()
    used = _used.get()
    if used is not None:
        return used[0].at(queue).blocking
    with _process.opening:
        if _process.client is None:
            _process.client = _connect()
        return _process.client.at(queue).blocking


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
    client = connect(
        url,
        client_middleware=_process.middleware,
        call_timeout_s=_call_timeout_s(),
        max_body_bytes=_max_body_bytes(),
        strict_queues=_strict_queues(),
        prefix=os.environ.get(PREFIX_VARIABLE) or _process.prefix,
    )
    assert client.settings is not None  # noqa: S101 -- it was made by `connect`
    given = {**_process.queues, **_queues_in_environment()}
    client.servers = servers_of(client.settings, given, declares=True)
    return client


def _queues_in_environment() -> dict[str, str]:
    start = len(QUEUE_VARIABLE)
    return {
        name[start:].lower(): url
        for name, url in os.environ.items()
        if name.upper().startswith(QUEUE_VARIABLE) and url
    }


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


def configure(
    *,
    client_middleware: Sequence[ClientMiddleware] = (),
    prefix: str = "",
    queues: Mapping[str, str] | None = None,
) -> None:
    """
    Say how this process enqueues, for a service that has no worker. Call it before the first.

    client_middleware: wraps each enqueue, the first in the list outermost. Workers have their own,
    from their settings class. prefix: that of the application, as its `App` has it; `REDIS_PREFIX`
    wins over it. queues: those that have a Redis of their own, and its address;
    `REDIS_URLS__<QUEUE>` wins over it, and both over what settings classes say.

    Raises:
        ConfigurationError: A client is open already, or *prefix* cannot be one, or a queue or an
            address cannot.
    """
    refuse("configure", prefix_problem("prefix", prefix))
    servers_of("redis://", queues or {})
    if _process.client is not None or any(None in own for own in _by_loop.values()):
        raise ConfigurationError("configure: call it before the first enqueue of this process")
    _process.middleware, _process.prefix = tuple(client_middleware), prefix
    _process.queues = dict(queues or {})


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
    """Return where `enqueue` sends jobs: a test's memory, or the current client."""
    block = _block_here()
    return current_client().transport if block is None else block.memory


def put_blocking(requests: Sequence[Enqueue]) -> list[bool]:
    """
    Enqueue from a thread without an event loop; False for each one that was there already.

    Raises:
        EnqueueError, CodecError: As `Sender.put_many` does.
        ConfigurationError: As `blocking_client` does.
    """
    memory = memory_here()
    if memory is not None:
        return ask_blocking(memory.put_many(requests))
    for request in requests:
        if request.batch_id is not None:
            _refuse_torn_batch(request, request.batch_id)
    if len(requests) == 1:
        return [blocking_client(requests[0].queue).put(requests[0])]
    shares = shared(requests, blocking_client)
    return in_order(requests, [(share, to.put_many(share)) for to, share in shares])


def _refuse_torn_batch(request: Enqueue, batch_id: str) -> None:
    here = blocking_client(request.queue)
    used = _used.get()
    client = _process.client if used is None else used[0]
    assert client is not None  # noqa: S101 -- `blocking_client` has opened it
    for other in client.everywhere():
        if other.blocking is not here:
            [is_there] = other.blocking.pool.run(("HEXISTS", plan_of(other, batch_id), OPENED))
            if is_there:
                raise torn_batch(request)


# ------------------------------------------------------------------ tests


@dataclass(slots=True, eq=False)
class _Block:
    """A part of a test that has a memory in place of Redis. within: the block around it."""

    memory: Memory
    within: _Block | None
    loop: asyncio.AbstractEventLoop | None


_blocks: list[_Block] = []
"""Those that are open now."""
_entered: ContextVar[_Block | None] = ContextVar("entered_block", default=None)


def memory_here() -> Memory | None:
    """
    Return what stands for Redis here: the memory of the innermost block, None outside of any.

    A task or thread belongs to the block in which it was begun. One that was begun in none belongs
    to the innermost of all.

    Raises:
        ConfigurationError: It was begun in none, and several are open side by side.
    """
    block = _block_here()
    return None if block is None else block.memory


def _block_here() -> _Block | None:
    if not _blocks:
        return None
    block = _entered_block()
    if block is None:
        block = _blocks[-1]
        if not {id(one) for one in _blocks} <= {id(one) for one in _around(block)}:
            raise ConfigurationError(
                "several tests collect or run jobs now, and this task or thread was begun in none "
                "of their blocks: begin it in the one that it belongs to"
            )
    if block.loop is None:
        block.loop = _running_loop()
    return block


def _entered_block() -> _Block | None:
    """Return the innermost block in which this task or thread was begun, and that is open."""
    return next((one for one in _around(_entered.get()) if one in _blocks), None)


def _around(block: _Block | None) -> Iterator[_Block]:
    while block is not None:
        yield block
        block = block.within


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def ask_blocking(question: Coroutine[Any, Any, T]) -> T:
    """
    Return what a memory answers, from a thread without an event loop, which waits meanwhile.

    Raises:
        ConfigurationError: An event loop runs in this thread, which the call would block.
    """
    try:
        refuse_in_loop()
        block = _block_here()
        loop = None if block is None else block.loop
        if loop is None or not loop.is_running():
            return finished(question)
        return asyncio.run_coroutine_threadsafe(question, loop).result()
    finally:
        question.close()


@contextmanager
def redirect(to: Memory) -> Iterator[None]:
    """Keep in *to* what is enqueued in this block, and answer for it from there."""
    block = _Block(to, _entered_block(), _running_loop())
    _blocks.append(block)
    _entered.set(block)
    try:
        yield
    finally:
        _blocks.remove(block)
        _entered.set(block.within)


@contextmanager
def entered(memory: Memory) -> Iterator[None]:
    """Belong to the open block of *memory* inside, wherever this task was begun."""
    token = _entered.set(next(block for block in _blocks if block.memory is memory))
    try:
        yield
    finally:
        _entered.reset(token)
