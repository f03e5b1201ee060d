"""Old and new code on one queue: what only one of them knows runs there, soon, and is not lost."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from runner import JobState
from tests.program import Program, running
from tests.runner_kit import PATIENCE_S, crashes, eventually, history
from tests.switchboard import GONE
from tests.worker_process import QUEUE, end, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient
    from tests.switchboard import Switchboard

OLD = ["wait"]
NEW = ["wait", "end"]
"""A job that nobody here knows rests for longer than any test: it must not wait for that."""

pytestmark = pytest.mark.usefixtures("redis")


@asynccontextmanager
async def deployed(
    redis_url: str, board: Switchboard, jobs: list[str], *, workers: int = 1
) -> AsyncIterator[Program]:
    """Run a process whose code knows *jobs*."""
    values = json.dumps({"jobs": jobs, "workers": workers})
    command = ("-m", "tests.worker_process", "work", redis_url, str(board.port))
    async with running(sys.executable, *command, values) as program:
        await board.received("ready", of=program.pid)
        yield program


async def test_new_job_is_run_by_the_new_worker_beside_old_ones(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """One of five old workers usually claims it first; still the new one runs it within seconds."""
    async with (
        deployed(redis_url, board, OLD, workers=5),
        deployed(redis_url, board, NEW) as new,
    ):
        asked = time.monotonic()
        handles = await end.enqueue_many([{"name": str(n)} for n in range(30)])
        known = await wait.enqueue_many([{"name": f"w{n}", "seconds": 0.0} for n in range(30)])
        for n in range(30):
            assert await board.received(f"ended {n} 1") == new.pid
        assert time.monotonic() - asked < PATIENCE_S
        for other in known:
            await other.result(timeout_s=PATIENCE_S)
        await eventually(lambda: _is_drained(redis))

    for handle in handles:
        assert await history(redis, handle.id) == []
        assert await crashes(redis, QUEUE, handle.id) == 0
    assert await redis.exists(f"arq:queue:{QUEUE}:unknown") == 0


async def test_job_enqueued_before_the_new_code_arrives_waits_for_it(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """With old workers only it rests, visibly; the first new one runs it as it starts."""
    async with deployed(redis_url, board, OLD):
        handle = await end.enqueue("x")
        await eventually(lambda: redis.hexists(f"arq:queue:{QUEUE}:unknown", handle.id))
        assert await handle.state() is JobState.PARKED

        async with deployed(redis_url, board, NEW) as new:
            assert await board.received("ended x 1") == new.pid
            await handle.result(timeout_s=PATIENCE_S)


async def test_deploy_one_after_another_loses_nothing(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """Jobs of old and new code stream in while the old workers are replaced one by one."""
    stop = asyncio.Event()

    async def produce() -> list[str]:
        names: list[str] = []
        while not stop.is_set():
            names.append(f"{len(names)}")
            await wait.enqueue(f"w{names[-1]}", 0.02)
            await end.enqueue(names[-1])
            await asyncio.sleep(0.01)
        return names

    async with (
        deployed(redis_url, board, OLD) as first,
        deployed(redis_url, board, OLD) as second,
    ):
        producing = asyncio.create_task(produce())
        async with deployed(redis_url, board, NEW):
            first.send(signal.SIGTERM)
            await board.received(GONE, of=first.pid)
            async with deployed(redis_url, board, NEW):
                second.send(signal.SIGTERM)
                await board.received(GONE, of=second.pid)
                stop.set()
                names = await producing
                for name in names:
                    await board.received(f"ended w{name}")
                    await board.received(f"ended {name} 1")
                await eventually(lambda: _is_drained(redis))

    assert len(names) > 10
    ended = [words for words, _ in board.history if words.startswith("ended")]
    assert len(ended) == 2 * len(names), "a job ran twice"


async def _is_drained(redis: QueueClient) -> bool:
    return not await redis.zcard(f"arq:queue:{QUEUE}")


async def test_rollback_leaves_new_jobs_for_the_next_deploy(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """Back on old code, jobs of the new code rest, and run when it comes again."""
    async with deployed(redis_url, board, NEW):
        handle = await end.options(delay_s=0.3).enqueue("x")
    async with deployed(redis_url, board, OLD):
        await eventually(lambda: redis.hexists(f"arq:queue:{QUEUE}:unknown", handle.id))
    async with deployed(redis_url, board, NEW):
        await board.received("ended x 1")
    assert await history(redis, handle.id) == []
