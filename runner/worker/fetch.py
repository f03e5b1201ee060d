"""
Fetching jobs: how many to claim and when, which to start, and how to wait while there are none.

With free slots a worker claims as many jobs as it has slots, and starts them at once. While all
slots are taken, more jobs wait and running ones end fast, it prefetches (see `prefetch.py`). When
there is nothing to claim, it blocks on the wake list until a job is enqueued or comes due.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from runner import clock
from runner.broker import keys
from runner.broker.cancel_safe import cancel_all
from runner.worker.claim import IDLE, SUSPECT
from runner.worker.prefetch import Pace
from runner.worker.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.broker.script_connection import StageConnection
    from runner.options import WorkerOptions
    from runner.worker.claim import Claim, Claimer
    from runner.worker.counts import JobCounts
    from runner.worker.life import Life
    from runner.worker.prefetch import Prefetched
    from runner.worker.room import Room
    from runner.worker.settle import Settler
    from runner.worker.slots import Slots

_BURST_HORIZON_S = 15.0
"""A burst waits for jobs that come due this soon: a first retry comes after 10 seconds."""

_LONGEST_REST_S = 20.0
"""After it an idle worker claims, whatever it heard: nothing is to rest on a single message."""

_LONGEST_BLOCK_S = 8.0
"""Below the time after which a connection gives up on an answer."""

_SHORTEST_BLOCK_S = 0.002
"""Redis 6.2 rounds a timeout down to whole milliseconds, and takes 0 for no timeout."""

_AFTER_LOSS_S = 0.5

_BLOCK = "block on the wake list"

_MOST_CLAIMED_AT_ONCE = 200

_UNSETTLED_PER_SLOT = 4
"""No job is started while more outcomes per slot than this wait for Redis."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Run what is due, then end; after *most_jobs* at the latest, unless that is negative."""

    most_jobs: int = -1


class Fetcher:
    """
    Claims jobs for one worker and starts them.

    burst: None for a worker that stays.
    """

    def __init__(
        self,
        redis: Redis,
        queue_key: str,
        *,
        life: Life,
        outage: Outage,
        claimer: Claimer,
        wake: StageConnection,
        prefetched: Prefetched,
        slots: Slots,
        settler: Settler,
        counts: JobCounts,
        room: Room,
        options: WorkerOptions,
        burst: Burst | None,
        redis_clock: RedisClock,
    ) -> None:
        self._clock = redis_clock
        self._redis = redis
        self._queue_key = queue_key
        self._life = life
        self._outage = outage
        self._claimer = claimer
        self._wake = wake
        self._prefetched = prefetched
        self._slots = slots
        self._places = slots.places
        self._settler = settler
        self._counts = counts
        self._room = room
        self._idle_poll_s = options.idle_poll_s
        self._burst = burst
        self._turns = Turns(options.lease_s)
        self._pace = Pace()
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Claim and start jobs until asked to stop or, in a burst, until it has ended."""
        try:
            await self._run()
        finally:
            self._places.rest()

    async def _run(self) -> None:
        while not self._life.stopping.is_set():
            if self._has_run_its_burst():
                return
            free = await self._free_slots()
            if free <= 0:
                continue
            claims = await self._claim(free)
            self._start_waiting()
            is_full = len(claims) == free or self._claimer.has_more
            if self._prefetched or (is_full and self._is_fast()):
                await self._prefetch()
            if await self._ran_suspects(idle=not claims) or is_full:
                continue
            if self._burst is not None:
                if self._has_unfinished():
                    self._life.changed.clear()
                    await self._life.changed.wait()
                    continue
                if not await self._outage.call(self._count_due_soon, unless=self._life.stopping):
                    return
            await self._wait_for_work()

    async def _claim(self, limit: int, mode: str | None = None) -> list[Claim]:
        """
        Claim jobs, which wait for their start.

        Returns also those that this worker runs already, and goes on with.
        """
        if mode is None:
            mode = IDLE if self._turns.are_due and self._is_alone() else ""
        claims = await self._claimer.claim(limit, mode=mode, volunteer_s=self._turns.volunteer_s)
        new = self._new_here(claims)
        # An aborted job will not run, so it needs no slot.
        for claim in [claim for claim in new if claim.aborted]:
            self._slots.start(claim)
        self._prefetched.put([claim for claim in new if not claim.aborted])
        return claims

    def _new_here(self, claims: Sequence[Claim]) -> list[Claim]:
        """Leave out jobs that this worker holds already, under leases that had lapsed."""
        new = []
        for claim in claims:
            if claim.before:
                self._prefetched.drop(claim.key)
            if claim.key in self._slots.newest and self._slots.continue_under(claim):
                self._claimer.tell_started([claim])
            else:
                new.append(claim)
        return new

    async def _free_slots(self) -> int:
        """Return how many jobs may be claimed now; 0 after waiting for that to change."""
        if self._life.is_quiet:
            self._places.rest()
            await self._life.may_claim.wait()
            return 0
        free = 0
        if self._may_start():
            free = self._places.reserve(min(self._left_of_burst(), _MOST_CLAIMED_AT_ONCE))
        if free <= 0:
            self._life.changed.clear()
            await self._life.changed.wait()
        return free

    def _may_start(self) -> bool:
        """Whether jobs may start in free slots; not while too many outcomes wait for Redis."""
        if self._settler.pending > _UNSETTLED_PER_SLOT * self._slots.count:
            self._places.hold()
            return False
        if not self._room.may_start(self._life):
            self._places.withdraw()
            return False
        return True

    # ------------------------------------------------------------------ prefetching

    def _is_fast(self) -> bool:
        return self._pace.is_fast(self._slots.freed, self._places.most, self._loop.time())

    async def _prefetch(self) -> None:
        """Claim the next jobs before slots become free, while jobs end fast and more wait."""
        changed = self._life.changed
        asking: asyncio.Task[bool] | None = None
        more = True
        try:
            while True:
                changed.clear()
                if asking is not None and asking.done():
                    more, asking = asking.result(), None
                if self._prefetched.is_overdue or self._is_held_back():
                    await self.give_back()
                self._start_waiting()
                if asking is None and more and (count := self._count_to_prefetch()):
                    self._places.ask_ahead()
                    asking = self._loop.create_task(self._claim_ahead(count))
                    asking.add_done_callback(lambda _: changed.set())
                if asking is None and not self._prefetched:
                    return
                self._set_alarm()
                await changed.wait()
        finally:
            if asking is not None:
                await cancel_all((asking,))
                self._places.withdraw()

    def _is_held_back(self) -> bool:
        """Whether no job may start: the queue is paused, or the worker is quiet or stopping."""
        life = self._life
        return self._claimer.is_paused or life.is_quiet or life.stopping.is_set()

    def _start_waiting(self) -> None:
        if not self._is_held_back() and self._may_start():
            free = self._places.may_start(len(self._prefetched))
            for claim in self._prefetched.take(max(0, free)):
                self._slots.start(claim)
        self._places.give_back()

    def _count_to_prefetch(self) -> int:
        """Return how many to claim; not 0 only when half of the last batch is used up."""
        slots, waiting = self._places.most, len(self._prefetched)
        room = max(slots, self._pace.ending_soon)
        if self._is_held_back() or waiting > room // 2 or not self._is_fast():
            return 0
        if self._claimer.has_volunteered or not self._room.may_start(self._life):
            return 0
        free = max(0, slots - self._slots.busy)
        most = min(room + free - waiting, self._left_of_burst(), _MOST_CLAIMED_AT_ONCE)
        return max(0, most)

    async def _claim_ahead(self, count: int) -> bool:
        """Claim *count* jobs that wait for slots; return whether there may be more."""
        try:
            claims = await self._claim(count, "")
        finally:
            self._places.answered(len(self._prefetched))
        return len(claims) == count or self._claimer.has_more

    async def give_back(self) -> None:
        """Give back the jobs that wait for a slot, as if they had not been claimed."""
        self._pace.forget()
        self._places.withdraw()
        if claims := self._prefetched.leave():
            # More may arrive meanwhile; they wait their own time.
            await self._settler.unclaim(claims)
            self._prefetched.left()

    def _set_alarm(self) -> None:
        """Wake the loop when the oldest claim has waited too long."""
        if self._alarm is None and self._prefetched.until is not None:
            delay_s = max(0.0, self._prefetched.until - clock.boot())
            self._alarm = self._loop.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._life.changed.set()

    # ------------------------------------------------------------------ suspects

    def _is_alone(self) -> bool:
        """Whether nothing runs in this process, and this worker may start something."""
        room = self._room
        return room.is_empty and room.may_start(self._life) and not self._prefetched

    async def _ran_suspects(self, *, idle: bool) -> bool:
        """Run suspects, if some wait and it is their turn; return whether any ran."""
        claimer = self._claimer
        is_turn = claimer.has_volunteered or (idle and self._is_alone())
        if not (claimer.suspects_wait and is_turn):
            return False
        ran = False
        if not self._is_held_back() and self._room.reserve(self._life):
            began = clock.monotonic()
            try:
                if was_alone := await self._becomes_alone():
                    ran = await self._run_alone(began + self._turns.longest_s)
            finally:
                self._room.release(self._life)
            self._turns.end(began, was_alone=was_alone)
        await self._outage.call(claimer.end_volunteering, unless=self._life.stopping)
        return ran

    async def _becomes_alone(self) -> bool:
        """Wait until all that runs in this process has ended, or the worker loses patience."""
        changed = self._life.changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._turns.patience_s):
                while not self._room.is_empty and not self._is_held_back():
                    changed.clear()
                    await changed.wait()
        return self._room.is_empty and not self._is_held_back()

    async def _run_alone(self, until: float) -> bool:
        """Run one suspect after the other, with nothing beside it; return whether any ran."""
        ran = False
        while not (self._is_held_back() or self._has_run_its_burst()):
            if not await self._claim(1, SUSPECT):
                break
            ran = True
            await self._see_suspect_off()
            if clock.monotonic() >= until:
                break
        return ran

    async def _see_suspect_off(self) -> None:
        """Start the claimed suspect; return once it is settled, or given back unstarted."""
        changed = self._life.changed
        while not self._life.stopping.is_set():
            changed.clear()
            if self._prefetched.is_overdue or self._is_held_back():
                await self.give_back()
            self._start_waiting()
            if not (self._prefetched or self._slots.held):
                return
            self._set_alarm()
            await changed.wait()

    # ------------------------------------------------------------------ bursts

    def _has_run_its_burst(self) -> bool:
        return self._left_of_burst() <= 0

    def _left_of_burst(self) -> int:
        """Return how many more jobs arq's `max_burst_jobs` allows."""
        if self._burst is None or self._burst.most_jobs < 0:
            return _MOST_CLAIMED_AT_ONCE
        # Outcomes on their way to Redis count, and so do claims that wait for a slot.
        return (
            self._burst.most_jobs
            - self._counts.settled
            - len(self._slots.held)
            - len(self._prefetched)
        )

    def _has_unfinished(self) -> bool:
        return bool(self._slots.busy or self._settler.pending)

    async def _count_due_soon(self) -> int:
        """Return how many jobs that nobody runs come due before a burst has ended."""
        redis, queue = self._redis, self._queue_key
        if await redis.exists(queue + keys.PAUSED_SUFFIX):
            return 0
        horizon_ms = self._clock.now_ms() + _BURST_HORIZON_S * 1000
        if await redis.zcount(queue + keys.SUSPECTS_SUFFIX, "-inf", horizon_ms):
            return 1
        ids = await redis.zrangebyscore(queue, "-inf", horizon_ms, start=0, num=1000)
        if not ids:
            return 0
        running = await redis.hmget(queue + keys.RUNNING_SUFFIX, ids)  # type: ignore[misc]
        return sum(token is None for token in running)

    # ------------------------------------------------------------------ rests

    async def _wait_for_work(self) -> None:
        """Wait until a job is enqueued or comes due, arq's poll delay has passed, or a stop."""
        self._pace.forget()
        self._places.rest()
        rest, longest_s = self._life.rest, _LONGEST_REST_S
        if self._claimer.suspects_wait:
            # Whether this worker may run them changes with what else its process runs.
            longest_s = min(longest_s, self._idle_poll_s)
        if self._claimer.next_due_in_s is not None:
            longest_s = min(longest_s, self._claimer.next_due_in_s)
        rest.begin(longest_s)
        longest_s = max(_SHORTEST_BLOCK_S, longest_s)
        wake = self._loop.create_task(self._block_on_wake_list(longest_s))
        found = self._loop.create_task(self._find_unannounced())
        ended_early = self._loop.create_task(rest.ended_early())
        try:
            waits = {wake, found, ended_early}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in (wake, found):
                if one.done():
                    one.result()
        finally:
            await cancel_all((wake, found, ended_early))
            rest.clear()

    async def _find_unannounced(self) -> None:
        """Return once a job is due that a stock arq client enqueued: it wakes nobody."""
        while True:
            await asyncio.sleep(self._idle_poll_s)
            if await self._outage.call(self._count_due):
                return

    async def _count_due(self) -> int:
        # One cheap command, not a claim, since idle workers ask it for as long as they live.
        return int(await self._redis.zcount(self._queue_key, "-inf", self._clock.now_ms()))

    async def _block_on_wake_list(self, longest_s: float) -> None:
        try:
            key, until = self._queue_key + keys.WAKE_SUFFIX, clock.monotonic() + longest_s
            while (left_s := until - clock.monotonic()) > 0:
                block_s = min(_LONGEST_BLOCK_S, max(_SHORTEST_BLOCK_S, left_s))
                if await self._wake.execute("BLPOP", key, block_s) is not None:
                    return
        except (RedisError, OSError) as error:
            if await self._outage.is_mended(error):
                return
            if not self._outage.passes(error, _BLOCK):
                raise
            self._outage.note_loss(error)
            await asyncio.sleep(min(longest_s, _AFTER_LOSS_S))
        else:
            self._outage.note_answer(_BLOCK)
