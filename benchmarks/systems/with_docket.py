"""Docket (the package is called pydocket), on asyncio's own loop as its command is."""

from __future__ import annotations

import asyncio
import logging

from docket import ConcurrencyLimit, Docket, Worker
from protocol import Meter, about, enqueue_in_tasks, read_request

request = read_request()
meter = Meter(request)


async def touch(channel_id: str, position: int) -> None:  # noqa: ARG001
    """Do nothing but count."""
    meter.count(position)


async def touch_in_turn(
    channel_id: str,  # noqa: ARG001
    position: int,
    limit: ConcurrencyLimit = ConcurrencyLimit("channel_id", max_concurrent=4),  # noqa: ARG001, B008
) -> None:
    """The same, four of a channel at a time."""
    meter.count(position)


async def main() -> None:
    """Run one worker, or enqueue as a service does."""
    async with Docket(url=request.url or "redis://localhost") as docket:
        job = touch_in_turn if request.feature else touch
        docket.register(job)
        if request.command == "drain":
            async with Worker(docket, concurrency=request.concurrency) as worker:
                await worker.run_forever()
        await enqueue_in_tasks(
            # Each `add` chooses the key of one job.
            request,
            lambda channel_id, n: docket.add(job)(channel_id=channel_id, position=n),
        )


logging.basicConfig(level=request.level)
if request.command == "about":
    about(request, "pydocket", "redis", "hiredis")
else:
    asyncio.run(main())
