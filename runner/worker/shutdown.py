"""
How a worker stops: jobs finish if they can within the grace time, the rest goes back.

1. Claims that were not started are given back at once.
2. Running jobs have the grace time, unless a second signal says otherwise.
3. What still runs is offered to other workers, so that it runs again at once should this process
   be killed now, and then cancelled.
4. What ignores its cancellation is left behind.
5. The last outcomes go to Redis, and claims whose answer never came are undone.

None of it costs a job an attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from runner.on_arq import log as arq_log
from runner.worker.execute import Stop
from runner.worker.outcome import Released

if TYPE_CHECKING:
    from runner.on_arq.worker import Worker
    from runner.worker.attempt import Held

_log = structlog.get_logger("runner.worker")

_OFFER_WITHIN_S = 1.0
"""Redis away: the jobs are cancelled all the same."""


class Stopping:
    """How one worker stops."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._holding = worker.holding

    async def run(self) -> None:
        """Let jobs finish, give back those that have not, and settle the last."""
        await self._give_back_unstarted()
        await self._finish_running()
        await self._settle_the_last()

    async def _give_back_unstarted(self) -> None:
        """Redis away: their leases lapse, which costs them nothing either."""
        with contextlib.suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(_OFFER_WITHIN_S):
                await self._worker.taking.give_back()

    async def _finish_running(self) -> None:
        """Let jobs finish within the grace time, give back those that have not, and cancel them."""
        worker, options = self._worker, self._worker.options
        if worker.burst:
            await self._wait_for_running(None, unless=worker.stopping)
        await self._wait_for_running(options.grace_s, unless=worker.at_once)
        if worker.stop_signal and worker.speaks_arq:
            arq_log.tell_stop(worker, worker.stop_signal, waited=True)
        await self._offer_running()
        for held in list(self._holding.held):
            self._holding.stop(held, Stop.RELEASE)
        await self._wait_for_running(options.cancel_wait_s, unless=asyncio.Event())
        for held in list(self._holding.held):
            if held.is_running:
                self._holding.leave_behind(held, Released())

    async def _offer_running(self) -> None:
        """Before they are cancelled: if this process is killed meanwhile, they run at once."""
        running = [
            held.claim
            for held in self._holding.held
            if held.task is not None and not held.task.done() and self._comes_back(held)
        ]
        if running:
            with contextlib.suppress(TimeoutError, RedisError, OSError):
                async with asyncio.timeout(_OFFER_WITHIN_S):
                    await self._worker.settler.offer(running)

    def _comes_back(self, held: Held) -> bool:
        """Cancelled by a stop, it is to run again; arq's `retry_jobs` says no for its functions."""
        is_ours = held.policy is None or held.policy.plain is None
        return held.why_stopped is None and (is_ours or self._worker.retry_jobs)

    async def _wait_for_running(self, longest_s: float | None, *, unless: asyncio.Event) -> None:
        running = {held.task for held in self._holding.held if held.task and not held.task.done()}
        if not running:
            return
        hurry = asyncio.ensure_future(unless.wait())
        everything = asyncio.ensure_future(asyncio.wait(running))
        try:
            await asyncio.wait(
                {hurry, everything}, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            hurry.cancel()
            everything.cancel()
            await asyncio.gather(hurry, everything, return_exceptions=True)

    async def _settle_the_last(self) -> None:
        """Redis away at the very end: the leases lapse, and the jobs run again elsewhere."""
        worker = self._worker
        try:
            async with asyncio.timeout(worker.options.cancel_wait_s):
                await worker.settler.drained()
                if self._holding.afterwards:
                    await asyncio.wait(self._holding.afterwards)
                await worker.claimer.give_back_unanswered()
        except (TimeoutError, RedisError, OSError):
            _log.error(
                "stopped before Redis took every outcome: these jobs run again",
                job_ids=[held.claim.job_id for held in self._holding.held],
            )
