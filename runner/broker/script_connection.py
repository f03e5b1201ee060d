"""
The short way to Redis for the stages: one connection of their own, one script per call.

redis-py's client checks its pooled connection, wraps each write in a task of its own and packs
every argument in Python, for each command. A stage repeats one script thousands of times a second
over one connection, so redis-py only opens it (addresses, TLS, Sentinel, protocol): afterwards the
bytes go from hiredis's packer to the transport, and from the transport to hiredis's reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from hiredis import Reader, pack_command
from redis._parsers import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Connection, Redis

_ANSWER_TIMEOUT_S = 10.0
_NOT_YET = object()


class Wire:
    """
    One connection of a stage's own; a second caller waits for the first.

    Connects at the first call, and again after whatever went wrong.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._line: Line | None = None
        self._turn = asyncio.Lock()

    async def ask(self, *command: Any) -> Any:
        """
        Redis's reply to *command*.

        Raises:
            RedisError: Redis is away, or has no such command.
        """
        async with self._turn:
            try:
                if self._line is not None and self._line.is_closing:
                    await self.close()  # Redis hung up while nothing was asked
                line = self._line or await self._connect()
                return await line.ask(pack_command(command))
            except BaseException:
                # An answer may be under way that nobody waits for any more.
                await self.close()
                raise

    async def open(self) -> None:
        """Connect, if there is no connection, or none any more; raises as a call does."""
        if self._line is not None and not self._line.is_closing:
            return
        async with self._turn:
            await self.close()
            await self._connect()

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _connect(self) -> Line:
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await connection.connect()  # type: ignore[no-untyped-call]
                line = Line(connection)
                await self._greet(line)
        except BaseException as error:
            # Cancelled half-way it would stay open, and nobody would know of it.
            await connection.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("no connection in time") from None
            raise
        self._line = line
        return line

    async def _greet(self, line: Line) -> None:
        """Say what a new connection is to know before the first call."""


class ScriptWire(Wire):
    """A wire for one script, which a new connection loads."""

    def __init__(self, redis: Redis, script: str) -> None:
        super().__init__(redis)
        self._script = script
        self._sha = ""
        self._fresh = True
        self.sent = 0
        """How often the script was sent: a question may be sent twice for one answer."""

    async def __call__(
        self,
        key: str,
        args: Sequence[str | int | float | bytes],
        *,
        again: Callable[[], Sequence[str | int | float | bytes]] | None = None,
    ) -> Any:
        """
        The script's reply for one key and *args*.

        A connection that Redis closed while it was idle is opened anew, once: the script may
        then have run before, so every script here may be repeated, by what *again* gives if that
        is there.

        Raises:
            RedisError: Redis is away, or the script raised.
        """
        async with self._turn:
            try:
                return await self._run(key, args)
            except (RedisConnectionError, OSError):
                was_idle = not self._fresh
                await self.close()
                if not was_idle:
                    raise
            except BaseException:
                await self.close()
                raise
            return await self._run(key, args if again is None else again())

    def tell(self, key: str, args: Sequence[str | int | float | bytes]) -> bool:
        """
        Send the script now, and wait for nothing; False if there is no connection to send it on.

        It is in the kernel's hands at the return, unless Redis reads so slowly that it has to wait.
        """
        if self._line is None or self._line.is_closing:
            return False
        command: tuple[Any, ...] = ("EVALSHA", self._sha, 1, key, *args)
        answer = self._line.ask(pack_command(command))
        answer.add_done_callback(self._forget_answer)
        return True

    def _forget_answer(self, answer: asyncio.Future[Any]) -> None:
        """If Redis has lost the script, the next `open` brings it again."""
        if not answer.cancelled() and isinstance(answer.exception(), NoScriptError):
            self._line, line = None, self._line
            if line is not None:
                line.abort()

    async def _run(self, key: str, args: Sequence[str | int | float | bytes]) -> Any:
        line = self._line
        self._fresh = line is None
        if line is None:
            line = await self._connect()
        self.sent += 1
        command: tuple[Any, ...] = ("EVALSHA", self._sha, 1, key, *args)
        try:
            return await line.ask(pack_command(command))
        except NoScriptError:
            # Somebody flushed them; a new connection loads its own.
            await self._greet(line)
            return await line.ask(pack_command(command))

    async def _greet(self, line: Line) -> None:
        """Load the script."""
        command: tuple[Any, ...] = ("SCRIPT", "LOAD", self._script)
        loaded = await line.ask(pack_command(command))
        self._sha = loaded.decode()


class Line(asyncio.Protocol):
    """A connection that redis-py has opened; answers come in the order of their questions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._reader = Reader(
            protocolError=InvalidResponse,
            replyError=BaseParser.parse_error,
            notEnoughData=_NOT_YET,
        )
        assert connection._writer is not None  # noqa: S101, SLF001 -- connected; redis-py has no public way to it
        self._transport = connection._writer.transport  # noqa: SLF001
        self._transport.set_protocol(self)

    def ask(self, packed: bytes) -> asyncio.Future[Any]:
        """
        Send a command now; what Redis answers is the future's result.

        It raises RedisError where Redis says so, is silent for too long, or hangs up.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._transport.is_closing():
            future.set_exception(RedisConnectionError("Redis closed the connection"))
            return future
        due = self._loop.time() + _ANSWER_TIMEOUT_S
        self._waiting.append((future, due))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look_for_overdue)
        self._transport.write(packed)
        return future

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._transport.is_closing()

    def abort(self) -> None:
        """Hang up without another word."""
        self._transport.abort()

    async def close(self) -> None:
        """Hang up."""
        if self._timer is not None:
            self._timer.cancel()
        await self._connection.disconnect(nowait=True)
        self._fail(RedisConnectionError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Hand each whole answer to whoever asked."""
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOT_YET:
                future, _ = self._waiting.popleft()
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        except (InvalidResponse, IndexError) as error:
            self._fail(RedisConnectionError(f"not an answer to anything that was asked: {error}"))
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever still waits."""
        if self._timer is not None:
            self._timer.cancel()
        self._fail(RedisConnectionError(str(error or "Redis closed the connection")))

    def _look_for_overdue(self) -> None:
        """One timer for all questions: setting one for each would cost more than the question."""
        self._timer = None
        if not self._waiting:
            return
        due = self._waiting[0][1]
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._look_for_overdue)
            return
        self._fail(RedisTimeoutError(f"no answer within {_ANSWER_TIMEOUT_S:g} s"))
        self._transport.abort()

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            if not future.done():
                future.set_exception(error)
