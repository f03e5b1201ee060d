"""SAQ with its Redis queue, hiredis and uvloop."""

from __future__ import annotations

import logging
from typing import Any

import uvloop
from protocol import Meter, about, enqueue_in_tasks, read_request
from saq import Queue, Worker

request = read_request()
meter = Meter(request)


async def touch(_ctx: Any, *, channel_id: str, position: int) -> None:  # noqa: ARG001
    """Do nothing but count."""
    meter.count(position)


async def work() -> None:
    """Run one worker, as the `saq` command does."""
    logging.basicConfig(level=request.level)
    queue = Queue.from_url(request.url)
    await Worker(queue=queue, functions=[touch], concurrency=request.concurrency).start()


async def client() -> None:
    """Enqueue as a service does."""
    queue = Queue.from_url(request.url)
    await queue.connect()

    async def enqueue(channel_id: str, position: int) -> object:
        # Of jobs with one key only one waits or runs at a time.
        unique = {"key": f"touch-{position}"} if request.feature else {}
        return await queue.enqueue("touch", channel_id=channel_id, position=position, **unique)

    await enqueue_in_tasks(request, enqueue)
    await queue.disconnect()


match request.command:
    case "about":
        about(request, "saq", "redis", "hiredis", "uvloop")
    case "drain":
        uvloop.run(work())
    case _:
        uvloop.run(client())
