"""ArdiQ, whose worker loop is written in Rust, on asyncio's own loop as its command is."""

from __future__ import annotations

import asyncio
import logging

from ardiq import Ardiq
from protocol import Meter, about, enqueue_in_bulk, enqueue_in_tasks, read_request

request = read_request()
meter = Meter(request)
app = Ardiq(request.url or "redis://localhost", concurrency=request.concurrency)


@app.task
async def touch(channel_id: str, position: int) -> None:  # noqa: ARG001
    """Do nothing but count."""
    meter.count(position)


async def client() -> None:
    """Enqueue as a service does."""
    if request.command == "enqueue-bulk":
        await enqueue_in_bulk(
            request, lambda calls: app.enqueue_many([touch.prepare(*call) for call in calls])
        )
    else:
        await enqueue_in_tasks(
            request, lambda channel_id, n: touch.enqueue(channel_id=channel_id, position=n)
        )


logging.basicConfig(level=request.level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
match request.command:
    case "about":
        about(request, "ardiq", "msgpack")
    case "drain":
        asyncio.run(app.run())
    case _:
        asyncio.run(client())
