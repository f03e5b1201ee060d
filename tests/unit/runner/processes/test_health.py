"""Health checks and their pages, served by a real server."""

from __future__ import annotations

import asyncio
import signal
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runner.errors import ConfigurationError
from runner.processes.health import (
    Answers,
    Health,
    HealthCheck,
    PollerIsFresh,
    QueuesHaveWorkers,
    find,
    health_app,
)
from runner.processes.http_server import serve_http

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class _Check:
    """A check with a given result."""

    def __init__(self, name: str, health: Health | BaseException) -> None:
        self.name = name
        self._health = health

    async def check(self) -> Health:
        if isinstance(self._health, BaseException):
            raise self._health
        return self._health


class _Hanging:
    """A check that never returns, even when cancelled."""

    name = "hanging"

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def check(self) -> Health:
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        return Health(ok=True, reason="too late")


WELL = _Check("first", Health(ok=True, reason="as it should be"))
ILL = _Check("second", Health(ok=False, reason="out of order"))


async def _get(checks: Sequence[HealthCheck], path: str) -> httpx.Response:
    async with (
        serve_http(health_app(checks, limit_s=0.05), "127.0.0.1", 0) as url,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        return await client.get(url + path)


async def test_livez_is_200_while_the_process_answers() -> None:
    """It runs no check: a dead Redis is no reason to kill the worker."""
    answer = await _get([ILL], "/livez")

    assert answer.status_code == 200
    assert answer.text.startswith("ok: process ")


async def test_readyz_gives_one_line_for_each_check() -> None:
    """200 with the reasons while all checks pass; no proxy may cache it."""
    answer = await _get([WELL], "/readyz")

    assert (answer.status_code, answer.text) == (200, "ok first: as it should be\n")
    assert answer.headers["cache-control"] == "no-store"


async def test_readyz_is_503_when_one_check_fails() -> None:
    """The line of the failed check says why; the others are there, too."""
    broken = _Check("third", ValueError("two\nlines"))

    answer = await _get([WELL, ILL, broken], "/readyz")

    assert answer.status_code == 503
    assert answer.text.splitlines() == [
        "ok first: as it should be",
        "failed second: out of order",
        "failed third: ValueError: two lines",
    ]


async def test_healthz_is_the_same_as_json() -> None:
    """Machines get each check with its reason and milliseconds."""
    answer = await _get([WELL, ILL], "/healthz")
    document = answer.json()

    assert (answer.status_code, document["ok"]) == (503, False)
    assert document["checks"]["first"]["ok"] is True
    assert document["checks"]["second"]["reason"] == "out of order"
    assert document["checks"]["second"]["ms"] >= 0
    assert datetime.fromisoformat(document["at"]).tzinfo is not None
    assert (await _get([WELL], "/healthz")).json()["ok"] is True


async def test_hanging_check_fails_within_its_limit() -> None:
    """The answer comes in time, even if a check ignores its cancellation, with the other checks."""
    hanging = _Hanging()

    answer = await _get([hanging, WELL], "/readyz")

    assert answer.status_code == 503
    assert answer.text.splitlines() == [
        "failed hanging: no answer within 0.05 s",
        "ok first: as it should be",
    ]
    hanging.let_go.set()


async def test_checks_run_at_once() -> None:
    """Each check waits for the other: one after the other they would never end."""
    both_in = asyncio.Barrier(2)

    async def meet() -> None:
        await both_in.wait()

    findings = await find([Answers("a", meet), Answers("b", meet)])

    assert [(finding.name, finding.ok) for finding in findings] == [("a", True), ("b", True)]


async def test_without_checks_all_is_well() -> None:
    """A process that needs nothing is ready."""
    assert await find([]) == []
    assert (await _get([], "/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("counts", "health"),
    [
        (
            {"default": 1, "analytics": 2},
            Health(ok=True, reason="live workers: default 1, analytics 2"),
        ),
        ({"default": 1, "analytics": 0}, Health(ok=False, reason="no live worker for analytics")),
        ({}, Health(ok=False, reason="no live worker for default, analytics")),
    ],
)
async def test_each_queue_needs_a_worker(counts: Mapping[str, int], health: Health) -> None:
    """A queue without a worker is named."""

    async def live_workers() -> Mapping[str, int]:
        return counts

    assert await QueuesHaveWorkers(["default", "analytics"], live_workers).check() == health


@pytest.mark.parametrize(
    ("age_s", "health"),
    [
        (None, Health(ok=False, reason="has not run yet")),
        (0, Health(ok=True, reason="last ran 0 s ago")),
        (44, Health(ok=True, reason="last ran 44 s ago")),
        (45, Health(ok=False, reason="last ran 45 s ago; it should within 45 s")),
    ],
)
async def test_poller_is_fresh_for_three_intervals(age_s: int | None, health: Health) -> None:
    """One missed poll is fine, three are not."""

    async def poll_age_s() -> float | None:
        return age_s

    assert await PollerIsFresh(poll_age_s, interval_s=15).check() == health


async def test_database_that_raises_has_failed() -> None:
    """Any callable can be a check; what it raises is the reason."""

    async def ping() -> None:
        raise ConnectionRefusedError("nobody there")

    (finding,) = await find([Answers("database", ping)])

    assert (finding.ok, finding.reason) == (False, "ConnectionRefusedError: nobody there")


async def test_port_in_use_is_one_clear_line() -> None:
    """The error names address and remedy, and nothing exits the process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError) as raised:
            async with serve_http(health_app([]), "127.0.0.1", port):
                pass

    assert str(raised.value) == (
        f"health pages on 127.0.0.1:{port}: the port is in use; "
        "choose another, or stop what listens there"
    )


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("203.0.113.1", 0)])
async def test_impossible_address_is_one_clear_line(host: str, port: int) -> None:
    """A port that does not exist, an address of another machine."""
    with pytest.raises(ConfigurationError, match=f"^health pages on {host}:{port}: .*choose"):
        async with serve_http(health_app([]), host, port):
            pass


async def test_serving_leaves_signals_alone_and_frees_the_port() -> None:
    """The worker in the same process keeps its handlers, and a restart finds the port free."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with serve_http(health_app([]), "127.0.0.1", 0) as url, httpx.AsyncClient() as client:
        await client.get(f"{url}/livez")
        assert {number: signal.getsignal(number) for number in before} == before
    port = httpx.URL(url).port
    assert port is not None

    async with serve_http(health_app([]), "127.0.0.1", port):
        pass


async def test_error_of_the_block_is_the_error_raised() -> None:
    """An error in the block is not replaced by the end of the server."""
    with pytest.raises(LookupError, match="the caller's"):
        async with serve_http(health_app([]), "127.0.0.1", 0):
            raise LookupError("the caller's")


def test_checks_are_health_checks() -> None:
    """The module's checks satisfy its protocol."""

    async def nothing() -> Any:
        raise NotImplementedError

    checks: list[HealthCheck] = [
        QueuesHaveWorkers([], nothing),
        PollerIsFresh(nothing),
        Answers("database", nothing),
    ]
    assert [check.name for check in checks] == ["workers", "poller", "database"]
