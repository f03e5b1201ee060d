"""The jobs of a chaos run, and the worker that runs them and records events in the ledger."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arq.worker import get_kwargs

from runner import Context, WorkerSettings, exponential, job
from runner.on_arq.worker import Worker
from tests.chaos.ledger import Ledger

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from runner.options import WorkerOptions
    from runner.worker.claim import Claim
    from runner.worker.held import Ended

QUEUE = "chaos"
LEASE_S = 3.0
IDLE_POLL_S = 0.5
MAX_RETRIES = 3


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
async def blocking(ctx: Context, seconds: float) -> None:
    """Block the event loop, which no job should do."""
    _note(ctx, "began", ctx.attempt)
    time.sleep(seconds)  # noqa: ASYNC251 -- the point of it
    _note(ctx, "ended")


class ChaosWorker(Worker):
    """Our worker, which also writes to the ledger."""

    async def _open(self, exits: AsyncExitStack) -> None:
        """
        Record every accepted outcome, and every claim when it is made.

        A prefetched claim counts too, although it may never start.
        """
        await super()._open(exits)
        engine = self.engine
        claim, on_settled = engine.claimer.claim, engine.settler.on_settled

        def note_settled(ended: Ended, kept: bool) -> None:  # noqa: FBT001 -- a callback's answer
            if kept:
                kind = type(ended.outcome).__name__
                key, token = ended.claim.job_id, ended.claim.token
                LedgerBook.ledger.note("settled", key, token=token, detail=kind)
            on_settled(ended, kept)

        async def note_claimed(
            limit: int, *, mode: str = "", volunteer_s: float = 0.0
        ) -> list[Claim]:
            claims = await claim(limit, mode=mode, volunteer_s=volunteer_s)
            for one in claims:
                LedgerBook.ledger.note("claimed", one.job_id, token=one.token)
            return claims

        engine.claimer.claim = note_claimed  # type: ignore[method-assign]
        engine.settler.on_settled = note_settled


class ChaosSettings(WorkerSettings):
    """Short times, so that much happens in two minutes."""

    queue = QUEUE
    jobs = (quick, slow, flaky, blocking)
    concurrency = 10
    max_retries = MAX_RETRIES
    backoff = exponential(0.2, factor=1.0, jitter=0.0)
    lease_s = LEASE_S
    heartbeat_s = 0.5
    abort_check_s = 0.2
    grace_s = 1.0
    idle_poll_s = IDLE_POLL_S
    poll_interval_s = 5.0
    blocked_warn_s = 0.5
    blocked_limit_s = 1.8


def worker_for(url: str, ledger: Path) -> ChaosWorker:
    """Return a worker on *url* that writes to *ledger*."""
    LedgerBook.ledger = Ledger(ledger)
    # A class, as arq's command has it.
    options: dict[str, Any] = get_kwargs(ChaosSettings)  # type: ignore[arg-type]
    from runner.broker.location import location

    options["redis_settings"] = location(url)
    runner: WorkerOptions = options["runner"]
    assert runner.queue == QUEUE
    return ChaosWorker(**options)


if __name__ == "__main__":
    import sys

    from runner.telemetry.logs import configure_logging

    configure_logging("json", "CRITICAL")
    worker_for(sys.argv[1], Path(sys.argv[2])).run()
