"""
Which queues there are: workers announce theirs, so that commands and pages need no code of them.

An announcement is no promise: a queue is shown while workers or jobs are in it, and forgotten a day
after a worker last announced it, once neither are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, overload

from redis.exceptions import RedisError, ResponseError

from runner import clock, wall_clock
from runner.broker import keys
from runner.broker.servers import at, everywhere, name_of, set_away
from runner.broker.set_aside import with_type
from runner.errors import ConfigurationError
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.asyncio import Redis

_log = lazy_log("runner.presence")

_KEPT_MS = 86_400_000
_LOOK_FOR_S = 0.25
"""How long a page waits for one of several servers."""
_ASK_AGAIN_S = 1.0
_MOST = 1000
_IN_USE = (*keys.PLACES, keys.WORKERS_SUFFIX)
"""Behind a queue's key, what is there while jobs or workers are."""


async def announce(redis: Redis, queues: Iterable[str], *, now_ms: float) -> None:
    """Say that workers work *queues*; now_ms: Redis's time, Unix ms."""
    scores = dict.fromkeys(queues, now_ms)
    if not scores:
        return
    key = keys.of(redis).queues
    try:
        await with_type(redis, key, "zset", lambda: redis.zadd(key, scores))
    except ResponseError as error:
        # Jobs run all the same, also where Redis's user has no right to this key.
        _log.warning("queues not announced", queues=list(scores), error=str(error))


async def announce_worked(redis: Redis, queues: Sequence[str], *, now_ms: float) -> None:
    """Announce those of *queues* that have workers: somebody may have deleted what they said."""
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.exists(keys.of(redis).queue_key(queue) + keys.WORKERS_SUFFIX)
        has_workers = await pipe.execute()
    worked = [queue for queue, has in zip(queues, has_workers, strict=True) if has]
    await announce(redis, worked, now_ms=now_ms)


async def forget_unused(redis: Redis, *, now_ms: float) -> None:
    """Forget queues that nobody announced for a day, and that hold nothing."""
    own = keys.of(redis)
    try:
        old = await redis.zrangebyscore(own.queues, "-inf", now_ms - _KEPT_MS, start=0, num=_MOST)
    except ResponseError:
        return  # `announce` has said why
    named = {_name(own, one): one for one in old}
    used = await _used(redis, [name for name in named if name is not None])
    unused = [one for name, one in named.items() if name not in used]
    if unused:
        await redis.zrem(own.queues, *unused)


@dataclass(frozen=True, slots=True)
class Away:
    """A server that does not answer, since when that was first seen, and which queues it has."""

    server: str
    since: datetime
    queues: tuple[str, ...]

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"Redis at {self.server} has been away since {self.since:%Y-%m-%d %H:%M:%S} UTC: "
            f"{', '.join(self.queues) or 'no queue'} cannot be seen"
        )


class QueuesInSight(Sequence[str]):
    """
    The queues of an application, and behind them those in use that others announce.

    What it holds is as of the last `look`. Where queues are on several servers, it holds those of
    the servers that answer, and *away* names the others.
    """

    def __init__(self, redis: Redis, own: Sequence[str]) -> None:
        self._redis = redis
        self._own = tuple(own)
        self._all = self._own
        self.away: Sequence[Away] = ()
        self._asked_at: dict[str, float] = {}

    async def look(self) -> None:
        """
        Ask each server which queues there are now; of several, none is waited for long.

        Raises:
            RedisError: There is one, and it does not answer.
        """
        servers = everywhere(self._redis)
        if len(servers) == 1:
            self._all = (*self._own, *await self._others(servers[0], self._own))
            return
        before = {one.server: one for one in self.away}
        homes = {name: at(self._redis, name) for name in self._own}
        looks = [
            self._look_at(one, tuple(name for name in self._own if homes[name] is one), before)
            for one in servers
        ]
        found = await asyncio.gather(*looks)
        self.away = [one for one in found if isinstance(one, Away)]
        away = {name for one in self.away for name in one.queues}
        others = sorted({name for one in found if not isinstance(one, Away) for name in one})
        self._all = (*(name for name in self._own if name not in away), *others)

    async def _look_at(
        self, redis: Redis, own: tuple[str, ...], before: Mapping[str, Away]
    ) -> Away | list[str]:
        server = name_of(redis)
        known, now = before.get(server), clock.monotonic()
        if known is not None and now < self._asked_at[server] + _ASK_AGAIN_S:
            return known
        try:
            async with asyncio.timeout(_LOOK_FOR_S):
                found = await self._others(redis, own)
        except (RedisError, OSError, TimeoutError):
            self._asked_at[server] = clock.monotonic()
            set_away(redis, is_away=True)
            since = datetime.fromtimestamp(wall_clock.now_ms() // 1000, UTC)
            return Away(server, since, own) if known is None else known
        set_away(redis, is_away=False)
        return found

    async def _others(self, redis: Redis, own: Sequence[str]) -> list[str]:
        """Return the queues in use there that are not the application's."""
        keys_here = keys.of(redis)
        try:
            announced = await redis.zrange(keys_here.queues, 0, _MOST - 1)
        except ResponseError:
            return []  # no right to it, or it is none of ours: the application's own are known
        owned = set(map(keys_here.queue_key, own))
        others = [
            name
            for name in (_name(keys_here, one) for one in announced)
            if name is not None
            and keys_here.queue_key(name) not in owned
            and at(self._redis, name) is redis
        ]
        return sorted(await _used(redis, others))

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...

    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        return self._all[place]

    def __len__(self) -> int:
        return len(self._all)


async def _used(redis: Redis, names: Sequence[str]) -> set[str]:
    if not names:
        return set()
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.exists(*[keys.of(redis).queue_key(name) + suffix for suffix in _IN_USE])
        found = await pipe.execute()
    return {name for name, count in zip(names, found, strict=True) if count}


def _name(own: keys.Keys, announced: bytes) -> str | None:
    """None if it can be no queue's name: anybody may write anything into Redis."""
    name = announced.decode("utf-8", "replace")
    if keys.queue_problem("", name):
        return None
    try:
        own.queue_key(name)
    except ConfigurationError:
        return None
    return name
