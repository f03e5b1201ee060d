"""Contract 8: a worker outlives restarts, pauses and cut connections of Redis."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import AuthenticationError

from runner import Context, JobState, connect, job
from runner.errors import EnqueueError
from tests.runner_kit import (
    PATIENCE_S,
    crashes,
    eventually,
    has_unsettled,
    is_away,
    is_running,
    mortal,
    never_settle,
    soon,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient
    from tests.redis_server import RedisServer

QUEUE = "arq:queue:default"


@job(queue="default")
async def act(ctx: Context, name: str = "x") -> str:
    """Report the start, and wait."""
    await stage.hold(name)
    return f"{name} {ctx.attempt}"


@pytest.fixture
async def own(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[QueueClient]:
    """Return a client of a server that the test may stop, kill and pause; it gets the enqueues."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    client = connect(own_redis_server.url)
    yield client
    await client.aclose()


async def test_worker_goes_on_after_redis_was_killed_and_restarted(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """What ran meanwhile is settled once Redis is back, and new jobs are picked up."""
    async with working(own_redis_server.url, act, lease_s=5.0, heartbeat_s=0.2) as one:
        handle = await act.enqueue("before")
        await stage.started.next()
        own_redis_server.kill()
        await eventually(lambda: is_away(one))
        stage.go.set()
        await eventually(lambda: has_unsettled(one))
        await asyncio.to_thread(own_redis_server.start)

        assert await handle.result(timeout_s=PATIENCE_S) == "before 1"
        assert await (await act.enqueue("after")).result(timeout_s=PATIENCE_S) == "after 1"
        await eventually(lambda: (one.jobs_complete, one.jobs_failed) == (2, 0))
        assert not is_away(one)

    assert await crashes(own, "default", handle.id) == 0


async def test_idle_worker_goes_on_after_redis_was_restarted(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """An idle worker notices, reconnects, and finds jobs that were enqueued meanwhile."""
    async with working(own_redis_server.url, act):
        own_redis_server.stop()
        await asyncio.to_thread(own_redis_server.start)
        stage.go.set()

        assert await (await act.enqueue("x")).result(timeout_s=PATIENCE_S) == "x 1"
    assert await own.zcard(QUEUE) == 0


async def test_worker_starts_before_redis_does(own_redis_server: RedisServer) -> None:
    """The worker waits for Redis, and can be stopped while it waits."""
    own_redis_server.kill()
    one = worker(own_redis_server.url, act)
    starting = asyncio.create_task(start(one))
    await eventually(lambda: is_away(one))
    await asyncio.to_thread(own_redis_server.start)
    await soon(starting)
    await stop(one)

    own_redis_server.kill()
    other = worker(own_redis_server.url, act)
    running = asyncio.create_task(other.async_run())
    await eventually(lambda: is_away(other))
    other.stop()
    await asyncio.wait({running}, timeout=PATIENCE_S)
    assert running.done()
    running.exception()
    await other.close()


@pytest.mark.usefixtures("own")
async def test_worker_outlives_a_pause_of_redis_longer_than_a_lease(
    own_redis_server: RedisServer,
) -> None:
    """Redis hangs, connections stay open: the worker goes on with the job, and settles it."""
    async with working(own_redis_server.url, act, concurrency=1) as one:
        handle = await act.enqueue()
        await stage.started.next()
        own_redis_server.pause()
        await asyncio.sleep(0.8)
        own_redis_server.resume()
        stage.go.set()

        assert await handle.result(timeout_s=PATIENCE_S) == "x 1"
        assert await eventually(lambda: one.jobs_complete) == 1
    assert not stage.started.unread()


async def test_worker_with_free_slots_does_not_run_its_own_job_twice_after_a_pause(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """Its claim may reach Redis before its heartbeat: it goes on with the first run."""
    async with working(own_redis_server.url, act, idle_poll_s=0.02) as one:
        handle = await act.enqueue()
        await stage.started.next()
        own_redis_server.pause()
        await asyncio.sleep(0.8)
        own_redis_server.resume()
        await act.enqueue("next")
        assert await stage.started.next() == "next"
        stage.go.set()

        assert await handle.result(timeout_s=PATIENCE_S) == "x 1"
        await eventually(lambda: one.jobs_complete >= 2)
        assert one.jobs_complete == 2
    assert not stage.started.unread()
    assert await crashes(own, "default", handle.id) == 0


async def test_worker_outlives_every_connection_being_cut(
    redis_url: str, redis: QueueClient
) -> None:
    """Connections break again and again while jobs run: each job is done, none is lost."""
    stage.go.set()
    async with mortal(redis_url, act, concurrency=3, idle_poll_s=0.05) as one:
        handles = await act.enqueue_many([{"name": str(n)} for n in range(60)])
        for _ in range(6):
            await asyncio.sleep(0.03)
            one.cable.end_connections()
        for handle in handles:
            await handle.result(timeout_s=PATIENCE_S)

    assert set(stage.started.unread()) == {str(n) for n in range(60)}
    assert await redis.zcard(QUEUE) == 0
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_worker_whose_answers_are_lost_settles_when_they_arrive_again(
    redis_url: str, redis: QueueClient
) -> None:
    """Commands arrive and answers do not: afterwards nothing is counted twice."""
    async with mortal(redis_url, act, idle_poll_s=0.05, lease_s=5.0) as one:
        stage.go.set()
        await (await act.enqueue("first")).result(timeout_s=PATIENCE_S)
        stage.go.clear()
        handle = await act.enqueue()
        await eventually(lambda: _running(redis, handle.id))
        one.cable.deaf = True
        stage.go.set()
        await eventually(lambda: _settled_in_redis(redis))
        one.cable.end_connections()
        one.cable.mend()
        await (await act.enqueue("next")).result(timeout_s=PATIENCE_S)
        await eventually(lambda: one.worker.jobs_complete >= 3)

    assert await handle.result(timeout_s=PATIENCE_S) == "x 1"
    assert one.worker.jobs_complete == 3


async def test_worker_that_cannot_reach_redis_still_stops(
    redis_url: str, redis: QueueClient
) -> None:
    """The leases lapse, the jobs run again elsewhere, and the process is not held up."""
    async with mortal(redis_url, act, cancel_wait_s=0.1) as one:
        handle = await act.enqueue()
        await stage.started.next()
        one.cable.cut()
        asked = time.monotonic()
        await stop(one.worker, at_once=True)
        assert time.monotonic() - asked < PATIENCE_S

    assert await handle.state() is JobState.RUNNING
    async with working(redis_url, act, idle_poll_s=0.05):
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "x 1"
    assert await redis.zcard(QUEUE) == 0


async def test_worker_waits_while_redis_is_full_and_enqueue_says_so(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """Enqueue fails with a clear error; the worker goes on when there is memory again."""
    async with working(own_redis_server.url, act) as one:
        handle = await act.enqueue()
        await stage.started.next()
        await own.config_set("maxmemory", "1")
        with pytest.raises(EnqueueError, match=r"OutOfMemory|OOM"):
            await act.enqueue("too much")
        stage.go.set()
        await eventually(lambda: is_away(one))
        assert is_running(one)
        await own.config_set("maxmemory", "0")

        assert await handle.result(timeout_s=PATIENCE_S) == "x 1"
    assert await own.zcard(QUEUE) == 0


async def test_worker_with_a_wrong_password_ends_and_says_why(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """It does not wait for what will not pass by itself."""
    await own.config_set("requirepass", "secret")
    url = own_redis_server.url.replace("redis://", "redis://:wrong@")
    with pytest.raises(AuthenticationError):
        await soon(worker(url, act).async_run())
    await own.aclose()


async def test_worker_goes_on_where_redis_closes_idle_connections(
    redis_url: str, redis: QueueClient
) -> None:
    """`timeout` in redis.conf closes an idle connection: the next call opens another."""
    stage.go.set()
    async with working(redis_url, act) as one:
        assert await (await act.enqueue("first")).result(timeout_s=PATIENCE_S) == "first 1"
        await redis.client_kill_filter(_type="normal", skipme=True)

        assert await (await act.enqueue("second")).result(timeout_s=PATIENCE_S) == "second 1"
        await eventually(lambda: one.jobs_complete >= 2)
        assert one.jobs_complete == 2
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_worker_waits_while_the_disk_of_redis_is_full(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """A Redis that cannot save refuses writes: an outage like any other."""
    async with working(own_redis_server.url, act, lease_s=5.0, heartbeat_s=0.1) as one:
        handle = await act.enqueue("x")
        await stage.started.next()
        await own.config_set("save", "3600 1")
        shutil.rmtree(own_redis_server.directory)
        await own.bgsave()
        await eventually(lambda: _cannot_save(own))
        await eventually(lambda: is_away(one))
        stage.go.set()
        await asyncio.sleep(0.3)
        assert is_running(one)

        await own.config_set("stop-writes-on-bgsave-error", "no")
        assert await handle.result(timeout_s=PATIENCE_S) == "x 1"
        assert not is_away(one)
    assert await own.exists(f"{QUEUE}:crashes") == 0


async def _cannot_save(redis: QueueClient) -> bool:
    return bool((await redis.info("persistence"))["rdb_last_bgsave_status"] == "err")


async def test_worker_that_connects_after_an_outage_lets_others_renew(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """It has seen no outage; still the living keep what they hold, though all leases lapsed."""
    async with working(own_redis_server.url, act) as one:
        handle = await act.enqueue("x")
        await stage.started.next()
        own_redis_server.pause()
        time.sleep(0.8)  # noqa: ASYNC251 -- the worker's loop stands still, too
        own_redis_server.resume()
        async with working(own_redis_server.url, act, idle_poll_s=0.02):
            stage.go.set()
            assert await handle.result(timeout_s=PATIENCE_S) == "x 1"
        assert one.jobs_complete == 1
    assert not stage.started.unread()
    assert await own.exists(f"{QUEUE}:crashes") == 0


async def test_heartbeats_go_on_while_a_settle_waits(redis_url: str, redis: QueueClient) -> None:
    """A job whose outcome is on its way is still held: it does not start elsewhere."""
    async with mortal(redis_url, act) as one:
        never_settle(one.worker)
        handle = await act.enqueue()
        await stage.started.next()
        async with working(redis_url, act, idle_poll_s=0.05):
            stage.go.set()
            await asyncio.sleep(0.9)  # longer than a lease: that it does not lapse is the point

            assert not stage.started.unread()
            assert await handle.state() is JobState.RUNNING
            assert await redis.exists(f"{QUEUE}:crashes") == 0


async def _running(redis: QueueClient, job_id: str) -> bool:
    return bool(await redis.hexists(f"{QUEUE}:running", job_id))  # type: ignore[misc]


async def _settled_in_redis(redis: QueueClient) -> bool:
    return not await redis.zcard(QUEUE)
