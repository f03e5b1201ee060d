"""
The protocol of all systems' scripts: their request and their answer.

A script is started as a separate process, with its request as JSON in its first argument, and
writes its answer as JSON to the file named in the request. This file runs in the environments of
all Python systems, so it needs only the standard library.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import threading
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

TASKS = 32
"""Concurrent tasks (or threads) that enqueue, each awaiting one job before the next."""

BULK = 1000
"""Jobs in one bulk call."""

CHANNEL_IDS = [
    "UC" + urlsafe_b64encode(sha256(bytes([n])).digest())[:22].decode() for n in range(100)
]
"""They have the form of real channel ids."""


@dataclass(frozen=True)
class Request:
    """
    What a script should do.

    command: about, enqueue, enqueue-bulk, drain, flow, serve, ping, fill.
    feature: of each job: unique, priority, lane or deadline; '' is a plain one.
    jobs: how many. concurrency: of the worker. level: of its log.
    pauses_s: for `ping`, the pause before each job. count_calls: count round trips to Redis.
    ready: a file that `serve` creates just before the worker runs.
    scheduled: for `fill`, the number of jobs due in a year. variant: another way to run.
    """

    command: str
    url: str = ""
    out: str = ""
    jobs: int = 0
    concurrency: int = 10
    level: str = "WARNING"
    pauses_s: Sequence[float] = ()
    count_calls: bool = False
    ready: str = ""
    scheduled: int = 0
    variant: str = ""
    feature: str = ""

    def answer(self, **fields: Any) -> None:
        """Write the answer atomically."""
        part = Path(self.out + ".part")
        part.write_text(json.dumps(fields))
        part.replace(self.out)


def read_request() -> Request:
    """Return the request that this process was started with."""
    return Request(**json.loads(sys.argv[1]))


def about(request: Request, *packages: str) -> None:
    """Answer with the versions of *packages*, which have been imported by now."""
    request.answer(version=", ".join(f"{name} {version(name)}" for name in packages))


def arguments(positions: Sequence[int] | range) -> Iterator[tuple[str, int]]:
    """Yield a channel id and an int for each job: the arguments in all systems."""
    for position in positions:
        yield CHANNEL_IDS[position % len(CHANNEL_IDS)], position


class Meter:
    """
    Counts jobs inside the job itself, and ends the process with the last one.

    The time runs from the start of the first job to the start of the last.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._left = request.jobs
        self._first: float | None = None
        self.calls = 0
        self._calls_before = 0
        self._cpu_before = 0.0

    def count(self, _position: int = 0) -> None:
        """Count one job; this is all that a job does."""
        self._left -= 1
        if self._first is None:
            self._first = time.perf_counter()
            self._calls_before = self.calls
            self._cpu_before = time.process_time()
        if self._left == 0:
            self._end(time.perf_counter() - self._first)

    def _end(self, seconds: float) -> None:
        self._request.answer(
            jobs=self._request.jobs,
            seconds=seconds,
            cpu_s=time.process_time() - self._cpu_before,
            calls=self.calls - self._calls_before,
        )
        # Nothing after the last job is measured, and some workers are slow to exit.
        os._exit(0)


class ThreadMeter(Meter):
    """The same for jobs that run in threads."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._lock = threading.Lock()

    def count(self, _position: int = 0) -> None:
        """As `Meter.count`, under a lock."""
        with self._lock:
            super().count()


class StartTimes:
    """Records when each job's coroutine starts, by a clock that all processes share."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._started: dict[int, float] = {}

    def note(self, position: int) -> None:
        """Record the start of one job; the last one answers and ends the process."""
        self._started[position] = time.monotonic()
        if len(self._started) == self._request.jobs:
            self._request.answer(started=[self._started[n] for n in range(self._request.jobs)])
            os._exit(0)


def count_calls(meter: Meter) -> None:
    """Let *meter* count the calls to Redis: one write, then one awaited answer."""
    from redis.asyncio.connection import AbstractConnection

    send = AbstractConnection.send_packed_command

    def counted(*args: Any, **kwargs: Any) -> Awaitable[None]:
        meter.calls += 1
        return send(*args, **kwargs)

    AbstractConnection.send_packed_command = counted  # type: ignore[method-assign,assignment]


async def enqueue_in_tasks(
    request: Request, enqueue: Callable[[str, int], Awaitable[object]]
) -> None:
    """Enqueue with 32 tasks, each awaiting one job at a time, and answer with the time taken."""
    positions = itertools.count()

    async def one_by_one() -> None:
        while (position := next(positions)) < request.jobs:
            await enqueue(CHANNEL_IDS[position % len(CHANNEL_IDS)], position)

    started = time.perf_counter()
    await asyncio.gather(*[one_by_one() for _ in range(TASKS)])
    request.answer(jobs=request.jobs, seconds=time.perf_counter() - started)


async def enqueue_in_bulk(
    request: Request, enqueue_many: Callable[[list[tuple[str, int]]], Awaitable[object]]
) -> None:
    """Enqueue with the system's own bulk call, and answer with the time taken."""
    started = time.perf_counter()
    for first in range(0, request.jobs, BULK):
        positions = range(first, min(first + BULK, request.jobs))
        await enqueue_many(list(arguments(positions)))
    request.answer(jobs=request.jobs, seconds=time.perf_counter() - started)


async def ping(request: Request, enqueue: Callable[[str, int], Awaitable[object]]) -> None:
    """Enqueue one job after each pause, and answer with when each call began and returned."""
    called, returned = [], []
    for position, pause_s in enumerate(request.pauses_s):
        await asyncio.sleep(pause_s)
        called.append(time.monotonic())
        await enqueue(CHANNEL_IDS[position % len(CHANNEL_IDS)], position)
        returned.append(time.monotonic())
    request.answer(called=called, returned=returned)
