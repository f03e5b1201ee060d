"""
Recovery: jobs whose worker was lost go back to their places, in small steps.

A script that looked through all running jobs would hold Redis up. So the worker looks for them,
page by page, and each step puts a few of them back, after it has looked again whether they are
lost. If this worker dies in between, the next claim of any worker begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from runner.broker import keys
from runner.broker.scripts import RECOVER
from runner.broker.scripts.fields import RecoverHead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

_PAGE = 500
_END_VOLUNTEERING = """\
if redis.call('MGET', KEYS[1])[1] == ARGV[1] then redis.call('DEL', KEYS[1]) end"""


class Recovery:
    """
    Puts lost jobs of one queue back, for one worker.

    Every method raises RedisError, and may be repeated.
    """

    def __init__(self, redis: Redis, queue_key: str, worker_id: str) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._queue_key = queue_key
        self._running = queue_key + keys.RUNNING_SUFFIX

    async def of_workers(self, worker_ids: Sequence[bytes]) -> None:
        """Put back what these workers held, as far as the leases have lapsed."""
        for worker_id in worker_ids:
            async for job_ids in self._held_under(worker_id + b":"):
                await self._put_back(RecoverHead(), job_ids)
            await self._put_back(RecoverHead(finished=cast("str", worker_id)), [])

    async def of_jobs(self, job_ids: Sequence[bytes]) -> None:
        """Put back these jobs, as far as their leases have lapsed."""
        await self._put_back(RecoverHead(), job_ids)

    async def of_claim(self, token: str) -> None:
        """Put back what a claim took that was never answered; should it still arrive, refuse it."""
        head = RecoverHead(unanswered=token)
        await self._put_back(head, [])
        async for job_ids in self._held_under(token.encode() + b"|"):
            await self._put_back(head, job_ids)

    async def end_volunteering(self) -> None:
        """Let another worker volunteer, if this one has."""
        key = self._queue_key + keys.VOLUNTEER_SUFFIX
        await self._redis.eval(_END_VOLUNTEERING, 1, key, self._worker_id)  # type: ignore[misc]  # redis-py's own hints: sync or async

    async def forget_holder(self) -> None:
        """Note that this worker holds nothing any more."""
        await self._redis.zrem(self._queue_key + keys.HOLDERS_SUFFIX, self._worker_id)
        await self._redis.hdel(self._queue_key + keys.LATE_SUFFIX, self._worker_id)  # type: ignore[misc]  # likewise

    async def _held_under(self, prefix: bytes) -> AsyncIterator[list[bytes]]:
        """Yield, page by page, the ids of jobs whose marks begin with *prefix*."""
        cursor = 0
        while True:
            cursor, page = await self._redis.hscan(self._running, cursor, count=_PAGE)
            found = [job_id for job_id, mark in page.items() if mark.startswith(prefix)]
            for at in range(0, len(found), _PAGE):
                yield found[at : at + _PAGE]
            if not cursor:
                return

    async def _put_back(self, head: RecoverHead, job_ids: Sequence[bytes]) -> None:
        head = head._replace(worker_id=self._worker_id)
        ids = cast("Sequence[str]", job_ids)  # redis-py's hints do not know bytes
        await self._redis.eval(RECOVER, 2, self._queue_key, keys.of(self._redis).base, *head, *ids)  # type: ignore[misc]  # likewise
