"""One job that ends its process, among sixty that run beside it, in real processes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from runner.broker import keys
from tests.chaos.poison import KEY, Processes, play

if TYPE_CHECKING:
    from runner import QueueClient


async def test_job_that_kills_its_worker_is_buried_alone(
    redis_url: str, redis: QueueClient
) -> None:
    """It takes its worker down three times; the jobs beside it are all done, and none is blamed."""
    processes = Processes(redis_url, 1)
    try:
        [guilty], innocent = await play(redis, processes, random.Random(1), 1, 59)  # noqa: S311 -- repeatable
    finally:
        processes.stop()
    assert await redis.zrange(KEY + keys.DEAD_SUFFIX, 0, -1) == [guilty.encode()]
    assert await redis.exists(*[keys.ARQ.result_prefix + job_id for job_id in innocent]) == 59
    assert processes.deaths == 3
    assert await redis.exists(KEY + keys.SUSPECTS_SUFFIX, KEY + keys.RUNNING_SUFFIX) == 0
