"""What Redis records of a job."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from runner.broker import keys


async def history(redis: Any, job_id: str) -> list[dict[str, Any]]:
    """Return the failed attempts of a job, the oldest first."""
    return [
        from_json(entry) for entry in await redis.lrange(keys.ARQ.history_prefix + job_id, 0, -1)
    ]


async def result_of(redis: Any, job_id: str) -> dict[str, Any] | None:
    """Return the stored result of a job as it is in Redis."""
    data = await redis.get(keys.ARQ.result_prefix + job_id)
    result: dict[str, Any] | None = None if data is None else from_json(data)
    return result


async def crashes(redis: Any, queue: str, job_id: str) -> int:
    """Return how many workers were lost while they ran the job."""
    entries = await redis.hget(keys.ARQ.queue_key(queue) + keys.CRASHES_SUFFIX, job_id)
    return len((entries or b"").split())


async def dead_ids(redis: Any, queue: str) -> list[str]:
    """Return the ids of the dead jobs of *queue*, the oldest first."""
    members = await redis.zrange(keys.ARQ.queue_key(queue) + keys.DEAD_SUFFIX, 0, -1)
    return [member.decode() for member in members]
