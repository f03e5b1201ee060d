"""
`python -m benchmarks.shares`: how workers of two queues share one pool of slots.

For pools and jobs of several sizes, the weights are 3 and 1 and both queues have work: the share
of the first in the jobs that ran, and jobs a second; then the same in a strict pool, and a drain of
one queue in a pool beside one without. At last, the commands a second of a queue without work.
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
from runner import Context, Fleet, SlotPool, WorkerSettings, connect, job
from runner.broker import keys
from runner.current import use
from runner.processes.fleet import PoolPlan
from runner.slot_shares import given_by
from runner.telemetry.logs import configure_logging
from runner.worker.event_loop import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.on_arq.worker import Worker

_START = 40
"""Jobs that run before both workers are there are left out."""

_IDLE_S = 20
ran: list[str] = []


@job(queue="first", keep_result_s=0)
async def often(ctx: Context, ms: float) -> None:
    """Note the queue, and take that long."""
    ran.append(ctx.queue)
    if ms:
        await asyncio.sleep(ms / 1000)


@job(queue="second", keep_result_s=0)
async def seldom(ctx: Context, ms: float) -> None:
    """Note the queue, and take that long."""
    ran.append(ctx.queue)
    if ms:
        await asyncio.sleep(ms / 1000)


def _classes(server: RedisServer) -> Sequence[type[WorkerSettings]]:
    class First(WorkerSettings):
        queue = "first"
        jobs = (often,)
        redis = server.url

    class Second(WorkerSettings):
        queue = "second"
        jobs = (seldom,)
        redis = server.url

    return First, Second


async def _drain(server: RedisServer, workers: Sequence[Worker], jobs: int, ms: float) -> float:
    """Return the seconds that *jobs* of each queue that has a worker take."""
    server.empty()
    ran.clear()
    client = connect(server.url)
    use(client)
    for one, made in (("first", often), ("second", seldom)):
        if any(worker.options.queue == one for worker in workers):
            await made.enqueue_many([{"ms": ms}] * jobs)
    began = time.perf_counter()
    async with Fleet(workers).running():
        while len(ran) < jobs * len(workers):  # noqa: ASYNC110 -- jobs set no event, to be short
            await asyncio.sleep(0.005)
        took_s = time.perf_counter() - began
    await client.aclose()
    return took_s


def _share() -> float:
    total = {name: ran.count(name) for name in set(ran)}
    seen = dict.fromkeys(total, 0)
    for place, name in enumerate(ran):
        seen[name] += 1
        if seen[name] == total[name]:
            return ran[_START:place].count("first") / (place - _START)
    return 1.0


def _workers(server: RedisServer, plan: PoolPlan) -> list[Worker]:
    classes = _classes(server)
    given = given_by(plan, classes, idle_poll_s=WorkerSettings.idle_poll_s)
    quiet: dict[str, Any] = {"handle_signals": False, "polled_queues": ()}
    return [one.worker(**given[one.queue], **quiet) for one in classes]


async def _shares(server: RedisServer) -> None:
    sys.stdout.write("slots  job     pool     share of the first  jobs/s\n")
    weights = {"first": 3.0, "second": 1.0}
    for slots, ms, jobs in ((20, 0, 10_000), (20, 20, 2_000), (5, 20, 600), (1, 5, 300)):
        for strict in (False, True):
            plan = PoolPlan(weights, slots, strict=strict)
            took_s = await _drain(server, _workers(server, plan), jobs, ms)
            kind = "strict" if strict else "3 to 1"
            sys.stdout.write(
                f"{slots:5}  {ms:3} ms  {kind:7}  {_share():18.3f}  {2 * jobs / took_s:6,.0f}\n"
            )
            sys.stdout.flush()


async def _alone(server: RedisServer, jobs: int, pairs: int) -> None:
    """One queue drained in a pool, and by a worker with slots of its own, in turns."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(pairs):
        for is_pooled in (True, False):
            first, _second = _classes(server)
            share = SlotPool(10).share() if is_pooled else None
            one = first.worker(share=share, handle_signals=False, polled_queues=())
            rates[is_pooled].append(jobs / await _drain(server, [one], jobs, 0))
    for is_pooled, name in ((False, "slots of its own"), (True, "in a pool")):
        found = sorted(rates[is_pooled])
        sys.stdout.write(f"one queue, {name}: {found[len(found) // 2]:,.0f} jobs/s\n")


async def _idle(server: RedisServer) -> None:
    """The commands that clients send for the second queue, which never had a job."""
    server.empty()
    workers = _workers(server, PoolPlan({"first": 3.0, "second": 1.0}, 20))
    second = keys.ARQ.queue_key("second")
    sent = 0
    async with Fleet(workers).running():
        await asyncio.sleep(2)
        until = time.monotonic() + _IDLE_S
        watcher = connect(server.url)
        async with watcher.monitor() as monitor:
            while (left_s := until - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left_s):
                        seen = await monitor.next_command()
                except TimeoutError:
                    break
                sent += second in seen["command"] and seen["client_type"] != "lua"
        await watcher.aclose()
    sys.stdout.write(f"a queue without work: {sent / _IDLE_S:.2f} commands/s\n")


async def _measure(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        if not arguments.idle_only:
            await _shares(server)
            await _alone(server, arguments.jobs, arguments.pairs)
        await _idle(server)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--jobs", type=int, default=20_000, help="of the drain of one queue")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--idle-only", action="store_true")
    configure_logging("json", "CRITICAL")
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        loop.run(_measure(parser.parse_args()))


if __name__ == "__main__":
    main()
