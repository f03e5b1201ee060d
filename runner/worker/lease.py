"""
Leases: a worker holds a job only as long as it keeps extending the job's lease.

One call extends the leases of all held jobs, and returns which of them another worker has taken
over and which are to be aborted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.broker import keys
from runner.broker.chunks import chunks
from runner.broker.script_connection import ScriptConnection
from runner.broker.scripts import RENEW
from runner.broker.scripts.fields import Lease, RenewHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.worker.claim import Claim

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Renewal:
    """Keys of the jobs to stop: their claim is lost, or they are to be aborted."""

    lost: Sequence[bytes]
    aborted: Sequence[bytes]


class LeaseKeeper:
    """Extends leases of one queue for one worker."""

    def __init__(
        self, redis: Redis, queue_key: str, *, worker_id: str, lease_s: float, outage: Outage
    ) -> None:
        self._worker_id = worker_id
        self._script = ScriptConnection(redis, RENEW)
        self._queue_key = queue_key
        self._lease_ms = round(lease_s * 1000)
        self._outage = outage

    async def renew(self, claims: Sequence[Claim]) -> Renewal:
        """Extend the leases of *claims*, counted from now; wait while Redis is away."""
        lost: list[bytes] = []
        aborted: list[bytes] = []
        for chunk in chunks(claims, most=_CHUNK):
            of_these = await self._renew(chunk)
            lost += of_these[0]
            aborted += of_these[1]
        return Renewal(lost, aborted)

    async def outlive(self, claims: Sequence[Claim]) -> None:
        """Tell Redis that this worker has read that it lost *claims*: it did not die with them."""
        for chunk in chunks(claims, most=_CHUNK):
            await self._renew(chunk, outlived=1)

    async def _renew(self, claims: Sequence[Claim], *, outlived: int = 0) -> list[list[bytes]]:
        args: list[int | str | bytes] = [*RenewHead(self._lease_ms, self._worker_id, outlived)]
        for claim in claims:
            args += Lease(claim.key, claim.token)
        answer: list[list[bytes]]
        answer = await self._outage.call(lambda: self._script(self._queue_key, args))
        return answer

    async def close(self) -> None:
        """Close the connection."""
        await self._script.close()


async def whereabouts(redis: Redis, queue_key: str, claim: Claim) -> str:
    """
    Return what Redis knows of a job whose claim was lost, in words for the log.

    Raises:
        RedisError: Redis is away.
    """
    key: Any = claim.key
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hget(queue_key + keys.RUNNING_SUFFIX, key)
        pipe.exists(keys.of(redis).in_progress_prefix.encode() + key)
        pipe.exists(keys.of(redis).result_prefix.encode() + key)
        pipe.exists(keys.of(redis).job_prefix.encode() + key)
        pipe.hexists(queue_key + keys.DIED_SUFFIX, key)
        owner, in_progress, result, body, died = await pipe.execute()
    if owner is not None or in_progress:
        return "another worker holds the job now"
    if body or died:
        return "the job has gone back, or is dead, since its lease had ended"
    if result:
        return "another worker has finished the job, or it was aborted"
    return "the job is no longer in Redis: it was finished elsewhere, deleted or flushed"
