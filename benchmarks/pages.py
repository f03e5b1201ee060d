"""
Measure the operators' pages with a million jobs in a queue, 10,000 dead, 100,000 done, 200 workers.

    python -m benchmarks.pages [--jobs 1000000] [--dead 10000] [--done 100000] [--workers 200]

Prints milliseconds from the request to the last byte, in one process with the pages and with a
real Redis: the median and the worst of 15 requests per page, after one that is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from pydantic_core import to_json

from benchmarks.redis_server import running_redis
from runner import connect
from runner.broker import keys
from runner.operations.catalog import Catalog
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard
from runner.web.live import Live

if TYPE_CHECKING:
    from runner import QueueClient

QUEUES = ("default", "analytics")
PAGES = (
    "/",
    "/queues",
    "/queues/default",
    "/jobs",
    "/jobs?state=ready",
    "/jobs?queue=default&state=scheduled",
    "/jobs?state=running",
    "/jobs?state=retrying",
    "/jobs?state=dead",
    "/jobs?state=dead&by=each",
    "/jobs?state=done",
    "/workers",
    "/workers/web-007:1",
    "/jobs/default/ready-1000",
    "/runs",
    "/metrics/jobs",
    "/schedules",
    "/audit",
    "/all?action=delete&queue=default&state=dead",
    # These begin a search that goes on in the background, beside the page that shows it.
    "/jobs?job=nobody",
    "/jobs?state=dead&by=each&error=no+such+thing",
    "/jobs?queue=default&state=ready&text=UC999999",
)
_REQUESTS = 15
_CHUNK = 10_000


def _body(job: str, number: int, now_ms: int) -> bytes:
    arguments = {"channel_id": f"UC{number}", "days": 28}
    return to_json({"t": None, "f": job, "a": [], "k": arguments, "et": now_ms})


async def fill(redis: QueueClient, jobs: int, dead: int) -> None:
    """Put *jobs* into the queue, a tenth of them scheduled, and *dead* dead ones with errors."""
    now_ms = time.time_ns() // 1_000_000
    key = keys.ARQ.queue_key(QUEUES[0])
    ready = jobs - jobs // 10
    for start in range(0, jobs, _CHUNK):
        numbers = range(start, min(jobs, start + _CHUNK))
        names = {n: f"ready-{n}" if n < ready else f"later-{n}" for n in numbers}
        due = {names[n]: now_ms - jobs + n if n < ready else now_ms + 10**9 + n for n in numbers}
        await redis.mset(
            {keys.ARQ.job_prefix + names[n]: _body("sync_channel", n, now_ms) for n in numbers}
        )
        await redis.zadd(key, due)
    entry = to_json(
        {
            "attempt": 4,
            "started_ms": now_ms - 5,
            "failed_ms": now_ms,
            "error": "LookupError",
            "message": "the channel is gone",
            "traceback": "Traceback (most recent call last):\n" + "  File …, line 1\n" * 30,
            "worker": "host:1:abc",
        }
    )
    for start in range(0, dead, _CHUNK):
        ids = [f"dead-{n}" for n in range(start, min(dead, start + _CHUNK))]
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zadd(key + keys.DEAD_SUFFIX, {one: now_ms - n for n, one in enumerate(ids, start)})
            for number, one in enumerate(ids, start):
                pipe.set(keys.ARQ.job_prefix + one, _body("notify", number, now_ms))
                pipe.set(keys.ARQ.retry_prefix + one, 4)
                pipe.rpush(keys.ARQ.history_prefix + one, entry)
            await pipe.execute()


async def fill_done(redis: QueueClient, done: int, workers: int) -> None:
    """Put *done* results beside them, ended one a millisecond, by *workers* in turn."""
    now_ms = time.time_ns() // 1_000_000
    key = keys.ARQ.queue_key(QUEUES[0]) + keys.DONE_SUFFIX
    for start in range(0, done, _CHUNK):
        numbers = range(start, min(done, start + _CHUNK))
        results = {}
        for n in numbers:
            result = {
                "t": 1,
                "f": "sync_channel",
                "a": [],
                "k": {"channel_id": f"UC{n}"},
                "et": now_ms - n - 50,
                "s": True,
                "r": None,
                "st": now_ms - n - 20,
                "ft": now_ms - n,
                "q": keys.ARQ.queue_key(QUEUES[0]),
                "id": f"done-{n}",
                "w": _worker(n % max(workers, 1)),
                "due": now_ms - n - 50,
            }
            results[keys.ARQ.result_prefix + f"done-{n}"] = to_json(result)
        await redis.mset(results)
        await redis.zadd(key, {f"done-{n}": now_ms - n for n in numbers})


def _worker(number: int) -> str:
    return f"web-{number:03}:1:abc"


async def beat(redis: QueueClient, workers: int) -> None:
    """Write the heartbeats of *workers*, half of whose slots are busy."""
    now_ms = time.time_ns() // 1_000_000
    for number in range(workers):
        one = _worker(number)
        found = {
            "id": one,
            "queue": QUEUES[0],
            "host": one.partition(":")[0],
            "pid": 1,
            "slots": 10,
            "busy": 5,
            "jobs": ["sync_channel"],
            "started_at": "2026-01-01T00:00:00+00:00",
            "release": "1.0",
            "beat_ms": now_ms,
            "rss": 200_000_000,
            "lag_ms": 2.0,
        }
        await redis.set(keys.ARQ.worker_prefix + one, to_json(found), ex=3600)
        await redis.zadd(keys.ARQ.queue_key(QUEUES[0]) + keys.WORKERS_SUFFIX, {one: now_ms})


async def measure(redis: QueueClient) -> dict[str, tuple[float, float]]:
    """Return the median and worst milliseconds of each page."""
    dashboard = Dashboard(
        redis=redis,
        queues=QUEUES,
        catalog=Catalog(),
        schedule=(),
        live=Live(redis, QUEUES),
        secret="of the test, and of nobody else: 0123456789",  # noqa: S106 -- of nothing
    )
    transport = httpx.ASGITransport(app=dashboard_app(dashboard, hosts=("localhost",)))
    found = {}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", follow_redirects=True
    ) as browser:
        for page in PAGES:
            if page.startswith("/workers/") and (await browser.get(page)).is_error:
                continue  # without workers
            first = (await browser.get(page)).raise_for_status()
            # A search has an address of its own, where it goes on.
            times = [await _once(browser, str(first.url)) for _ in range(_REQUESTS)]
            found[page] = statistics.median(times), max(times)
    await dashboard.close()
    return found


async def _once(browser: httpx.AsyncClient, page: str) -> float:
    started = time.perf_counter()
    (await browser.get(page)).raise_for_status()
    return (time.perf_counter() - started) * 1000


async def _run(given: Any) -> dict[str, tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        redis = connect(server.url)
        try:
            await fill(redis, given.jobs, given.dead)
            await fill_done(redis, given.done, given.workers)
            await beat(redis, given.workers)
            return await measure(redis)
        finally:
            await redis.aclose()


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description="Measure the operators' pages.")
    options.add_argument("--jobs", type=int, default=1_000_000)
    options.add_argument("--dead", type=int, default=10_000)
    options.add_argument("--done", type=int, default=100_000)
    options.add_argument("--workers", type=int, default=200)
    given: Any = options.parse_args()
    found = asyncio.run(_run(given))
    filled = f"{given.jobs:,} jobs in the queue, {given.dead:,} dead, {given.done:,} done"
    print(f"{filled}, {given.workers:,} workers\n")  # noqa: T201 -- a command prints
    print(f"{'page':<46} {'median ms':>9} {'worst ms':>9}")  # noqa: T201
    for page, (median, worst) in found.items():
        print(f"{page:<46} {median:>9.1f} {worst:>9.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
