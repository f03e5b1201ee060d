"""What `pipeline doctor` finds of Redis's clock, its replicas and its growth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner import Context, connect, current, job
from runner.broker import keys
from runner.commands.doctor_redis import clock_concern, growth_concern, replica_concerns
from tests.redis_server import running_redis
from tests.runner_kit import eventually

if TYPE_CHECKING:
    from runner import QueueClient

HOUR_MS = 3_600_000


@job(queue="default")
async def send(ctx: Context) -> None:
    """Stand for any job."""
    del ctx


@pytest.mark.parametrize("back_s", [0, 3600])
async def test_clock_that_was_set_back_is_said(redis: QueueClient, back_s: int) -> None:
    """Redis's time is before that of its last poll."""
    seconds, _ = await redis.time()
    await redis.hset(keys.ARQ.polls, "default", str((seconds + back_s) * 1000))  # type: ignore[misc]

    found = await clock_concern(redis)

    assert (found is None) == (back_s == 0)
    assert found is None or "set back by 3" in found.text


async def test_growth_names_the_day_on_which_redis_is_full(redis: QueueClient) -> None:
    """From the memory at the polls of the last hours."""
    assert (await growth_concern(redis)).text == "not known before an hour of polls"
    seconds, _ = await redis.time()
    used = (await redis.info("memory"))["used_memory"]
    begun_ms = seconds * 1000 - 2 * HOUR_MS
    await redis.xadd(keys.ARQ.memory, {"used": used}, id=f"{begun_ms}-0")
    await redis.xadd(keys.ARQ.memory, {"used": used + 10_000_000})
    await redis.config_set("maxmemory", used + 1_000_000_000)

    found = await growth_concern(redis)

    await redis.config_set("maxmemory", 0)
    assert "120.0 MB a day over the last 2 h: full on 2" in found.text
    assert found.remedy


async def test_replicas_are_looked_at_and_waited_for() -> None:
    """`min-replicas-to-write` is asked for, and `copies=1` returns once the replica has the job."""
    with running_redis() as first:
        redis = connect(first.url)
        current.use(redis)
        assert [one async for one in replica_concerns(redis)] == []
        with running_redis(options=("--replicaof", first.host, str(first.port))) as second:

            async def is_online() -> bool:
                info = await redis.info("replication")
                return bool(info.get("slave0", {}).get("state") == "online")

            await eventually(is_online)
            (concern,) = [one async for one in replica_concerns(redis)]
            assert "min-replicas-to-write 1" in concern.remedy
            await redis.config_set("min-replicas-to-write", 1)
            assert [one async for one in replica_concerns(redis)] == []

            handle = await send.options(copies=1).enqueue()

            replica = connect(second.url)
            assert await replica.exists(keys.ARQ.job_prefix + handle.id)
            await replica.aclose()
        await redis.aclose()
