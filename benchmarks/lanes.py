"""
`python -m benchmarks.lanes`: what a lane costs, how lanes share, what jobs that wait slow down.

The cost: commands of Redis and microseconds a job, enqueued one by one and drained, beside plain
jobs. The hand-over: from the end of a job until the next of its lane starts, one at a time. The
turns: 20,000 jobs of one tenant, then 50 of another: at which place the last of these ran, without
lanes and with them. The crowd: the rate of a drain while very many jobs wait in very many lanes,
and that of ten thousand jobs in a thousand lanes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.redis_server import RedisServer, running_redis
from runner import Context, Lane, WorkerSettings, connect, job
from runner.current import use
from runner.telemetry.logs import configure_logging
from runner.worker.event_loop import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runner import QueueClient

QUEUE = "bench"
TWO = Lane(by="lane", limit=2)
TURNS = Lane(by="lane", limit=16, until="started")
_CHUNK = 5_000
_FEW = 50
_WARM, _MEASURED = 500, 5_000
ran: list[int] = []
pauses: list[float] = []
"""Milliseconds from the end of one job of a lane until the start of the next."""


@job(queue=QUEUE, keep_result_s=0)
async def step(_: Context, lane: int) -> None:
    """Note that it runs."""
    ran.append(lane)


@job(queue=QUEUE, keep_result_s=0, lane=Lane(by=(), limit=1))
async def handed_over(_: Context, begin: float) -> None:
    """Note how long after *begin*, or after the end of the job before, it starts."""
    pauses.append(1000 * (time.perf_counter() - max(begin, _ended[-1])))
    await asyncio.sleep(0.002)
    _ended.append(time.perf_counter())


_ended = [0.0]


async def _enqueue(lanes: Iterable[int], lane: Lane | None) -> None:
    bound, chunk = step.options(lane=lane or False), list[dict[str, Any]]()
    for number in lanes:
        chunk.append({"lane": number})
        if len(chunk) == _CHUNK:
            await bound.enqueue_many(chunk)
            chunk.clear()
    await bound.enqueue_many(chunk)


async def _drain(server: RedisServer, until: Callable[[], bool]) -> None:
    class Settings(WorkerSettings):
        queue = QUEUE
        jobs = (step, handed_over)
        redis = server.url
        concurrency = 32

    worker = Settings.worker(handle_signals=False)
    worker.cron_jobs = []
    running = asyncio.create_task(worker.async_run())
    while not until():  # noqa: ASYNC110 -- several kinds of ends
        await asyncio.sleep(0.01)
    worker.stop(at_once=True)
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()


def _commands(server: RedisServer) -> float:
    return float(sum(one["calls"] for one in server.info("commandstats").values()))


async def _cost(client: QueueClient, server: RedisServer, jobs: int, lane: Lane | None) -> str:
    await client.flushall()
    ran.clear()
    bound, before = step.options(lane=lane or False), _commands(server)
    began = time.perf_counter()
    for number in range(jobs):
        await bound.enqueue(lane=number % 100)
    enqueued, half = time.perf_counter() - began, _commands(server)
    began = time.perf_counter()
    await _drain(server, lambda: len(ran) >= jobs)
    took = time.perf_counter() - began
    told = ((half - before) / jobs, 1e6 * enqueued / jobs, (_commands(server) - half) / jobs)
    return "".join(f"{one:>10.1f}" for one in (*told, 1e6 * took / jobs))


async def _hand_over(client: QueueClient, server: RedisServer, jobs: int) -> str:
    await client.flushall()
    pauses.clear()
    await handed_over.enqueue_many([{"begin": time.perf_counter()}] * jobs)
    await _drain(server, lambda: len(pauses) >= jobs)
    found = sorted(pauses[1:])
    return f"{found[len(found) // 2]:.2f} ms median, {found[len(found) * 99 // 100]:.2f} ms p99"


async def _place(client: QueueClient, server: RedisServer, many: int, lane: Lane | None) -> int:
    await client.flushall()
    ran.clear()
    await _enqueue([0] * many, lane)
    await _enqueue([1] * _FEW, lane)
    await _drain(server, lambda: ran.count(1) == _FEW)
    return max(place for place, one in enumerate(ran, 1) if one)


async def _crowd(client: QueueClient, server: RedisServer, lanes: int, jobs: int) -> float:
    """Return the jobs a second of a drain, its start left out."""
    await client.flushall()
    ran.clear()
    await _enqueue((number % lanes for number in range(jobs)), TWO)
    marks: list[float] = []

    def is_over() -> bool:
        if len(ran) >= _WARM * (len(marks) + 1):
            marks.append(time.perf_counter())
        return len(ran) >= _WARM + _MEASURED

    await _drain(server, is_over)
    return _MEASURED / (time.perf_counter() - marks[0])


async def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=5_000)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--lanes", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    configure_logging("json", "CRITICAL")
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        client = connect(server.url)
        use(client)
        sys.stdout.write(
            f"{'':12}{'commands':>10}{'enqueue µs':>10}{'commands':>10}{'drain µs':>10}\n"
        )
        for name, lane in (("plain", None), ("limit of 2", TWO), ("turns", TURNS)) * options.runs:
            sys.stdout.write(f"{name:12}{await _cost(client, server, options.jobs, lane)}\n")
        for _ in range(options.runs):
            told = await _hand_over(client, server, options.jobs // 5)
            sys.stdout.write(f"hand-over in a lane of one: {told}\n")
        for name, lane in (("plain", None), ("turns", TURNS)):
            place = await _place(client, server, options.many, lane)
            sys.stdout.write(
                f"{name}: the last of {_FEW} behind {options.many:,} ran as {place:,}th\n"
            )
        for _ in range(options.runs):
            few = await _crowd(client, server, 1_000, 10_000)
            crowd = await _crowd(client, server, options.lanes, options.waiting)
            sys.stdout.write(
                f"{few:,.0f} jobs/s of 10,000 in 1,000 lanes, {crowd:,.0f} of "
                f"{options.waiting:,} in {options.lanes:,}: {crowd / few:.2f} ×\n"
            )
            sys.stdout.flush()
        await client.aclose()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
