"""
`python -m benchmarks.flows`: what a hop of a flow costs, and a flow of many jobs.

The hop: from the start of a job in a chain to the start of the next, of no-op jobs, median and 99th
percentile. Beside it, a flow whose last job needs the results of all others, in jobs a second and
commands of Redis a job; `python -m benchmarks.batches` has the same as a batch, `make
bench` that beside BullMQ.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.redis_server import RedisServer, running_redis
from runner import Context, Flow, WorkerSettings, connect, job
from runner.current import use
from runner.telemetry.logs import configure_logging
from runner.worker.event_loop import new_event_loop

QUEUE = "bench"
starts: list[float] = []


@job(queue=QUEUE)
async def step(_: Context, before: int) -> int:
    """Note when it starts."""
    starts.append(time.perf_counter())
    return before + 1


@job(queue=QUEUE)
async def total(_: Context, values: list[int]) -> int:
    """Return the sum."""
    return sum(values)


async def _hops(length: int) -> str:
    starts.clear()
    flow = Flow("hops")
    last: Any = flow.add(step.call(0))
    for _ in range(length):
        last = flow.add(step.call(last.out))
    run = await flow.start()
    await run.result(last, timeout_s=600)
    hops = [1000 * (b - a) for a, b in itertools.pairwise(starts)]
    return f"{statistics.median(hops):>10.2f}{statistics.quantiles(hops, n=100)[98]:>10.2f}"


async def _fan_in(server: RedisServer, jobs: int) -> str:
    before = _commands(server)
    began = time.perf_counter()
    flow = Flow("fan-in")
    nodes = [flow.add(step.call(at)) for at in range(jobs)]
    done = flow.add(total.call([one.out for one in nodes]))
    run = await flow.start()
    await run.result(done, timeout_s=600)
    seconds = time.perf_counter() - began
    return f"{jobs / seconds:>10,.0f}{(_commands(server) - before) / jobs:>10.1f}"


def _commands(server: RedisServer) -> float:
    return float(sum(one["calls"] for one in server.info("commandstats").values()))


async def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--hops", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    configure_logging("json", "CRITICAL")
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        client = connect(server.url)
        use(client)

        class Settings(WorkerSettings):
            queue = QUEUE
            jobs = (step, total)
            redis = server.url
            concurrency = 32

        worker = Settings.worker(handle_signals=False)
        worker.cron_jobs = []
        running = asyncio.create_task(worker.async_run())
        sys.stdout.write(f"{'hop, ms':>10}{'p99':>10}{'jobs/s':>10}{'commands':>10}\n")
        for _ in range(options.runs):
            row = await _hops(options.hops) + await _fan_in(server, options.jobs)
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
        worker.stop()
        await asyncio.gather(running, return_exceptions=True)
        await worker.close()
        await client.aclose()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
