"""aiostatsd's client without its faults; `statsd.py` lists these and is the module to import."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

import structlog
from aiostatsd.client import LowLevelStatsdClient
from aiostatsd.udp_client import ClientProto

from runner.telemetry.logs import LogThrottle

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKUP_INTERVAL_S = 10.0

_log = structlog.stdlib.get_logger("runner.statsd")


class Collector(Protocol):
    """Holds the metrics to send, in place of aiostatsd's own collector."""

    dropped: int

    def flush(self) -> Iterator[bytes]:
        """Return the datagrams to send now."""
        ...

    def discard(self) -> None:
        """Drop all waiting lines and count them as dropped."""
        ...


class AioStatsdClient(LowLevelStatsdClient):  # type: ignore[misc]  # aiostatsd is untyped
    """Sends what *collector* holds twice a second until `end` is called, and once after it."""

    def __init__(self, host: str, port: int, collector: Collector) -> None:
        super().__init__(host, port)
        self.collector = collector
        self._ending = asyncio.Event()
        self._socket: _QuietSocket | None = None
        self._lookup_at = 0.0
        self._logged_dropped = 0
        self._throttle = LogThrottle()

    async def run(self) -> None:
        """Send until `end` is called, whatever errors the network has."""
        try:
            last = False
            while not last:
                await self._connect()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.flush_interval):
                        await self._ending.wait()
                last = self._ending.is_set()
                self._send()
        finally:
            if self._socket is not None:
                self._socket.disconnect()
                await self._socket.on_disconnect

    def end(self) -> None:
        """Make `run` send what is waiting and return."""
        self._ending.set()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        if self._socket is not None and not self._socket.transport.is_closing():
            return
        if loop.time() < self._lookup_at:
            return
        try:
            _, self._socket = await loop.create_datagram_endpoint(
                lambda: _QuietSocket(self._log_error), remote_addr=(self.host, self.port)
            )
        except OSError as error:
            self._lookup_at = loop.time() + _LOOKUP_INTERVAL_S
            self._log_error(error)

    def _send(self) -> None:
        if self._socket is None or self._socket.is_full:
            self.collector.discard()
        else:
            for packet in self.collector.flush():
                self._socket.transport.sendto(packet)
        dropped = self.collector.dropped
        if dropped > self._logged_dropped and self._throttle.admit("dropped") is not None:
            self._logged_dropped = dropped
            _log.warning("metrics dropped", lines_so_far=dropped)

    def _log_error(self, error: Exception) -> None:
        if (more := self._throttle.admit("network")) is not None:
            _log.warning(
                "metrics cannot be sent",
                to=f"{self.host}:{self.port}",
                error=str(error) or type(error).__name__,
                errors_since_last_told=more + 1,
            )


class _QuietSocket(ClientProto):  # type: ignore[misc]  # aiostatsd is untyped
    """aiostatsd's socket, which sends on request instead of waking up ten times a second."""

    transport: asyncio.DatagramTransport

    def __init__(self, note: _OnError) -> None:
        super().__init__(asyncio.Queue(), asyncio.get_running_loop())
        self._log_error = note
        self.is_full = False

    def pause_writing(self) -> None:
        """Stop sending, or the socket would buffer without bound."""
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    async def run_loop(self) -> None:
        """Do nothing: the client calls `transport.sendto`."""

    def error_received(self, err: Exception) -> None:
        self._log_error(err)


class _OnError(Protocol):
    def __call__(self, error: Exception, /) -> None: ...
