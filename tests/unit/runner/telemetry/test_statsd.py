"""Metrics over a real UDP socket, without aiostatsd's faults."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import structlog

from runner.telemetry.statsd import PACKET_BYTES, AioStatsD, NullStatsD, metric_part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class _Listener(asyncio.DatagramProtocol):
    """A StatsD server that keeps what it receives."""

    def __init__(self) -> None:
        self.packets: asyncio.Queue[bytes] = asyncio.Queue()
        self.port = 0
        self.longest = 0
        self._closed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[_Listener]:
        transport, listener = await asyncio.get_running_loop().create_datagram_endpoint(
            cls, local_addr=("127.0.0.1", 0)
        )
        listener.port = transport.get_extra_info("sockname")[1]
        try:
            yield listener
        finally:
            transport.close()
            await listener._closed.wait()

    def connection_lost(self, _: Exception | None) -> None:
        self._closed.set()

    def datagram_received(self, data: bytes, _: object) -> None:
        self.packets.put_nowait(data)
        self.longest = max(self.longest, len(data))

    async def lines(self, count: int) -> list[str]:
        """Return the next *count* lines, however many packets they take."""
        lines: list[str] = []
        async with asyncio.timeout(5):
            while len(lines) < count:
                lines += (await self.packets.get()).decode().split("\n")
        return lines


@pytest.fixture
async def listener() -> AsyncIterator[_Listener]:
    """Return a server on a free port."""
    async with _Listener.open() as listener:
        yield listener


async def test_statsd_sends_what_it_is_given(listener: _Listener) -> None:
    """Timings keep fractions of a millisecond; counters add up; a gauge's last value counts."""
    async with AioStatsD("127.0.0.1", listener.port, prefix="pipeline.") as statsd:
        statsd.timing("worker.execution", 0.4)
        statsd.timing("worker.execution", 1234.56789)
        statsd.increment("worker.success")
        statsd.increment("worker.success", 2)
        statsd.gauge("queue.ready", 3)
        statsd.gauge("queue.ready", 4.25)

    assert Counter(await listener.lines(4)) == Counter(
        {
            "pipeline.worker.execution:0.4|ms": 1,
            "pipeline.worker.execution:1234.568|ms": 1,
            "pipeline.worker.success:3|c": 1,
            "pipeline.queue.ready:4.25|g": 1,
        }
    )


async def test_statsd_sends_by_itself_while_it_is_open(listener: _Listener) -> None:
    """Metrics are sent within the flush interval, again and again, without closing."""
    async with AioStatsD("127.0.0.1", listener.port) as statsd:
        statsd.increment("a")
        assert await listener.lines(1) == ["a:1|c"]
        statsd.increment("a")
        assert await listener.lines(1) == ["a:1|c"]


def test_statsd_is_created_and_fed_without_a_loop() -> None:
    """It is created where settings are read; metrics from before `start` are sent after it."""
    statsd = AioStatsD("127.0.0.1", 9)
    statsd.timing("early", 12)

    async def main() -> list[str]:
        async with _Listener.open() as listener:
            statsd._port = listener.port
            await statsd.start()
            await statsd.close()
            return await listener.lines(1)

    assert asyncio.run(main()) == ["early:12|ms"]


async def test_statsd_splits_packets_between_lines(listener: _Listener) -> None:
    """No packet is larger than an Ethernet frame, and no line is cut."""
    async with AioStatsD("127.0.0.1", listener.port) as statsd:
        for number in range(500):
            statsd.timing(f"job.{number}", number)

    assert await listener.lines(500) == [f"job.{number}:{number}|ms" for number in range(500)]
    assert PACKET_BYTES - 20 < listener.longest <= PACKET_BYTES


async def test_statsd_drops_and_counts_what_is_too_much(listener: _Listener) -> None:
    """A burst cannot fill the memory: timings beyond the limit are dropped, counters add up."""
    statsd = AioStatsD("127.0.0.1", listener.port, limit=10)
    for number in range(1000):
        statsd.timing("worker.execution", number)
        statsd.increment("worker.success")
        statsd.increment(f"name.{number}")

    with structlog.testing.capture_logs() as logged:
        async with statsd:
            lines = await listener.lines(20)

    assert "worker.success:1000|c" in lines
    assert len([line for line in lines if line.endswith("|ms")]) == 10
    assert statsd.dropped == 990 + 991
    assert [(line["event"], line["lines_so_far"]) for line in logged] == [("metrics dropped", 1981)]


async def test_statsd_refused_is_logged_once_and_never_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With no server at the port the worker goes on, and prints nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logged = asyncio.Event()

    def note(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        logged.set()
        entries.append(event)
        raise structlog.DropEvent

    entries: list[structlog.typing.EventDict] = []
    structlog.configure(processors=[note])
    try:
        async with AioStatsD("127.0.0.1", port) as statsd, asyncio.timeout(5):
            for number in range(200):
                statsd.timing(f"job.{number}", 1)
            await logged.wait()
    finally:
        structlog.reset_defaults()

    assert [entry["event"] for entry in entries] == ["metrics cannot be sent"]
    assert entries[0]["to"] == f"127.0.0.1:{port}"
    assert capfd.readouterr() == ("", "")


async def test_statsd_without_an_address_is_logged_and_closes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host without an address costs metrics, but not the worker's start or end."""

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with structlog.testing.capture_logs() as logged:
        async with AioStatsD("statsd.invalid") as statsd:
            statsd.increment("a")

    assert [line["event"] for line in logged] == ["metrics cannot be sent", "metrics dropped"]
    assert statsd.dropped == 1


async def test_statsd_keeps_names_from_forging_lines(listener: _Listener) -> None:
    """A colon or a line break in a name does not start another metric."""
    async with AioStatsD("127.0.0.1", listener.port) as statsd:
        statsd.increment("a:1|c\nb:2|c")
        statsd.increment(f"long.{'x' * 5000}")
        statsd.timing("nan", float("nan"))
        statsd.timing("huge", 2.0**40)

    lines = await listener.lines(3)
    assert lines[0] == "huge:1099511627776|ms"
    assert lines[1] == "a_1_c_b_2_c:1|c"
    assert len(lines) == 3
    assert len(lines[2]) < 300


def test_statsd_survives_its_loop() -> None:
    """After its loop has closed it takes metrics, and starts again in the next loop."""
    statsd = AioStatsD("127.0.0.1", 9)

    async def start() -> None:
        await statsd.start()

    async def close() -> None:
        statsd.increment("a")
        await statsd.close()

    asyncio.run(start())
    statsd.timing("between", 1)
    asyncio.run(close())
    asyncio.run(start())
    asyncio.run(close())


async def test_statsd_closed_or_never_started_closes() -> None:
    """Closing always works."""
    statsd = AioStatsD("127.0.0.1", 9)
    await statsd.close()
    await statsd.start()
    await statsd.close()
    await statsd.close()


def test_null_statsd_takes_everything() -> None:
    """Metrics that are off cost a call and no more."""
    statsd = NullStatsD()
    statsd.timing("a", 1.0)
    statsd.increment("a")
    statsd.gauge("a", 1)


@pytest.mark.parametrize(
    ("text", "part"),
    [("analytics", "analytics"), ("a.b:c d", "a_b_c_d"), ("", "_"), ("größe", "gr_e")],
)
def test_metric_part_is_one_part(text: str, part: str) -> None:
    """A queue named a.b stays one level of the metric's name."""
    assert metric_part(text) == part
