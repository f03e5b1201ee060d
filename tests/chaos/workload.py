"""The jobs of a chaos run, and the worker that runs them and records events in the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

import structlog

from runner import Context, Fleet, WorkerSettings, exponential, job
from runner.commands.run_command import end_process, run_async
from runner.telemetry.logs import configure_logging
from runner.worker.guard import Guard
from tests.chaos.ledger import Ledger
from tests.chaos.recorded import recording_scripts
from tests.odd_values import ERRORS, WITHOUT_JSON
from tests.replaced_scripts import replaced_scripts

QUEUE = "chaos"
LEASE_S = 3.0
IDLE_POLL_S = 0.5
POLL_S = 5.0
MAX_RETRIES = 3
MAX_CRASHES = 3

ODD = (
    *(f"raise {kind}" for kind in ERRORS),
    *(f"return {kind}" for kind in WITHOUT_JSON),
    "say",
    "cancel",
)
"""How a job may end oddly."""

_GUARD_MARGIN_S = 1.0

_log = structlog.get_logger("chaos")


class LedgerBook:
    """Holds the ledger of this process; set when the worker starts."""

    ledger: Ledger


def _note(ctx: Context, kind: str, detail: Any = None) -> None:
    LedgerBook.ledger.note(kind, ctx.job_id, detail=detail)


@job(queue=QUEUE)
async def quick(ctx: Context) -> None:
    """Return at once."""
    _note(ctx, "began", ctx.attempt)
    _note(ctx, "ended")


@job(queue=QUEUE)
async def slow(ctx: Context, seconds: float) -> None:
    """Wait, sometimes for longer than a lease."""
    _note(ctx, "began", ctx.attempt)
    await asyncio.sleep(seconds)
    _note(ctx, "ended")


@job(queue=QUEUE)
async def flaky(ctx: Context, failures: int) -> None:
    """Fail *failures* times, then succeed."""
    _note(ctx, "began", ctx.attempt)
    await asyncio.sleep(random.random() * 0.05)  # noqa: S311 -- spread
    if ctx.attempt <= failures:
        _note(ctx, "raised", ctx.attempt)
        raise RuntimeError(f"failure {ctx.attempt} of {failures}")
    _note(ctx, "ended")


@job(queue=QUEUE)
async def carry(ctx: Context, load: str, digest: str) -> None:
    """Take a large body, whole."""
    _note(ctx, "began", ctx.attempt)
    if hashlib.sha256(load.encode()).hexdigest() != digest:
        _note(ctx, "garbled")
    _note(ctx, "ended")


@job(queue=QUEUE)
async def odd(ctx: Context, kind: str) -> Any:
    """Raise, return or say what no job should."""
    _note(ctx, "began", ctx.attempt)
    how, _, what = kind.partition(" ")
    _note(ctx, "raised", ctx.attempt)
    match how:
        case "raise":
            error = ERRORS[what]()
            raise error
        case "return":
            _note(ctx, "ended")
            return WITHOUT_JSON[what]()
        case "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        case "say":
            _log.warning("a \ud800 line", value=float("nan"), other=object())
            ctx.progress(float("nan"), note="a \ud800 note")
            _note(ctx, "ended")
    return None


@job(queue=QUEUE)
async def blocking(ctx: Context, seconds: float) -> None:
    """Block the event loop, which no job should do."""
    _note(ctx, "began", ctx.attempt)
    time.sleep(seconds)  # noqa: ASYNC251 -- the point of it
    _note(ctx, "ended")


@job(queue=QUEUE)
async def holding(ctx: Context, flag: str) -> None:
    """Hold the interpreter, which no thread can end; once, if *flag* names a file to leave."""
    _note(ctx, "began", ctx.attempt)
    if _is_first(flag):
        re.match(r"(a+)+$", "a" * 60 + "b")
    _note(ctx, "ended")


def _is_first(flag: str) -> bool:
    if flag:
        with contextlib.suppress(FileExistsError):
            Path(flag).touch(exist_ok=False)
            return True
    return not flag


class ChaosSettings(WorkerSettings):
    """Short times, so that much happens in two minutes."""

    queue = QUEUE
    jobs = (quick, slow, flaky, carry, odd, blocking, holding)
    concurrency = 10
    max_retries = MAX_RETRIES
    max_crashes = MAX_CRASHES
    backoff = exponential(0.2, factor=1.0, jitter=0.0)
    lease_s = LEASE_S
    heartbeat_s = 0.5
    abort_check_s = 0.2
    grace_s = 1.0
    idle_poll_s = IDLE_POLL_S
    keep_result_s = 10.0
    poll_interval_s = POLL_S
    blocked_warn_s = 0.5
    blocked_limit_s = 1.8


async def work(url: str) -> None:
    """Work until stopped, guarded as in production."""
    settings: type[WorkerSettings] = type("Settings", (ChaosSettings,), {"redis": url})
    fleet = Fleet([settings.worker(handle_signals=False)])
    async with contextlib.AsyncExitStack() as exits:
        guard = await exits.enter_async_context(Guard(margin_s=_GUARD_MARGIN_S))
        await exits.enter_async_context(fleet.guarded(guard))
        await exits.enter_async_context(fleet.stopped_by_signals())
        group = await exits.enter_async_context(asyncio.TaskGroup())
        ready = group.create_task(_note_ready(fleet))
        await fleet.run()
        ready.cancel()


async def _note_ready(fleet: Fleet) -> None:
    await fleet.ready()
    LedgerBook.ledger.note("up")


def main() -> None:
    """Work for the address and with the ledger that the command line names."""
    configure_logging("json", "WARNING")
    LedgerBook.ledger = Ledger(Path(sys.argv[2]))
    run_async(work(sys.argv[1]))
    end_process(0)


if __name__ == "__main__":
    with replaced_scripts(recording_scripts()):
        main()
