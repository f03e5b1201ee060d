"""Which errors of Redis pass: what held before the worker started is a mistake, a change is not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from runner import Context, connect, job
from runner.errors import EnqueueError
from tests.runner_kit import (
    PATIENCE_S,
    eventually,
    is_away,
    is_running,
    soon,
    stage,
    worker,
    working,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient
    from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default")
async def act(_ctx: Context, name: str, size: int = 0) -> str:
    """Report the start, and wait; return *size* characters."""
    await stage.hold(name)
    return name + "x" * size


@pytest.fixture
async def own(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[QueueClient]:
    """Return a client of a server of the test's own; it gets the enqueues."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    client = connect(own_redis_server.url)
    yield client
    await client.aclose()


async def _add_user(own: QueueClient, *rights: str) -> None:
    await own.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "app", "reset", "on", ">old", "~*", "&*", *rights
    )


async def test_rotated_password_is_waited_out(
    own_redis_server: RedisServer, own: QueueClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Running jobs go on, and are settled when the password works again; the log says why."""
    await _add_user(own, "+@all")
    url = own_redis_server.url.replace("redis://", "redis://app:old@")
    async with working(url, act, lease_s=5.0) as one:
        handle = await act.enqueue("x")
        await stage.started.next()
        await own.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "app", "resetpass", ">new"
        )
        await own.execute_command(  # type: ignore[no-untyped-call]
            "CLIENT", "KILL", "USER", "app"
        )
        await eventually(lambda: is_away(one))
        stage.go.set()
        await asyncio.sleep(0.5)  # that it stays is the point
        assert is_running(one)
        await own.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "app", ">old"
        )
        assert await handle.result(timeout_s=PATIENCE_S) == "x"
        assert await (await act.enqueue("y")).result(timeout_s=PATIENCE_S) == "y"
    said = capsys.readouterr().out
    assert said.count("Redis refuses the login (check user and password), waiting for it") == 1


async def test_wrong_password_at_the_start_is_not(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """It never worked, so it is a mistake."""
    await _add_user(own, "+@all")
    url = own_redis_server.url.replace("redis://", "redis://app:wrong@")
    with pytest.raises(AuthenticationError):
        await soon(worker(url, act).async_run())


async def test_missing_right_ends_a_starting_worker(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """Other commands work, and this one never did: the error names it."""
    await _add_user(own, "+@all", "-evalsha", "-eval")
    url = own_redis_server.url.replace("redis://", "redis://app:old@")
    with pytest.raises((NoPermissionError, BaseExceptionGroup)) as caught:
        await soon(worker(url, act).async_run())
    assert "eval" in str(_leaf(caught.value))


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def test_right_that_is_taken_away_is_waited_out(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """Until it is given back; no job is harmed."""
    await _add_user(own, "+@all")
    url = own_redis_server.url.replace("redis://", "redis://app:old@")
    async with working(url, act, lease_s=5.0, idle_poll_s=0.05) as one:
        handle = await act.enqueue("x")
        await stage.started.next()
        await own.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "app", "-evalsha", "-eval"
        )
        stage.go.set()
        await eventually(lambda: is_away(one))
        await own.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "app", "+@all"
        )
        assert await handle.result(timeout_s=PATIENCE_S) == "x"


async def test_too_many_clients_are_waited_out(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """A connection that is refused for their number is tried again."""
    await own.ping()
    limit = (await own.config_get("maxclients"))["maxclients"]
    await own.config_set("maxclients", 1)
    starting = asyncio.create_task(worker(own_redis_server.url, act).async_run())
    await asyncio.sleep(0.3)  # that it does not end is the point
    assert not starting.done()
    await own.config_set("maxclients", limit)
    stage.go.set()
    assert await (await act.enqueue("x")).result(timeout_s=PATIENCE_S) == "x"
    starting.cancel()
    await asyncio.wait({starting})


async def test_full_redis_is_emptied_by_the_jobs_that_it_holds(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """Enqueuing is refused; claims and settlements are not, since they free memory."""
    handles = await act.enqueue_many([{"name": str(n), "size": 1000} for n in range(50)])
    stage.go.set()
    await own.config_set("maxmemory", "1mb")
    with pytest.raises(EnqueueError, match="Redis is full"):
        await act.enqueue("one more")
    # A worker that starts registers itself, for which there is no room.
    await own.config_set("maxmemory", "0")
    async with working(own_redis_server.url, act, concurrency=5) as one:
        for handle in handles:
            await handle.result(timeout_s=PATIENCE_S)
        stage.go.clear()
        more = await act.enqueue_many([{"name": str(n), "size": 1000} for n in range(50)])
        await eventually(lambda: len(one.tasks) == 5)
        await own.config_set("maxmemory", "1mb")
        stage.go.set()
        await eventually(lambda: one.jobs_complete == 100)
        await own.config_set("maxmemory", "0")
        for handle in more:
            assert len(await handle.result(timeout_s=PATIENCE_S)) > 1000
    assert await own.exists(QUEUE, f"{QUEUE}:crashes") == 0


async def test_error_of_the_request_is_told_as_it_is(
    redis: QueueClient, url_of_who_may_not_rename: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not say that Redis cannot be reached."""
    await redis.set(QUEUE, "not a queue")
    await redis.acl_setuser("narrow", enabled=True, commands=["-type"])  # as a mere client
    monkeypatch.setenv("REDIS_URL", url_of_who_may_not_rename)
    with pytest.raises(EnqueueError, match="WRONGTYPE") as caught:
        await act.enqueue("x")
    assert "REDIS_URL" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ResponseError)
