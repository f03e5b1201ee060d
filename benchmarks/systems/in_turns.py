"""
The child of `benchmarks.against`: enqueues or drains, and stops itself after every turn.

It uses only `from runner import …`, so it can measure any revision whose checkout is on PYTHONPATH.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import uvloop
from protocol import Request, enqueue_in_bulk, enqueue_in_tasks, read_request

import runner
from runner import Context, Fleet, WorkerSettings, job

if TYPE_CHECKING:
    from collections.abc import Sequence

QUEUE = "bench"


class Turns:
    """
    Stops this process after every *jobs* jobs, until SIGCONT starts the next turn.

    Before stopping it answers: the first time with the file of `runner`, then with the turn's
    seconds and CPU seconds.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._stop(file=runner.__file__)

    def count(self, jobs: int = 1) -> None:
        """Count one job or several at once."""
        self._left -= jobs
        if self._left <= 0:
            started_at, cpu_before_s = self._started
            self._stop(
                jobs=self._request.jobs - self._left,
                seconds=time.perf_counter() - started_at,
                cpu_s=time.process_time() - cpu_before_s,
            )

    def _stop(self, **answer: object) -> None:
        self._request.answer(**answer)
        signal.raise_signal(signal.SIGSTOP)
        self._left = self._request.jobs
        self._started = time.perf_counter(), time.process_time()


turns: Turns


@job(queue=QUEUE)
async def touch(ctx: Context, channel_id: str, position: int) -> None:  # noqa: ARG001 -- a job's
    """Do nothing but count."""
    turns.count()


async def _enqueue(channel_id: str, position: int) -> None:
    await touch.enqueue(channel_id=channel_id, position=position)
    turns.count()


async def _enqueue_many(calls: Sequence[tuple[str, int]]) -> None:
    await touch.enqueue_many(
        [{"channel_id": channel_id, "position": position} for channel_id, position in calls]
    )
    turns.count(len(calls))


async def _work(request: Request) -> None:
    class BenchWorker(WorkerSettings):
        queue = QUEUE
        jobs = (touch,)
        redis = request.url
        concurrency = request.concurrency

    await Fleet([BenchWorker.worker()]).run()


async def _main(request: Request) -> None:
    global turns  # noqa: PLW0603 -- the job is defined before its turns exist
    os.environ["REDIS_URL"] = request.url
    turns = Turns(request)
    without_end = Request(request.command, jobs=sys.maxsize)
    match request.command:
        case "enqueue":
            await enqueue_in_tasks(without_end, _enqueue)
        case "enqueue-bulk":
            await enqueue_in_bulk(without_end, _enqueue_many)
        case "drain":
            await _work(request)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(_main(read_request()))
