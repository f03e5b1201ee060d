"""
`python -m benchmarks.batches`: what a batch costs, beside plain jobs.

For each: no-op jobs enqueued in bulk and run by one process with 32 slots, from the first enqueue
to the start of the callback (beside plain jobs, of one behind them), in jobs a second; commands of
Redis for each job; and memory of Redis for each job that waits. `make bench` has the rate beside
that of a flow of BullMQ.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.redis_server import RedisServer, running_redis
from runner import Batch, Context, WorkerSettings, connect, job
from runner.current import use
from runner.telemetry.logs import configure_logging
from runner.worker.event_loop import new_event_loop

QUEUE = "bench"
_CHUNK = 1000


@job(queue=QUEUE)
async def touch(_: Context, channel_id: str, position: int) -> None:
    """Do nothing."""


@job(queue=QUEUE)
async def called(_: Context) -> None:
    """Note the time."""
    Called.at.set()


class Called:
    """When the callback has started."""

    at: asyncio.Event


def _settings(url: str) -> type[WorkerSettings]:
    class Settings(WorkerSettings):
        queue = QUEUE
        jobs = (touch, called)
        redis = url
        concurrency = 32

    return Settings


async def _enqueue(jobs: int) -> None:
    for first in range(0, jobs, _CHUNK):
        calls = ({"channel_id": "UC", "position": at} for at in range(first, first + _CHUNK))
        await touch.enqueue_many(calls)


async def _ours(server: RedisServer, jobs: int, *, in_batch: bool) -> str:
    server.empty()
    empty = server.info("memory")["used_memory"]
    batch = Batch("bench", complete=called.call())
    if in_batch:
        with batch.joined():
            await _enqueue(jobs)
    else:
        await _enqueue(jobs)
    held = (server.info("memory")["used_memory"] - empty) / jobs
    server.empty()
    Called.at = asyncio.Event()
    before = _commands(server)
    worker = _settings(server.url).worker(handle_signals=False)
    worker.cron_jobs = []
    running = asyncio.create_task(worker.async_run())
    started = time.perf_counter()
    if in_batch:
        async with batch:
            await _enqueue(jobs)
        await Called.at.wait()
    else:
        await _enqueue(jobs)
        # The last in the queue is the last to start.
        await called.enqueue()
        await Called.at.wait()
    seconds = time.perf_counter() - started
    commands = (_commands(server) - before) / jobs
    worker.stop()
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()
    return _row(jobs / seconds, commands, held)


def _commands(server: RedisServer) -> float:
    stats = server.info("commandstats")
    return float(sum(one["calls"] for one in stats.values()))


def _row(rate: float, commands: float, held: float) -> str:
    return f"{rate:>12,.0f}{commands:>12.2f}{held:>12,.0f}"


async def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    configure_logging("json", "CRITICAL")
    sys.stdout.write(f"{'':16}{'jobs/s':>12}{'commands':>12}{'bytes':>12}\n")
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        client = connect(server.url)
        use(client)
        for _ in range(options.runs):
            rows = {
                "plain jobs": await _ours(server, options.jobs, in_batch=False),
                "a batch": await _ours(server, options.jobs, in_batch=True),
            }
            for name, row in rows.items():
                sys.stdout.write(f"{name:16}{row}\n")
            sys.stdout.flush()
        await client.aclose()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
