"""Workers announce their queues: who has no code sees them, and a mistyped one is noticed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from runner import Bury, Context, connect, job
from runner.broker import keys
from runner.broker.announced import QueuesInSight, forget_unused
from runner.current import use
from runner.errors import EnqueueError
from tests.runner_kit import eventually, start, stop, worker, working

if TYPE_CHECKING:
    from runner import QueueClient

_A_DAY_MS = 86_400_000


@job(queue="mail", max_retries=0)
async def send(ctx: Context, to: str = "") -> None:
    """Die if there is nobody to send it to."""
    if not to:
        raise Bury(f"{ctx.job_id} is to nobody")


async def _in_sight(redis: QueueClient, *own: str) -> list[str]:
    queues = QueuesInSight(redis, own)
    await queues.look()
    return list(queues)


async def test_queue_is_in_sight_while_workers_or_jobs_are_in_it(
    redis: QueueClient, redis_url: str
) -> None:
    """Without code of it; behind the application's own, which are there in any case."""
    assert await _in_sight(redis, "shop") == ["shop"]
    async with working(redis_url, send):
        assert await _in_sight(redis, "shop") == ["shop", "mail"]
        assert await _in_sight(redis, "mail") == ["mail"]
        assert await _in_sight(redis, "arq:queue:mail") == ["arq:queue:mail"]
    assert await _in_sight(redis, "shop") == ["shop"]
    await send.enqueue()
    assert await _in_sight(redis, "shop") == ["shop", "mail"]
    async with working(redis_url, send) as one:
        await eventually(lambda: one.jobs_failed == 1)
    assert await _in_sight(redis) == ["mail"]
    await redis.delete("arq:queue:mail:dead")
    assert await _in_sight(redis) == []


async def test_poll_announces_again_what_is_worked(redis: QueueClient, redis_url: str) -> None:
    """Somebody may flush Redis under a worker; a queue that only is polled is not announced."""
    one = worker(redis_url, send, poll_interval_s=0.05, polled_queues=("mail", "reports"))
    await start(one)
    try:
        await redis.delete(keys.ARQ.queues)

        async def announced() -> bool:
            return bool(await redis.zrange(keys.ARQ.queues, 0, -1) == [b"mail"])

        await eventually(announced)
    finally:
        await stop(one)


async def test_only_what_nobody_uses_is_forgotten_after_a_day(redis: QueueClient) -> None:
    """A queue with a dead job stays, however old; so does one that is a day old at most."""
    now_ms = time.time() * 1000
    old_ms = now_ms - _A_DAY_MS - 1000
    await redis.zadd(keys.ARQ.queues, {"old": old_ms, "used": old_ms, "\xff no name": old_ms})
    await redis.zadd(keys.ARQ.queues, {"young": old_ms + 2000})
    await redis.zadd(keys.ARQ.queue_key("used") + keys.DEAD_SUFFIX, {"one": 1})
    await forget_unused(redis, now_ms=now_ms)
    assert await redis.zrange(keys.ARQ.queues, 0, -1) == [b"used", b"young"]


async def test_what_is_no_announcement_is_not_in_sight(redis: QueueClient, redis_url: str) -> None:
    """Neither names that no queue can have, nor a key of another type; a worker sets it aside."""
    await redis.zadd(keys.ARQ.queues, {b"\xff\xfe": 1, b"two words": 1, b"dead": 1})
    assert await _in_sight(redis, "shop") == ["shop"]
    await redis.delete(keys.ARQ.queues)
    await redis.set(keys.ARQ.queues, "not ours")
    await forget_unused(redis, now_ms=time.time() * 1000)
    assert await _in_sight(redis, "shop") == ["shop"]
    async with working(redis_url, send):
        assert await _in_sight(redis, "shop") == ["shop", "mail"]
        await (await send.enqueue(to="ada")).result(timeout_s=10)


@pytest.mark.parametrize("many", [False, True])
async def test_enqueue_warns_once_of_a_queue_that_no_worker_has_announced(
    redis: QueueClient, redis_url: str, caplog: pytest.LogCaptureFixture, *, many: bool
) -> None:
    """With the name that was meant, if one is close; the job is enqueued all the same."""
    async with working(redis_url, send):
        mistyped = send.options(queue="mial")
        for _ in range(3):
            if many:
                await mistyped.enqueue_many([{"to": "ada"}] * 2)
            else:
                await asyncio.gather(mistyped.enqueue(to="ada"), send.enqueue(to="ada"))
    assert [one.getMessage() for one in caplog.records if one.name == "runner.enqueue"] == [
        "mial: enqueued, and waits: no worker has announced this queue so far; did you mean 'mail'?"
    ]
    assert await redis.zcard(keys.ARQ.queue_key("mial")) == (6 if many else 3)


async def test_service_before_its_first_worker_is_told_once_to_start_one(
    redis: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever queues it enqueues into, one line has the command; the jobs wait."""
    for queue in ("mail", "reports", "mail"):
        await send.options(queue=queue).enqueue(to="ada")
    [line] = [one.getMessage() for one in caplog.records if one.name == "runner.enqueue"]
    assert line.startswith("mail: enqueued, and waits: no worker has announced this queue so far")
    assert line.endswith(", nor any other: start a worker, such as `pipeline worker mail`")
    assert await redis.zcard(keys.ARQ.queue_key("reports")) == 1


async def test_stock_worker_counts_as_one(
    redis: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It announces nothing, but leaves its line of health."""
    await redis.set(keys.ARQ.queue_key("mail") + keys.HEALTH_SUFFIX, "j_complete=0", ex=60)
    await send.enqueue(to="ada")
    assert not [one for one in caplog.records if one.name == "runner.enqueue"]


async def test_strict_client_refuses_until_a_worker_announces_the_queue(
    redis: QueueClient, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written; threads are refused alike; a variable says so for services."""
    strict = connect(redis_url, strict_queues=True)
    use(strict)
    refused = "^mail: not enqueued: no worker has announced this queue so far"
    try:
        with pytest.raises(EnqueueError, match=refused) as told:
            await send.options(job_id="first").enqueue(to="ada")
        assert (told.value.may_be_enqueued, list(told.value.job_ids)) == (False, ["first"])
        with pytest.raises(EnqueueError, match=refused):
            await send.enqueue_many([{"to": "ada"}])
        with pytest.raises(EnqueueError, match=refused):
            await asyncio.to_thread(send.enqueue_sync, to="ada")
        assert await redis.keys("arq:job:*") == []
        async with working(redis_url, send):
            await (await send.enqueue(to="ada")).result(timeout_s=10)
            await asyncio.to_thread(send.enqueue_sync, to="ada")
        await send.enqueue(to="ada")  # once known, it is not asked about again
    finally:
        await strict.aclose()
    monkeypatch.setenv("RUNNER__STRICT_QUEUES", "true")
    await redis.flushdb()

    def in_a_process_of_its_own() -> None:
        asyncio.run(_enqueue())

    with pytest.raises(EnqueueError, match=refused):
        await asyncio.to_thread(in_a_process_of_its_own)


async def _enqueue() -> None:
    await send.enqueue(to="ada")
