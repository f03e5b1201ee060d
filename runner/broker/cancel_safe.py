"""
Connections on which a cancellation, or a timeout, is never lost.

redis-py sends under `asyncio.wait_for`. On Python 3.11 that returns its result even if the task was
cancelled in the same turn of the loop: the cancellation is lost, and a cancelled task, or a block
under `asyncio.timeout`, goes on for ever. It also creates a task for each command.

Before each command redis-py checks the connection for unread data, under a timeout of zero. Early
releases of Python 3.11 (Debian 12 has 3.11.2) end that with `CancelledError` in a task that was
cancelled before: code that cleans up after a cancellation could not use Redis.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

_CANCEL_AGAIN_S = 0.2


def make_cancel_safe(client: Redis) -> None:
    """Make each connection that *client* opens from now on stop whenever it is cancelled."""
    pool = client.connection_pool
    kind = pool.connection_class
    if not issubclass(kind, _CancelSafe):
        if kind not in _kinds:
            _kinds[kind] = type(f"CancelSafe{kind.__name__}", (_CancelSafe, kind), {})
        pool.connection_class = _kinds[kind]


class _CancelSafe(AbstractConnection):
    """Sends in the caller's task, even while that cleans up after a cancellation."""

    async def can_read_destructive(self) -> bool:
        """Return whether there is unread data; ask in a task that is not cancelled."""
        looking = super().can_read_destructive()  # type: ignore[no-untyped-call]  # redis-py's
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return bool(await asyncio.ensure_future(looking))
        return bool(await looking)

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 -- redis-py's own signature
    ) -> None:
        """
        Write *command*, and wait until the socket has taken it.

        Raises:
            redis.TimeoutError: It did not within `socket_timeout`.
            redis.ConnectionError: The connection is gone.
        """
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        elif check_health:
            await self.check_health()  # type: ignore[no-untyped-call]  # likewise
        if isinstance(command, str):
            command = command.encode()
        writer: Any = self._writer
        try:
            writer.writelines([command] if isinstance(command, bytes) else command)
            async with asyncio.timeout(self.socket_timeout):
                await writer.drain()
        except BaseException as error:
            # Half a command may have been sent: nothing can follow it on this connection.
            await self.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("Redis does not take what is sent") from None
            if isinstance(error, OSError):
                raise RedisConnectionError(f"lost while sending: {error}") from error
            raise


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until it works: on Python 3.11, redis-py may swallow a cancellation as it finishes."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)


_kinds: dict[type[AbstractConnection], type[AbstractConnection]] = {}
"""For each kind of connection (TCP, TLS, Unix socket, sentinel) its cancel-safe subclass."""
