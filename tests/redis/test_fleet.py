"""Several workers in one process: started, stopped and ended together."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from runner import Context, Fleet, JobState, job
from tests.runner_kit import PATIENCE_S, break_heartbeat, soon, stage, worker

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")


@job(queue="default")
async def act(ctx: Context) -> str:
    """Enqueue into the other queue, and wait."""
    await draw.enqueue()
    await stage.hold(ctx.queue)
    return ctx.queue


@job(queue="analytics")
async def draw(ctx: Context) -> str:
    """Report the start, and wait."""
    await stage.hold(ctx.queue)
    return ctx.queue


async def test_fleet_works_several_queues_until_it_is_left(redis_url: str) -> None:
    """Jobs of one queue enqueue into another; at the end of the block all workers have stopped."""
    fleet = Fleet([worker(redis_url, act), worker(redis_url, draw)])
    async with fleet.running():
        await soon(fleet.ready())
        handle = await act.enqueue()
        assert {await stage.started.next() for _ in range(2)} == {"default", "analytics"}
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "default"

    assert [one.jobs_complete for one in fleet.workers] == [1, 1]


async def test_fleet_gives_everything_back_when_it_stops_at_once(
    redis_url: str, redis: QueueClient
) -> None:
    """No job of any queue is lost or charged."""
    fleet = Fleet([worker(redis_url, act), worker(redis_url, draw)])
    running = asyncio.create_task(fleet.run())
    handle = await act.enqueue()
    for _ in range(2):
        await stage.started.next()
    fleet.stop(at_once=True)
    await soon(running)

    assert await handle.state() is JobState.READY
    for queue in ("default", "analytics"):
        assert await redis.zcard(f"arq:queue:{queue}") == 1
        assert await redis.exists(f"arq:queue:{queue}:running") == 0


async def test_fleet_ends_together_when_one_worker_ends_by_an_error(
    redis_url: str, redis: QueueClient
) -> None:
    """The other workers give their jobs back, and the error is raised."""
    fleet = Fleet([worker(redis_url, act), worker(redis_url, draw)])
    running = asyncio.create_task(fleet.run())
    await soon(fleet.ready())
    handle = await act.enqueue()
    await stage.started.next()
    break_heartbeat(fleet.workers[1], LookupError("broken part"))
    await asyncio.wait({running}, timeout=PATIENCE_S)

    errors = running.exception()
    assert isinstance(errors, BaseExceptionGroup)
    assert errors.subgroup(LookupError) is not None
    assert await handle.state() is JobState.READY
    assert await redis.exists("arq:queue:default:running") == 0


async def test_fleet_stops_on_signals_with_grace_and_then_at_once(redis_url: str) -> None:
    """SIGTERM lets jobs finish; a second one gives them back."""
    fleet = Fleet([worker(redis_url, draw, grace_s=60.0)])
    async with fleet.stopped_by_signals():
        running = asyncio.create_task(fleet.run())
        handle = await draw.enqueue()
        await stage.started.next()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert not fleet.workers[0].allow_pick_jobs
        assert not running.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await soon(running)

    assert await handle.state() is JobState.READY
