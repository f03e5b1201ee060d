"""SIGTERM and SIGINT: a worker process stops in order, and gives back what does not finish."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runner import JobState
from tests.program import Program, running
from tests.runner_kit import PATIENCE_S, crashes, history
from tests.switchboard import GONE
from tests.worker_process import QUEUE, in_thread, linger, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import JobHandle, QueueClient
    from tests.redis_server import RedisServer
    from tests.switchboard import Switchboard


@asynccontextmanager
async def working(
    redis_url: str, board: Switchboard, *, what: str = "run", **values: Any
) -> AsyncIterator[Program]:
    """Run a worker process for the block, as the `arq` command would."""
    command = ("-m", "tests.worker_process", what, redis_url, str(board.port))
    async with running(sys.executable, *command, json.dumps(values)) as program:
        await board.received("ready", of=program.pid)
        yield program


async def _uncharged(redis: QueueClient, handle: JobHandle[Any]) -> None:
    assert await history(redis, handle.id) == []
    assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 0
    assert await crashes(redis, QUEUE, handle.id) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("what", ["run", "work"])
async def test_stop_finishes_what_fits_and_gives_the_rest_back(
    redis_url: str, redis: QueueClient, board: Switchboard, number: int, what: str
) -> None:
    """Short jobs finish, long ones are ready for another worker at no cost; exit status 0."""
    async with working(redis_url, board, what=what, grace_s=0.6) as program:
        short = await wait.enqueue("short", 0.3)
        long = await wait.enqueue("long", 60.0)
        await board.received("started short 1")
        await board.received("started long 1")

        program.send(number)
        assert await program.ended() == 0

    await board.received("ended short")
    await board.received("cancelled long")
    assert await short.state() is JobState.DONE
    assert await long.state() is JobState.READY
    await _uncharged(redis, long)
    assert await redis.hlen(f"arq:queue:{QUEUE}:running") == 0  # type: ignore[misc]
    assert await redis.zcard(f"arq:queue:{QUEUE}:workers") == 0


@pytest.mark.usefixtures("redis")
async def test_stop_claims_nothing_more(redis_url: str, board: Switchboard) -> None:
    """A job enqueued after the signal waits for another worker."""
    async with working(redis_url, board) as program:
        await wait.enqueue("first", 0.4)
        await board.received("started first 1")
        program.send(signal.SIGTERM)
        await program.logged("stopping")
        later = await wait.enqueue("later", 0.0)
        assert await program.ended() == 0

    await board.received("ended first")
    assert not board.has_received("started later 1")
    assert await later.state() is JobState.READY


@pytest.mark.usefixtures("redis")
async def test_second_signal_stops_at_once(redis_url: str, board: Switchboard) -> None:
    """It cuts the grace time short."""
    async with working(redis_url, board, grace_s=60.0) as program:
        handle = await wait.enqueue("x", 60.0)
        await board.received("started x 1")
        program.send(signal.SIGTERM)
        await program.logged("stopping", at_once=False)
        program.send(signal.SIGTERM)
        assert await program.ended() == 0

    await board.received("cancelled x")
    assert await handle.state() is JobState.READY


async def test_stop_gives_jobs_back_before_it_cancels_them(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """Another worker runs a job while it cleans up; killed then, the first is charged nothing."""
    async with (
        working(redis_url, board, grace_s=0.0, cancel_wait_s=60.0) as first,
        working(redis_url, board, jobs=["wait"]),
    ):
        handle = await linger.enqueue("x", 60.0)
        assert await board.received("started x 1") == first.pid
        async with working(redis_url, board) as second:
            first.send(signal.SIGTERM)

            assert await board.received("cleaning x") == first.pid
            assert await board.received("started x 1") == second.pid
            first.send(signal.SIGKILL)
            await board.received(GONE, of=first.pid)
            assert await handle.state() is JobState.RUNNING
            await _uncharged(redis, handle)


async def test_worker_killed_while_it_cleans_up_has_given_its_jobs_back(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """The next worker runs them at once, without waiting for a lease, and counts no crash."""
    async with working(redis_url, board, grace_s=0.0, lease_s=30.0) as first:
        handle = await linger.enqueue("x", 60.0)
        await board.received("started x 1")
        first.send(signal.SIGTERM)
        await board.received("cleaning x")
        first.send(signal.SIGKILL)
        await board.received(GONE, of=first.pid)

    async with working(redis_url, board) as second:
        assert await board.received("started x 1") == second.pid
        await _uncharged(redis, handle)


@pytest.mark.usefixtures("redis")
async def test_job_that_ends_on_its_cancellation_is_not_run_again(
    redis_url: str, board: Switchboard
) -> None:
    """Offered to others, and claimed by none, it is still settled by its worker."""
    async with working(redis_url, board, grace_s=0.0) as program:
        handle = await linger.enqueue("x", 0.3, finish=True)
        await board.received("started x 1")
        program.send(signal.SIGTERM)
        assert await program.ended() == 0

    assert await handle.state() is JobState.DONE


async def test_stop_ends_while_redis_is_away(
    own_redis_server: RedisServer, board: Switchboard
) -> None:
    """Nothing can be given back; the leases lapse, and the worker does not hang."""
    async with working(own_redis_server.url, board, grace_s=0.1, cancel_wait_s=0.3) as program:
        own_redis_server.pause()
        program.send(signal.SIGTERM)
        try:
            assert await program.ended() == 0
        finally:
            own_redis_server.resume()


async def test_stop_ends_a_worker_that_still_waits_for_redis(
    own_redis_server: RedisServer, board: Switchboard
) -> None:
    """A worker that starts while Redis is away logs that, and stops without a traceback."""
    own_redis_server.stop()
    command = ("-m", "tests.worker_process", "run", own_redis_server.url, str(board.port))
    async with running(sys.executable, *command) as program:
        await program.logged("Redis is away, waiting for it")
        program.send(signal.SIGTERM)
        assert await program.ended() == 0
        assert program.other == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("what", "stage"),
    [
        ("run", "prepare"),
        ("run", "connect"),
        ("run", "resources"),
        ("run", "on_startup"),
        ("work", "connect"),
        ("work", "resources"),
        ("work", "on_startup"),
    ],
)
async def test_stop_ends_a_worker_that_still_opens(
    own_redis_server: RedisServer, board: Switchboard, number: int, what: str, stage: str
) -> None:
    """Whatever it waits for; what it has opened is closed."""
    if stage == "connect":
        own_redis_server.pause()
    command = ("-m", "tests.worker_process", what, own_redis_server.url, str(board.port))
    async with running(sys.executable, *command, json.dumps({"slow_at": stage})) as program:
        await board.received("opening")
        program.send(number)
        assert await program.ended() == 0

        assert program.has_logged("stopping")
        assert program.other == []
    if stage == "connect":
        own_redis_server.resume()
    assert board.has_received("resources closed") == (stage == "on_startup")


@pytest.mark.usefixtures("redis")
async def test_stop_of_a_supervisor_ends_workers_that_still_open(
    redis_url: str, board: Switchboard
) -> None:
    """It does not wait until they are to be killed."""
    values = {"slow_at": "on_startup", "supervisor": {"processes": 2, "stop_within_s": 60.0}}
    command = ("-m", "tests.worker_process", "supervise", redis_url, str(board.port))
    async with running(sys.executable, *command, json.dumps(values)) as program:
        for _ in range(2):
            await board.received("opening")
        program.send(signal.SIGTERM)
        assert await program.ended() == 0
    assert await board.received("resources closed") != await board.received("resources closed")


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("what", ["run", "work"])
async def test_stop_ends_the_process_though_a_thread_goes_on(
    redis_url: str, board: Switchboard, what: str
) -> None:
    """A job's `to_thread` cannot be cancelled: the process names it, and ends without it."""
    async with working(redis_url, board, what=what, grace_s=0.1) as program:
        handle = await in_thread.enqueue("x", 300.0)
        await board.received("started x 1")
        program.send(signal.SIGTERM)
        assert await program.ended() == 0

        line = await program.logged("threads still run, the process ends without them")
        assert [one.partition(" (")[0] for one in line["threads"]] == ["asyncio_0: _hold"]
        assert program.other == []
    assert await handle.state() is JobState.READY


async def test_stop_under_load_loses_and_charges_nothing(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """In a stream of jobs each ends once, whichever of two workers has it."""
    async with working(redis_url, board, concurrency=20) as second:
        async with working(redis_url, board, concurrency=20, grace_s=0.0) as first:
            handles = await wait.enqueue_many(
                [{"name": str(n), "seconds": 0.05} for n in range(200)]
            )
            await board.received("started 0 1")
            first.send(signal.SIGTERM)
            assert await first.ended() == 0
        await asyncio.gather(*(handle.result(timeout_s=PATIENCE_S) for handle in handles))
        assert second.log

    ends = [words for words, _ in board.history if words.startswith("ended")]
    assert sorted(ends) == sorted(f"ended {n}" for n in range(200))
    starts = [words for words, _ in board.history if words.startswith("started")]
    assert all(words.endswith(" 1") for words in starts)
    for handle in handles:
        await _uncharged(redis, handle)
