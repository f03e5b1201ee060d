"""
`python -m benchmarks.priority`: how soon an urgent job starts behind very many, and what it costs.

A worker drains no-op jobs, a million of which are ready, while urgent ones are enqueued one by one:
how long after its `enqueue` has returned each starts. Beside it the same without priorities of one
that is enqueued into the empty queue of an idle worker. The cost: commands of Redis a job, enqueued
one by one and drained, with a priority and without.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.redis_server import RedisServer, running_redis
from runner import Context, WorkerSettings, connect, job
from runner.current import use
from runner.telemetry.logs import configure_logging
from runner.worker.event_loop import new_event_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from runner import QueueClient

QUEUE = "bench"
_CHUNK = 5_000
_PAUSE_S = 0.05
started: dict[int, float] = {}
ran = 0


@job(queue=QUEUE, keep_result_s=0)
async def step(_: Context, number: int) -> None:
    """Note when a job starts that is asked for."""
    global ran  # noqa: PLW0603 -- of this process
    ran += 1
    if number >= 0:
        started[number] = time.perf_counter()


@asynccontextmanager
async def _working(server: RedisServer) -> AsyncIterator[None]:
    class Settings(WorkerSettings):
        queue = QUEUE
        jobs = (step,)
        redis = server.url
        concurrency = 10

    worker = Settings.worker(handle_signals=False)
    worker.cron_jobs = []
    running = asyncio.create_task(worker.async_run())
    yield
    worker.stop(at_once=True)
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()


async def _urgent(samples: int, priority: int) -> list[float]:
    """Return how long after the return of its call each job starts, ms."""
    late = []
    bound = step.options(priority=priority)
    for number in range(samples):
        await bound.enqueue(number)
        returned = time.perf_counter()
        while number not in started:  # noqa: ASYNC110 -- an event would be set by the job itself
            await asyncio.sleep(0)
        late.append(1000 * (started[number] - returned))
        await asyncio.sleep(_PAUSE_S)
    return late


def _told(late: Sequence[float]) -> str:
    return (
        f"median {statistics.median(late):.2f} ms, 99th percentile "
        f"{statistics.quantiles(late, n=100)[98]:.2f} ms"
    )


async def _behind(client: QueueClient, server: RedisServer, many: int, samples: int) -> str:
    await client.flushall()
    started.clear()
    calls: list[dict[str, Any]] = [{"number": -1}] * _CHUNK
    for _ in range(many // _CHUNK):
        await step.enqueue_many(calls)
    async with _working(server):
        while not ran:  # noqa: ASYNC110 -- it starts
            await asyncio.sleep(_PAUSE_S)
        told = _told(await _urgent(samples, 1))
        left = await client.zcard(f"arq:queue:{QUEUE}")
    return f"{told} ({left:,} left behind them)"


async def _alone(client: QueueClient, server: RedisServer, samples: int) -> str:
    await client.flushall()
    started.clear()
    async with _working(server):
        await asyncio.sleep(1)
        return _told(await _urgent(samples, 0))


def _commands(server: RedisServer) -> float:
    return float(sum(one["calls"] for one in server.info("commandstats").values()))


async def _cost(client: QueueClient, server: RedisServer, jobs: int, priority: int) -> str:
    global ran
    await client.flushall()
    ran, before, bound = 0, _commands(server), step.options(priority=priority)
    for _ in range(jobs):
        await bound.enqueue(-1)
    enqueued = _commands(server)
    async with _working(server):
        while ran < jobs:  # noqa: ASYNC110 -- they run
            await asyncio.sleep(0.01)
    drained = _commands(server)
    return f"{(enqueued - before) / jobs:.1f} to enqueue, {(drained - enqueued) / jobs:.1f} to run"


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=5_000)
    options = parser.parse_args()
    configure_logging("json", "CRITICAL")
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        client = connect(server.url)
        use(client)
        for name, priority in (("plain", 0), ("urgent", 1)):
            cost = await _cost(client, server, options.jobs, priority)
            sys.stdout.write(f"commands a {name} job: {cost}\n")
        sys.stdout.write(f"alone: {await _alone(client, server, options.samples)}\n")
        told = await _behind(client, server, options.many, options.samples)
        sys.stdout.write(f"urgent behind {options.many:,}: {told}\n")
        await client.aclose()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
