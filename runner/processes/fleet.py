"""Several workers in one process and one event loop, started and stopped together."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from runner.on_arq.worker import Worker
    from runner.worker.guard import Guard

_log = structlog.get_logger("runner.fleet")


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """
    How the queues of one process share their slots.

    weights: by the queues' names, in the order that *strict* goes by. slots: of all together; None:
    as many as their settings classes have.
    """

    weights: Mapping[str, float]
    slots: int | None = None
    strict: bool = False


class Fleet:
    """Workers in one process. If one of them fails, all of them stop."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers

    async def run(self) -> None:
        """Run until every worker has ended; raise their errors together."""
        async with asyncio.TaskGroup() as group:
            for worker in self.workers:
                # Each task has its own context, so each worker enqueues with its own client.
                group.create_task(self._run_one(worker), name=f"worker {worker.options.queue}")

    async def _run_one(self, worker: Worker) -> None:
        try:
            await worker.async_run()
        finally:
            await worker.close()

    def guarded(self, guard: Guard) -> AbstractAsyncContextManager[None]:
        """In the block, once the workers are ready, *guard* watches with their shortest limit."""
        limits = [worker.options.blocked_limit_s for worker in self.workers]
        return guard.limited_once(self.ready(), min(limits))

    async def ready(self) -> None:
        """Return when every worker is registered and claims jobs."""
        for worker in self.workers:
            await worker.ready.wait()

    def stop(self, *, at_once: bool = False) -> None:
        """Stop all workers gracefully, or *at_once*."""
        for worker in self.workers:
            worker.stop(at_once=at_once)

    @property
    def slots_in_words(self) -> str:
        """How many jobs run at a time, and of which queues."""
        own = [f"{one.options.queue} {one.max_jobs}" for one in self.workers if not one.share]
        pooled = [(one.share, one.options.queue) for one in self.workers if one.share]
        pooled.sort(key=lambda one: one[0].place)
        for pool in {share.pool: None for share, _ in pooled}:
            queues = [
                queue if pool.strict else f"{queue}:{share.weight:g}"
                for share, queue in pooled
                if share.pool is pool
            ]
            how = "in this order" if pool.strict else "by weight"
            own.append(f"{pool.slots} of one pool, {how}: {', '.join(queues)}")
        return ", ".join(own)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Fleet]:
        """Run the workers during the block, and stop them gracefully at its end."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(), name="fleet")
            try:
                yield self
            except asyncio.CancelledError:
                self.stop(at_once=True)
                raise
            finally:
                self.stop()
                await asyncio.wait({task})

    @asynccontextmanager
    async def stopped_by_signals(self) -> AsyncIterator[Fleet]:
        """In the block, SIGINT or SIGTERM stops the fleet gracefully, a second one at once."""
        loop = asyncio.get_running_loop()
        signalled = False

        def stop(number: signal.Signals) -> None:
            nonlocal signalled
            _log.info("stopping", signal=number.name, at_once=signalled)
            self.stop(at_once=signalled)
            signalled = True

        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, stop, number)
        try:
            yield self
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
