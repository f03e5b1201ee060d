"""
Compare enqueues of a client that knows several servers with those of one that knows one.

    python -m benchmarks.router [--jobs 20000] [--rounds 15]

Both enqueue into the same queue of the same Redis; the one with several looks each job's server up
(`client.at`). Rounds alternate, and the medians of their ratios count: of this process's CPU time,
one job a call from a hundred tasks, and in bulk. Prints one table. Exit status: 1 if a budget does
not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.limits import Row
from benchmarks.redis_server import running_redis
from runner import Context, connect, job
from runner.current import using

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner import QueueClient

_TIMES_ONE = 1.2
_TASKS = 100


@job(queue="routed")
async def greet(ctx: Context, name: str) -> str:
    """Stand for any job."""
    return f"{ctx.job_id} {name}"


async def _singly(jobs: int) -> None:
    async def some() -> None:
        for _ in range(jobs // _TASKS):
            await greet.enqueue(name="Ada")

    await asyncio.gather(*[some() for _ in range(_TASKS)])


async def _in_bulk(jobs: int) -> None:
    await greet.enqueue_many([{"name": "Ada"}] * jobs)


async def _cpu_s(
    client: QueueClient, enqueue: Callable[[int], Awaitable[None]], jobs: int
) -> float:
    with using(client):
        started = time.process_time()
        await enqueue(jobs)
        return time.process_time() - started


async def _ratios(one_url: str, other_url: str, jobs: int, rounds: int) -> list[Row]:
    rows = []
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(connect(one_url))
        several = await stack.enter_async_context(connect(one_url, queues={"other": other_url}))
        for name, enqueue in (("one a call", _singly), ("in bulk", _in_bulk)):
            ratios = []
            for number in range(rounds + 1):
                both = {}
                for client in (one, several) if number % 2 else (several, one):
                    both[client] = await _cpu_s(client, enqueue, jobs)
                await one.flushdb()
                if number:  # the first connects
                    ratios.append(both[several] / both[one])
            rows.append(
                Row(
                    f"several servers over one, {name}",
                    statistics.median(ratios),
                    _TIMES_ONE,
                    "times",
                )
            )
    return rows


def main() -> int:
    """Measure, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.router")
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as other_folder,
        running_redis(Path(folder)) as one,
        running_redis(Path(other_folder)) as other,
    ):
        rows = asyncio.run(_ratios(one.url, other.url, args.jobs, args.rounds))
    lines = ["| figure | measured | budget | holds |", "|---|--:|--:|---|", *map(str, rows)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
