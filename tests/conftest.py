"""What every test gets: a mark by folder, a Redis of its own, and no network."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from runner.broker import servers
from runner.worker import watchdog
from tests import left_connections, network_guard
from tests.redis_server import RedisServer, running_redis

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HERE = Path(__file__).parent


def pytest_configure() -> None:
    """Block the network before any test module is imported; measure no example's time."""
    gc.set_threshold(10_000, 10, 10)  # of Python's 700 garbage took an eighth of a run
    network_guard.install()
    left_connections.install()
    # On a loaded machine any example may take long.
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the folder it is in: unit, redis, flow, browser, house."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder != item.path.name:
            item.add_marker(folder)


def pytest_xdist_auto_num_workers() -> int:
    """Start half as many again as there are processors: many tests wait for other processes."""
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(2, usable * 3 // 2)


@pytest.fixture(autouse=True)
def _stays_at_home() -> Iterator[None]:
    """Fail a test that tried to connect elsewhere, even if it ignored the error."""
    network_guard.violations.clear()
    yield
    if network_guard.violations:
        pytest.fail(f"connected to {', '.join(network_guard.violations)}: tests stay at home")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """Fail a test that left connections to Redis open, now that its event loop is closed."""
    yield
    if left := left_connections.newly_left():
        pytest.fail(f"left open: {', '.join(left)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """
    Collect no garbage while a failure is described.

    Finalizers would let other threads run, whose tracebacks are parsed, too: Python 3.11 fails if
    two parse at once (AST constructor recursion depth mismatch), and so would the whole run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def _survives_its_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test whose worker would have ended the process: the process is that of all tests."""
    statuses: list[int] = []
    monkeypatch.setattr(watchdog, "Watchdog", partial(watchdog.Watchdog, end=statuses.append))
    yield
    if statuses:
        pytest.fail(f"its loop was blocked so long that the watchdog ended with {statuses}")


@pytest.fixture(autouse=True)
def _declares_for_itself(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings class of another test module that names a Redis says nothing about this test's."""
    own = request.module.__name__
    monkeypatch.setattr(
        servers,
        "_classes",
        {
            queue: weakref.WeakSet(one for one in classes if one.__module__ == own)
            for queue, classes in servers._classes.items()
        },
    )


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """
    Give the redis-server that the tests of this process share: `.url`, `.host`, `.port`, `.pid`.

    A test that stops, kills or pauses a server takes `own_redis_server`.
    """
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of an empty Redis."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def own_redis_server() -> Iterator[RedisServer]:
    """Return a server of the test's own, with its append-only file on: to stop, kill, restart."""
    with running_redis(append_only=True, options=("--appendfsync", "always")) as server:
        yield server
