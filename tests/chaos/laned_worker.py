"""Workers for trials of lanes: jobs that write down when they begin and end."""

from __future__ import annotations

import asyncio
import os
import random
import time

from runner import Bury, Context, Lane, Limited, Rate, Retry, WorkerSettings, job, linear
from runner.telemetry.logs import configure_logging

QUEUE = "accounts"
LOG = "PIPELINE_TRIAL_LOG"


def _note(what: str, kind: str, number: int, ctx: Context) -> None:
    """Append a line in one write, which outlives the process."""
    line = f"{what} {kind} {number} {ctx.job_id} {os.getpid()} {time.monotonic():.6f}\n"
    os.write(_log(), line.encode())


_files: list[int] = []


def _log() -> int:
    if not _files:
        _files.append(os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    return _files[0]


@job(queue=QUEUE, max_retries=3, backoff=linear(0.3), lane=Lane(by="number", limit=2))
async def two(ctx: Context, number: int) -> None:
    """Run as one of two, mostly well."""
    _note("begin", "two", number, ctx)
    try:
        await asyncio.sleep(random.choice((0.0, 0.0, 0.01, 0.05, 0.3)))  # noqa: S311 -- no secret
        match random.random():  # noqa: S311 -- no secret
            case chance if chance < 0.05:
                raise Bury("as planned")
            case chance if chance < 0.15:
                raise ValueError("as planned")
            case chance if chance < 0.2:
                raise Retry(0.5, charge=False)
            case chance if chance < 0.201:
                raise Limited(1)
    finally:
        _note("end", "two", number, ctx)


@job(queue=QUEUE, max_retries=3, lane=Lane(by="number", rate=Rate(5, per_s=1, burst=3)))
async def paced(ctx: Context, number: int) -> None:
    """Start at a rate."""
    _note("begin", "paced", number, ctx)
    _note("end", "paced", number, ctx)


def work(url: str, log: str) -> None:
    """Run a worker until it is killed."""
    os.environ[LOG] = log
    configure_logging("json", "CRITICAL")

    class Settings(WorkerSettings):
        queue = QUEUE
        jobs = (two, paced)
        redis = url
        concurrency = 20
        lease_s = 3.0
        heartbeat_s = 0.8
        blocked_limit_s = 30.0
        max_crashes = 50
        idle_poll_s = 1.0

    Settings.worker().run()
