"""Our runner, with all of its defaults on."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol import (
    BULK,
    Meter,
    Request,
    StartTimes,
    about,
    arguments,
    count_calls,
    enqueue_in_bulk,
    enqueue_in_tasks,
    ping,
    read_request,
)

from runner import Batch, Context, Lane, Unique, WorkerSettings, disconnect, job
from runner.broker.script_connection import RedisProtocol
from runner.codec import decode_job
from runner.current import current_client
from runner.processes.fleet import Fleet
from runner.telemetry.logs import configure_logging
from runner.worker.event_loop import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE = "bench"


@job(queue=QUEUE)
async def touch(ctx: Context, channel_id: str, position: int) -> None:  # noqa: ARG001 -- a job's
    """Do nothing but count."""
    on_job(position)


on_job: Callable[[int], None]

FEATURES = {
    "": touch.options(),
    "unique": touch.options(unique=Unique(by=("position",))),
    "priority": touch.options(priority=1),
    "lane": touch.options(lane=Lane(by="channel_id", limit=4)),
    "deadline": touch.options(deadline_s=3600),
}


@job(queue=QUEUE)
async def called(_: Context) -> None:
    """Note that the batch is over."""
    batch_over.set()


batch_over: asyncio.Event


def settings_class(request: Request) -> type[WorkerSettings]:
    """Return a settings class as a user writes it; nothing is switched off."""

    class BenchWorker(WorkerSettings):
        queue = QUEUE
        jobs = (touch, called)
        redis = request.url
        concurrency = request.concurrency
        prepare = staticmethod(functools.partial(configure_logging, level=request.level))

    return BenchWorker


async def work(request: Request) -> None:
    """Run one worker, as the `pipeline worker` command does."""
    await Fleet([settings_class(request).worker()]).run()


async def run_batch(request: Request) -> None:
    """Enqueue a batch while a worker runs it, and answer when its callback has started."""
    global batch_over, on_job  # noqa: PLW0603 -- the jobs are defined before
    on_job = int
    batch_over = asyncio.Event()
    working = asyncio.create_task(work(request))
    started = time.perf_counter()
    async with Batch("bench", complete=called.call()):
        for first in range(0, request.jobs, BULK):
            calls = arguments(range(first, min(first + BULK, request.jobs)))
            await touch.enqueue_many([{"channel_id": id_, "position": n} for id_, n in calls])
    await batch_over.wait()
    request.answer(jobs=request.jobs, seconds=time.perf_counter() - started)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def work_as_default() -> None:
    """Run the project's own default worker, with its heavy jobs."""
    from settings import DefaultWorker

    await Fleet([DefaultWorker.worker()]).run()


async def client(request: Request) -> None:
    """Enqueue as a service does."""
    await current_client().ping()
    match request.command:
        case "enqueue":
            bound = FEATURES[request.feature]
            await enqueue_in_tasks(
                request, lambda channel_id, n: bound.enqueue(channel_id=channel_id, position=n)
            )
        case "enqueue-bulk":
            await enqueue_in_bulk(
                request,
                lambda calls: touch.enqueue_many(
                    [{"channel_id": channel_id, "position": n} for channel_id, n in calls]
                ),
            )
        case "ping":
            await ping(
                request, lambda channel_id, n: touch.enqueue(channel_id=channel_id, position=n)
            )
        case "fill":
            await fill(request)
    await disconnect()


_FILL = """
-- Write the layout of enqueue.lua for KEYS[1], a thousand times faster than enqueueing.
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local id = string.format('%032x', n)
  redis.call('SET', 'arq:job:' .. id, (string.gsub(ARGV[3], '424242', tostring(n), 1)))
  redis.call('ZADD', KEYS[1], string.format('%.4f', tonumber(ARGV[4]) + n * 0.00025), id)
end
"""
_DAY_MS = 86_400_000


async def fill(request: Request) -> None:
    """Write a backlog of `jobs` due jobs and `scheduled` ones that are due in a year."""
    redis = current_client()
    handle = await touch.enqueue(channel_id="UC0000000000000000000000", position=424_242)
    body: bytes = await redis.get(f"arq:job:{handle.id}")
    decode_job(body)  # Raises unless a worker can read it.
    await redis.flushall()
    now_ms = (await redis.time())[0] * 1000
    parts = [(request.jobs, now_ms - _DAY_MS), (request.scheduled, now_ms + 365 * _DAY_MS)]
    script = redis.register_script(_FILL)
    done = 0
    for count, due_ms in parts:
        for first in range(done, done + count, 20_000):
            last = min(first + 20_000, done + count) - 1
            await script(keys=[f"arq:queue:{QUEUE}"], args=[first, last, body, due_ms])
        done += count
    request.answer(jobs=done)


def count_script_calls(meter: Meter) -> None:
    """Let *meter* count the calls that the worker sends without redis-py."""
    send = RedisProtocol.send

    def counted(protocol: RedisProtocol, packed: bytes) -> asyncio.Future[Any]:
        meter.calls += 1
        return send(protocol, packed)

    RedisProtocol.send = counted  # type: ignore[method-assign]


def main() -> None:
    """Run the requested command."""
    global on_job  # noqa: PLW0603 -- the job is defined before its meter exists
    request = read_request()
    os.environ["REDIS_URL"] = request.url
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        match request.command:
            case "about":
                about(request, "channel-pipeline", "redis", "hiredis", "uvloop", "structlog")
            case "drain":
                meter = Meter(request)
                on_job = meter.count
                if request.count_calls:
                    count_calls(meter)
                    count_script_calls(meter)
                loop.run(work(request))
            case "flow":
                loop.run(run_batch(request))
            case "serve":
                on_job = StartTimes(request).note
                Path(request.ready).touch()
                loop.run(work(request))
            case "serve-default":
                loop.run(work_as_default())
            case _:
                loop.run(client(request))


if __name__ == "__main__":
    sys.exit(main())
