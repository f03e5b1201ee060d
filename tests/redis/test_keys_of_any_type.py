"""A job ends, whatever somebody has written into its keys: no type of value holds it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner import Batch, Context, JobState, job
from runner.admin import Admin
from runner.broker import keys
from runner.states import Found
from tests.runner_kit import (
    dead_ids,
    eventually,
    is_running,
    mortal,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

KEYS = ("history", "retry", "result", "job")
TYPES = ("string", "list", "hash")


@job(queue="default", max_retries=1)
async def fail(ctx: Context) -> None:
    """Wait, and raise."""
    await stage.hold(ctx.attempt)
    raise ValueError("no")


@job(queue="default")
async def work(_: Context) -> str:
    """Wait, and return."""
    await stage.hold("work")
    return "done"


async def _spoil(redis: QueueClient, key: str, kind: str) -> None:
    await redis.delete(key)
    write: dict[str, tuple[str, ...]] = {
        "string": ("SET", key, "odd"),
        "list": ("RPUSH", key, "odd"),
        "hash": ("HSET", key, "odd", "odd"),
    }
    await redis.execute_command(*write[kind])  # type: ignore[no-untyped-call]


async def _is_dead(redis: QueueClient, handle: JobHandle[Any]) -> bool:
    return any(one.split("~")[0] == handle.id for one in await dead_ids(redis, "default"))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("job_id", [None, "chosen"])
async def test_failing_job_ends_in_the_dead_set(
    redis_url: str, redis: QueueClient, key: str, kind: str, job_id: str | None
) -> None:
    """Also if the key is spoilt anew before each of its attempts has ended."""
    async with working(redis_url, fail, lease_s=30.0) as one:
        handle = await fail.options(job_id=job_id).enqueue()
        for _ in range(1 if key == "job" else 2):
            await stage.started.next()
            await _spoil(redis, f"arq:{key}:{handle.id}", kind)
            stage.go.set()
            stage.go.clear()
        stage.go.set()
        await eventually(lambda: _is_dead(redis, handle))
        assert is_running(one)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("key", KEYS)
async def test_job_that_succeeds_is_done(
    redis_url: str, redis: QueueClient, key: str, kind: str
) -> None:
    """Its result is kept, and its body is not."""
    async with working(redis_url, work, lease_s=30.0) as one:
        handle = await work.enqueue()
        await stage.started.next()
        await _spoil(redis, f"arq:{key}:{handle.id}", kind)
        stage.go.set()
        await eventually(lambda: one.jobs_complete)
    assert await handle.state() is JobState.DONE
    assert await redis.exists(f"arq:job:{handle.id}") == 0


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("key", ["history", "retry", "job"])
async def test_job_of_a_lost_worker_is_recovered(
    redis_url: str, redis: QueueClient, key: str, kind: str
) -> None:
    """It runs again, or is dead if its body is gone; the worker that finds it goes on."""
    async with mortal(redis_url, work) as lost:
        handle = await work.enqueue()
        await stage.started.next()
        await lost.kill()
    await _spoil(redis, f"arq:{key}:{handle.id}", kind)
    stage.go.set()
    one = await start(worker(redis_url, work, idle_poll_s=0.1))
    if key == "job":
        await eventually(lambda: _is_dead(redis, handle))
    else:
        await eventually(lambda: one.jobs_complete)
    await stop(one)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("key", ["history", "retry", "job"])
async def test_operator_may_act_on_it(redis: QueueClient, key: str, kind: str) -> None:
    """Bury it, run it again, delete it; what was no history is set aside."""
    admin = Admin(redis)
    handle = await work.enqueue()
    await _spoil(redis, f"arq:{key}:{handle.id}", kind)
    assert await admin.bury("default", handle.id) is Found.WAITING
    assert await admin.run_now("default", handle.id) is Found.DEAD
    assert await admin.delete("default", handle.id) is Found.WAITING
    left = await redis.keys(f"arq:*{handle.id}*")
    assert all(one.startswith(keys.ARQ.aside_prefix.encode()) for one in left)


@pytest.mark.parametrize("kind", [one for one in TYPES if one != "hash"])
async def test_job_of_a_spoilt_batch_ends(redis_url: str, redis: QueueClient, kind: str) -> None:
    """The batch counts no more; its jobs end all the same."""
    batch = Batch()
    async with working(redis_url, work, fail, lease_s=30.0) as one:
        with batch.joined():
            await work.enqueue()
            dying = await fail.enqueue()
        for _ in range(2):
            await stage.started.next()
        await _spoil(redis, f"arq:batch:{batch.id}", kind)
        await _spoil(redis, f"arq:batch:{batch.id}:dead", "string")
        stage.go.set()
        await eventually(lambda: one.jobs_complete)
        await eventually(lambda: _is_dead(redis, dying))
        assert is_running(one)
