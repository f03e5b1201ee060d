"""
The slots in which a worker runs jobs, one each: its own, or those of a pool that it shares.

A pool (`SlotPool`) has so many slots for the workers of several queues in one process. Each has a
share by its weight, counted over the queues that have work: what one does not use goes to the
others, and comes back as slots become free. No running job is interrupted for it.

Who gets a free slot:
1. A worker that has work holds at most its share, rounded up, while others have work, too. So long
   jobs of one queue cannot take the slots of another.
2. Among those below that, it goes to the one that has used least by its weight, in seconds of
   slots; a job counts as a hundredth of a second at least. So shares are right over time where
   they are no whole number of slots, down to a pool of one.
3. What a queue did not use while it had no work is not made up for.
4. In a strict pool, it goes to the first queue that has work.

A worker reserves slots for what it asks Redis for, and gives back those for which nothing was due.
While jobs are so short that it waits for Redis and not for slots, others get a little ahead of it.
If Redis does not answer for a second, nobody waits any longer: each queue may have its own server.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import TYPE_CHECKING, Final

from runner import clock
from runner.checks import flag, seconds, whole
from runner.errors import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_LEAST_S: Final = 0.01
"""What a job counts at least, in seconds of a slot: shares of short jobs are by their number."""

_SLACK_S: Final = 0.5
"""How far others get ahead of one that waits for Redis, in seconds of slots: 50 short jobs."""

_LONGEST_ANSWER_S: Final = 1.0

_EVER_S: Final = 1e9

_numbers: Final = itertools.count(1)

_CLOSE: Final = 1e-9
"""Sums of fractions may be a little more than the whole number that is meant."""


class OwnSlots:
    """The slots of a worker that shares them with nobody."""

    def __init__(self, count: int) -> None:
        self.count = count
        """How many jobs the worker runs at a time, at most."""
        self.busy = 0
        """Slots that jobs of this worker take."""

    @property
    def most(self) -> int:
        """How many this worker may take as things are."""
        return self.count

    def describe(self) -> Mapping[str, Any]:
        """Return what the heartbeat says of the pool; nothing if there is none."""
        return {}

    def open(self, on_turn: Callable[[], None]) -> None:
        """Begin, or begin anew, with nothing taken; *on_turn* is called when a slot is for it."""

    def reserve(self, most: int) -> int:
        """Return how many jobs, *most* at most, would have a slot if they were claimed now."""
        return min(most, self.count - self.busy)

    def may_start(self, waiting: int) -> int:
        """Return how many of *waiting* claimed jobs may start now."""
        return min(waiting, self.count - self.busy)

    def start(self) -> None:
        """Note that a job has started."""
        self.busy += 1

    def end(self, started: float) -> None:  # noqa: ARG002 -- a share counts seconds
        """Note that a job that started at *started*, by `clock.monotonic`, has left its slot."""
        self.busy -= 1

    def give_back(self) -> None:
        """Give back what was reserved and is not used."""

    def ask_ahead(self) -> None:
        """Note that the worker asks Redis for jobs that will wait for a slot."""

    def answered(self, waiting: int) -> None:
        """Note that it got its answer, and that so many wait for a slot."""

    def hold(self) -> None:
        """Want no slot until Redis has taken outcomes."""

    def withdraw(self) -> None:
        """Want no slot for now."""

    def rest(self) -> None:
        """Want no slot until there is work again."""


class SlotPool:
    """
    The slots that the workers of several queues share in one process.

        pool = SlotPool(20)
        fleet = Fleet([Mail.worker(share=pool.share(3)), Bulk.worker(share=pool.share(1))])

    slots: how many jobs run at a time, of all queues together. strict: a free slot goes to the
    first queue that has work, in the order in which they got their shares; weights do not count.

    Raises:
        ConfigurationError: The number is none, or below 1.
    """

    def __init__(self, slots: int, *, strict: bool = False) -> None:
        refuse("a pool of slots", whole("slots", slots, least=1), flag("strict", strict))
        self.number = next(_numbers)
        """Which pool of its process it is."""
        self.slots = slots
        self.strict = strict
        self.shares: list[Share] = []
        self.contended_at = 0.0
        """Since when several have work, by `clock.monotonic`."""
        self.level = 0.0
        """What one that had no work is taken to have used."""

    def share(
        self, weight: float = 1, *, most: int | None = None, beside: Share | None = None
    ) -> Share:
        """
        Return a share of the slots, for `WorkerSettings.worker(share=…)`.

        most: how many slots it may have, even if no other queue has work; None: all of them.
        beside: the share of another partition of the queue: they have its weight together.

        Raises:
            ConfigurationError: A number is none, or not above 0.
        """
        refuse(
            "a share of a pool",
            seconds("weight", weight, above=0),
            None if most is None else whole("most", most, least=1),
        )
        place = len(self.shares) if beside is None else beside.place
        made = Share(self, place, weight, min(most or self.slots, self.slots))
        self.shares.append(made)
        if beside is not None:
            made.has_parts = beside.has_parts = True
        return made

    @property
    def busy(self) -> int:
        """Slots that jobs take."""
        return sum(one.busy for one in self.shares)

    @property
    def free(self) -> int:
        """Slots that are neither taken nor reserved."""
        # An aborted job takes a slot that may not be there, for a moment.
        return max(0, self.slots - sum(one.taken for one in self.shares))

    def at_work(self, asking: Share) -> list[Share]:
        """Return those that have work, and *asking*."""
        return [one for one in self.shares if one is asking or one.has_work]

    def pass_on(self, besides: Share | None = None) -> None:
        """Wake the worker for which a free slot is; *besides* is awake."""
        waiting = [one for one in self.shares if one.wants]
        if len(waiting) == 1 and waiting[0] is besides:
            return
        if waiting and self.free and (chosen := self._next(waiting)) is not None:
            chosen.on_turn()

    def is_blocked(self, asking: Share) -> bool:
        """Whether, in a strict pool, one before *asking* comes first."""
        return any(one.is_ahead and one.place < asking.place for one in self.shares)

    def _next(self, waiting: list[Share]) -> Share | None:
        able = [one for one in waiting if one.taken < one.most]
        if self.strict:
            return next((one for one in able if not self.is_blocked(one)), None)
        return next((one for one in sorted(able, key=_used) if one.lead_s() >= 0), None)


class Share(OwnSlots):
    """One worker's part in a `SlotPool`, which makes it."""

    def __init__(self, pool: SlotPool, place: int, weight: float, limit: int) -> None:
        super().__init__(limit)
        self.pool = pool
        self.place = place
        """Where its queue stands in the order."""
        self.weight = weight
        self.has_parts = False
        """Whether other partitions of the queue have the weight, too."""
        self.used = 0.0
        """Seconds of slots, by its weight."""
        self.wants = 0
        """How many slots it waits for."""
        self.on_turn: Callable[[], None] = self.give_back
        self._reserved = 0
        self._asks_ahead = False
        self._is_behind = False
        self._rests = True
        self._patience: asyncio.TimerHandle | None = None

    @property
    def taken(self) -> int:
        """Slots taken or reserved."""
        return self.busy + self._reserved

    @property
    def has_work(self) -> bool:
        """Whether it waits for a slot, or for what Redis has for it."""
        return bool(self.wants or self._reserved or self.waits_for_redis)

    def describe(self) -> Mapping[str, Any]:
        """Return what the heartbeat says of it."""
        return {
            "number": self.pool.number,
            "slots": self.pool.slots,
            "busy": self.pool.busy,
            "strict": self.pool.strict,
            "place": self.place + 1,
            "weight": self.weight,
        }

    @property
    def waits_for_redis(self) -> bool:
        """Whether it starts nothing until Redis answers, though slots may be free."""
        return self._asks_ahead or self._is_behind

    @property
    def is_ahead(self) -> bool:
        """Whether no one behind it in a strict pool may start a job now."""
        return self.has_work and self.taken < self.count

    @property
    def most(self) -> int:
        """How many it may take while others have work: its share of the slots that they have."""
        at_work = self.pool.at_work(self)
        if self.pool.strict or len(at_work) == 1:
            return self.count
        taken = sum(one.taken for one in self.pool.shares if one not in at_work)
        return min(self.count, _shared(self.pool.slots - taken, at_work, self))

    def open(self, on_turn: Callable[[], None]) -> None:
        """Begin, or begin anew, with nothing taken; *on_turn* is called when a slot is for it."""
        self.on_turn = on_turn
        self.busy = 0
        self.rest()

    def reserve(self, most: int) -> int:
        """Keep slots for at most *most* jobs that are claimed now, and return how many."""
        granted = self._granted(most)
        self._reserved += granted
        self.wants = 0 if granted else max(0, most)
        self._wait_for_redis(behind=False)
        self.pool.pass_on()
        return granted

    def may_start(self, waiting: int) -> int:
        """Return how many of *waiting* claimed jobs may start now."""
        kept = min(waiting, self._reserved)
        granted = kept + self._granted(waiting - kept)
        self.wants = waiting - granted
        self._wait_for_redis(behind=False)
        return granted

    def start(self) -> None:
        """Note that a job has started."""
        self._reserved = max(0, self._reserved - 1)
        self.busy += 1
        self.pool.level = max(self.pool.level, self.used)
        self._use(_LEAST_S)

    def end(self, started: float) -> None:
        """Note that a job that started at *started* has left its slot, and count its seconds."""
        self.busy -= 1
        counted_from = max(started, self.pool.contended_at)
        self._use(max(0.0, clock.monotonic() - counted_from - _LEAST_S))
        self.pool.pass_on(self)

    def give_back(self) -> None:
        """Give back what was reserved and is not used."""
        self._reserved = 0
        self._wait_for_redis(behind=self._is_behind)
        self.pool.pass_on()

    def ask_ahead(self) -> None:
        """Note that the worker asks Redis for jobs that will wait for a slot."""
        self._asks_ahead = True
        self._wait_for_redis(behind=self._is_behind)

    def answered(self, waiting: int) -> None:
        """Note that it got its answer, and that so many wait for a slot."""
        self._asks_ahead = False
        # Said before anybody is woken: they are this worker's first.
        self.wants = waiting
        self.give_back()

    def hold(self) -> None:
        """Want no slot until Redis has taken outcomes."""
        self.wants = 0
        self._wait_for_redis(behind=True)
        self.give_back()

    def withdraw(self) -> None:
        """Want no slot for now."""
        self.wants = 0
        self._asks_ahead = self._is_behind = False
        self.give_back()

    def rest(self) -> None:
        """Want no slot until there is work again."""
        self._rests = True
        self.withdraw()

    def _wait_for_redis(self, *, behind: bool) -> None:
        """Wait with others for Redis, but not for long."""
        self._is_behind = behind
        waits = bool(self._reserved or self.waits_for_redis)
        if waits and self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(_LONGEST_ANSWER_S, self._lose_patience)
        elif self._patience is not None and not waits:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        self._reserved = 0
        self._asks_ahead = self._is_behind = False
        self.pool.pass_on()

    def _granted(self, most: int) -> int:
        """How many more slots are for it now."""
        if self._rests and most > 0:
            self._find_work()
        pool = self.pool
        free = max(0, min(most, pool.free))
        others = [one for one in pool.shares if one is not self and one.has_work]
        if not free or not others:
            return max(0, min(free, self.count - self.taken))
        if pool.strict:
            return 0 if pool.is_blocked(self) else max(0, min(free, self.count - self.taken))
        able = max(0, min(free, self.most - self.taken))
        lead_s = self.lead_s()
        return 0 if lead_s < 0 else min(able, int(lead_s / _LEAST_S) + 1)

    def lead_s(self) -> float:
        """How many seconds of slots it may use before it is another one's turn."""
        weight, lead_s = self._weight_now(), _EVER_S
        for one in self.pool.shares:
            if one is self:
                continue
            if one.wants and one.taken < one.most:
                lead_s = min(lead_s, (one.used - self.used) * weight)
            elif one.waits_for_redis:
                lead_s = min(lead_s, (one.used - self.used) * weight + _SLACK_S)
        return lead_s

    def _find_work(self) -> None:
        self._rests = False
        self.used = max(self.used, self.pool.level)
        if sum(one.has_work for one in self.pool.shares) == 1:
            self.pool.contended_at = clock.monotonic()

    def _use(self, spent_s: float) -> None:
        self.used += spent_s / self._weight_now()

    def _weight_now(self) -> float:
        """Partitions that have work divide the weight of their queue."""
        if not self.has_parts:
            return self.weight
        parts = sum(one.place == self.place for one in self.pool.at_work(self))
        return self.weight / parts


def _shared(slots: int, at_work: list[Share], asking: Share) -> int:
    """Return the share of *asking* of so many slots, rounded up, and at least one."""
    parts = [one.place for one in at_work]
    weights = {one: one.weight / parts.count(one.place) for one in at_work}
    # What is above the limit of one is shared by the others.
    for one in sorted(weights, key=lambda each: each.count / weights[each]):
        whole_weight = sum(weights.values())
        if one is asking or one.count >= slots * weights[one] / whole_weight:
            break
        slots -= one.count
        del weights[one]
    return max(1, math.ceil(slots * weights[asking] / sum(weights.values()) - _CLOSE))


def _used(one: Share) -> float:
    return one.used
