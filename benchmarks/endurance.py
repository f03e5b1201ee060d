"""
See that a worker process does not grow: its memory, descriptors and threads over a million jobs.

    python -m benchmarks.endurance [--from 200000] [--to 1000000] [--every 100000]

One worker process, with everything on, runs the jobs of a private Redis. Of a hundred jobs one
fails once, one logs and notes its progress, and one carries 20 kB there and back. Prints a line at
each mark, and one table: what grew, the budget, and whether it holds. Exit status: 1 if one does
not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from benchmarks.limits import Row, at_work
from benchmarks.redis_server import running_redis
from runner import Context, connect, current, job
from runner.broker import keys
from runner.retry import linear
from runner.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE = "endurance"
KEY = keys.ARQ.queue_key(QUEUE)
_GROWTH_BUDGET = 2.0
_BULK = 5_000
_LOAD = "x" * 20_000
_SAMPLES = 5

_log = structlog.get_logger("endurance")


@job(queue=QUEUE, keep_result_s=5, max_retries=3, backoff=linear(0.5))
async def endure(ctx: Context, number: int, load: str = "") -> str:
    """Do nothing; a few do what jobs do."""
    if number % 100 == 1 and ctx.attempt == 1:
        raise ValueError(f"the first attempt of job {number} fails")
    if number % 100 == 2:  # noqa: PLR2004 -- another hundredth
        _log.info("a job's own line", number=number)
        ctx.progress(0.5, note="half")
    return load


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds after *jobs* jobs. rss_kb: its memory, the median of some looks."""

    jobs: int
    rss_kb: int
    descriptors: int
    threads: int

    def __str__(self) -> str:
        return (
            f"{self.jobs:>9,} jobs: {self.rss_kb / 1024:7.2f} MiB, "
            f"{self.descriptors} descriptors, {self.threads} threads"
        )


async def look_at(pid: int, jobs: int) -> Sample:
    """Look at a process whose queue has run empty."""
    process = Path("/proc") / str(pid)
    rss = []
    for _ in range(_SAMPLES):
        await asyncio.sleep(0.2)
        status = (process / "status").read_text().splitlines()
        rss += [int(line.split()[1]) for line in status if line.startswith("VmRSS:")]
    return Sample(
        jobs,
        sorted(rss)[len(rss) // 2],
        len(list((process / "fd").iterdir())),
        len(list((process / "task").iterdir())),
    )


async def enqueue(redis: QueueClient, start: int, count: int) -> None:
    """Enqueue jobs, and wait until they have run."""
    for at in range(start, start + count, _BULK):
        numbers = range(at, min(at + _BULK, start + count))
        await endure.enqueue_many(
            [{"number": n} | ({"load": _LOAD} if n % 100 == 3 else {}) for n in numbers]  # noqa: PLR2004
        )
        while await redis.zcard(KEY) > _BULK:  # noqa: ASYNC110 -- another process works
            await asyncio.sleep(0.01)
    while await redis.zcard(KEY):  # noqa: ASYNC110 -- likewise
        await asyncio.sleep(0.05)


async def measure(url: str, marks: list[int]) -> list[Sample]:
    """Run as many jobs as the last mark says; return what the worker held at each."""
    redis = connect(url)
    current.use(redis)
    # Its log of a line a job is written, and thrown away.
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.endurance", "--work", url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    samples, done = [], 0
    for mark in marks:
        work_done = asyncio.create_task(enqueue(redis, done, mark - done))
        ended = asyncio.create_task(worker.wait())
        await asyncio.wait({work_done, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise SystemExit(f"the worker ended with status {worker.returncode}")
        ended.cancel()
        await work_done
        done = mark
        samples.append(await look_at(worker.pid, done))
        print(samples[-1], flush=True)  # noqa: T201 -- it is a command
    worker.terminate()
    await worker.wait()
    await redis.aclose()
    return samples


async def work(url: str) -> None:
    """Run the worker until it is killed."""
    configure_logging("json", "INFO")
    async with at_work(url, QUEUE, endure, concurrency=100):
        await asyncio.Event().wait()


def rows(first: Sample, last: Sample) -> list[Row]:
    """Return what grew between two samples."""
    span = f"from job {first.jobs:,} to job {last.jobs:,}"
    grown = (last.rss_kb / first.rss_kb - 1) * 100
    return [
        Row(f"memory of a worker (RSS), grown {span}", grown, _GROWTH_BUDGET, "%"),
        Row(f"descriptors, more {span}", last.descriptors - first.descriptors, 0, "descriptors"),
        Row(f"threads, more {span}", last.threads - first.threads, 0, "threads"),
    ]


def main() -> None:
    """Measure, print the table, and fail if a budget is not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--from", dest="start", type=int, default=200_000)
    parser.add_argument("--to", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=100_000)
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        asyncio.run(work(args.work))
        return
    marks = [*range(args.start, args.to, args.every), args.to]
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        samples = asyncio.run(measure(server.url, marks))
    found = rows(samples[0], samples[-1])
    print("\n| what | measured | budget | kept |\n|---|---|---|---|")  # noqa: T201
    for row in found:
        print(row)  # noqa: T201
    sys.exit(any(not row.holds for row in found))


if __name__ == "__main__":
    main()
