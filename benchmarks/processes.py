"""
`python -m benchmarks.processes`: what a job costs with one worker process, and with two.

Jobs stand in a paused queue until all worker processes wait for them; then it is resumed. The CPU
time of a process counts from its first job to the last hundred of them that it ran, that of Redis
from the resumption to the end. Runs are interleaved. With fewer cores than processes, Redis among
them, the rate says nothing of the runner.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.redis_server import RedisServer, running_redis
from runner import Context, WorkerSettings, connect, job
from runner.admin import Admin
from runner.current import use
from runner.processes.fleet import Fleet
from runner.telemetry.logs import configure_logging
from runner.worker.event_loop import new_event_loop

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE = "bench"
_CHUNK = 1000
_STEP = 100
_WAIT_S = 0.01
_first_cpu_s: float | None = None
_last_cpu_s = 0.0
_ran = 0


class Cost(NamedTuple):
    """Of one run: jobs a second, and CPU µs a job of all workers and of Redis."""

    rate: float
    worker_us: float
    redis_us: float


@job(queue=QUEUE)
async def touch(ctx: Context, channel_id: str, position: int) -> None:  # noqa: ARG001 -- a job's
    """Count, and note the CPU time at each hundredth job."""
    global _first_cpu_s, _last_cpu_s, _ran  # noqa: PLW0603 -- of this process
    if _ran % _STEP == 0:
        _last_cpu_s = time.process_time()
        if _first_cpu_s is None:
            _first_cpu_s = _last_cpu_s
    _ran += 1


async def work(url: str, concurrency: int) -> None:
    """Run a worker until it is told to stop; say what its jobs cost."""

    class Settings(WorkerSettings):
        queue = QUEUE
        jobs = (touch,)
        redis = url

    Settings.concurrency = concurrency
    await Fleet([Settings.worker()]).run()
    counted = max(0, _ran - 1) // _STEP * _STEP
    cpu_s = _last_cpu_s - (_first_cpu_s or 0.0)
    sys.stdout.write(json.dumps({"jobs": counted, "cpu_s": cpu_s}) + "\n")


async def _waits(client: QueueClient, workers: int) -> None:
    while len(await client.zrange(f"arq:queue:{QUEUE}:workers", 0, -1)) < workers:  # noqa: ASYNC110 -- other processes
        await asyncio.sleep(_WAIT_S)


async def _run(server: RedisServer, options: argparse.Namespace, processes: int) -> Cost:
    server.empty()
    client = connect(server.url)
    use(client)
    admin = Admin(client)
    await admin.pause(QUEUE)
    for first in range(0, options.jobs, _CHUNK):
        await touch.enqueue_many(
            [{"channel_id": "UC0", "position": n} for n in range(first, first + _CHUNK)]
        )
    command = (sys.executable, "-m", "benchmarks.processes", "--work", server.url)
    async with AsyncExitStack() as stack:
        workers = [
            await asyncio.create_subprocess_exec(
                *command,
                "--concurrency",
                str(options.concurrency),
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"REDIS_URL": server.url},
            )
            for _ in range(processes)
        ]
        for worker in workers:
            stack.callback(_kill, worker)
        await _waits(client, processes)
        before, began = server.usage(), time.perf_counter()
        await admin.resume(QUEUE)
        while await client.zcard(f"arq:queue:{QUEUE}"):  # noqa: ASYNC110 -- other processes
            await asyncio.sleep(_WAIT_S)
        took, used = time.perf_counter() - began, server.usage() - before
        for worker in workers:
            worker.terminate()
        told = [json.loads((await worker.communicate())[0].splitlines()[-1]) for worker in workers]
    await client.aclose()
    jobs, cpu_s = sum(one["jobs"] for one in told), sum(one["cpu_s"] for one in told)
    return Cost(options.jobs / took, 1e6 * cpu_s / jobs, 1e6 * used.cpu_s / options.jobs)


def _kill(worker: asyncio.subprocess.Process) -> None:
    if worker.returncode is None:
        worker.kill()


async def main(options: argparse.Namespace) -> None:
    """Measure in turn, and print each run and the medians."""
    found: dict[int, list[Cost]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        sys.stdout.write(f"{'processes':>10}{'jobs/s':>10}{'worker µs':>11}{'Redis µs':>10}\n")
        for _ in range(options.runs):
            for processes, costs in found.items():
                costs.append(await _run(server, options, processes))
                sys.stdout.write(_line(processes, costs[-1]))
                sys.stdout.flush()
    one, two = (Cost(*map(statistics.median, zip(*costs, strict=True))) for costs in found.values())
    sys.stdout.write(
        f"two over one, medians of {options.runs}: CPU a job {two.worker_us / one.worker_us:.3f}, "
        f"of Redis {two.redis_us / one.redis_us:.3f}, rate {two.rate / one.rate:.2f} "
        f"on {os.cpu_count()} cores\n"
    )


def _line(processes: int, cost: Cost) -> str:
    return f"{processes:>10}{cost.rate:>10,.0f}{cost.worker_us:>11.2f}{cost.redis_us:>10.2f}\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=100_000, help="of each run (100000)")
    parser.add_argument("--runs", type=int, default=5, help="of each kind (5)")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    asked = _options()
    configure_logging("json", "WARNING")
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(work(asked.work, asked.concurrency) if asked.work else main(asked))
