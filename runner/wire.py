"""
The short way to Redis for the stages: one connection of their own, one script per call.

redis-py's client checks its pooled connection, wraps each write in a task of its own and packs
every argument in Python, for each command. A stage repeats one script thousands of times a second
over one connection, so it uses redis-py's `Connection` (addresses, TLS, Sentinel, protocol) and
hiredis's packer directly.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Connection, Redis

_ANSWER_TIMEOUT_S = 10.0


class ScriptWire:
    """
    One script on one connection; a second caller waits for the first.

    Connects at the first call, and again after whatever went wrong.
    """

    def __init__(self, redis: Redis, script: str) -> None:
        self._pool = redis.connection_pool
        self._script = script
        self._sha: str | None = None
        self._connection: Connection | None = None
        self._fresh = True
        self.sent = 0
        """How often the script was sent: a question may be sent twice for one answer."""
        self._turn = asyncio.Lock()

    async def __call__(
        self,
        key: str,
        args: Sequence[str | int | float | bytes],
        *,
        again: Sequence[str | int | float | bytes] | None = None,
    ) -> Any:
        """
        The script's reply for one key and *args*.

        A connection that Redis closed while it was idle is opened anew, once: the script may
        then have run before, so every script here may be repeated, by *again* if that is given.

        Raises:
            RedisError: Redis is away, or the script raised.
        """
        async with self._turn:
            try:
                return await self._ask(key, args)
            except (RedisConnectionError, OSError):
                was_idle = not self._fresh
                await self.close()
                if not was_idle:
                    raise
            except BaseException:
                # An answer may be under way that nobody waits for any more.
                await self.close()
                raise
            return await self._ask(key, args if again is None else again)

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _ask(self, key: str, args: Sequence[str | int | float | bytes]) -> Any:
        connection = self._connection
        self._fresh = connection is None
        if connection is None:
            connection = await self._connect()
        self.sent += 1
        try:
            return await self._send(connection, ("EVALSHA", self._sha, 1, key, *args))
        except NoScriptError:
            # Redis was restarted, or a replica took over: scripts are not kept.
            await self._send(connection, ("SCRIPT", "LOAD", self._script))
            return await self._send(connection, ("EVALSHA", self._sha, 1, key, *args))

    async def _connect(self) -> Connection:
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await connection.connect()  # type: ignore[no-untyped-call]
            # The whole call is timed here, once, instead of each write and each read.
            connection.socket_timeout = None
            connection.health_check_interval = 0
            if self._sha is None:
                loaded = await self._send(connection, ("SCRIPT", "LOAD", self._script))
                self._sha = loaded.decode()
        except BaseException:
            # Cancelled half-way it would stay open, and nobody would know of it.
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        return connection

    async def _send(self, connection: Connection, command: tuple[Any, ...]) -> Any:
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await connection.send_packed_command(pack_command(command), check_health=False)
                return await connection.read_response()
        except TimeoutError:
            raise RedisTimeoutError(f"no answer within {_ANSWER_TIMEOUT_S:g} s") from None
