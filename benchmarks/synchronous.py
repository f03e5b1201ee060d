"""
Compare enqueues from threads without an event loop with redis-py's blocking SET.

    python -m benchmarks.synchronous [--calls 100000] [--threads 16] [--rounds 5]

Rounds of both alternate, in one thread and in many, against a private Redis; the medians of their
ratios count. Then come as many event loops as `--loops`, each of which enqueues one job and ends.
Prints one table: the ratios, and the connections that are open at the end, with their budgets. Exit
status: 1 if one does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from benchmarks.limits import Row
from benchmarks.redis_server import running_redis
from runner import Context, job

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMES_SET = 2.0
_CONNECTIONS = 20


@job(queue="synchronous")
async def greet(ctx: Context, name: str) -> str:
    """Stand for any job."""
    return f"{ctx.job_id} {name}"


async def _enqueue_one() -> None:
    await greet.enqueue(name="Ada")


def _seconds(call: Callable[[], object], calls: int, threads: int) -> float:
    """Return how long *calls* take, shared by *threads*."""

    def some(_: int) -> None:
        for _ in range(calls // threads):
            call()

    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        list(pool.map(some, range(threads)))
        return time.perf_counter() - started


def _ratio(look: redis.Redis, calls: int, threads: int, rounds: int) -> float:
    """Return how many times as long as a SET an enqueue takes."""
    ratios = []
    for _ in range(rounds):
        of_set = _seconds(lambda: look.set("a", "b"), calls // rounds, threads)
        ratios.append(
            _seconds(lambda: greet.enqueue_sync(name="Ada"), calls // rounds, threads) / of_set
        )
        look.flushdb()
    return statistics.median(ratios)


def main() -> int:
    """Measure, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.synchronous")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loops", type=int, default=1_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        os.environ["REDIS_URL"] = server.url
        alone = redis.Redis.from_url(server.url)
        rows = [
            Row(
                f"enqueue_sync over SET, {count} thread{'s' * (count > 1)}",
                _ratio(alone, args.calls, count, args.rounds),
                _TIMES_SET,
                "times",
            )
            for count in (1, args.threads)
        ]
        alone.connection_pool.disconnect()
        for _ in range(args.loops):
            asyncio.run(_enqueue_one())
        with redis.Redis.from_url(server.url) as look:
            # One of them asks.
            open_now = len(look.client_list()) - 1
        rows.append(Row(f"connections after {args.loops:,} loops", open_now, _CONNECTIONS, ""))
    lines = ["| figure | measured | budget | holds |", "|---|--:|--:|---|", *map(str, rows)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
