"""The processes that work, and those that should: silent, blocked, of another release, or well."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Final

from runner.broker import keys
from runner.broker.reading import Unreadable, answers, moment, shown_id
from runner.broker.redis_clock import redis_now
from runner.broker.servers import by_server
from runner.operations.processes import processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.processes import Process

WORST_FIRST: Final = ("silent", "loop blocked", "unreadable", "other release")
"""What may be the trouble with one."""

_MOST_SILENT: Final = 200


@dataclass(frozen=True, slots=True)
class Member:
    """
    One process, or a worker that has gone silent.

    Attributes:
        name: Its name.
        queues: Queues that it works.
        process: What its last heartbeat says; null if that has lapsed.
        silent_since: Its last heartbeat, if it has lapsed.
        due_at: When the jobs of a silent one come due again; null if it holds none.
        trouble: Why to look at it first; empty if it is as it should be.
    """

    name: str
    queues: tuple[str, ...]
    process: Process | None
    silent_since: datetime | None = None
    due_at: datetime | None = None
    trouble: str = ""

    @property
    def release(self) -> str:
        """Its release; empty if nobody knows."""
        return self.process.release if self.process else ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All of them by name, as of *at*, Redis's time. release: what most of them run."""

    at: datetime
    members: list[Member]
    release: str

    @property
    def living(self) -> list[Process]:
        """Those with a heartbeat."""
        return [one.process for one in self.members if one.process]

    @property
    def slots(self) -> int:
        """Jobs that they run at a time, at most."""
        return sum(one.slots for one in self.living)

    @property
    def workers(self) -> int:
        """Their workers, one for each queue of a process."""
        return sum(len(one.workers) for one in self.living)

    @property
    def busy(self) -> int:
        """Jobs that they run."""
        return sum(one.busy for one in self.living)

    def count(self, trouble: str) -> int:
        """How many have this trouble."""
        return sum(one.trouble == trouble for one in self.members)


async def fleet(redis: Redis, queues: Sequence[str]) -> Fleet:
    """Read heartbeats, and who is in a register without one."""
    at, found = await redis_now(redis), await processes(redis, queues)
    releases = Counter(one.release for one in found)
    usual = releases.most_common(1)[0][0] if releases else ""
    members = [
        Member(
            one.name,
            tuple(worker.queue for worker in one.workers),
            one,
            trouble=_trouble(one, usual, several=len(releases) > 1),
        )
        for one in found
    ]
    living = {worker.worker_id for one in found for worker in one.workers}
    members += await _silent(redis, queues, living)
    return Fleet(at, sorted(members, key=lambda one: one.name), usual)


def _trouble(one: Process, usual: str, *, several: bool) -> str:
    if one.unreadable:
        return "unreadable"
    if one.is_blocked:
        return "loop blocked"
    if several and one.release != usual:
        return "other release"
    return ""


async def _silent(redis: Redis, queues: Sequence[str], living: set[str]) -> list[Member]:
    shares = by_server(redis, queues)
    return [one for share in shares for one in await _silent_in(*share, living)]


async def _silent_in(redis: Redis, queues: Sequence[str], living: set[str]) -> list[Member]:
    own = keys.of(redis)
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            key = own.queue_key(queue)
            pipe.zrange(key + keys.WORKERS_SUFFIX, 0, _MOST_SILENT - 1, withscores=True)
            pipe.zrange(key + keys.HOLDERS_SUFFIX, 0, -1, withscores=True)
        found = await answers(pipe)
    members = []
    for place, queue in enumerate(queues):
        register, holders = found[2 * place : 2 * place + 2]
        if isinstance(register, Unreadable):
            continue
        leases = {} if isinstance(holders, Unreadable) else dict(holders)
        members += [
            Member(
                shown_id(worker_id),
                (queue,),
                None,
                silent_since=moment(beat_ms),
                due_at=moment(leases.get(worker_id)),
                trouble="silent",
            )
            for worker_id, beat_ms in register
            if shown_id(worker_id) not in living
        ]
    return members
