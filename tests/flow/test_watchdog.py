"""A job that blocks the event loop: named, and past the limit given up with its process."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runner import JobState
from runner.worker.watchdog import EXIT_BLOCKED
from tests.program import Program, running
from tests.runner_kit import crashes, dead_ids, eventually, history
from tests.switchboard import GONE
from tests.worker_process import QUEUE, block, block_beside, end, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import JobHandle, QueueClient
    from tests.switchboard import Switchboard

HURRY = {"blocked_warn_s": 0.1, "blocked_limit_s": 0.6}
LATER_S = 0.2


@asynccontextmanager
async def working(redis_url: str, board: Switchboard, **values: Any) -> AsyncIterator[Program]:
    """A worker process for the block, up and claiming jobs."""
    command = ("-m", "tests.worker_process", "work", redis_url, str(board.port))
    async with running(sys.executable, *command, json.dumps(values)) as program:
        await board.hear("ready", of=program.pid)
        yield program


@pytest.mark.usefixtures("redis")
async def test_job_that_blocks_the_loop_is_named_with_its_stack(
    redis_url: str, board: Switchboard
) -> None:
    """A warning while it lasts; then the job ends, and so do the others, as if nothing were."""
    async with working(redis_url, board, blocked_warn_s=0.1) as program:
        handle = await block.enqueue("x", 0.5)
        warning = await program.logged("event loop blocked")
        await board.hear("ended x")

        assert (warning["level"], warning["job"]) == ("warning", "block")
        assert warning["job_id"] == handle.id
        first, *_, last = [line for line in warning["stack"].splitlines() if "File" in line]
        assert first.endswith("in block")
        assert last.endswith("in _hold")
        free = await program.logged("event loop free again")
        assert free["blocked_s"] >= 0.1
        assert await (await wait.enqueue("y", 0.0)).result(timeout_s=10) == "y"
        assert await handle.state() is JobState.DONE


@pytest.mark.parametrize("blocker", [block, block_beside])
async def test_job_that_blocks_past_the_limit_ends_the_process_and_not_the_others(
    redis_url: str, redis: QueueClient, board: Switchboard, blocker: Any
) -> None:
    """Exit status 70; the other jobs run elsewhere at once, uncharged; the blocker has a crash."""
    async with working(redis_url, board, **HURRY) as first:
        innocent = [await wait.enqueue(f"i{n}", 60.0) for n in range(3)]
        for n in range(3):
            assert await board.hear(f"started i{n} 1") == first.pid
        async with working(redis_url, board, jobs=["wait"], blocked_warn_s=5.0) as second:
            guilty = await blocker.enqueue("g", 60.0)
            # The second worker does not know the job, and the first takes it all the same.
            assert await board.hear("started g 1") == first.pid

            assert await first.ended() == EXIT_BLOCKED
            told = await first.logged("event loop blocked past the limit, the process ends")
            exit_at = asyncio.get_running_loop().time()

            for n in range(3):
                assert await board.hear(f"started i{n} 1") == second.pid
            assert asyncio.get_running_loop().time() - exit_at < 1.0
            assert (told["given_back"], told["exit_status"]) == (3, EXIT_BLOCKED)
            for handle in innocent:
                assert await history(redis, handle.id) == []
                assert await crashes(redis, QUEUE, handle.id) == 0
                assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 0
            await _claimed_again(redis, guilty)
            assert await crashes(redis, QUEUE, guilty.id) == 1


async def _claimed_again(redis: QueueClient, handle: JobHandle[None]) -> None:
    """Wait until a worker, by finding that the lease has lapsed, has counted the crash."""
    await eventually(lambda: crashes(redis, QUEUE, handle.id))


@pytest.mark.usefixtures("redis")
async def test_job_that_has_ended_is_settled_though_its_worker_is_blocked(
    redis_url: str, board: Switchboard
) -> None:
    """What ended right before the blockage is not run again: its outcome goes to Redis."""
    async with working(redis_url, board, **HURRY) as program:
        # Claimed together: the first ends and the second blocks before the loop turns once.
        due = datetime.now(UTC) + timedelta(seconds=LATER_S)
        first = await end.options(at=due, job_id="1").enqueue("e")
        second = await block.options(at=due, job_id="2").enqueue("b", 60.0)
        await board.hear("ended e 1")
        await board.hear("started b 1")
        assert await program.ended() == EXIT_BLOCKED

    assert await first.state() is JobState.DONE
    assert await second.state() is JobState.RUNNING


@pytest.mark.usefixtures("redis")
async def test_workers_of_one_process_all_give_their_jobs_back(
    redis_url: str, board: Switchboard
) -> None:
    """Whose job blocks the loop they share, the jobs of none of them are lost."""
    async with working(redis_url, board, workers=3, concurrency=1, **HURRY) as program:
        innocent = [await wait.enqueue(f"i{n}", 60.0) for n in range(2)]
        for n in range(2):
            await board.hear(f"started i{n} 1")
        guilty = await block.enqueue("g", 60.0)
        await board.hear("started g 1")

        assert await program.ended() == EXIT_BLOCKED

        told = [line for line in program.log if line["event"] == "event loop blocked"]
        assert [line["job_id"] for line in told] == [guilty.id]
        assert await guilty.state() is JobState.RUNNING
        for handle in innocent:
            assert await handle.state() is JobState.READY


async def test_third_blockage_makes_the_job_poison(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """It has ended three workers: the fourth buries it unseen."""
    handle = await block.enqueue("g", 60.0)
    quick = HURRY | {"lease_s": 0.9, "heartbeat_s": 0.1, "blocked_limit_s": 0.3}
    for _ in range(3):
        async with working(redis_url, board, **quick) as program:
            await board.hear("started g 1")
            assert await program.ended() == EXIT_BLOCKED
            await board.hear(GONE)

    async with working(redis_url, board, **quick):
        assert await eventually(lambda: dead_ids(redis, QUEUE)) == [handle.id]

    assert not board.has_said("started g 1")
    [entry] = await history(redis, handle.id)
    assert entry["error"] == "Poison"
    assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 0
