"""streaQ on uvloop."""

from __future__ import annotations

import logging.config

import anyio
from protocol import Meter, about, enqueue_in_bulk, enqueue_in_tasks, read_request
from streaq import Worker
from streaq.utils import default_log_config

request = read_request()
meter = Meter(request)
worker = Worker(
    redis_url=request.url or "redis://localhost",
    concurrency=request.concurrency,
    anyio_kwargs={"use_uvloop": True},
)


@worker.task
async def touch(channel_id: str, position: int) -> None:  # noqa: ARG001
    """Do nothing but count."""
    meter.count(position)


def work() -> None:
    """Run one worker, as the `streaq` command does."""
    config = default_log_config(worker.tz, verbose=False)
    for part in (*config["handlers"].values(), *config["loggers"].values()):
        part["level"] = request.level
    logging.config.dictConfig(config)
    worker.run_sync()


async def client() -> None:
    """Enqueue as a service does."""
    async with worker:
        if request.command == "enqueue-bulk":
            await enqueue_in_bulk(
                request,
                lambda calls: worker.enqueue_many([touch.enqueue(*call) for call in calls]),
            )
        else:

            async def enqueue(channel_id: str, position: int) -> object:
                return await touch.enqueue(channel_id=channel_id, position=position)

            await enqueue_in_tasks(request, enqueue)


match request.command:
    case "about":
        about(request, "streaq", "coredis", "anyio", "hiredis", "uvloop")
    case "drain":
        work()
    case _:
        anyio.run(client, backend_options={"use_uvloop": True})
