"""
How a worker stops: jobs that finish within the grace time are settled, the others go back.

1. Claims that were not started are given back at once.
2. Running jobs have the grace time, unless a second signal cuts it short.
3. What still runs is offered to other workers, so that it runs again at once if this process is
   killed now; then it is cancelled.
4. A job that ignores its cancellation is left behind.
5. The last outcomes go to Redis, and claims whose answer never came are undone.

None of it costs a job an attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from runner.worker.outcome import Released, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.options import WorkerOptions
    from runner.worker.claim import Claimer
    from runner.worker.fetch import Fetcher
    from runner.worker.held import Held
    from runner.worker.life import Life
    from runner.worker.settle import Settler
    from runner.worker.slots import Slots

_log = structlog.get_logger("runner.worker")

_OFFER_WITHIN_S = 1.0
"""If Redis is away for longer, the jobs are cancelled all the same."""


class Shutdown:
    """
    How one worker stops.

    is_burst: running jobs may take all the time they need, unless the worker is asked to stop.
    on_waited: called when the grace time has passed, or nothing runs any more.
    """

    def __init__(
        self,
        options: WorkerOptions,
        *,
        life: Life,
        slots: Slots,
        fetcher: Fetcher,
        settler: Settler,
        claimer: Claimer,
        is_burst: bool,
        on_waited: Callable[[], None],
    ) -> None:
        self._options = options
        self._life = life
        self._slots = slots
        self._fetcher = fetcher
        self._settler = settler
        self._claimer = claimer
        self._is_burst = is_burst
        self._on_waited = on_waited

    async def run(self) -> None:
        """Let jobs finish, give back those that have not, and settle the last."""
        await self._give_back_unstarted()
        await self._finish_running()
        await self._settle_the_last()

    async def _give_back_unstarted(self) -> None:
        """Give back what was not started; if Redis is away the leases lapse, at no cost either."""
        with contextlib.suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(_OFFER_WITHIN_S):
                await self._fetcher.give_back()

    async def _finish_running(self) -> None:
        """Let jobs finish within the grace time; offer the others, and cancel them."""
        if self._is_burst:
            await self._wait_for_running(None, unless=self._life.stopping)
        await self._wait_for_running(self._options.grace_s, unless=self._life.at_once)
        self._on_waited()
        await self._offer_running()
        for held in list(self._slots.held):
            self._slots.stop(held, Stop.RELEASE)
        await self._wait_for_running(self._options.cancel_wait_s, unless=asyncio.Event())
        for held in list(self._slots.held):
            if held.is_running:
                self._slots.leave_behind(held, Released())

    async def _offer_running(self) -> None:
        """Offer running jobs to other workers, which take them if this process is killed now."""
        running = [
            held.claim
            for held in self._slots.held
            if held.task is not None and not held.task.done() and self._comes_back(held)
        ]
        if running:
            with contextlib.suppress(TimeoutError, RedisError, OSError):
                async with asyncio.timeout(_OFFER_WITHIN_S):
                    await self._settler.offer(running)

    def _comes_back(self, held: Held) -> bool:
        """Whether the job runs again elsewhere after the stop has cancelled it."""
        is_given_back = held.policy is None or held.policy.is_given_back
        return held.why_stopped is None and is_given_back

    async def _wait_for_running(self, longest_s: float | None, *, unless: asyncio.Event) -> None:
        running = {held.task for held in self._slots.held if held.task and not held.task.done()}
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
        """Wait until all is settled; with Redis away, leases lapse and the jobs run elsewhere."""
        try:
            async with asyncio.timeout(self._options.cancel_wait_s):
                await self._settler.drained()
                if self._slots.afterwards:
                    await asyncio.wait(self._slots.afterwards)
                await self._claimer.leave()
        except (TimeoutError, RedisError, OSError):
            _log.error(
                "stopped before Redis took every outcome: these jobs run again",
                job_ids=[held.claim.job_id for held in self._slots.held],
            )
