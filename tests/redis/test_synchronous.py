"""Enqueue, and ask about jobs, where no event loop runs: the same checks, script and answers."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis as blocking_redis
import uvloop

from runner import Batch, Context, JobHandle, JobState, configure, current, disconnect, job
from runner.broker import keys
from runner.broker.blocking import MOST_CONNECTIONS
from runner.client import QueueClient, connect
from runner.errors import (
    ArgumentsError,
    ConfigurationError,
    EnqueueError,
    JobFailedError,
    ResultNotFoundError,
)
from runner.testing import collect, drain, inline
from tests.redis_server import running_redis
from tests.runner_kit import PATIENCE_S, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.enqueue import Enqueue


@job(queue="default")
async def greet(ctx: Context, name: str) -> str:
    """Return a greeting."""
    return f"{ctx.job_id[:0]}Hello {name}"


@job(queue="default", max_retries=0)
async def fail(ctx: Context) -> None:
    """Die."""
    raise LookupError(ctx.queue)


@pytest.fixture
def service(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[blocking_redis.Redis]:
    """Be a process that has enqueued nothing yet, with REDIS_URL; give a look into that Redis."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(current, "_process", current._Process())
    monkeypatch.setattr(current, "_by_loop", weakref.WeakKeyDictionary())
    with blocking_redis.Redis.from_url(redis_url) as look:
        yield look
    if (client := current._process.client) is not None:
        client.blocking.close()


def _connections(look: blocking_redis.Redis) -> int:
    clients: Any = look.client_list()
    return len([one for one in clients if one["cmd"] != "client|list"])


async def _in_thread(call: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.to_thread(call)


async def test_thread_enqueues_and_waits_for_the_result(
    redis_url: str, service: blocking_redis.Redis
) -> None:
    """Typed as from a loop; `state_sync` says where the job is until then."""

    def enqueue() -> JobHandle[str]:
        later = greet.options(delay_s=600).enqueue_sync(name="later")
        assert later.state_sync() is JobState.SCHEDULED
        handle = greet.enqueue_sync(name="Ada")
        assert handle.state_sync() is JobState.READY
        return handle

    handle = await _in_thread(enqueue)
    async with working(redis_url, greet):
        assert await _in_thread(partial(handle.result_sync, timeout_s=PATIENCE_S)) == "Hello Ada"
    assert await _in_thread(handle.state_sync) is JobState.DONE
    assert service.zcard("arq:queue:default") == 1


async def test_dead_aborted_and_unknown_jobs_raise_as_from_a_loop(
    redis_url: str, service: blocking_redis.Redis
) -> None:
    """With the last error of a dead one."""
    assert not service.keys("*")
    dead = await _in_thread(fail.enqueue_sync)
    aborted = await _in_thread(partial(greet.options(delay_s=600).enqueue_sync, name="x"))
    await _in_thread(aborted.abort_sync)
    async with working(redis_url, fail):
        with pytest.raises(JobFailedError, match="LookupError: default"):
            await _in_thread(partial(dead.result_sync, timeout_s=PATIENCE_S))
    assert await _in_thread(dead.state_sync) is JobState.DEAD
    with pytest.raises(JobFailedError, match="aborted"):
        await _in_thread(partial(aborted.result_sync, timeout_s=PATIENCE_S))
    with pytest.raises(ResultNotFoundError, match="no such job in default"):
        await _in_thread(partial(JobHandle("nobody", "default").result_sync, timeout_s=5))


def test_waiting_for_a_result_ends_in_time(service: blocking_redis.Redis) -> None:
    """As `asyncio.timeout` would end it."""
    handle = greet.enqueue_sync(name="x")
    with pytest.raises(TimeoutError, match="had not ended after"):
        handle.result_sync(timeout_s=0.05)
    assert service.zcard("arq:queue:default") == 1


def test_many_are_enqueued_in_order_and_all_or_none(service: blocking_redis.Redis) -> None:
    """A call that does not fit is found before the first is sent."""
    with pytest.raises(ArgumentsError, match="name"):
        greet.enqueue_many_sync([{"name": "a"}, {"nam": "b"}])
    assert not service.exists("arq:queue:default")

    handles = greet.enqueue_many_sync({"name": str(number)} for number in range(2500))
    assert service.zcard("arq:queue:default") == len(handles) == 2500
    assert greet.enqueue_many_sync([]) == []
    at_b = greet.options(queue="b").enqueue_many_sync([{"name": "x"}])
    assert [handle.queue for handle in at_b] == ["b"]


def test_id_that_is_pending_is_refused_and_one_call_may_be_repeated(
    service: blocking_redis.Redis,
) -> None:
    """`created` says so, as from a loop; many of one id cannot be meant."""
    once = greet.options(job_id="only")
    assert once.enqueue_sync(name="x").created
    assert not once.call(name="x").enqueue_sync().created
    assert service.zcard("arq:queue:default") == 1
    with pytest.raises(ConfigurationError, match="job_id is of one job"):
        once.enqueue_many_sync([{"name": "x"}, {"name": "y"}])


async def test_call_is_a_value_that_is_checked_where_it_is_made(redis: QueueClient) -> None:
    """Enqueued twice, it makes two jobs."""
    with pytest.raises(ArgumentsError, match="nam"):
        greet.call(nam="x")  # type: ignore[call-arg]
    call = greet.options(delay_s=5).call(name="very secret")
    assert "secret" not in repr(call)
    assert call.job is greet
    first, second = await call.enqueue(), await call.enqueue()
    assert first.id != second.id
    assert await redis.zcard("arq:queue:default") == 2
    handles = await greet.options(delay_s=5).enqueue_many([{"name": "a"}, {"name": "b"}])
    assert [await handle.state() for handle in handles] == [JobState.SCHEDULED] * 2


def test_sixteen_threads_share_a_few_connections(service: blocking_redis.Redis) -> None:
    """However many threads there are, and however they begin and end."""
    before = _connections(service)
    with ThreadPoolExecutor(24) as threads:
        made = list(
            threads.map(lambda number: greet.enqueue_sync(name=str(number)).created, range(480))
        )
    assert made == [True] * 480
    assert service.zcard("arq:queue:default") == 480
    assert _connections(service) - before <= MOST_CONNECTIONS


def test_loop_closes_its_client_with_itself(service: blocking_redis.Redis) -> None:
    """A hundred short-lived loops leave no hundred connections."""
    before = _connections(service)
    for _ in range(50):
        asyncio.run(_enqueue_one())
        uvloop.run(_enqueue_one())
    assert _connections(service) <= before
    with asyncio.Runner() as runner:
        for _ in range(3):
            runner.run(_enqueue_one())
        assert _connections(service) == before + 1
    assert _connections(service) <= before
    assert service.zcard("arq:queue:default") == 103


async def _enqueue_one() -> None:
    await greet.enqueue(name="x")


def test_forked_process_opens_connections_of_its_own(service: blocking_redis.Redis) -> None:
    """As gunicorn does after preloading: parent and child go on, also if a lock was held."""
    greet.enqueue_sync(name="before")
    with current._process.opening:
        assert _forked() == 0
    greet.enqueue_sync(name="after")
    assert service.zcard("arq:queue:default") == 4


def test_process_may_be_forked_while_threads_enqueue(service: blocking_redis.Redis) -> None:
    """Whatever they hold at that moment, the child has connections and turns of its own."""
    over = threading.Event()

    def enqueue() -> None:
        while not over.is_set():
            greet.enqueue_sync(name="in the parent")

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        ends = [_forked() for _ in range(10)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert ends == [0] * 10
    assert service.zscore("arq:queue:default", greet.enqueue_sync(name="at the end").id)


def _forked() -> int:
    """Enqueue two jobs in a child, and return the status that it ends with."""
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(int(PATIENCE_S))
        try:
            greet.enqueue_many_sync([{"name": "in"}, {"name": "a child"}])
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


async def test_call_that_would_block_a_loop_is_refused(redis: QueueClient) -> None:
    """Before anything is sent; the error says what to do."""
    handle = await greet.enqueue(name="x")
    calls: list[Callable[[], Any]] = [
        partial(greet.enqueue_sync, name="x"),
        handle.result_sync,
        handle.state_sync,
        handle.abort_sync,
        partial(greet.enqueue_many_sync, [{"name": "x"}]),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match="await the call without _sync"):
            call()
    assert await redis.zcard("arq:queue:default") == 1
    await disconnect()


def test_without_an_address_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_URL, as for a loop."""
    monkeypatch.setattr(current, "_process", current._Process())
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(ConfigurationError, match="set REDIS_URL"):
        greet.enqueue_sync(name="x")


def test_connection_that_died_while_idle_costs_nothing(service: blocking_redis.Redis) -> None:
    """It is opened anew; nothing is enqueued twice."""
    greet.enqueue_sync(name="a")
    clients: Any = service.client_list()
    for one in clients:
        if one["cmd"] != "client|list":
            service.client_kill_filter(_id=one["id"])
    handle = greet.enqueue_sync(name="b")
    assert handle.state_sync() is JobState.READY
    assert service.zcard("arq:queue:default") == 2


def test_forgotten_scripts_are_sent_again(service: blocking_redis.Redis) -> None:
    """After SCRIPT FLUSH, or in a new Redis."""
    greet.enqueue_sync(name="a")
    service.script_flush()
    assert greet.enqueue_sync(name="b").created


def test_silent_redis_is_given_up_in_time_and_the_job_may_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One deadline for the whole call; the error has the id, under which it can be repeated."""
    monkeypatch.setattr(current, "_process", current._Process())
    with running_redis() as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        monkeypatch.setenv("RUNNER__CALL_TIMEOUT_S", "1")
        greet.enqueue_sync(name="before")
        server.pause()
        try:
            with pytest.raises(EnqueueError, match="may be enqueued or not") as caught:
                greet.enqueue_sync(name="lost")
        finally:
            server.resume()
        assert caught.value.may_be_enqueued
        [job_id] = caught.value.job_ids
        assert job_id in str(caught.value)
        with blocking_redis.Redis.from_url(server.url) as look:
            greet.options(job_id=job_id).enqueue_sync(name="lost")
            assert look.zcard("arq:queue:default") == 2
        current._process.client.blocking.close()  # type: ignore[union-attr]  # it is open


def test_silent_redis_holds_nobody_past_the_time_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call to Redis may take ten minutes here; who waits for a result said less."""
    monkeypatch.setattr(current, "_process", current._Process())
    with running_redis() as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        monkeypatch.setenv("RUNNER__CALL_TIMEOUT_S", "600")
        handle = greet.enqueue_sync(name="x")
        waits = threading.Thread(target=_times_out, args=(handle, ended := threading.Event()))
        server.pause()
        try:
            waits.start()
            assert ended.wait(PATIENCE_S)
        finally:
            server.resume()
        waits.join()
        assert handle.state_sync() is JobState.READY
        current._process.client.blocking.close()  # type: ignore[union-attr]  # it is open


def _times_out(handle: JobHandle[str], ended: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        handle.result_sync(timeout_s=0.2)
    ended.set()


def test_middleware_may_enqueue_by_itself(service: blocking_redis.Redis) -> None:
    """A call inside a call has a connection of its own, as one of a signal handler."""

    async def twice(request: Enqueue, call_next: Any) -> bool:
        created: bool = await call_next(request)
        if request.kwargs["name"] == "outer":
            greet.enqueue_sync(name="inner")
        return created

    configure(client_middleware=[twice])
    assert greet.enqueue_sync(name="outer").created
    assert service.zcard("arq:queue:default") == 2


def test_refused_connection_is_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so nothing can be enqueued."""
    monkeypatch.setattr(current, "_process", current._Process())
    with running_redis() as server:
        url = server.url
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(EnqueueError, match="not enqueued: Redis is away") as caught:
        greet.enqueue_sync(name="x")
    assert not caught.value.may_be_enqueued


def test_copies_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the connection that wrote; where no replica is, the error says so."""
    monkeypatch.setattr(current, "_process", current._Process())
    with running_redis() as first, blocking_redis.Redis.from_url(first.url) as look:
        monkeypatch.setenv("REDIS_URL", first.url)
        with pytest.raises(EnqueueError, match="only 0 of 1 replicas") as caught:
            greet.options(copies=1).enqueue_sync(name="x")
        assert look.exists(*[keys.ARQ.job_prefix + job_id for job_id in caught.value.job_ids]) == 1
        with running_redis(options=("--replicaof", first.host, str(first.port))) as second:
            handle = _with_copies(look)
            with blocking_redis.Redis.from_url(second.url) as replica:
                assert replica.exists(keys.ARQ.job_prefix + handle.id)
        current._process.client.blocking.close()  # type: ignore[union-attr]  # it is open


def _with_copies(look: blocking_redis.Redis) -> JobHandle[str]:
    reached = threading.Event()
    info: Any = look.info("replication")
    while info.get("slave0", {}).get("state") != "online":
        assert not reached.wait(0.02)
        info = look.info("replication")
    return greet.options(copies=1).enqueue_sync(name="x")


def test_middleware_of_a_service_wraps_both_ways(service: blocking_redis.Redis) -> None:
    """`configure` takes it before the first enqueue, and not afterwards."""
    seen: list[str] = []

    async def note(request: Enqueue, call_next: Any) -> bool:
        seen.append(request.name)
        created: bool = await call_next(request)
        return created

    configure(client_middleware=[note])
    greet.enqueue_sync(name="a")
    greet.enqueue_many_sync([{"name": "b"}, {"name": "c"}])
    asyncio.run(_enqueue_one())
    assert seen == ["greet"] * 4
    assert service.zcard("arq:queue:default") == 4
    with pytest.raises(ConfigurationError, match="before the first enqueue"):
        configure()


def test_middleware_that_waits_is_refused(service: blocking_redis.Redis) -> None:
    """Only an event loop can wait for something else meanwhile."""

    async def wait(request: Enqueue, call_next: Any) -> bool:
        await asyncio.sleep(0)
        created: bool = await call_next(request)
        return created

    configure(client_middleware=[wait])
    with pytest.raises(ConfigurationError, match="a client middleware waits"):
        greet.enqueue_sync(name="a")
    assert not service.exists("arq:queue:default")


@job(queue="default")
async def enqueues_otherwise(ctx: Context) -> list[str]:
    """Enqueue from a thread, and from a loop of that thread's own."""

    def in_thread() -> list[str]:
        return [
            greet.enqueue_sync(name="from a thread").id,
            asyncio.run(_enqueue_in_own_loop()),
        ]

    assert ctx.queue == "default"
    return await asyncio.to_thread(in_thread)


async def _enqueue_in_own_loop() -> str:
    batch = Batch()
    with batch.joined():
        # Later, so that no worker has it for a moment just as it is aborted.
        handle = await greet.options(delay_s=600).enqueue(name="from its own loop")
    assert (await batch.progress(current.current_client())).waiting == 1
    assert await handle.state() is not JobState.UNKNOWN
    await handle.abort()
    with pytest.raises(JobFailedError):
        await handle.result(timeout_s=PATIENCE_S)
    return handle.id


async def test_threads_of_a_job_enqueue_where_its_worker_does(
    redis_url: str, redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without REDIS_URL; a client of another loop would hang. The worker's middleware wraps it."""
    seen: list[str] = []

    async def note(request: Enqueue, call_next: Any) -> bool:
        seen.append(request.kwargs["name"])
        created: bool = await call_next(request)
        return created

    handle = await enqueues_otherwise.enqueue()
    monkeypatch.delenv("REDIS_URL")
    current.use(redis)
    async with working(redis_url, enqueues_otherwise, client_middleware=[note]):
        ids = await handle.result(timeout_s=PATIENCE_S)
        assert seen == ["from a thread", "from its own loop"]
    assert [await redis.exists(keys.ARQ.job_prefix + job_id) for job_id in ids] == [1, 0]


async def test_twin_goes_through_the_same_address(redis_url: str) -> None:
    """With the limits and the middleware of the first."""
    first = connect(redis_url, call_timeout_s=3, max_body_bytes=1000, queue="mail")
    second = first.twin()
    built = QueueClient(connection_pool=first.connection_pool).twin()
    try:
        assert (second.call_timeout_s, second.max_body_bytes) == (3, 1000)
        assert second.default_queue_name == "arq:queue:mail"
        await second.set("here", "1")
        assert await first.get("here") == await built.get("here") == b"1"
    finally:
        for client in (first, second, built):
            await client.aclose()


def test_collected_without_a_loop() -> None:
    """A synchronous view is tested without Redis."""
    with collect() as jobs:
        handle = greet.enqueue_sync(name="a")
        greet.enqueue_many_sync([{"name": "b"}])
    assert [one.kwargs["name"] for one in jobs.of(greet)] == ["a", "b"]
    assert handle.created


async def test_inline_and_drained_from_a_thread() -> None:
    """The job runs in the loop of the test, while the thread waits."""
    async with inline() as ran:
        await _in_thread(partial(greet.enqueue_sync, name="a"))
        assert len(ran.of(greet)) == 1
    async with drain() as waiting:
        await _in_thread(partial(greet.enqueue_sync, name="b"))
        await waiting.run()
        assert len(waiting.done) == 1
