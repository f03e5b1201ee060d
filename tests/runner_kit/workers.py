"""Workers for tests: quick ones in this process, which tests can stop, kill and cut off."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from runner import Worker, WorkerSettings, linear
from runner.current import disconnect
from tests.cable import cable_to
from tests.runner_kit.inside import ask_after_starts
from tests.runner_kit.waiting import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import Job
    from tests.cable import Cable


_made: list[Worker] = []


class QuickSettings(WorkerSettings):
    """A queue's settings with all waits cut short, and an idle poll that tests do not reach."""

    lease_s = 0.6
    heartbeat_s = 0.15
    abort_check_s = 0.05
    backoff = linear(0.02)
    idle_poll_s = 3600.0
    grace_s = 5.0
    cancel_wait_s = 0.3
    blocked_warn_s = 5.0
    blocked_limit_s = 3600.0


def settings(url: str, *jobs: Job[Any, Any], **values: Any) -> type[WorkerSettings]:
    """Return a settings class for *jobs* on the queue of the first; *values* override ours."""
    queue = values.get("queue", jobs[0].queue if jobs else "default")
    listed = [job if job.queue == queue else job.options(queue=queue) for job in jobs]
    plain = {"queue": queue, "jobs": listed, "redis": url}
    return type("Settings", (QuickSettings,), plain | values)


def worker(url: str, *jobs: Job[Any, Any], **values: Any) -> Worker:
    """
    Return a worker of `settings`, not started; values that settings do not have are arq's.

    It does not poll unless `poll_interval_s` is given.
    """
    polled = {} if "poll_interval_s" in values else {"polled_queues": ()}
    known = {name for name in values if hasattr(WorkerSettings, name)} | {"functions", "cron_jobs"}
    ours = {name: values.pop(name) for name in known & values.keys()}
    one = settings(url, *jobs, **ours).worker(handle_signals=False, **polled, **values)
    _made.append(one)
    return one


async def close_all() -> None:
    """Close the workers made so far, and what the test's event loop has opened to enqueue."""
    while _made:
        await _made.pop().close()
    await disconnect()


async def start(one: Worker) -> Worker:
    """Start *one*, and return when it has claimed what was due. The caller has to stop it."""
    running = asyncio.create_task(one.async_run())
    ready = asyncio.create_task(one.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    ready.cancel()
    if running.done():
        await running
    await at_rest(one)
    return one


async def at_rest(one: Worker) -> None:
    """Return when *one* has claimed what it can, and waits for work or for a free slot."""
    await eventually(lambda: one.is_at_rest or not is_running(one), every_s=0.001)


def is_running(one: Worker) -> bool:
    """Whether *one* was started and has not ended."""
    return one.main_task is not None and not one.main_task.done()


async def stop(one: Worker, *, at_once: bool = False) -> None:
    """Stop *one* in order, and raise what it raised."""
    one.stop(at_once=at_once)
    running = one.main_task
    if running is not None:
        await asyncio.wait({running}, timeout=PATIENCE_S)
        assert running.done(), "the worker does not stop"
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error
    await one.close()


@asynccontextmanager
async def mortal(url: str, *jobs: Job[Any, Any], **values: Any) -> AsyncIterator[MortalWorker]:
    """Run a worker for the block that the test can kill."""
    async with cable_to(url).laid() as cable:
        one = await start(worker(cable.url, *jobs, **values))
        try:
            yield MortalWorker(one, cable)
        finally:
            await _end(one)


class MortalWorker:
    """A worker whose connections to Redis go through a cable."""

    def __init__(self, one: Worker, cable: Cable) -> None:
        self.worker = one
        self.cable = cable

    async def kill(self) -> None:
        """End it as SIGKILL would: what the kernel has still reaches Redis, and then nothing."""
        await ask_after_starts(self.worker, "PING")
        self.cable.cut()
        await _end(self.worker)


async def _end(one: Worker) -> None:
    for task in (*one.tasks.values(), one.main_task):
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.wait_for(asyncio.shield(task), PATIENCE_S)
    await one.close()


@asynccontextmanager
async def working(url: str, *jobs: Job[Any, Any], **values: Any) -> AsyncIterator[Worker]:
    """Run a worker for the block; stop it at once at the end, unless it has ended."""
    one = await start(worker(url, *jobs, **values))
    try:
        yield one
    finally:
        if is_running(one):
            await stop(one, at_once=True)
        else:
            await one.close()
