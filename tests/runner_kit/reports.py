"""The stage: where the jobs of a test report what they do, and wait until they may go on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from tests.runner_kit.waiting import soon


class Reports:
    """Reports of jobs, in order; the test reads each once."""

    def __init__(self) -> None:
        self._unread: asyncio.Queue[Any] = asyncio.Queue()
        self.times: list[float] = []
        """When each report was made, as Unix time."""

    def put(self, report: Any = None) -> None:
        """Add a report."""
        self.times.append(time.time())
        self._unread.put_nowait(report)

    async def next(self) -> Any:
        """Return the next report; wait for it if there is none."""
        return await soon(self._unread.get())

    def unread(self) -> list[Any]:
        """Return the reports that the test has not read; they count as read from now on."""
        return [self._unread.get_nowait() for _ in range(self._unread.qsize())]


class Stage:
    """
    What the jobs of one test share with it.

    go: set by the test to let its jobs go on. runs: how often each job ran, by what the jobs count.
    running: jobs that `hold` keeps now; most_running: the most at a time.
    """

    def __init__(self) -> None:
        self.started = Reports()
        self.cancelled = Reports()
        self.go = asyncio.Event()
        self.runs: Counter[Any] = Counter()
        self.running = 0
        self.most_running = 0

    async def hold(self, report: Any = None) -> None:
        """For a job: report the start, then wait until it may go on; report a cancellation too."""
        self.started.put(report)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.put(report)
            raise
        finally:
            self.running -= 1

    def clear(self) -> None:
        """Start over, as each test does: an event belongs to the loop that waited for it first."""
        self.__init__()  # type: ignore[misc]


stage = Stage()
"""The stage of the test that runs; jobs are defined once, so it stands beside them."""
