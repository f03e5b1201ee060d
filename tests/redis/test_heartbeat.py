"""What a worker's heartbeat sends and fetches: progress, counts, orders."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from runner import Context, job
from runner.broker import keys
from runner.worker.counts import BY_MINUTE, BY_TEN_MINUTES
from tests.runner_kit import eventually, lose_answers_to_heartbeats, soon, stage, working

if TYPE_CHECKING:
    from runner import QueueClient, Worker


@job(queue="default")
async def step(ctx: Context, done: int) -> int:
    """Report progress, and wait."""
    ctx.progress(done, 10, "pages")
    await stage.go.wait()
    return done


@job(queue="default")
async def quick(ctx: Context) -> int:
    """End at once."""
    return ctx.attempt


async def _entry(redis: QueueClient, one: Worker) -> dict[str, Any]:
    data = await redis.get(keys.ARQ.worker_prefix + one.id)
    assert data is not None
    entry: dict[str, Any] = from_json(data)
    return entry


async def test_heartbeat_has_running_jobs_and_their_progress(
    redis_url: str, redis: QueueClient
) -> None:
    """Progress needs no call to Redis of its own."""
    async with working(redis_url, step, release="v7") as one:
        handle = await step.enqueue(3)

        async def with_progress() -> Any:
            return [job for job in (await _entry(redis, one))["running"] if job.get("progress")]

        (running,) = await eventually(with_progress)
        assert running["id"] == handle.id
        assert running["progress"] == {"done": 3, "total": 10, "note": "pages"}
        entry = await _entry(redis, one)
        assert entry["rss"] > 1_000_000
        assert entry["release"] == "v7"
        assert await redis.hexists(keys.ARQ.releases, "v7")  # type: ignore[misc]
        stage.go.set()
        await soon(handle.result())


async def test_only_the_last_releases_are_known(redis_url: str, redis: QueueClient) -> None:
    """Each deploy adds one, and one that runs on is not marked again."""
    old = {f"v{n}": n for n in range(300)}
    await redis.hset(keys.ARQ.releases, mapping=old)  # type: ignore[misc]
    for _ in range(2):
        async with working(redis_url, step, release="new"):
            pass
    known = await redis.hgetall(keys.ARQ.releases)  # type: ignore[misc]
    assert len(known) == 200
    assert {b"new", b"v299", b"v101"} <= known.keys()
    assert b"v100" not in known


async def _counted(redis: QueueClient) -> dict[str, int]:
    """Return totals over all cells, by resolution."""
    totals: dict[str, int] = {}
    for resolution in (BY_MINUTE, BY_TEN_MINUTES):
        async for key in redis.scan_iter(f"{keys.ARQ.base}{resolution.prefix}*"):
            cells = await redis.hgetall(key)  # type: ignore[misc]
            for field, value in cells.items():
                if field.endswith(b"|n"):
                    totals[resolution.prefix] = totals.get(resolution.prefix, 0) + int(value)
            assert 0 < await redis.pttl(key) <= resolution.kept_ms
    return totals


async def test_counts_of_jobs_reach_redis_the_last_ones_as_the_worker_stops(
    redis_url: str, redis: QueueClient
) -> None:
    """No job that ended is left out, by minute or by ten minutes."""
    async with working(redis_url, quick, heartbeat_s=0.5, lease_s=1.5):
        handles = [await quick.enqueue() for _ in range(30)]
        await asyncio.gather(*[soon(handle.result()) for handle in handles])

    assert await _counted(redis) == {BY_MINUTE.prefix: 30, BY_TEN_MINUTES.prefix: 30}
    assert await redis.zrange(keys.ARQ.metrics, 0, -1) == [b"default|quick"]


async def test_counts_whose_answer_was_lost_are_counted_once(
    redis_url: str, redis: QueueClient
) -> None:
    """The batch is sent again under its number."""
    async with working(redis_url, quick) as one:
        await soon((await quick.enqueue()).result())
        loses = lose_answers_to_heartbeats(one)
        await eventually(lambda: loses.left == 0)
        await soon((await quick.enqueue()).result())

    assert await _counted(redis) == {BY_MINUTE.prefix: 2, BY_TEN_MINUTES.prefix: 2}


async def test_worker_obeys_orders(redis_url: str, redis: QueueClient) -> None:
    """Quiet, it claims nothing; resumed, it claims again; stopped, it ends."""
    async with working(redis_url, quick) as one:
        await redis.set(keys.ARQ.order_prefix + one.id, "quiet")
        await eventually(lambda: one.is_quiet)
        handle = await quick.enqueue()
        await redis.set(keys.ARQ.order_prefix + one.id, "resume")
        assert await soon(handle.result()) == 1
        await redis.set(keys.ARQ.order_prefix + one.id, "stop")
        assert one.main_task is not None
        await soon(asyncio.shield(one.main_task))
