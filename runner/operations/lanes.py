"""Lanes: who is inside, who waits, and another limit at run time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.reading import Reader, answers, moment, number_of
from runner.broker.scripts import LANE
from runner.broker.scripts.fields import LaneHead
from runner.broker.servers import at
from runner.checks import whole
from runner.errors import ConfigurationError, refuse
from runner.lanes import LANE_NAME, MOST
from runner.operations.verbs import ACTIVE, LANE_VERBS, LIMITED, PAUSED, offered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.actions import Operator
    from runner.operations.verbs import Verb

_PAGE = 500
_MOST_READ = 5_000
_ENTRY = re.compile(rb"(\d{0,9})\|(\d{0,9})")


@dataclass(frozen=True, slots=True)
class LaneRow:
    """
    One lane.

    Attributes:
        lane: Name of the lane.
        queue: Queue of its jobs.
        inside: Jobs that stand in the queue or run.
        waiting: Jobs that wait for a place.
        limit: How many may be inside.
        of_jobs: The limit that its jobs were enqueued with; null if none is there.
        set_to: The limit that an operator gave it; null if none did.
        used_until: Until when its tokens are used up, or it is held; null if it may start jobs.
        unreadable: What of it cannot be read, and why; empty if all can.
    """

    lane: str
    queue: str
    inside: int
    waiting: int
    limit: int | None
    of_jobs: int | None
    set_to: int | None
    used_until: datetime | None = None
    unreadable: str = ""

    @property
    def path(self) -> str:
        """The lane with its queue, as pages name it."""
        return f"{self.queue}/{self.lane}"

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to it now."""
        if self.set_to is None:
            return offered(LANE_VERBS, ACTIVE)
        return offered(LANE_VERBS, LIMITED if self.set_to else PAUSED)


@dataclass(frozen=True, slots=True)
class LanePage:
    """
    Lanes.

    Attributes:
        rows: The lanes, those with the most jobs that wait first.
        total: How many lanes there are in all.
        read: How many of them were looked at.
    """

    rows: list[LaneRow]
    total: int
    read: int


async def lanes(
    redis: Redis, queues: Sequence[str], *, limit: int = 100, part: str = ""
) -> LanePage:
    """
    List lanes of *queues*, those with the most jobs that wait first, *limit* at most.

    part: of their names. Of very many lanes, five thousand of a queue are looked at.
    """
    rows, total, read = list[LaneRow](), 0, 0
    for queue in queues:
        here = at(redis, queue)
        name = keys.of(here).queue_key(queue) + keys.LANES_SUFFIX
        reader, cursor, of_queue = Reader(), -1, 0
        async with here.pipeline(transaction=False) as pipe:
            pipe.hlen(name)
            [length] = await answers(pipe)
        total += reader.known(length, 0)
        while cursor and of_queue < _MOST_READ and not reader.unreadable:
            cursor, found = await here.hscan(name, max(cursor, 0), count=_PAGE)
            of_queue += len(found)
            known = {
                lane: entry
                for lane, entry in ((_text(one), entry) for one, entry in found.items())
                if part in lane
            }
            rows += await _rows(here, queue, known)
        read += of_queue
    rows.sort(key=lambda row: (-row.waiting, row.queue, row.lane))
    return LanePage(rows[:limit], total, read)


async def lane(redis: Redis, queue: str, name: str) -> LaneRow | None:
    """Return one lane; None if it has no jobs and no limit of an operator."""
    here = at(redis, queue)
    entry = await here.hget(keys.of(here).queue_key(queue) + keys.LANES_SUFFIX, name)  # type: ignore[misc]
    if entry is None:
        return None
    [row] = await _rows(here, queue, {name: entry})
    return row


async def _rows(redis: Redis, queue: str, entries: dict[str, bytes]) -> list[LaneRow]:
    if not entries:
        return []
    prefix = keys.of(redis).queue_key(queue) + keys.LANE_SUFFIX
    async with redis.pipeline(transaction=False) as pipe:
        for name in entries:
            pipe.zcount(prefix + name, "-inf", "(0")
            pipe.zcard(prefix + name)
        pipe.hmget(keys.of(redis).queue_key(queue) + keys.PACED_SUFFIX, [*entries])
        pipe.time()
        *counts, paced, time = await answers(pipe)
    paced = Reader().known(paced, [None] * len(entries))
    now_ms = time[0] * 1000 + time[1] / 1000
    rows = []
    for place, (name, entry) in enumerate(entries.items()):
        reader = Reader()
        inside, both = (reader.known(one, 0) for one in counts[2 * place : 2 * place + 2])
        found = _ENTRY.fullmatch(entry)
        of_jobs, set_to = (
            (int(one) if one else None for one in found.groups()) if found else (None, None)
        )
        until_ms = number_of((paced[place] or b"").partition(b"|")[0])
        rows.append(
            LaneRow(
                lane=name,
                queue=queue,
                inside=inside,
                waiting=both - inside,
                limit=of_jobs if set_to is None else set_to,
                of_jobs=of_jobs,
                set_to=set_to,
                used_until=moment(until_ms) if until_ms and until_ms > now_ms else None,
                unreadable=reader.unreadable,
            )
        )
    return rows


async def set_limit(
    redis: Redis, operator: Operator, queue: str, name: str, limit: int | None
) -> int:
    """
    Give a lane another limit, 0 to pause it; None: as its jobs say. Return how many jobs moved.

    Jobs that run go on. Those in the queue beyond the limit go back into the lane; those that have
    a place now come into the queue.

    Raises:
        ConfigurationError: It cannot be a lane's name, or the limit is out of its range.
    """
    refuse("lane", None if limit is None else whole("limit", limit, most=MOST))
    if not LANE_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name[:100]!r} cannot be a lane: `pipeline lanes list` shows those that have jobs"
        )
    here = at(redis, queue)
    own = keys.of(here)
    args = [*LaneHead("limit", "" if limit is None else limit), name]
    moved, step = 0, 1
    while step:
        step = await here.eval(LANE, 2, own.queue_key(queue), own.base, *args)  # type: ignore[misc,arg-type]
        moved += step
    said = "as its jobs say" if limit is None else f"to {limit}"
    await operator.record("limit lane", f"{queue}/{name}", said, "done")
    return moved


async def act(redis: Redis, operator: Operator, queue: str, verb: Verb, name: str) -> None:
    """Pause or resume a lane."""
    await set_limit(redis, operator, queue, name, 0 if verb.name == "pause" else None)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
