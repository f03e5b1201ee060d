"""
The stages' fast path to Redis: each stage has a connection of its own, and sends one script a call.

For each command, redis-py's client checks its pooled connection, wraps each write in a task and
packs every argument in Python. A stage repeats one script thousands of times a second over one
connection. So redis-py only opens it (addresses, TLS, Sentinel, protocol); after that, bytes go
from hiredis's packer to the transport, and from the transport to hiredis's reader.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

from hiredis import Reader, pack_command
from redis._parsers import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runner.broker import keys
from runner.broker.cluster import SILENT_S, ToMaster, is_clustered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redis.asyncio import Connection, Redis

_SILENCE_S = 10.0
"""How long a connection may carry nothing, in either direction, while a reply is due."""

_NOT_YET = object()


class NotConnectedError(RedisConnectionError):
    """A question that is asked over an open connection only, and there is none."""


class StageConnection:
    """
    A stage's own connection, for one call at a time.

    It connects at the first call, and again after any error. blocks: its commands wait for what
    others do, so that silence says nothing.
    """

    def __init__(self, redis: Redis, *, blocks: bool = False) -> None:
        self._blocks = blocks
        self.own_keys = keys.of(redis)
        self.is_clustered = is_clustered(redis)
        self._pool = redis.connection_pool
        self._protocol: RedisProtocol | None = None
        self._turn = asyncio.Lock()

    async def execute(self, *command: Any) -> Any:
        """
        Return Redis's reply to *command*.

        Raises:
            RedisError: Redis is away, or has no such command.
        """
        async with self._turn:
            try:
                if self._protocol is not None and self._protocol.is_closing:
                    await self.close()  # Redis closed it while it was idle
                protocol = self._protocol or await self._connect()
                return await protocol.send(pack_command(command))
            except BaseException:
                # The reply may still come, and would answer the next command.
                await self.close()
                raise

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            await protocol.close()

    async def _connect(self) -> RedisProtocol:
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(_SILENCE_S):
                await connection.connect()  # type: ignore[no-untyped-call]
                protocol = RedisProtocol(connection, blocks=self._blocks)
        except BaseException as error:
            # A connection that is cancelled half-way would stay open, unknown to the pool.
            await connection.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("no connection in time") from None
            raise
        self._protocol = protocol
        return protocol


class ScriptConnection(StageConnection):
    """A connection for one script, which Redis may forget at any time."""

    def __init__(self, redis: Redis, script: str) -> None:
        super().__init__(redis)
        self._script = script
        self._sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._fresh = True
        self.sent = 0
        """How often the script was sent: a call may have to send it twice."""

    @property
    def line(self) -> object | None:
        """The connection that is open now; None if there is none."""
        protocol = self._protocol
        return None if protocol is None or protocol.is_closing else protocol

    async def copies(self, least: int, longest_ms: int) -> int:
        """
        Return how many replicas have all that this connection wrote; wait for *least* of them.

        0 if the connection was lost since: then nobody knows.
        """
        try:
            return int(await self.ask("WAIT", least, longest_ms))
        except NotConnectedError:
            return 0

    async def ask(self, *command: Any) -> Any:
        """
        Return Redis's reply to *command*, over the connection that is open.

        Raises:
            NotConnectedError: There is none, or it was lost since.
            RedisError: Redis is away, or refuses it.
        """
        protocol = self._protocol
        if protocol is None or protocol.is_closing:
            raise NotConnectedError
        async with self._turn:
            if protocol is not self._protocol:
                raise NotConnectedError
            return await protocol.send(pack_command(command))

    async def __call__(
        self,
        key: str,
        args: Sequence[str | int | float | bytes],
        *,
        again: Callable[[], Sequence[str | int | float | bytes]] | None = None,
        once: bool = False,
    ) -> Any:
        """
        Return the script's reply for one key and *args*.

        If Redis closed the idle connection, open another and send the script again, once. It may
        have run the first time, so every script must allow that. again: returns the arguments for
        the second time. once: raise instead.

        Raises:
            RedisError: Redis is away, or the script raised.
        """
        async with self._turn:
            try:
                return await self._run(key, args)
            except (RedisConnectionError, OSError):
                was_idle = not self._fresh
                await self.close()
                if once or not was_idle:
                    raise
            except BaseException:
                await self.close()
                raise
            return await self._run(key, args if again is None else again())

    def tell(
        self, script: str, key: str, calls: Iterable[Sequence[str | int | float | bytes]]
    ) -> bool:
        """
        Send another script once for each of *calls*; False if there is no connection.

        Nobody gets the replies. When this returns, the kernel has the bytes, unless Redis reads too
        slowly for that. The text is sent: nobody would be there to send it after the reply that
        Redis has forgotten it.
        """
        if self._protocol is None or self._protocol.is_closing:
            return False
        base = self.own_keys.base
        commands: list[Any] = [("EVAL", script, 2, key, base, *args) for args in calls]
        self._protocol.tell([pack_command(command) for command in commands])
        return True

    async def _run(self, key: str, args: Sequence[str | int | float | bytes]) -> Any:
        if self._protocol is not None and self._protocol.is_closing:
            await self.close()  # Redis closed it while it was idle
        self._fresh = self._protocol is None
        protocol = self._protocol or await self._connect()
        self.sent += 1
        base = self.own_keys.base
        command: tuple[Any, ...] = ("EVALSHA", self._sha, 2, key, base, *args)
        try:
            return await protocol.send(pack_command(command))
        except NoScriptError:
            # Redis is new, or somebody flushed the scripts. It runs the text whatever it has.
            command = ("EVAL", self._script, 2, key, base, *args)
            return await protocol.send(pack_command(command))


class RedisProtocol(asyncio.Protocol):
    """The bytes of a connection that redis-py has opened; replies come in order."""

    def __init__(self, connection: Connection, *, blocks: bool = False) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._doubts = isinstance(connection, ToMaster) and not blocks
        self._look_every_s = SILENT_S if self._doubts else _SILENCE_S
        self._waiting: deque[tuple[asyncio.Future[Any] | None, float]] = deque()
        """Who gets each reply, None for nobody, and since when it is due."""
        self._timer: asyncio.TimerHandle | None = None
        self._moved_at = 0.0
        """When bytes last came, or were last seen to leave, by the loop's clock."""
        self._unsent = 0
        self._reader = Reader(
            protocolError=InvalidResponse,
            replyError=BaseParser.parse_error,
            notEnoughData=_NOT_YET,
        )
        assert connection._writer is not None  # noqa: S101, SLF001 -- connected; redis-py has no public way to it
        self._transport = connection._writer.transport  # noqa: SLF001
        self._transport.set_protocol(self)

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """
        Send a command now; the future's result is Redis's reply.

        The future raises RedisError if Redis replies with an error, if nothing moves on the
        connection for too long, or if Redis closes it.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._transport.is_closing():
            future.set_exception(RedisConnectionError("Redis closed the connection"))
            return future
        self._write(packed, [future])
        return future

    def tell(self, packed: Sequence[bytes]) -> None:
        """Send commands in one write. Nobody gets the replies: a loss is seen by the next call."""
        self._write(b"".join(packed), [None] * len(packed))

    def _write(self, packed: bytes, futures: Sequence[asyncio.Future[Any] | None]) -> None:
        now = self._loop.time()
        self._waiting.extend([(future, now) for future in futures])
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._look_every_s, self._look_for_overdue)
        self._transport.write(packed)
        self._unsent = self._transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        """Whether the connection takes no more commands."""
        return self._transport.is_closing()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    async def close(self) -> None:
        """Close; commands under way raise."""
        if self._timer is not None:
            self._timer.cancel()
        await self._connection.disconnect(nowait=True)
        self._fail(RedisConnectionError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Give each complete reply to its caller."""
        self._moved_at = self._loop.time()
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOT_YET:
                future, _ = self._waiting.popleft()
                if future is None or future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(self._noted(answer))
                else:
                    future.set_result(answer)
        except (InvalidResponse, IndexError) as error:
            self._fail(RedisConnectionError(f"a reply to no command: {error}"))
            self._transport.abort()

    def _noted(self, error: Exception) -> Exception:
        """In a cluster an answer may say that the slot is elsewhere: then close."""
        if not isinstance(self._connection, ToMaster):
            return error
        noted = self._connection.noted(error)
        if isinstance(noted, RedisConnectionError):
            self._transport.abort()
        return noted

    def connection_lost(self, error: Exception | None) -> None:
        """Raise in every caller that still waits."""
        if self._timer is not None:
            self._timer.cancel()
        lost = RedisConnectionError(str(error or "Redis closed the connection"))
        self._fail(self._noted(lost))

    def _look_for_overdue(self) -> None:
        """
        Fail the commands of a silent connection; a slow one has all the time that it needs.

        All share one timer: one each would cost more than the command.
        """
        self._timer = None
        if not self._waiting:
            return
        now, unsent = self._loop.time(), self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._moved_at = now
        self._unsent = unsent
        silent_since = max(self._waiting[0][1], self._moved_at)
        if (due := silent_since + _SILENCE_S) > now:
            if isinstance(self._connection, ToMaster) and self._doubts:
                self._connection.doubt()
            look_at = min(due, now + self._look_every_s)
            self._timer = self._loop.call_at(look_at, self._look_for_overdue)
            return
        self._fail(self._noted(RedisTimeoutError(f"nothing came for {_SILENCE_S:g} s")))
        self._transport.abort()

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            if future is not None and not future.done():
                future.set_exception(error)
