"""
Which queues there are: workers announce theirs, so that commands and pages need no code of them.

An announcement is no promise: a queue is shown while workers or jobs are in it, and forgotten a day
after a worker last announced it, once neither are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from redis.exceptions import ResponseError

from runner.broker import keys
from runner.broker.set_aside import with_type
from runner.errors import ConfigurationError
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

_log = lazy_log("runner.presence")

_KEPT_MS = 86_400_000
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


class QueuesInSight(Sequence[str]):
    """
    The queues of an application, and behind them those in use that others announce.

    What it holds is as of the last `look`.
    """

    def __init__(self, redis: Redis, own: Sequence[str]) -> None:
        self._redis = redis
        self._own = tuple(own)
        self._all = self._own

    async def look(self) -> None:
        """
        Ask Redis which queues there are now.

        Raises:
            RedisError: It does not answer.
        """
        keys_here = keys.of(self._redis)
        try:
            announced = await self._redis.zrange(keys_here.queues, 0, _MOST - 1)
        except ResponseError:
            return  # no right to it, or it is none of ours: the application's own are known
        own = set(map(keys_here.queue_key, self._own))
        others = [
            name
            for name in (_name(keys_here, one) for one in announced)
            if name is not None and keys_here.queue_key(name) not in own
        ]
        self._all = (*self._own, *sorted(await _used(self._redis, others)))

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
