"""Send every failure to every reporter, in the background, with bounded queues."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Self

import structlog

from runner.codec import text_of
from runner.reporters import ClosableReporter
from runner.telemetry.logs import LogThrottle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.reporters import Failure, Reporter

_log = structlog.stdlib.get_logger("runner.reporters")


class FanOut:
    """
    Passes failures to all of *reporters*, each at its own pace: `report` never waits.

    Up to *waiting* failures queue for each reporter; more are dropped. A reporter that fails, or
    takes longer than *limit_s* seconds, loses that failure. Both are logged once a minute.
    """

    def __init__(
        self, reporters: Sequence[Reporter], *, waiting: int = 100, limit_s: float = 10.0
    ) -> None:
        throttle = LogThrottle()
        self._lanes = [_Lane(reporter, waiting, limit_s, throttle) for reporter in reporters]

    async def report(self, failure: Failure, /) -> None:
        """Queue *failure* for every reporter and return."""
        for lane in self._lanes:
            lane.put(failure)

    async def close(self, limit_s: float = 5.0) -> None:
        """Deliver waiting failures and close the reporters, within about *limit_s* seconds."""
        await asyncio.gather(*(lane.close(limit_s) for lane in self._lanes))

    async def __aenter__(self) -> Self:
        """Do nothing: delivery starts with the first failure."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()


class _Lane:
    """One reporter with its queue of failures."""

    def __init__(
        self, reporter: Reporter, waiting: int, limit_s: float, throttle: LogThrottle
    ) -> None:
        self._reporter = reporter
        self._name = type(reporter).__name__
        self._queue: asyncio.Queue[Failure] = asyncio.Queue(waiting)
        self._limit_s = limit_s
        self._throttle = throttle
        self._delivery: asyncio.Task[None] | None = None

    def put(self, failure: Failure) -> None:
        if self._delivery is None or self._delivery.done():
            # An empty context: in the job's own, lines about later failures would carry its id.
            self._delivery = asyncio.create_task(
                self._deliver(), name=f"report to {self._name}", context=contextvars.Context()
            )
        try:
            self._queue.put_nowait(failure)
        except asyncio.QueueFull:
            self._warn("reports dropped, the reporter is too slow", failure)

    async def close(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._queue.join()
        except TimeoutError:
            _log.warning(
                "reports lost at shutdown",
                reporter=self._name,
                reports=self._queue.qsize() + 1,
            )
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.wait({self._delivery}, timeout=1)
        if isinstance(self._reporter, ClosableReporter):
            try:
                async with asyncio.timeout(limit_s):
                    await self._reporter.close()
            except Exception as error:  # noqa: BLE001 -- a reporter may fail in any way
                _log.warning("reporter did not close", reporter=self._name, error=_named(error))

    async def _deliver(self) -> None:
        while True:
            failure = await self._queue.get()
            try:
                async with asyncio.timeout(self._limit_s):
                    await self._reporter.report(failure)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 -- so may the failure, when it is printed
                self._warn("reporter failed", failure, error=_named(error))
            finally:
                self._queue.task_done()

    def _warn(self, event: str, failure: Failure, **fields: str) -> None:
        held_back = self._throttle.admit(f"{self._name} {event}")
        if held_back is not None:
            _log.warning(
                event,
                reporter=self._name,
                job_id=failure.job_id,
                job_name=failure.job_name,
                held_back=held_back,
                **fields,
            )


def _named(error: BaseException) -> str:
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
