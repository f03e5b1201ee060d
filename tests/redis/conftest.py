"""A client for the tests against a real redis-server."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest
import structlog

from runner import QueueClient, connect
from runner.worker.room import Room
from tests.redis import standing
from tests.redis_server import running_redis
from tests.runner_kit import close_all, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.redis.standing import Snapshot


@pytest.fixture(autouse=True)
def _plain_log_lines() -> Iterator[None]:
    """Log without colours and boxes: drawing a traceback takes longer than many a test here."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _fresh_stage() -> None:
    """Let the jobs of each test report and wait on a stage of its own."""
    stage.clear()


@pytest.fixture(autouse=True)
def _nothing_left_open(request: pytest.FixtureRequest) -> None:
    """Close what a coroutine of a test has opened, in its event loop, whatever became of it."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_closing")


@pytest.fixture
async def _closing() -> AsyncIterator[None]:
    yield
    await close_all()


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    """Return what stands in Redis once everything has happened."""
    stage.clear()  # the test before has left it to its own event loop
    with running_redis() as server:
        found = asyncio.run(standing.record(server.url))
    stage.clear()
    return found


@pytest.fixture
async def redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[QueueClient]:
    """Give a client of the empty Redis; what the test enqueues goes there too."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def url_of_who_may_not_rename(redis: QueueClient, redis_url: str) -> AsyncIterator[str]:
    """Give the URL of a user who cannot set a key aside: what stands there is in the way."""
    user = "narrow"
    await redis.acl_setuser(
        user, enabled=True, nopass=True, keys="*", channels="*", commands=["+@all", "-rename"]
    )
    yield redis_url.replace("redis://", f"redis://{user}:any@")
    await redis.acl_deluser(user)


@pytest.fixture(autouse=True)
def _processes_of_their_own(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let each worker stand for a process of its own, unless the test is marked `one_process`."""
    if request.node.get_closest_marker("one_process") is None:
        monkeypatch.setattr(Room, "here", classmethod(lambda cls: cls()))
