"""taskiq with taskiq-redis's RedisStreamBroker, on uvloop as its command is."""

from __future__ import annotations

import logging

import uvloop
from protocol import Meter, about, enqueue_in_tasks, read_request
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

request = read_request()
meter = Meter(request)
broker = RedisStreamBroker(request.url or "redis://localhost")


@broker.task(task_name="touch")
async def touch(channel_id: str, position: int) -> None:  # noqa: ARG001
    """Do nothing but count."""
    meter.count(position)


async def work() -> None:
    """Run one worker with the options of `taskiq worker`, prefetching as many as it runs."""
    logging.basicConfig(
        level=request.level,
        format="[%(asctime)s][%(name)s][%(levelname)-7s][%(processName)s] %(message)s",
    )
    broker.is_worker_process = True
    await run_receiver_task(
        broker,
        max_async_tasks=request.concurrency,
        max_prefetch=request.concurrency,
        run_startup=True,
    )


async def client() -> None:
    """Enqueue as a service does."""
    await broker.startup()

    async def enqueue(channel_id: str, position: int) -> object:
        return await touch.kiq(channel_id=channel_id, position=position)

    await enqueue_in_tasks(request, enqueue)
    await broker.shutdown()


match request.command:
    case "about":
        about(request, "taskiq", "taskiq-redis", "redis", "hiredis", "uvloop")
    case "drain":
        uvloop.run(work())
    case _:
        uvloop.run(client())
