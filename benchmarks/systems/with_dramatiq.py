"""Dramatiq with its Redis broker: plain functions in threads, its native way."""

from __future__ import annotations

import itertools
import logging
import threading
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from protocol import (
    BULK,
    TASKS,
    ThreadMeter,
    about,
    arguments,
    read_request,
)

request = read_request()
meter = ThreadMeter(request)
broker = RedisBroker(url=request.url or "redis://localhost")
dramatiq.set_broker(broker)


@dramatiq.actor
def touch(channel_id: str, position: int) -> None:  # noqa: ARG001
    """Do nothing but count."""
    meter.count(position)


def work() -> None:
    """Run the threads of one worker process."""
    logging.basicConfig(level=request.level)
    worker = dramatiq.Worker(broker, worker_threads=request.concurrency)
    worker.start()
    worker.join()
    threading.Event().wait()


def enqueue() -> None:
    """Enqueue one job at a time in each of 32 threads."""
    positions = itertools.count()

    def one_by_one() -> None:
        while (position := next(positions)) < request.jobs:
            ((channel_id, _),) = arguments([position])
            # Too late after `max_age` milliseconds.
            touch.send_with_options(
                kwargs={"channel_id": channel_id, "position": position},
                **({"max_age": 3_600_000} if request.feature else {}),
            )

    threads = [threading.Thread(target=one_by_one) for _ in range(TASKS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    request.answer(jobs=request.jobs, seconds=time.perf_counter() - started)


def enqueue_in_groups() -> None:
    """Enqueue with groups, Dramatiq's call for many jobs, which sends them one by one."""
    started = time.perf_counter()
    for first in range(0, request.jobs, BULK):
        positions = range(first, min(first + BULK, request.jobs))
        dramatiq.group([touch.message(*call) for call in arguments(positions)]).run()
    request.answer(jobs=request.jobs, seconds=time.perf_counter() - started)


match request.command:
    case "about":
        about(request, "dramatiq", "redis", "hiredis")
    case "drain":
        work()
    case "enqueue-bulk":
        enqueue_in_groups()
    case _:
        enqueue()
