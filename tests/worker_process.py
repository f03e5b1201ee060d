"""
Worker processes for tests: what a deployment runs, small.

    python -m tests.worker_process run REDIS_URL PORT [VALUES]          # as the `arq` command
    python -m tests.worker_process work REDIS_URL PORT [VALUES] [--supervised FD]
    python -m tests.worker_process supervise REDIS_URL PORT [VALUES]

PORT: of the test's switchboard. VALUES: JSON with settings of the worker, `supervisor` with those
of the supervisor, and `jobs`, the names of the jobs that the code knows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import json
import re
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arq.worker

from runner import Context, Fleet, Worker, WorkerSettings, job
from runner.commands.run_command import end_process, run_async
from runner.processes.supervisor import Supervisor, supervised
from runner.telemetry.logs import configure_logging
from runner.worker.guard import Guard
from tests.switchboard import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

QUEUE = "flow"


class Here:
    """This process's connection to the test."""

    line: Line


@job(queue=QUEUE)
async def wait(ctx: Context, name: str, seconds: float) -> str:
    """Report the start, the end and a cancellation; wait in between."""
    Here.line.report(f"started {name} {ctx.attempt}")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        Here.line.report(f"cancelled {name}")
        raise
    Here.line.report(f"ended {name}")
    return name


@job(queue=QUEUE)
async def end(ctx: Context, name: str) -> None:
    """End in its first step."""
    Here.line.report(f"ended {name} {ctx.attempt}")


@job(queue=QUEUE)
async def linger(ctx: Context, name: str, seconds: float, *, finish: bool = False) -> None:
    """Take time to clean up when cancelled; *finish*: then end as if it had not been."""
    Here.line.report(f"started {name} {ctx.attempt}")
    try:
        await asyncio.sleep(60.0)
    except asyncio.CancelledError:
        Here.line.report(f"cleaning {name}")
        await asyncio.sleep(seconds)
        if not finish:
            raise


@job(queue=QUEUE)
async def block(ctx: Context, name: str, seconds: float) -> None:
    """Block the event loop."""
    Here.line.report(f"started {name} {ctx.attempt}")
    _hold(seconds)
    Here.line.report(f"ended {name}")


@job(queue=QUEUE)
async def block_beside(ctx: Context, name: str, seconds: float) -> None:
    """Block the event loop in a task of its own."""
    Here.line.report(f"started {name} {ctx.attempt}")

    async def hold() -> None:
        _hold(seconds)

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())


@job(queue=QUEUE)
async def in_thread(ctx: Context, name: str, seconds: float) -> None:
    """Wait in a thread, which nothing can cancel."""
    Here.line.report(f"started {name} {ctx.attempt}")
    await asyncio.to_thread(_hold, seconds)


@job(queue=QUEUE)
async def hold_interpreter(ctx: Context, name: str, *, natively: bool = False) -> None:
    """Hold the interpreter, so that no thread runs."""
    Here.line.report(f"started {name} {ctx.attempt}")
    if natively:
        ctypes.PyDLL(None).sleep(600)
    re.match(r"(a+)+$", "a" * 60 + "b")


def _hold(seconds: float) -> None:
    time.sleep(seconds)


@job(queue=QUEUE)
async def grow(ctx: Context, mib: int) -> None:
    """Take memory, and keep it."""
    _kept.append(b"x" * (mib * 2**20))
    Here.line.report(f"grown by {ctx.job_id}")


_kept: list[bytes] = []

JOBS = {
    one.name: one
    for one in (wait, end, linger, block, block_beside, in_thread, hold_interpreter, grow)
}


class FlowSettings(WorkerSettings):
    """As in production, with short waits, and without polls, which are jobs, too."""

    lease_s = 2.0
    heartbeat_s = 0.25
    abort_check_s = 0.1
    grace_s = 10.0


def make_workers(url: str, values: dict[str, Any], *, as_command: bool = False) -> list[Worker]:
    """Return the workers of this process: one, or as many as `workers` says."""
    count = values.pop("workers", 1)
    if Path(values.pop("refuse_if_exists", "")).is_file():
        raise SystemExit("this code does not come up")
    if Path(values.pop("deaf_if_exists", "")).is_file():
        time.sleep(600)
    known = [JOBS[name] for name in values.pop("jobs", JOBS)]
    fixed = {"queue": QUEUE, "jobs": known, "redis": url} | _opening(values.pop("slow_at", ""))
    settings: type[WorkerSettings] = type("Settings", (FlowSettings,), fixed | values)
    make: Any = partial(arq.worker.create_worker, settings) if as_command else settings.worker  # type: ignore[arg-type]
    workers: list[Worker] = [make(handle_signals=as_command) for _ in range(count)]
    for one in workers:
        one.options = replace(one.options, polled_queues=())
    return workers


def _opening(slow_at: str) -> dict[str, Any]:
    """Return what a worker opens: at one stage it takes a minute."""

    @asynccontextmanager
    async def resources() -> AsyncIterator[Mapping[type[Any], Any]]:
        await wait_at("resources")
        try:
            yield {}
        finally:
            Here.line.report("resources closed")

    async def on_startup(_: dict[Any, Any]) -> None:
        await wait_at("on_startup")

    async def wait_at(stage: str) -> None:
        if stage == slow_at:
            Here.line.report("opening")
            await asyncio.sleep(60.0)

    def prepare() -> None:
        if slow_at in {"prepare", "connect"}:
            Here.line.report("opening")
        if slow_at == "prepare":
            time.sleep(60.0)

    if not slow_at:
        return {}
    return {
        "resources": staticmethod(resources),
        "on_startup": staticmethod(on_startup),
        "prepare": staticmethod(prepare),
    }


def run(url: str, values: dict[str, Any]) -> None:
    """Run one worker until it is stopped, as arq's command does."""
    values.pop("guard_margin_s", None)  # arq's command has the one of production
    [worker] = make_workers(url, values, as_command=True)
    opens = worker.on_startup

    async def on_startup(ctx: dict[Any, Any]) -> None:
        _kept_tasks.add(asyncio.create_task(_report_ready(ctx["worker"])))
        if opens is not None:
            await opens(ctx)

    worker.on_startup = on_startup
    worker.run()


async def _report_ready(worker: Worker) -> None:
    await worker.ready.wait()
    Here.line.report("ready")


_kept_tasks: set[asyncio.Task[None]] = set()


async def work(url: str, values: dict[str, Any], descriptor: int | None) -> None:
    """Work until stopped."""
    margin_s = values.pop("guard_margin_s", 5.0)
    workers = Fleet(make_workers(url, values))

    async def report_ready() -> None:
        await workers.ready()
        Here.line.report("ready")

    async with contextlib.AsyncExitStack() as exits:
        line = None
        if descriptor is not None:
            line = await exits.enter_async_context(supervised(descriptor))
        guard = await exits.enter_async_context(Guard(margin_s=margin_s))
        await exits.enter_async_context(workers.guarded(guard))
        await exits.enter_async_context(workers.stopped_by_signals())
        group = await exits.enter_async_context(asyncio.TaskGroup())
        beside = [group.create_task(report_ready())]
        if line is not None:
            beside.append(group.create_task(line.answer(workers)))
        await workers.run()
        for task in beside:
            task.cancel()
    Here.line.report("stopped")


async def supervise(command: list[str], values: dict[str, Any]) -> None:
    """Run a supervisor until it is stopped."""
    supervisor = Supervisor(command, **values)
    Here.line.report("supervising")
    await supervisor.run()
    Here.line.report("all stopped")


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["run", "work", "supervise"])
    parser.add_argument("url")
    parser.add_argument("port", type=int)
    parser.add_argument("values", nargs="?", default="{}")
    parser.add_argument("--supervised", type=int)
    given = parser.parse_args()
    configure_logging("json", "INFO")
    Here.line = Line(given.port)
    values = json.loads(given.values)
    of_supervisor = values.pop("supervisor", {})
    if given.what == "run":
        run(given.url, values)
        return
    if given.what == "work":
        run_async(work(given.url, values, given.supervised))
    else:
        command = [sys.executable, "-m", "tests.worker_process", "work"]
        command += [given.url, str(given.port), json.dumps(values)]
        run_async(supervise(command, of_supervisor))
    end_process(0)


if __name__ == "__main__":
    main()
