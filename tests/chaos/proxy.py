"""A TCP proxy between workers and Redis that can cut connections or slow them down."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Proxy:
    """Forwards bytes between its own port and *target*, delayed by `delay_s` seconds."""

    def __init__(self, host: str, target: int) -> None:
        self._host = host
        self._target = target
        self._pairs: set[asyncio.StreamWriter] = set()
        self.delay_s = 0.0
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Accept connections during the block."""
        server = await asyncio.start_server(self._accept, self._host, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> int:
        """Break every connection at once; return how many there were."""
        cut = len(self._pairs)
        for writer in list(self._pairs):
            writer.transport.abort()
        return cut // 2

    async def _accept(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            far, far_out = await asyncio.open_connection(self._host, self._target)
        except OSError:
            near_out.transport.abort()
            return
        self._pairs |= {near_out, far_out}
        try:
            await asyncio.gather(self._pass(near, far_out), self._pass(far, near_out))
        finally:
            self._pairs -= {near_out, far_out}

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
