"""Stock arq as in its documentation, on uvloop."""

from __future__ import annotations

import asyncio
import logging.config
from pathlib import Path
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.logs import default_log_config
from arq.worker import Worker, func
from protocol import (
    Meter,
    Request,
    StartTimes,
    about,
    count_calls,
    enqueue_in_tasks,
    ping,
    read_request,
)

request = read_request()


def job(on_job: Any) -> Any:
    """Return the job, which does nothing but count."""

    async def touch(_ctx: dict[str, Any], channel_id: str, position: int) -> None:  # noqa: ARG001
        on_job(position)

    return func(touch, name="touch")


def work(on_job: Any) -> None:
    """Run one worker, as the `arq` command does."""
    config = default_log_config(verbose=True)
    for part in (*config["handlers"].values(), *config["loggers"].values()):
        part["level"] = request.level
    logging.config.dictConfig(config)
    asyncio.set_event_loop(uvloop.new_event_loop())
    worker = Worker(
        functions=[job(on_job)],
        redis_settings=RedisSettings.from_dsn(request.url),
        max_jobs=request.concurrency,
        poll_delay=0.01 if request.variant == "tuned" else 0.5,
    )
    if request.ready:
        Path(request.ready).touch()
    worker.run()


async def client() -> None:
    """Enqueue as a service does."""
    pool = await create_pool(RedisSettings.from_dsn(request.url))

    async def enqueue(channel_id: str, position: int) -> object:
        return await pool.enqueue_job("touch", channel_id=channel_id, position=position)

    await (ping if request.command == "ping" else enqueue_in_tasks)(request, enqueue)
    await pool.aclose()


match request:
    case Request(command="about"):
        about(request, "arq", "redis", "hiredis", "uvloop")
    case Request(command="drain"):
        meter = Meter(request)
        if request.count_calls:
            count_calls(meter)
        work(meter.count)
    case Request(command="serve"):
        work(StartTimes(request).note)
    case _:
        uvloop.run(client())
