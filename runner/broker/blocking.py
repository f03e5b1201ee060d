"""
Connections that need no event loop, to the Redis of another client.

At most `MOST_CONNECTIONS` are open, however many threads there are; a process that was forked opens
its own.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import weakref
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import redis
from redis.asyncio import SSLConnection as AsyncSSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.sentinel import Sentinel

from runner import clock
from runner.broker import keys
from runner.broker.cluster import (
    BlockingToMaster,
    SecuredBlockingToMaster,
    SlotPool,
    is_clustered,
)
from runner.broker.location import CONNECT_TIMEOUT_S
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from redis.asyncio import Redis

T = TypeVar("T")

MOST_CONNECTIONS = 16

_TWIN_OPTIONS = frozenset(("host", "port", "path", "db", "username", "password", "protocol"))


def blocking_twin(client: Redis, *, timeout_s: float = CONNECT_TIMEOUT_S) -> redis.Redis:
    """
    Return a client for the Redis of *client* that a thread without an event loop can use.

    timeout_s: for connecting, and for each part of an answer.
    """
    pool = client.connection_pool
    options = twin_options(pool.connection_kwargs, timeout_s)
    if isinstance(pool, SentinelConnectionPool):
        watchers = [
            one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels
        ]
        sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            [(one["host"], one["port"]) for one in watchers],
            sentinel_kwargs=twin_options(watchers[0], timeout_s, without=("host", "port")),
            **twin_options(pool.connection_kwargs, timeout_s, without=("host", "port")),
        )
        secured = issubclass(pool.connection_class, AsyncSSLConnection)
        master: redis.Redis = sentinel.master_for(pool.service_name, ssl=secured)  # type: ignore[no-untyped-call]
        return master
    kind: type[redis.connection.AbstractConnection] = redis.Connection
    if isinstance(pool, SlotPool):
        secured = issubclass(pool.connection_class, AsyncSSLConnection)
        kind = SecuredBlockingToMaster if secured else BlockingToMaster
        options["slots"] = pool.slots.copy()
    elif "path" in options:
        kind = redis.UnixDomainSocketConnection
    elif issubclass(pool.connection_class, AsyncSSLConnection):
        kind = redis.SSLConnection
    return redis.Redis(connection_pool=redis.ConnectionPool(kind, **options))


def twin_options(
    given: Mapping[str, Any], timeout_s: float, *, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Return those of a pool's options that say where Redis is, and how to log in to it."""
    options = {
        name: value
        for name, value in given.items()
        if (name in _TWIN_OPTIONS and name not in without) or name.startswith("ssl_")
    }
    return options | {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}


class _Line:
    """A connection of the pool; *reused*: it has carried an answer, and may be dead since."""

    __slots__ = ("connection", "reused")

    def __init__(self, connection: redis.connection.AbstractConnection) -> None:
        self.connection = connection
        self.reused = False


class BlockingPool:
    """
    A few connections for many threads, and one deadline for each call.

    timeout_s: how long a call may take in all: the wait for a connection, connecting, the answer.
    """

    def __init__(self, client: Redis, *, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.own_keys = keys.of(client)
        self.is_clustered = is_clustered(client)
        self._redis = blocking_twin(client, timeout_s=timeout_s / 4)
        self.reset()
        _pools.add(self)

    def reset(self) -> None:
        """Begin without connections: this process was forked, and the others are its parent's."""
        self._lock = threading.Lock()
        self._free: SimpleQueue[_Line] = SimpleQueue()
        self._made = 0

    def take(self, until: float) -> _Line:
        """
        Return a connection, to be given back; wait for one until *until*, by `clock.monotonic`.

        Raises:
            redis.TimeoutError: None is free by then.
        """
        try:
            return self._free.get_nowait()
        except Empty:
            pass
        with self._lock:
            if self._made < MOST_CONNECTIONS:
                self._made += 1
                connection: Any = self._redis.connection_pool.make_connection()
                return _Line(connection)
        try:
            return self._free.get(timeout=max(0.0, until - clock.monotonic()))
        except Empty:
            raise redis.TimeoutError(
                f"none of {MOST_CONNECTIONS} connections was free within {self.timeout_s:g} s"
            ) from None

    def give_back(self, line: _Line) -> None:
        """Let another call have *line*."""
        self._free.put(line)

    def connect(self, line: _Line, until: float) -> None:
        """
        Open *line*, if it is not open.

        Raises:
            RedisError: Redis is away, or too little time is left until *until*.
        """
        if until - clock.monotonic() < self.timeout_s / 4:
            raise redis.TimeoutError(f"no answer within {self.timeout_s:g} s")
        line.connection.connect()  # type: ignore[no-untyped-call]  # redis-py's own

    def ask(self, line: _Line, until: float, *commands: Sequence[Any]) -> list[Any]:
        """
        Return Redis's replies to *commands*, sent over the open *line* in one write.

        Raises:
            RedisError: They do not come by *until*, or one is an error.
        """
        connection = line.connection
        replies: list[Any] = []
        try:
            connection.send_packed_command(connection.pack_commands(commands))  # type: ignore[no-untyped-call]  # redis-py's own
            for _ in commands:
                left_s = max(0.001, until - clock.monotonic())
                if not connection.can_read(timeout=left_s):  # type: ignore[no-untyped-call]
                    raise redis.TimeoutError(f"no answer within {self.timeout_s:g} s")  # noqa: TRY301 -- closed below
                try:
                    replies.append(connection.read_response())  # type: ignore[no-untyped-call]
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            # The replies may still come, and would answer the next command.
            line.reused = False
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        line.reused = True
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def run(self, *commands: Sequence[Any], within_s: float = math.inf) -> list[Any]:
        """
        Return Redis's replies to *commands*, which may be sent twice.

        within_s: how long to wait for them, if that is less than the call may take.

        Raises:
            RedisError: Redis is away, or refuses one, or no connection is free in time.
        """
        until = clock.monotonic() + self.timeout_s
        line = self.take(until)
        was_idle = line.reused
        try:
            try:
                self.connect(line, until)
                return self.ask(line, min(until, clock.monotonic() + within_s), *commands)
            except (RedisConnectionError, OSError):
                if not was_idle:
                    raise
            self.connect(line, until)
            return self.ask(line, min(until, clock.monotonic() + within_s), *commands)
        finally:
            self.give_back(line)

    def close(self) -> None:
        """Close what is not in use; a later call connects again."""
        for _ in range(self._free.qsize()):
            with suppress(Empty):
                line = self._free.get_nowait()
                line.reused = False
                line.connection.disconnect()  # type: ignore[no-untyped-call]
                self._free.put(line)


_pools: weakref.WeakSet[BlockingPool] = weakref.WeakSet()


def _reset_all() -> None:
    for pool in list(_pools):
        pool.reset()


os.register_at_fork(after_in_child=_reset_all)


class _Call(threading.local):
    """What a thread's current call has: its deadline, and the connection that it wrote over."""

    until = 0.0
    sent = 0
    line: _Line | None = None


class BlockingScript:
    """
    One script, run over the connections of a pool: to its caller, as a `ScriptConnection`.

    What it gives to await never waits, so that `finished` can run it in a thread without a loop.
    """

    def __init__(self, pool: BlockingPool, script: str) -> None:
        self._pool = pool
        self.own_keys = pool.own_keys
        self.is_clustered = pool.is_clustered
        self._script = script
        self._sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._call = _Call()

    @property
    def sent(self) -> int:
        """How often this thread sent the script."""
        return self._call.sent

    def begin(self) -> _Line | None:
        """
        Let a call of this thread, and the time that it may take, begin now.

        Returns what `end` needs: a signal handler or a middleware may enqueue inside a call.
        """
        outer, self._call.line = self._call.line, None
        self.restart_time()
        return outer

    def restart_time(self) -> None:
        """Let the time that the call may take begin now."""
        self._call.until = clock.monotonic() + self._pool.timeout_s

    def end(self, outer: _Line | None) -> None:
        """Give back the connection of this thread's call, and go on with the *outer* one."""
        line, self._call.line = self._call.line, outer
        if line is not None:
            self._pool.give_back(line)

    async def __call__(
        self, key: str, args: Sequence[Any], *, again: Callable[[], Sequence[Any]] | None = None
    ) -> Any:
        """
        Return the script's reply for one key and *args*, as a `ScriptConnection` does.

        Raises:
            RedisError: Redis is away, or the script raised.
        """
        call = self._call
        line = call.line
        if line is None:
            line = call.line = self._pool.take(call.until)
        was_idle = line.reused
        try:
            return self._run(line, key, args)
        except (RedisConnectionError, OSError):
            if not was_idle:
                raise
        return self._run(line, key, args if again is None else again())

    def _run(self, line: _Line, key: str, args: Sequence[Any]) -> Any:
        until, base = self._call.until, self.own_keys.base
        self._pool.connect(line, until)
        self._call.sent += 1
        try:
            [reply] = self._pool.ask(line, until, ("EVALSHA", self._sha, 2, key, base, *args))
        except NoScriptError:
            [reply] = self._pool.ask(line, until, ("EVAL", self._script, 2, key, base, *args))
        return reply

    async def copies(self, least: int, longest_ms: int) -> int:
        """Return how many replicas have all that this call wrote; wait for *least* of them."""
        line = self._call.line
        if line is None or not line.reused:
            return 0
        until = clock.monotonic() + longest_ms / 1000 + self._pool.timeout_s
        [copies] = self._pool.ask(line, until, ("WAIT", least, longest_ms))
        return int(copies)

    async def execute(self, *command: Any) -> Any:
        """Return Redis's reply to another command, over any connection."""
        [reply] = self._pool.run(command)
        return reply

    async def ask(self, *command: Any) -> Any:
        """
        Return Redis's reply to another command, over the connection that this call wrote over.

        Raises:
            redis.ConnectionError: It is not open.
        """
        line = self._call.line
        if line is None or not line.reused:
            raise RedisConnectionError("not connected")
        [reply] = self._pool.ask(line, self._call.until, command)
        return reply

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Return what *coroutine* returns, without an event loop.

    Raises:
        ConfigurationError: It waits for something, which only an event loop can do.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise ConfigurationError(
        "a client middleware waits for something, which a synchronous call cannot: "
        "await enqueue() in an event loop, or let the middleware not wait"
    )
