"""Burst: a worker that ends when the queue is drained, or after a number of jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runner import Context, JobState, Retry, job
from runner.admin import Admin
from runner.worker import fetch
from tests.runner_kit import eventually, soon, stage, stop, worker, working

if TYPE_CHECKING:
    from runner import QueueClient, Worker

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default")
async def act(ctx: Context, how: str = "done") -> str:
    """Do what *how* says."""
    match how:
        case "once" if ctx.attempt == 1:
            raise ValueError("not yet")
        case "fail":
            raise ValueError("never")
        case "more":
            await act.enqueue()
        case "park":
            raise Retry(3600)
        case "wait":
            await stage.hold()
    return f"{how} {ctx.attempt}"


@pytest.fixture(autouse=True)
def _endless_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an idle worker rest until something happens: its burst must not end by chance."""
    monkeypatch.setattr(fetch, "_LONGEST_REST_S", 3600.0)


async def _burst(url: str, **values: Any) -> Worker:
    one = worker(url, act, burst=True, **values)
    await soon(one.async_run())
    await one.close()
    return one


async def test_burst_runs_everything_that_is_there_and_ends(redis_url: str) -> None:
    """Ready jobs, their retries, and the jobs that they enqueue."""
    hows = ["done", "once", "more", "fail"]
    handles = await act.enqueue_many([{"how": how} for how in hows])

    one = await _burst(redis_url, max_retries=1)

    assert [await handle.state() for handle in handles] == [
        *[JobState.DONE] * 3,
        JobState.DEAD,
    ]
    assert (one.jobs_complete, one.jobs_retried, one.jobs_failed) == (4, 2, 1)


async def test_burst_ends_with_its_last_job(redis_url: str) -> None:
    """Not when a lease or a rest would have ended."""
    handle = await act.enqueue("wait")
    one = worker(redis_url, act, burst=True, lease_s=600.0)
    running = asyncio.create_task(one.async_run())
    await stage.started.next()
    stage.go.set()
    await soon(running)
    await one.close()

    assert await handle.state() is JobState.DONE


async def test_burst_on_an_empty_queue_ends_at_once(redis_url: str) -> None:
    """It has nothing to wait for."""
    await _burst(redis_url)


async def test_burst_leaves_what_is_due_much_later(redis_url: str) -> None:
    """It does not wait for a job of tomorrow; stock arq would."""
    later = await act.options(delay_s=3600).enqueue()
    parked = await act.enqueue("park")

    await _burst(redis_url)

    assert await later.state() is JobState.SCHEDULED
    assert await parked.state() is JobState.RETRYING


async def test_burst_waits_for_what_is_due_soon(redis_url: str) -> None:
    """A first retry, or a job scheduled within seconds, is part of the burst."""
    soon_due = await act.options(delay_s=0.2).enqueue()

    await _burst(redis_url)

    assert await soon_due.state() is JobState.DONE


async def test_burst_waits_for_jobs_that_take_longer_than_the_grace_time(redis_url: str) -> None:
    """The grace time is for a worker that is stopped: a burst waits until its jobs have ended."""
    handle = await act.enqueue("wait")
    one = worker(redis_url, act, burst=True, grace_s=0.01)
    running = asyncio.create_task(one.async_run())
    await stage.started.next()
    await asyncio.sleep(0.1)
    assert not running.done()
    stage.go.set()
    await soon(running)
    await one.close()

    assert await handle.state() is JobState.DONE


async def test_burst_runs_no_more_than_max_burst_jobs(redis_url: str, redis: QueueClient) -> None:
    """It counts running jobs, and those whose outcomes are on their way to Redis."""
    await act.enqueue_many([{}] * 20)

    one = await _burst(redis_url, max_burst_jobs=7)

    assert one.jobs_complete == 7
    assert await redis.zcard(QUEUE) == 13


async def test_burst_of_a_number_of_jobs_waits_for_their_ends(redis_url: str) -> None:
    """Reaching the number is not a stop: running jobs are not cut short after the grace time."""
    handle = await act.enqueue("wait")
    one = worker(redis_url, act, burst=True, max_burst_jobs=1, grace_s=0.01)
    running = asyncio.create_task(one.async_run())
    await stage.started.next()
    await asyncio.sleep(0.1)
    stage.go.set()
    await soon(running)
    await one.close()

    assert await handle.state() is JobState.DONE


async def test_burst_that_is_stopped_ends_within_the_grace_time(redis_url: str) -> None:
    """A signal stops a burst too, even while it only waits for its last job."""
    handle = await act.enqueue("wait")
    one = worker(redis_url, act, burst=True, grace_s=0.05)
    running = asyncio.create_task(one.async_run())
    await stage.started.next()
    one.stop()
    await soon(running)
    await one.close()

    assert await handle.state() is JobState.READY


async def test_burst_of_a_number_of_jobs_can_be_stopped(redis_url: str) -> None:
    """The same after its last job has started."""
    handle = await act.enqueue("wait")
    one = worker(redis_url, act, burst=True, max_burst_jobs=1, grace_s=0.05)
    running = asyncio.create_task(one.async_run())
    await stage.started.next()
    await asyncio.sleep(0.05)
    one.stop()
    await soon(running)
    await one.close()

    assert await handle.state() is JobState.READY


async def test_burst_on_a_paused_queue_ends(redis_url: str, redis: QueueClient) -> None:
    """It does not wait for jobs that it may not claim."""
    handle = await act.enqueue()
    await Admin(redis).pause("default")

    await _burst(redis_url)

    assert await handle.state() is JobState.READY


async def test_burst_does_not_wait_for_jobs_of_other_workers(redis_url: str) -> None:
    """It ends with its own jobs."""
    async with working(redis_url, act) as other:
        handle = await act.enqueue("wait")
        await stage.started.next()
        await _burst(redis_url)
        assert await handle.state() is JobState.RUNNING
        stage.go.set()
        await eventually(lambda: other.jobs_complete)


async def test_worker_may_run_again_after_its_burst(redis_url: str) -> None:
    """A closed worker connects again, as `arq --watch` needs it."""
    one = worker(redis_url, act, burst=True)
    for _ in range(2):
        handle = await act.enqueue()
        await soon(one.async_run())
        await stop(one)
        assert await handle.state() is JobState.DONE

    assert one.jobs_complete == 2
