"""
Taking jobs: how many to claim and when, which to start, and how to wait while there are none.

With free slots a worker claims as many jobs as it has slots, and starts them at once. When all
slots are taken, more jobs wait and those that run end fast, it claims ahead (see `prefetch.py`).
When there is nothing to claim, it blocks on the wake list until a job is enqueued or comes due.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from runner.broker import keys
from runner.broker.outage import is_passing
from runner.worker.prefetch import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.on_arq.worker import Worker
    from runner.worker.claim import Claim

_BURST_HORIZON_S = 15.0
"""A burst waits for jobs that come due this soon: a first retry does, after 10 seconds."""

_LONGEST_BLOCK_S = 5.0
"""Well below the time after which a client gives an answer up."""

_SHORTEST_BLOCK_S = 0.002
"""Redis 6.2 cuts a timeout down to whole milliseconds, and none at all would be for ever."""

_AFTER_LOSS_S = 0.5
_CANCEL_AGAIN_S = 0.2

_MOST_CLAIMED_AT_ONCE = 500

_UNSETTLED_PER_SLOT = 4
"""Outcomes that may wait for Redis, for each slot, before no further job is started."""


class Taking:
    """Takes jobs for one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._pace = Pace()
        self._alarm: asyncio.TimerHandle | None = None
        self._called = asyncio.Event()
        """Ends a rest: the worker is to stop, or a job comes due before the rest would end."""
        self.rests_until = 0.0
        """The loop's time at which a rest will end; 0 while there is none."""

    def call(self) -> None:
        """End a rest."""
        self._called.set()

    def call_within(self, delay_s: float) -> None:
        """End a rest that would be longer than *delay_s*: a job comes due by then."""
        if self._worker.loop.time() + delay_s < self.rests_until:
            self._called.set()

    async def run(self) -> None:
        """Claim and start jobs until told to stop or, in a burst, until it is over."""
        worker = self._worker
        while not worker.stopping.is_set():
            if self._has_run_its_burst():
                return
            free = await self._free_slots()
            if free <= 0:
                continue
            claims = await self._claim(free)
            if claims is None:
                return
            for claim in self._new_here(claims):
                worker.holding.start(claim)
            if len(claims) == free:
                if self._is_fast():
                    await self._run_ahead()
                continue
            if worker.burst and await self._burst_is_over():
                return
            await self._wait_for_work()

    async def _claim(self, limit: int, *, ahead: bool = False) -> list[Claim] | None:
        """None if Redis is away, and the worker is to stop."""
        worker = self._worker
        try:
            if ahead:
                await worker.patience.call(worker.ahead.open, unless=worker.stopping)
            return await worker.claimer.claim(limit, ahead=ahead)
        except (RedisError, OSError):
            if not worker.stopping.is_set():
                raise
            return None

    def _new_here(self, claims: Sequence[Claim]) -> list[Claim]:
        """Without those of jobs that this worker had already, whose leases had lapsed."""
        worker = self._worker
        new = []
        for claim in claims:
            if claim.held_before:
                worker.ahead.drop(claim.key)
                if worker.holding.goes_on_under(claim):
                    worker.ahead.tell_started([claim])
                    continue
            new.append(claim)
        return new

    async def _free_slots(self) -> int:
        """How many jobs may be claimed now; 0 after a wait."""
        if self._worker.is_quiet:
            await self._worker.takes.wait()
            return 0
        free = min(self._may_start(), self._left_of_burst(), _MOST_CLAIMED_AT_ONCE)
        if free <= 0:
            self._worker.holding.changed.clear()
            await self._worker.holding.changed.wait()
        return free

    def _may_start(self) -> int:
        """How many slots are free; none while too many outcomes wait for Redis."""
        worker = self._worker
        if worker.settler.pending > _UNSETTLED_PER_SLOT * worker.max_jobs:
            return 0
        return worker.max_jobs - worker.holding.busy

    # ------------------------------------------------------------------ ahead

    def _is_fast(self) -> bool:
        worker = self._worker
        return self._pace.is_fast(worker.holding.ended, worker.max_jobs, worker.loop.time())

    async def _run_ahead(self) -> None:
        """While jobs end fast and more wait: have the next ones here before slots fall free."""
        worker, ahead = self._worker, self._worker.ahead
        changed = worker.holding.changed
        asking: asyncio.Task[bool] | None = None
        more = True
        try:
            while True:
                changed.clear()
                if asking is not None and asking.done():
                    more, asking = asking.result(), None
                if self._is_overdue() or self._is_to_rest():
                    await self.give_back()
                self._start_waiting()
                if asking is None and more and (count := self._wanted_ahead()):
                    asking = worker.loop.create_task(self._claim_ahead(count))
                    asking.add_done_callback(lambda _: changed.set())
                if asking is None and not ahead:
                    return
                self._set_alarm()
                await changed.wait()
        finally:
            if asking is not None:
                await end((asking,))

    def _is_to_rest(self) -> bool:
        worker = self._worker
        return worker.claimer.is_paused or worker.is_quiet or worker.stopping.is_set()

    def _start_waiting(self) -> None:
        worker = self._worker
        if not self._is_to_rest():
            for claim in worker.ahead.take(max(0, self._may_start())):
                worker.holding.start(claim)

    def _wanted_ahead(self) -> int:
        """How many to ask for: when half of those ahead are used up, a batch and what is free."""
        worker = self._worker
        slots, waiting = worker.max_jobs, len(worker.ahead)
        room = max(slots, self._pace.ending_soon)
        if self._is_to_rest() or waiting > room // 2 or not self._is_fast():
            return 0
        free = max(0, slots - worker.holding.busy)
        most = min(room + free - waiting, self._left_of_burst(), _MOST_CLAIMED_AT_ONCE)
        return max(0, most)

    async def _claim_ahead(self, count: int) -> bool:
        """Claim *count* to wait for slots; whether there may be more."""
        worker = self._worker
        asked_at = time.monotonic()
        claims = await self._claim(count, ahead=True)
        if claims is None:
            return False
        new = self._new_here(claims)
        # It will not run, so it needs no slot.
        aborted = [claim for claim in new if claim.aborted]
        worker.ahead.tell_started(aborted)
        for claim in aborted:
            worker.holding.start(claim)
        worker.ahead.put([claim for claim in new if not claim.aborted], asked_at)
        return len(claims) == count

    def _is_overdue(self) -> bool:
        until = self._worker.ahead.until
        # The loop's clock stands still within a turn, in which the process may have been stopped.
        return until is not None and time.monotonic() >= until

    async def give_back(self) -> None:
        """Give back what waits here for a slot, as if it had not been claimed."""
        ahead = self._worker.ahead
        self._pace.forget()
        if claims := ahead.leave():
            # More may arrive meanwhile, and wait their own time.
            await self._worker.settler.unclaim(claims)
            ahead.left()

    def _set_alarm(self) -> None:
        """Look again when the first claim has waited too long."""
        if self._alarm is None and self._worker.ahead.until is not None:
            delay_s = max(0.0, self._worker.ahead.until - time.monotonic())
            self._alarm = self._worker.loop.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._worker.holding.changed.set()

    # ------------------------------------------------------------------ bursts

    def _has_run_its_burst(self) -> bool:
        return self._left_of_burst() <= 0

    def _left_of_burst(self) -> int:
        """How many more jobs arq's `max_burst_jobs` lets be taken."""
        worker = self._worker
        if not worker.burst or worker.max_burst_jobs < 0:
            return _MOST_CLAIMED_AT_ONCE
        # Outcomes on their way to Redis count, and so does what waits here.
        settled = worker.jobs_complete + worker.jobs_retried + worker.jobs_failed
        taken = len(worker.holding.held) + len(worker.ahead)
        return int(worker.max_burst_jobs) - settled - taken

    async def _burst_is_over(self) -> bool:
        """Whether nothing runs here, and nothing that this worker knows comes due soon."""
        worker = self._worker
        if worker.holding.busy or worker.settler.pending:
            worker.holding.changed.clear()
            await worker.holding.changed.wait()
            return False
        return not await worker.patience.call(self._count_due_soon, unless=worker.stopping)

    async def _count_due_soon(self) -> int:
        pool, queue = self._worker.pool, self._worker.queue_name
        if await pool.exists(queue + keys.PAUSED_SUFFIX):
            return 0
        horizon_ms = (time.time() + _BURST_HORIZON_S) * 1000
        ids = await pool.zrangebyscore(queue, "-inf", horizon_ms, start=0, num=1000)
        if not ids:
            return 0
        running = await pool.hmget(queue + keys.RUNNING_SUFFIX, ids)  # type: ignore[misc]
        unknown = await pool.hmget(queue + keys.UNKNOWN_SUFFIX, ids)  # type: ignore[misc]
        return sum(a is None and b is None for a, b in zip(running, unknown, strict=True))

    # ------------------------------------------------------------------ rests

    async def _wait_for_work(self) -> None:
        """Until a job is enqueued or comes due, arq's poll delay is over, or a stop."""
        worker = self._worker
        self._pace.forget()
        longest_s = float(worker.poll_delay_s)
        if worker.claimer.next_due_in_s is not None:
            longest_s = min(longest_s, worker.claimer.next_due_in_s)
        self.rests_until = worker.loop.time() + longest_s
        longest_s = max(_SHORTEST_BLOCK_S, longest_s)
        wake = worker.loop.create_task(self._block_on_wake_list(longest_s))
        called = worker.loop.create_task(self._called.wait())
        try:
            await asyncio.wait({wake, called}, return_when=asyncio.FIRST_COMPLETED)
            if wake.done():
                wake.result()
        finally:
            await end((wake, called))
            self._called.clear()
            self.rests_until = 0.0

    async def _block_on_wake_list(self, longest_s: float) -> None:
        worker = self._worker
        try:
            block_s = min(longest_s, _LONGEST_BLOCK_S)
            await worker.wake.ask("BLPOP", worker.queue_name + keys.WAKE_SUFFIX, block_s)
        except (RedisError, OSError) as error:
            if not is_passing(error):
                raise
            worker.patience.note_loss(error)
            await asyncio.sleep(min(longest_s, _AFTER_LOSS_S))


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel until it works: on Python 3.11, redis-py may swallow one that comes as it is done."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)
