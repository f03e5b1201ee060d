"""
Hold the budgets of docs/limits.md with millions of jobs in Redis.

    python -m benchmarks.limits [--scale 1.0] [--waiters 10000] [--dead-retried 66000]

Fills a private Redis with 1,000,000 ready, 1,000,000 scheduled, 100,000 dead, 300,000 parked and
20,000 running jobs (times *scale*), works in it as services, workers and operators do, and prints
one table: what was measured, the budget, and whether it holds. Exit status: 1 if one does not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import io
import os
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from benchmarks.redis_server import running_redis
from runner import Context, WorkerSettings, connect, current, job
from runner.broker import keys
from runner.broker.scripts import SCRIPTS
from runner.codec import Envelope, encode_job
from runner.operations.actions import Operator, Request
from runner.operations.bulk import Bulk, Selection
from runner.operations.catalog import Catalog
from runner.operations.jobs import list_jobs
from runner.operations.search import Filter
from runner.operations.verbs import Action
from runner.periodic.poller import Poller
from runner.states import JobState
from runner.telemetry.statsd import NullStatsD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from benchmarks.redis_server import RedisServer
    from runner import QueueClient, Worker
    from runner.handle import JobHandle

QUEUE = "default"
KEY = keys.ARQ.queue_key(QUEUE)
SCRIPT_BUDGET_MS = 10.0
_CHUNK = 5_000
_SLOWER_THAN_US = 1_000
_SCRIPTS = (b"EVALSHA", b"EVAL")
_IDLE_FOR_S = 40.0
_LARGE = 300
_WORKED = 30_000
_ANSWERED = 200


@job(queue=QUEUE, keep_result_s=60)
async def work(ctx: Context, number: int = 0) -> int:
    """Do nothing."""
    return number + ctx.attempt


@job(queue="waited", keep_result_s=60)
async def answer(ctx: Context, number: int = 0) -> float:
    """Return when it ended."""
    del ctx, number
    return time.time()


@job(queue="large")
async def carry(ctx: Context, load: str) -> int:
    """Take a large argument."""
    del ctx
    return len(load)


@job(queue="idle")
async def rest(ctx: Context) -> None:
    """Stand for the jobs of an idle worker."""
    del ctx


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement and its budget, both in *unit*."""

    what: str
    measured: float
    budget: float
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the budget is kept."""
        return self.measured <= self.budget

    def __str__(self) -> str:
        verdict = "yes" if self.holds else "**no**"
        return (
            f"| {self.what} | {self.measured:,.3g} {self.unit} | {self.budget:,.4g} {self.unit} "
            f"| {verdict} |"
        )


# ---------------------------------------------------------------- the world


def _body(name: str, number: int, now_ms: int) -> bytes:
    return encode_job(Envelope(name, [], {"number": number}, now_ms))


async def _put(
    redis: QueueClient, name: str, start: int, count: int, sets: dict[str, float], **more: bytes
) -> list[str]:
    """Write *count* bodies, and their ids into *sets* by the score of the first."""
    now_ms = time.time_ns() // 1_000_000
    ids: list[str] = []
    for at in range(start, start + count, _CHUNK):
        chunk = [f"{n:032x}" for n in range(at, min(start + count, at + _CHUNK))]
        async with redis.pipeline(transaction=False) as pipe:
            pipe.mset(
                {
                    keys.ARQ.job_prefix + one: _body(name, at + i, now_ms)
                    for i, one in enumerate(chunk)
                }
            )
            for key, score in sets.items():
                pipe.zadd(key, {one: score + at - start + i for i, one in enumerate(chunk)})
            if "history" in more:
                pipe.mset({keys.ARQ.retry_prefix + one: "4" for one in chunk})
                for one in chunk:
                    pipe.rpush(keys.ARQ.history_prefix + one, more["history"])
            if "label" in more:
                pipe.hset(KEY + keys.UNKNOWN_SUFFIX, mapping=dict.fromkeys(chunk, more["label"]))
            if "token" in more:
                pipe.hset(KEY + keys.RUNNING_SUFFIX, mapping=dict.fromkeys(chunk, more["token"]))
                for one in chunk:
                    pipe.set(keys.ARQ.in_progress_prefix + one, more["token"], px=3_600_000)
            await pipe.execute()
        ids += chunk
    return ids


async def fill(redis: QueueClient, scale: float) -> None:
    """Fill the queue, as the module says."""
    now_ms = float(time.time_ns() // 1_000_000)

    def count(jobs: int) -> int:
        return round(jobs * scale)

    entry = to_json(
        {
            "attempt": 4,
            "started_ms": now_ms,
            "failed_ms": now_ms,
            "error": "ValueError",
            "message": "no such channel",
            "traceback": "x" * 1500,
            "worker": "host:1:abc",
        }
    )
    await _put(redis, "work", 10**7, count(1_000_000), {KEY: now_ms - 10**7})
    await _put(redis, "work", 2 * 10**7, count(1_000_000), {KEY: now_ms + 10**9})
    dead = {KEY + keys.DEAD_SUFFIX: now_ms - 10**7}
    await _put(redis, "work", 3 * 10**7, count(100_000), dead, history=entry)
    parked = {
        KEY + keys.PARKED_SUFFIX: now_ms - 10**7,
        f"{KEY}{keys.PARKED_SUFFIX}:ghost": now_ms - 10**7,
    }
    await _put(redis, "ghost", 4 * 10**7, count(300_000), parked, label=b"ghost")
    await redis.sadd(KEY + keys.PARKED_NAMES_SUFFIX, "ghost")  # type: ignore[misc]
    running = {KEY: now_ms + 3_600_000}
    await _put(redis, "work", 5 * 10**7, count(20_000), running, token=b"gone:1")


# ---------------------------------------------------------------- scripts


async def scripts_slower(redis: QueueClient) -> tuple[int, list[tuple[float, str]]]:
    """Return how many scripts ran; of those that took more than one ms, the time and the name."""
    calls = 0
    for command, stats in (await redis.info("commandstats")).items():
        if command in {"cmdstat_evalsha", "cmdstat_eval"}:
            calls += stats["calls"]
    names = {script.text()[:40].encode(): name for name, script in SCRIPTS.items()}
    names |= {
        hashlib.sha1(script.text().encode(), usedforsecurity=False).hexdigest().encode(): name
        for name, script in SCRIPTS.items()
    }
    slow: list[tuple[float, str]] = []
    for entry in await redis.slowlog_get(100_000):
        command, _, rest = bytes(entry["command"]).partition(b" ")
        if command in _SCRIPTS:
            name = names.get(rest[:40], "?")
            slow.append((entry["duration"] / 1000, name))
    return calls, sorted(slow)


def quantile(calls: int, slow: Sequence[tuple[float, str]], share: float) -> float:
    """Return the ms below which *share* of the calls stayed; those not in *slow* took 1 ms."""
    beyond = int(calls * (1 - share))
    return slow[-beyond - 1][0] if beyond < len(slow) else _SLOWER_THAN_US / 1000


# ---------------------------------------------------------------- what is done


def _settings(url: str, name: str, jobs: Sequence[Any], **values: Any) -> type[WorkerSettings]:
    return type("Settings", (WorkerSettings,), {"queue": name, "jobs": jobs, "redis": url} | values)


@asynccontextmanager
async def at_work(url: str, name: str, *jobs: Any, **values: Any) -> AsyncIterator[Worker]:
    """Run a worker for the block."""
    one = _settings(url, name, jobs, dead_max_jobs=None, **values).worker(handle_signals=False)
    running = asyncio.create_task(one.async_run())
    await one.ready.wait()
    try:
        yield one
    finally:
        one.stop(at_once=True)
        await running
        await one.close()


async def use_all(redis: QueueClient, url: str) -> None:
    """Do what services, workers and operators do, for the times of the scripts."""
    catalog = Catalog.of([work])
    await asyncio.gather(*[work.enqueue(number) for number in range(2000)])
    await work.enqueue_many([{"number": number} for number in range(20_000)])
    await carry.enqueue_many([{"load": "x" * 1_000_000}] * _LARGE)
    async with at_work(url, QUEUE, work, concurrency=200, poll_interval_s=1.0) as one:
        while one.counts.complete < _WORKED:  # noqa: ASYNC110 -- a worker counts, and tells nobody
            await asyncio.sleep(0.1)
    poller = Poller(redis, redis.enqueuer, NullStatsD(), queues=(QUEUE,), dead_max_jobs=10**9)
    for _ in range(20):
        await poller.poll()
    for state in (JobState.READY, JobState.SCHEDULED, JobState.PARKED, JobState.DEAD):
        page = await list_jobs(redis, QUEUE, state, catalog)
        operator = Operator(redis, "bench")
        for row in page.rows[:20]:
            await operator.act(Request(Action.DELETE), QUEUE, row.key)


async def retry_all_dead(redis: QueueClient, jobs: int) -> float:
    """Return the seconds that a retry of *jobs* dead jobs takes."""
    excess = await redis.zcard(KEY + keys.DEAD_SUFFIX) - jobs
    if excess > 0:
        await redis.zremrangebyrank(KEY + keys.DEAD_SUFFIX, 0, excess - 1)
    selection = Selection(QUEUE, JobState.DEAD, Filter())
    bulk = Bulk(redis, Operator(redis, "bench"), Request(Action.RUN), selection)
    started = time.perf_counter()
    done = await bulk.run(Catalog.of([work]), total=jobs)
    took = time.perf_counter() - started
    assert done.acted == jobs, done  # noqa: S101 -- a wrong measurement is none
    return took


async def lateness_of_results(redis: QueueClient, url: str, waiters: int) -> list[float]:
    """Return, for jobs that end while *waiters* wait, how many ms later their caller knows."""
    later = answer.options(delay_s=600)
    handles = await asyncio.gather(*[later.enqueue() for _ in range(waiters)])
    late: list[float] = []

    async def wait(handle: JobHandle[float]) -> None:
        ended = await handle.result()
        late.append((time.time() - ended) * 1000)

    tasks = [asyncio.create_task(wait(handle)) for handle in handles]
    await asyncio.sleep(3.0)
    # The worker is another process: one that shared this loop would be late itself.
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.limits", "--answer", url
    )
    operator = Operator(redis, "bench")
    for handle in handles[:_ANSWERED]:
        await operator.act_unrecorded(Request(Action.RUN), "waited", [handle.id])
        await asyncio.sleep(0.02)
    await asyncio.wait(tasks[:_ANSWERED])
    worker.terminate()
    await worker.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return late


async def idle_commands(redis: QueueClient, url: str) -> float:
    """Return how many commands a second an idle worker costs, those in its scripts counted."""

    async def processed() -> int:
        return int((await redis.info("stats"))["total_commands_processed"])

    # Without another poll, of which a fleet has one.
    async with at_work(url, "idle", rest, poll_interval_s=3600.0):
        await asyncio.sleep(2.0)
        before = await processed()
        await asyncio.sleep(_IDLE_FOR_S)
        return (await processed() - before - 1) / _IDLE_FOR_S


def doctor_s(url: str) -> float:
    """Return the seconds that `pipeline doctor` takes once it is loaded."""
    from runner.commands.doctor import doctor
    from settings.application import Application

    os.environ["REDIS_URL"] = url
    application = Application()
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        doctor.main([], obj=application, standalone_mode=False)
    return time.perf_counter() - started


async def measure(server: RedisServer, args: argparse.Namespace) -> list[Row]:
    """Fill, use and measure."""
    redis = connect(server.url)
    current.use(redis)
    await fill(redis, args.scale)
    await redis.config_set("slowlog-log-slower-than", _SLOWER_THAN_US)
    await redis.config_set("slowlog-max-len", 100_000)
    await redis.slowlog_reset()
    await redis.config_resetstat()
    rows = []
    started = time.perf_counter()
    async with at_work(server.url, QUEUE, work, concurrency=1):
        rows.append(Row("a worker starts", time.perf_counter() - started, 1.0, "s"))
    await use_all(redis, server.url)
    rows.append(Row("`doctor`", await asyncio.to_thread(doctor_s, server.url), 3.0, "s"))
    retried = min(args.dead_retried, int(await redis.zcard(KEY + keys.DEAD_SUFFIX)))
    took = await retry_all_dead(redis, retried)
    rows.append(Row(f"`dead retry --all` of {retried:,}", took, 5.0, "s"))
    calls, slow = await scripts_slower(redis)
    rows.append(
        Row(f"scripts, p99.9 of {calls:,}", quantile(calls, slow, 0.999), SCRIPT_BUDGET_MS, "ms")
    )
    slowest = ", ".join(f"{name} {ms:.1f} ms" for ms, name in slow[:-21:-1])
    print(f"(slowest scripts: {slowest})")  # noqa: T201 -- likewise
    late = await lateness_of_results(redis, server.url, args.waiters)
    what = f"`handle.result()` with {args.waiters:,} waiters, late"
    rows.append(Row(f"{what}, median", statistics.median(late), 100.0, "ms"))
    rows.append(Row(f"{what}, at most", max(late), 100.0, "ms"))
    idle = await idle_commands(redis, server.url)
    what = "an idle worker, with the commands inside its scripts"
    rows.append(Row(what, idle, 5.0, "commands/s"))
    await redis.aclose()
    return rows


async def answer_until_killed(url: str) -> None:
    """Run the worker of the queue whose results are waited for."""
    async with at_work(url, "waited", answer, concurrency=50):
        await asyncio.Event().wait()


def main() -> None:
    """Measure, print the table, and fail if a budget is not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--waiters", type=int, default=10_000)
    parser.add_argument("--dead-retried", type=int, default=66_000)
    parser.add_argument("--answer", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        asyncio.run(answer_until_killed(args.answer))
        return
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        rows = asyncio.run(measure(server, args))
        used = server.info("memory")["used_memory_peak"]
    print("\n| what | measured | budget | kept |\n|---|---|---|---|")  # noqa: T201
    for row in rows:
        print(row)  # noqa: T201
    print(f"\nRedis used {used / 1e9:.2f} GB at most.")  # noqa: T201
    sys.exit(any(not row.holds for row in rows))


if __name__ == "__main__":
    main()
