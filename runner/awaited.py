"""
Who waits for results: one task of each client asks for all of them, many in one command.

Ten thousand callers thus cost Redis no more than a few commands a round, and none of them learns
more than a tenth of a second late that its job has ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from runner import clock
from runner.broker import keys
from runner.broker.cancel_safe import cancel_all
from runner.broker.chunks import MOST, chunks
from runner.broker.outage import is_passing
from runner.broker.scripts import ENDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.03
_ASKED_AT_ONCE = 1000
_LOOK_EVERY_S = 1.0
"""How often to look for jobs that have ended and left no result."""

Waited = tuple[str, str]
"""Queue and id of a job."""


class Watcher:
    """Asks for the results that callers of one client wait for. Its task ends with the last."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[Waited, set[asyncio.Future[bytes | None]]] = {}
        self._to_look: list[Waited] = []
        self._look_at = 0.0
        self._new: set[Waited] = set()
        self._task: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()

    async def wait(self, job: Waited) -> bytes | None:
        """
        Return the job's result once it has ended, through outages; None if none is kept.

        Raises:
            RedisError: Redis refuses the question.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job, set()).add(future)
        self._new.add(job)
        self._arrived.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            answer: bytes | None = await future
        finally:
            if waiters := self._waiting.get(job):
                waiters.discard(future)
            if not self._waiting.get(job):
                self._waiting.pop(job, None)
                self._new.discard(job)
        return answer

    async def close(self) -> None:
        """
        End the task, which would connect again; whoever still waits gets an error.

        That error is a `redis.ConnectionError`. A later `wait` begins anew.
        """
        self._fail(RedisConnectionError("the client was closed"))
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            await cancel_all([task])

    async def _watch(self) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while self._waiting:
                self._arrived.clear()
                new, self._new = self._new, set()
                try:
                    self._answer(await self._results(list(self._waiting)))
                    self._answer(await self._ended([*new, *self._next_to_look()]))
                except (RedisError, OSError) as error:
                    if not is_passing(error):
                        raise
                    self._new |= new & self._waiting.keys()
                pause_s = _FIRST_PAUSE_S if new else min(_LONGEST_PAUSE_S, pause_s * 1.5)
                await self._pause(pause_s)
        except Exception as error:  # noqa: BLE001 -- it is raised where it was waited for
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        for future in [one for waiters in self._waiting.values() for one in waiters]:
            if not future.done() and not future.get_loop().is_closed():
                future.set_exception(error)

    async def _pause(self, longest_s: float) -> None:
        """Wait; a new caller waits for the shortest time only."""
        await asyncio.sleep(_FIRST_PAUSE_S)
        if longest_s > _FIRST_PAUSE_S:
            waits = asyncio.ensure_future(self._arrived.wait())
            await asyncio.wait({waits}, timeout=longest_s - _FIRST_PAUSE_S)
            waits.cancel()

    def _next_to_look(self) -> list[Waited]:
        """Return some of those that wait, each about once a second: a few in each round."""
        if not self._to_look and clock.monotonic() >= self._look_at:
            self._look_at = clock.monotonic() + _LOOK_EVERY_S
            self._to_look = list(self._waiting)
        some = self._to_look[-MOST:]
        del self._to_look[-MOST:]
        return [job for job in some if job in self._waiting]

    async def _ended(self, jobs: Sequence[Waited]) -> dict[Waited, bytes | None]:
        """Return those of *jobs* that have ended, with results: read last, so none is missed."""
        by_queue: dict[str, list[Waited]] = {}
        for job in jobs:
            by_queue.setdefault(job[0], []).append(job)
        over: list[Waited] = []
        own = keys.of(self._redis)
        for queue, of_queue in by_queue.items():
            for chunk in chunks(of_queue):
                ids = [job_id for _, job_id in chunk]
                has_ended = await self._redis.eval(ENDED, 2, own.queue_key(queue), own.base, *ids)  # type: ignore[misc]
                over += [job for job, ended in zip(chunk, has_ended, strict=True) if ended]
        return await self._results(over, or_none=True)

    async def _results(
        self, jobs: Sequence[Waited], *, or_none: bool = False
    ) -> dict[Waited, bytes | None]:
        """Return the results that are there; or_none: and None for each that is not."""
        if not jobs:
            return {}
        prefix = keys.of(self._redis).result_prefix
        async with self._redis.pipeline(transaction=False) as pipe:
            for chunk in chunks(jobs, most=_ASKED_AT_ONCE):
                pipe.mget([prefix + job_id for _, job_id in chunk])
            found = [data for answer in await pipe.execute() for data in answer]
        pairs = zip(jobs, found, strict=True)
        return {job: data for job, data in pairs if or_none or data is not None}

    def _answer(self, found: dict[Waited, bytes | None]) -> None:
        for job, data in found.items():
            for future in self._waiting.pop(job, ()):
                if not future.done():
                    future.set_result(data)
