"""What is too large is refused or cut with a sentence, and what grows is bounded."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runner import Context, connect, current, job
from runner.broker import keys
from runner.broker.chunks import MOST, MOST_BYTES, chunks
from runner.errors import ConfigurationError, EnqueueError, ResultNotFoundError
from runner.periodic.cleanup import trim_by_time
from tests.cable import cable_to
from tests.runner_kit import PATIENCE_S, eventually, result_of, working

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")


@job(queue="default")
async def carry(ctx: Context, load: str, times: int = 1) -> str:
    """Return the load so many times."""
    del ctx
    return load * times


async def test_body_that_is_too_large_is_refused_with_a_sentence(redis_url: str) -> None:
    """Neither it nor the others of its call are enqueued; smaller ones are."""
    client = connect(redis_url, max_body_bytes=1000)
    current.use(client)
    refusal = r"carry is 2,\d\d\d bytes, more than max_body_bytes \(1,000\): store what is large"
    with pytest.raises(EnqueueError, match=refusal):
        await carry.enqueue("x" * 2000)
    with pytest.raises(EnqueueError, match=refusal):
        await carry.enqueue_many([{"load": "x"}, {"load": "x" * 2000}])
    assert await client.zcard("arq:queue:default") == 0
    assert (await carry.enqueue("x" * 500)).created
    await client.aclose()


async def test_largest_body_is_set_by_the_environment(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of services, which read it as they connect, and of workers, by their options."""
    monkeypatch.setenv("RUNNER__MAX_BODY_BYTES", "1000")
    with pytest.raises(EnqueueError, match=r"more than max_body_bytes \(1,000\)"):
        await carry.enqueue("x" * 2000)
    assert (await carry.enqueue("x" * 500)).created
    async with working(redis_url, carry, max_body_bytes=1500) as one:
        with pytest.raises(EnqueueError, match=r"more than max_body_bytes \(1,500\)"):
            await one.pool.enqueue_job("carry", "x" * 2000)


@pytest.mark.parametrize("given", ["soon", "0", "-1", "1e6", "1.5", "²"])
async def test_largest_body_that_is_no_number_of_bytes_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """At the first call, in one line."""
    monkeypatch.setenv("RUNNER__MAX_BODY_BYTES", given)
    with pytest.raises(ConfigurationError, match="RUNNER__MAX_BODY_BYTES is"):
        await carry.enqueue("x")


async def test_result_that_is_too_large_is_kept_as_its_size_and_digest(
    redis_url: str, redis: QueueClient
) -> None:
    """The job has succeeded, and who waits for its result reads why there is none."""
    async with working(redis_url, carry, max_result_bytes=1000):
        handle = await carry.enqueue("x", times=2000)
        with pytest.raises(ResultNotFoundError, match="more than max_result_bytes"):
            await handle.result(timeout_s=PATIENCE_S)
        assert await (await carry.enqueue("x")).result(timeout_s=PATIENCE_S) == "x"

    kept = await result_of(redis, handle.id) or {}
    assert (kept["s"], kept["r"]) == (True, None)
    assert kept["omitted"]["bytes"] > 2000
    assert len(kept["omitted"]["sha256"]) == 64


@pytest.mark.parametrize("size", [3000, 10_000])
async def test_large_arguments_are_not_copied_into_the_result(
    redis_url: str, redis: QueueClient, size: int
) -> None:
    """Up to 4 KiB a result repeats them; above it names their size and digest."""
    async with working(redis_url, carry):
        handle = await carry.enqueue("x" * size, times=0)
        assert await handle.result(timeout_s=PATIENCE_S) == ""

    kept = await result_of(redis, handle.id) or {}
    if size < 4096:
        assert (kept["a"], kept["k"]) == (["x" * size], {"times": 0})
    else:
        assert (kept["a"], kept["k"]) == ([], {})
        assert kept["args"]["bytes"] > size


async def test_large_bodies_are_sent_few_at_a_time(redis: QueueClient) -> None:
    """Thirty of half a megabyte: no script call carries more than a megabyte or so."""
    await redis.config_resetstat()
    handles = await carry.enqueue_many([{"load": "x" * 500_000}] * 30)
    stats = await redis.info("commandstats")

    assert all(handle.created for handle in handles)
    assert stats["cmdstat_evalsha"]["calls"] >= 15


@pytest.mark.parametrize("sizes", [[], [1], [MOST_BYTES * 2], [600_000] * 5, [10] * 1000])
def test_chunks_are_bounded_by_count_and_bytes(sizes: list[int]) -> None:
    """In order, none empty, and over the bound only for a single item."""
    cut = [list(chunk) for chunk in chunks(sizes, size=lambda one: one)]

    assert [one for chunk in cut for one in chunk] == sizes
    assert all(0 < len(chunk) <= MOST for chunk in cut)
    assert all(sum(chunk) <= MOST_BYTES or len(chunk) == 1 for chunk in cut)


async def test_copies_that_are_not_there_are_said(redis: QueueClient) -> None:
    """Without a replica the job is in, and its caller knows that one server has it."""
    with pytest.raises(EnqueueError, match="enqueued, and it will run, but only 0 of 1 replicas"):
        await carry.options(copies=1).enqueue("x")
    assert await redis.zcard("arq:queue:default") == 1


@pytest.mark.parametrize("lost", ["cut", "mute"])
async def test_copies_that_nobody_can_count_are_said(
    redis_url: str, redis: QueueClient, lost: str
) -> None:
    """The connection is lost, or silent, while replicas are waited for: the caller is told so."""
    async with cable_to(redis_url).laid() as cable:
        client = connect(cable.url, call_timeout_s=0.4)
        request = carry.options(copies=1).request((), {"load": "x"})
        call = asyncio.create_task(client.enqueuer.put(request))
        await eventually(partial(_is_waiting_for_copies, redis))
        getattr(cable, lost)()
        with pytest.raises(EnqueueError, match="default: enqueued, but whether 1 replicas have it"):
            await call
        cable.mend()
        await client.aclose()


async def _is_waiting_for_copies(redis: QueueClient) -> bool:
    return any(one["cmd"] == "wait" for one in await redis.client_list())


async def test_abort_of_a_job_that_never_comes_is_forgotten(redis: QueueClient) -> None:
    """After a day: stock arq clients leave aborts behind for any id."""
    await redis.zadd(keys.ARQ.abort, {"old": 1, "new": 10**12})
    await trim_by_time(redis, now_ms=10**12)
    assert await redis.zrange(keys.ARQ.abort, 0, -1) == [b"new"]


def test_copies_must_not_be_negative() -> None:
    """Said where it is given."""
    options: Any = carry.options
    with pytest.raises(Exception, match="copies is -1"):
        options(copies=-1)
