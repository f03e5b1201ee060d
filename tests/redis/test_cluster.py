"""An application in a real Redis Cluster: it is in one slot, whose master its clients follow."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from redis.crc import key_slot

from runner import Batch, Bury, Context, JobState, Lane, Unique, connect, job
from runner.admin import Admin
from runner.broker import keys
from runner.current import using
from runner.errors import ConfigurationError, JobExpiredError
from runner.operations.metrics import all_jobs
from runner.operations.processes import processes
from runner.operations.queues import queue
from runner.states import Found
from tests.certificates import Certificates
from tests.redis_cluster import NODE_TIMEOUT_S, RedisCluster, running_cluster
from tests.redis_server import RedisServerError
from tests.runner_kit import eventually, soon, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from runner import QueueClient
    from tests.redis_server import RedisServer

pytestmark = pytest.mark.timeout(240)

SHOP = "shop:"
BASE = "shop:{shop}:"


@job(queue="default", keep_result_s=600)
async def add(_: Context, number: int) -> int:
    """Return the next number."""
    return number + 1


@job(queue="mail", keep_result_s=600)
async def post(_: Context, number: int) -> int:
    """Return the number."""
    return number


@job(queue="default")
async def doomed(_: Context) -> None:
    """Fail for good."""
    raise Bury("no")


ran: list[str] = []
"""What `note` was called with, in the order of its starts."""


@job(queue="default", keep_result_s=600)
async def note(_: Context, name: str, tenant: str = "") -> str:
    """Note that it has started."""
    ran.append(tenant + name)
    return name


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """Give a cluster for this module."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def client(cluster: RedisCluster) -> AsyncIterator[QueueClient]:
    """Give a client of an application there, whose slot is empty."""
    async with connect(cluster.url, prefix=SHOP) as client:
        while found := [key async for key in client.scan_iter(match=f"{BASE}*", count=1000)]:
            await client.delete(*found)
        yield client


async def test_application_works_in_one_slot(cluster: RedisCluster, client: QueueClient) -> None:
    """Enqueues, results, batches, pauses, the dead set, and calls from threads."""
    async with working(cluster.url, add, doomed, prefix=SHOP, heartbeat_s=0.2, poll_interval_s=0.2):
        with using(client):
            batch = Batch()
            with batch.joined():
                handles = await add.enqueue_many([{"number": n} for n in range(50)])
                dead = await doomed.enqueue()
            assert [await soon(one.result()) for one in handles] == list(range(1, 51))
            threaded = await asyncio.to_thread(add.enqueue_sync, 7)
            assert await asyncio.to_thread(lambda: threaded.result_sync(timeout_s=30)) == 8
            await eventually(lambda: _is(dead, JobState.DEAD))
            progress = await batch.progress(client)
            assert (progress.waiting, progress.dead) == (0, 1)
        assert (await queue(client, "default")).dead == 1
        assert len(await processes(client, ["default"])) == 1
        await eventually(lambda: _counts(client))
    assert await Admin(client).run_now("default", dead.id) is Found.DEAD
    found = [key.decode() async for key in client.scan_iter(count=1000)]
    assert found
    assert {key_slot(key.encode()) for key in found if key.startswith("shop")} == {
        key_slot(BASE.encode())
    }


async def _is(handle: Any, state: JobState) -> bool:
    return await handle.state() is state


async def _counts(client: QueueClient) -> bool:
    return {one.name for one in await all_jobs(client)} == {"add", "doomed"}


@pytest.mark.usefixtures("client")
async def test_queue_in_a_slot_of_its_own_is_on_another_master(cluster: RedisCluster) -> None:
    """Enqueues, results, progress, pauses and counts find it, though none of its keys is there."""
    taken = cluster.master_of(BASE)
    named = (f"mail{n}" for n in range(100))
    slot = next(one for one in named if cluster.master_of(f"{{shop.{one}}}") is not taken)
    queues = {"mail": f"{cluster.url}?slot={slot}"}
    async with (
        connect(cluster.url, prefix=SHOP, queues=queues) as both,
        working(queues["mail"], post, prefix=SHOP, queue="mail", heartbeat_s=0.2),
        working(cluster.url, add, prefix=SHOP, heartbeat_s=0.2),
    ):
        with using(both):
            batch = Batch()
            with batch.joined():
                handles = [await add.enqueue(1), *await post.enqueue_many([{"number": 1}] * 20)]
            assert [await soon(one.result()) for one in handles] == [2, *[1] * 20]
            threaded = await asyncio.to_thread(post.enqueue_sync, 7)
            assert await asyncio.to_thread(lambda: threaded.result_sync(timeout_s=30)) == 7
            assert (await batch.progress(both)).waiting == 0
            await Admin(both).pause("mail")
            assert (await queue(both, "mail")).paused
            assert not (await queue(both, "default")).paused
            waiting = await post.enqueue(8)
            assert await waiting.state() is JobState.READY
            await Admin(both).resume("mail")
            assert await soon(waiting.result()) == 8
        mail = both.at("mail")
        assert mail is not both
        found = [key async for key in mail.scan_iter(match="shop:*", count=1000)]
        base = f"shop:{{shop.{slot}}}:".encode()
        assert [key for key in found if not key.startswith(base)] == []
        assert any(key.startswith(base + b"queue:mail") for key in found)
        await mail.delete(*found)


async def test_a_unique_key_holds_there(cluster: RedisCluster, client: QueueClient) -> None:
    """Until its job has ended; also for calls from threads."""
    only = note.options(unique=Unique(by=("name",)))
    with using(client):
        first, again, other = [await only.enqueue(one) for one in ("a", "a", "b")]
        threaded = await asyncio.to_thread(only.enqueue_sync, "a")
        assert (again.created, again.id, threaded.created) == (False, first.id, False)
        assert other.created
        async with working(cluster.url, note, prefix=SHOP):
            assert await soon(first.result()) == "a"
            assert (await only.enqueue("a")).created


async def test_a_deadline_holds_there(cluster: RedisCluster, client: QueueClient) -> None:
    """What is too late never starts."""
    ran.clear()
    with using(client):
        late = await note.options(start_within_s=0.001).enqueue("late")
        timely = await note.options(start_within_s=600).enqueue("timely")
        async with working(cluster.url, note, prefix=SHOP):
            assert await soon(timely.result()) == "timely"
            with pytest.raises(JobExpiredError):
                await soon(late.result())
    assert ran == ["timely"]


async def test_priorities_hold_there(cluster: RedisCluster, client: QueueClient) -> None:
    """What has one starts before what came first."""
    ran.clear()
    with using(client):
        handles = [
            await note.options(priority=priority).enqueue(f"{priority}") for priority in (0, 1, 3)
        ]
        async with working(cluster.url, note, prefix=SHOP, concurrency=1):
            for one in handles:
                await soon(one.result())
    assert ran == ["3", "1", "0"]


async def test_a_lane_holds_there(cluster: RedisCluster, client: QueueClient) -> None:
    """One of its jobs is in the queue at a time, and each that ends lets the next one in."""
    ran.clear()
    one_by_one = note.options(lane=Lane(by="tenant", limit=1))
    with using(client):
        handles = [await one_by_one.enqueue(f"{at}", tenant) for at in range(3) for tenant in "ab"]
        states = [await one.state() for one in handles]
        assert states == [JobState.READY] * 2 + [JobState.WAITING] * 4
        async with working(cluster.url, note, prefix=SHOP):
            for one in handles:
                await soon(one.result())
    for tenant in "ab":
        assert [one for one in ran if one[0] == tenant] == [f"{tenant}{at}" for at in range(3)]


async def test_client_finds_its_master_from_any_node(cluster: RedisCluster) -> None:
    """Also from one that is a replica, or the master of others; nodes that are gone are passed."""
    for node in cluster.nodes:
        url = f"redis+cluster://127.0.0.1:1,{node.host}:{node.port}"
        async with connect(url, prefix=SHOP) as client:
            await client.set(BASE + "found", node.port)
            pool: Any = client.connection_pool
            assert pool.slots.master == ("127.0.0.1", cluster.master_of(BASE).port)
            assert len(pool.slots.nodes) > 3


async def test_moving_slot_is_waited_out_and_never_followed(
    cluster: RedisCluster, client: QueueClient
) -> None:
    """While it moves nothing is written on either side; then all goes on where it is."""
    async with working(cluster.url, add, prefix=SHOP):
        with using(client):
            first = await add.enqueue(1)
            assert await soon(first.result()) == 2
            for _ in range(3):
                # In a thread: a loop that stands still would end its worker.
                to, source = await asyncio.to_thread(_begin_move, cluster)
                asked = asyncio.create_task(add.enqueue(2))
                threaded = asyncio.create_task(asyncio.to_thread(add.enqueue_sync, 3))
                await asyncio.sleep(0.5)
                assert not asked.done()
                assert not threaded.done()
                await asyncio.to_thread(cluster.end_move, BASE, source, to)
                assert await soon((await asked).result()) == 3
                assert await soon((await threaded).result()) == 4
                assert await soon(first.state()) is JobState.DONE


def _begin_move(cluster: RedisCluster) -> tuple[RedisServer, RedisServer]:
    to = cluster.others(cluster.master_of(BASE))[0]
    return to, cluster.begin_move(BASE, to)


async def test_killed_master_is_replaced_without_a_loss(
    cluster: RedisCluster, client: QueueClient
) -> None:
    """Enqueues wait for the election; what was acknowledged with a copy runs."""
    async with working(cluster.url, add, prefix=SHOP, heartbeat_s=0.2):
        with using(client):
            before = await add.options(copies=1).enqueue(1)
            master = await asyncio.to_thread(cluster.master_of, BASE)
            killed_at = time.monotonic()
            await asyncio.to_thread(master.kill)
            after = await add.enqueue(2)
            took_s = time.monotonic() - killed_at
            assert took_s < 3 * NODE_TIMEOUT_S + 3
            assert await soon(before.result()) == 2
            assert await soon(after.result()) == 3
            threaded = await asyncio.to_thread(add.enqueue_sync, 3)
            assert await soon(threaded.result()) == 4
            await asyncio.to_thread(master.start)
            await asyncio.to_thread(cluster.whole)
            assert await asyncio.to_thread(cluster.master_of, BASE) is not master


async def test_frozen_master_is_noticed_once_it_is_replaced(
    cluster: RedisCluster, client: QueueClient
) -> None:
    """It answers nothing and closes nothing; a worker, a loop and a thread leave it."""
    async with working(cluster.url, add, prefix=SHOP, heartbeat_s=0.2):
        with using(client):
            before = await add.enqueue(1)
            assert await soon(before.result()) == 2
            await asyncio.to_thread(add.enqueue_sync, 2)
            master = await asyncio.to_thread(cluster.master_of, BASE)
            master.pause()
            try:
                frozen_at = time.monotonic()
                after, threaded = await asyncio.gather(
                    add.enqueue(3), asyncio.to_thread(add.enqueue_sync, 4)
                )
                assert await after.result() == 4
                assert await threaded.result() == 5
                assert time.monotonic() - frozen_at < NODE_TIMEOUT_S + 6
            finally:
                master.resume()
            await asyncio.to_thread(cluster.whole)


async def test_connections_by_tls_follow_the_slot(tmp_path: Path) -> None:
    """From any node, in loops, stages and threads, and after the slot was moved."""
    certificates = Certificates(tmp_path)
    with ExitStack() as stack:
        try:
            secured = running_cluster(has_replicas=False, secured=certificates.of_server)
            cluster = await asyncio.to_thread(stack.enter_context, secured)
        except RedisServerError as error:
            pytest.skip(f"this redis-server speaks no TLS: {error}")
        url = f"{cluster.secured_url}?ssl_ca_certs={certificates.path('ca')}"
        async with connect(url, prefix=SHOP) as client, working(url, add, prefix=SHOP):
            with using(client):
                for _ in range(2):
                    assert await soon((await add.enqueue(1)).result()) == 2
                    threaded = await asyncio.to_thread(add.enqueue_sync, 2)
                    assert await asyncio.to_thread(partial(threaded.result_sync, timeout_s=30)) == 3
                    to, source = await asyncio.to_thread(_begin_move, cluster)
                    await asyncio.to_thread(cluster.end_move, BASE, source, to)


async def test_arqs_own_classes_are_refused(client: QueueClient) -> None:
    """They know `arq:` alone, also where there is no prefix."""
    async with connect(_url_of(client)) as plain:
        assert keys.of(plain).base == "arq:{arq}:"
        assert keys.of(plain).prefix == ""
        found = await plain.enqueue_job("add", 1)
        assert found is not None
        with pytest.raises(ConfigurationError, match=r"begin with 'arq:\{arq\}:'"):
            await found.status()
        await plain.delete(*[key async for key in plain.scan_iter(match="arq:{arq}:*")])


def _url_of(client: QueueClient) -> str:
    assert client.settings is not None
    nodes: Any = client.settings.host
    return f"redis+cluster://{nodes[0][0]}:{nodes[0][1]},{nodes[1][0]}:{nodes[1][1]}"
