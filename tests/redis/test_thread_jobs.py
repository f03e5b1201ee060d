"""Plain functions as jobs: they run in threads, with the same context, retries and outcomes."""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from runner import Context, JobState, job
from runner.errors import JobFailedError
from tests.runner_kit import PATIENCE_S, eventually, history, start, stop, worker, working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner import QueueClient

_ODD: dict[str, type[BaseException]] = {
    "cancelled": asyncio.CancelledError,
    "closed": GeneratorExit,
    "ctrl-c": KeyboardInterrupt,
}

go = threading.Event()
started = threading.Event()


@pytest.fixture(autouse=True)
def _fresh_events() -> Iterator[None]:
    go.clear()
    started.clear()
    yield
    go.set()


@job(queue="default")
def follow(ctx: Context, depth: int) -> str:
    """Enqueue another from the thread, and say where it runs."""
    ctx.progress(1, 2, "half")
    if depth:
        return follow.enqueue_sync(depth - 1).id
    return threading.current_thread().name


@job(queue="default", max_retries=1, backoff=lambda _: 0.0)
def hold(ctx: Context, *, heeds: bool, timeout: bool = False) -> str:
    """Hold a thread until the test lets it go, or until it should end."""
    started.set()
    while not go.wait(0.01):
        if heeds and ctx.is_stopping:
            raise InterruptedError(f"told to end, {timeout}")
    return "went on"


@job(queue="default", max_retries=0)
def end(ctx: Context, how: str) -> None:
    """End in an odd way."""
    match how:
        case "stop iteration":
            raise StopIteration(ctx.attempt)
        case "exit":
            sys.exit(7)
    raise _ODD[how](how)


async def test_function_runs_in_a_thread_and_enqueues_from_it(
    redis_url: str, redis: QueueClient
) -> None:
    """Without holding the loop, and where its worker does."""
    async with working(redis_url, follow):
        first = await follow.enqueue(1)
        second_id = await first.result(timeout_s=PATIENCE_S)
        handle = type(first)(second_id, "default", job=follow)
        assert (await handle.result(timeout_s=PATIENCE_S)).startswith("job_")
    assert await redis.zcard("arq:queue:default") == 0


async def test_twenty_functions_hold_twenty_threads(redis_url: str, redis: QueueClient) -> None:
    """As many as there are slots, and the loop goes on."""
    async with working(redis_url, hold, concurrency=20) as one:
        handles = await hold.enqueue_many([{"heeds": False}] * 20)
        await eventually(lambda: len(one.tasks) == 20)
        go.set()
        results = [await handle.result(timeout_s=PATIENCE_S) for handle in handles]
    assert results == ["went on"] * 20
    assert await redis.zcard("arq:queue:default") == 0


async def test_function_that_heeds_its_timeout_fails_by_its_own_error(
    redis_url: str, redis: QueueClient
) -> None:
    """And is retried as any other."""
    async with working(redis_url, hold, timeout_s=0.05):
        handle = await hold.enqueue(heeds=True)
        with pytest.raises(JobFailedError, match="InterruptedError: told to end"):
            await handle.result(timeout_s=PATIENCE_S)
    assert len(await history(redis, handle.id)) == 2


async def test_thread_that_does_not_end_is_left_behind_and_said(
    redis_url: str, redis: QueueClient
) -> None:
    """Its slot is free again; the error does not claim that it was stopped."""
    quick = {"timeout_s": 0.05, "cancel_wait_s": 0.05, "heartbeat_s": 0.05, "max_retries": 0}
    async with working(redis_url, hold, follow, concurrency=1, **quick):
        handle = await hold.enqueue(heeds=False)
        with pytest.raises(JobFailedError, match="its thread, which cannot be stopped, goes on"):
            await handle.result(timeout_s=PATIENCE_S)
        other = await follow.enqueue(0)
        assert (await other.result(timeout_s=PATIENCE_S)).startswith("job_")
        go.set()
        await eventually(lambda: not any("_contained" in repr(one) for one in asyncio.all_tasks()))
    assert await handle.state() is JobState.DEAD
    assert await redis.zcard("arq:queue:default") == 0


async def test_function_that_ends_as_its_worker_stops_is_given_back(
    redis_url: str, redis: QueueClient
) -> None:
    """At no cost of an attempt, if it raises; what it returns counts."""
    one = await start(worker(redis_url, hold, grace_s=0.0))
    handle = await hold.enqueue(heeds=True)
    await eventually(started.is_set)
    await stop(one)
    assert await handle.state() is JobState.READY
    assert await redis.get(f"arq:retry:{handle.id}") is None


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("stop iteration", "RuntimeError: the job raised StopIteration: 1"),
        ("exit", "SystemExit: 7"),
        ("cancelled", "RuntimeError: the job cancelled itself"),
        ("closed", "GeneratorExit: closed"),
        ("ctrl-c", "KeyboardInterrupt: ctrl-c"),
    ],
)
async def test_odd_ends_are_outcomes(
    redis_url: str, redis: QueueClient, how: str, error: str
) -> None:
    """A StopIteration would leave whoever waits for the thread waiting for ever."""
    async with working(redis_url, end, follow):
        handle = await end.enqueue(how)
        with pytest.raises(JobFailedError, match=error):
            await handle.result(timeout_s=PATIENCE_S)
        after = await follow.enqueue(0)
        assert (await after.result(timeout_s=PATIENCE_S)).startswith("job_")
    await eventually(partial(_is_empty, redis))


async def _is_empty(redis: QueueClient) -> bool:
    return not await redis.zcard("arq:queue:default")
