"""
Send metrics over UDP with aiostatsd, shielding the worker from its faults.

The faults of aiostatsd 1.0, and what happens here instead:

- Its client can only be created inside a running loop. `AioStatsD` can be created anywhere;
  `start` creates the client.
- Its collector keeps whole milliseconds and fails above 2³¹. `_Lines` keeps three decimals.
- Its queues grow without bound. Here counts are added up between flushes, and timings above a
  limit are dropped and counted.
- It prints a line for each refused datagram, loses what is waiting when it stops, and hangs on
  stopping if the host has no address: see `aiostatsd_client.py`.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, Self

from runner.extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.telemetry.aiostatsd_client import AioStatsdClient

PACKET_BYTES = 1432
"""Fits into an Ethernet frame, so that datagrams are not fragmented."""

_CLOSE_LIMIT_S = 2.0
_NAME_CHARACTERS = 250
_UNSAFE_IN_PART = re.compile(r"[^A-Za-z0-9_-]+")
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


class StatsD(Protocol):
    """Where metrics go. Calls never wait and never fail: metrics cannot harm a job."""

    def timing(self, name: str, duration_ms: float, /) -> None:
        """Record one duration in milliseconds, with fractions."""
        ...

    def increment(self, name: str, count: int = 1, /) -> None:
        """Add *count* to a counter."""
        ...

    def gauge(self, name: str, value: float, /) -> None:
        """Set a gauge to *value*, 0 or more: StatsD reads a sign as a change. The last one wins."""
        ...


class NullStatsD:
    """Metrics switched off."""

    def timing(self, name: str, duration_ms: float, /) -> None:
        """Drop it."""

    def increment(self, name: str, count: int = 1, /) -> None:
        """Drop it."""

    def gauge(self, name: str, value: float, /) -> None:
        """Drop it."""


class AioStatsD:
    """
    Collects metrics in memory and sends them to *host*:*port* by UDP every half second.

    Recording works at any time; what was recorded before `start` goes out with the first flush.
    UDP does not confirm that a datagram arrived.

    prefix: put before every name; include a trailing dot if you want one.
    limit: lines held between two flushes; more timings, or more distinct names, are dropped.
    """

    def __init__(
        self, host: str, port: int = 8125, *, prefix: str = "", limit: int = 10_000
    ) -> None:
        self._host = host
        self._port = port
        self._lines = _Lines(limit, prefix)
        self._client: AioStatsdClient | None = None
        self._sending: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> int:
        """Lines lost so far: too many were waiting, or the host had no address."""
        return self._lines.dropped

    def timing(self, name: str, duration_ms: float, /) -> None:
        """Record one duration in milliseconds; three decimals are kept."""
        self._lines.push_timer(name, duration_ms)

    def increment(self, name: str, count: int = 1, /) -> None:
        """Add *count* to a counter."""
        self._lines.push_counter(name, count)

    def gauge(self, name: str, value: float, /) -> None:
        """Set a gauge; the last value before a flush is sent."""
        self._lines.push_gauge(name, value)

    async def start(self) -> None:
        """
        Start sending in the running loop.

        Raises:
            MissingExtraError: aiostatsd is not installed.
        """
        with extra("statsd", f"StatsD at {self._host}:{self._port}"):
            from runner.telemetry.aiostatsd_client import AioStatsdClient
        await self.close()
        self._client = AioStatsdClient(self._host, self._port, self._lines)
        # An empty context: in a job's own, its log lines would carry that job's id for ever.
        self._sending = asyncio.create_task(
            self._client.run(), name="statsd", context=contextvars.Context()
        )

    async def close(self) -> None:
        """Send what is waiting and stop, within 2 s. It may be started again."""
        client, self._client = self._client, None
        sending, self._sending = self._sending, None
        if client is None or sending is None:
            return
        if sending.get_loop() is not asyncio.get_running_loop():
            return  # its loop is gone, and with it the task and the socket
        client.end()
        await asyncio.wait({sending}, timeout=_CLOSE_LIMIT_S)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()


def metric_part(text: str) -> str:
    """Return *text* as one part of a metric name, without dots, colons and the like."""
    return _UNSAFE_IN_PART.sub("_", text) or "_"


class _Lines:
    """
    Collects metrics as lines for sending, with the methods of aiostatsd's collector.

    Between flushes, a counter or gauge is one number per name.
    """

    def __init__(self, limit: int, prefix: str = "") -> None:
        self.dropped = 0
        self._limit = limit
        self._prefix = prefix
        self._timings: list[tuple[str, float]] = []
        self._counts: dict[str, float] = {}
        self._gauges: dict[str, float] = {}

    def push_timer(self, name: str, value: float, rate: float = 1.0) -> None:  # noqa: ARG002
        if len(self._timings) < self._limit:
            self._timings.append((name, value))
        else:
            self.dropped += 1

    def push_counter(self, name: str, value: float, rate: float = 1.0) -> None:  # noqa: ARG002
        if name in self._counts:
            self._counts[name] += value
        elif len(self._counts) < self._limit:
            self._counts[name] = value
        else:
            self.dropped += 1

    def push_gauge(self, name: str, value: float, rate: float = 1.0) -> None:  # noqa: ARG002
        if name in self._gauges or len(self._gauges) < self._limit:
            self._gauges[name] = value
        else:
            self.dropped += 1

    def flush(self) -> Iterator[bytes]:
        """Yield all lines in datagrams of at most PACKET_BYTES, and forget them."""
        packet = b""
        for line in self._take():
            if packet and len(packet) + 1 + len(line) > PACKET_BYTES:
                yield packet
                packet = b""
            packet = packet + b"\n" + line if packet else line
        if packet:
            yield packet

    def discard(self) -> None:
        """Drop all waiting lines and count them as dropped."""
        self.dropped += sum(1 for _ in self._take())

    def _take(self) -> Iterator[bytes]:
        timings, self._timings = self._timings, []
        counts, self._counts = self._counts, {}
        gauges, self._gauges = self._gauges, {}
        for kind, values in ((b"ms", timings), (b"c", counts.items()), (b"g", gauges.items())):
            for name, value in values:
                if math.isfinite(value):
                    yield b"%b:%b|%b" % (_clean(self._prefix + name), _number(value), kind)


@lru_cache(maxsize=4096)
def _clean(name: str) -> bytes:
    """Replace unsafe characters: a line break or colon in a name could forge other metrics."""
    return _UNSAFE_IN_NAME.sub("_", name)[:_NAME_CHARACTERS].encode()


def _number(value: float) -> bytes:
    return f"{value:.3f}".rstrip("0").rstrip(".").encode()
