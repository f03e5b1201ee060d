"""Contract 6: an unknown name stays queued for a worker that knows it; bad bytes are kept, dead."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from runner import Context, JobState, job
from runner.admin import Admin
from runner.operations.catalog import Catalog
from runner.operations.jobs import list_jobs
from runner.operations.why import Cause, why
from runner.periodic.cleanup import offer_parked
from runner.periodic.gauges import queue_gauges
from tests.runner_kit import PATIENCE_S, crashes, dead_ids, eventually, history, soon, working

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
ODD = "0dd0" * 8
GHOST = "0" * 32
"""As random ids: one that a caller chose changes when its job dies."""


@job(queue="default")
async def known(ctx: Context, word: str = "") -> str:
    """Stand for a job that old and new workers know."""
    return f"known {word}{ctx.attempt}"


@job(queue="default")
async def new(ctx: Context) -> str:
    """Stand for a job that only new workers know."""
    return f"new {ctx.attempt}"


async def _rests(handle: JobHandle[Any]) -> bool:
    return await handle.state() is JobState.PARKED


async def test_unknown_job_stays_queued_and_shows_as_unknown(
    redis_url: str, redis: QueueClient
) -> None:
    """An old worker puts it aside, visibly and at no cost, and goes on with other jobs."""
    async with working(redis_url, known):
        stranger = await new.enqueue()
        assert await (await known.enqueue()).result(timeout_s=PATIENCE_S) == "known 1"
        await eventually(lambda: _rests(stranger))

        assert (await queue_gauges(redis, "default")).parked == 1
        assert await redis.hget(f"{QUEUE}:unknown", stranger.id) == b"new"  # type: ignore[misc]
        assert int(await redis.get(f"arq:retry:{stranger.id}") or 0) == 0
        assert await history(redis, stranger.id) == []


async def test_unknown_job_is_picked_up_at_once_by_a_new_worker_that_knows_it(
    redis_url: str, redis: QueueClient
) -> None:
    """In a rolling deploy the first new worker to start runs what waited for it."""
    async with working(redis_url, known):
        stranger = await new.enqueue()
        await eventually(lambda: _rests(stranger))
        async with working(redis_url, known, new):
            assert await stranger.result(timeout_s=PATIENCE_S) == "new 1"

    assert await redis.exists(f"{QUEUE}:unknown") == 0


async def test_unknown_job_goes_to_a_new_worker_that_runs_already(
    redis_url: str,
) -> None:
    """With old and new workers side by side, a job that an old one put aside is offered again."""
    async with (
        working(redis_url, known),
        working(redis_url, known, new),
    ):
        for handle in await new.enqueue_many([{}] * 20):
            assert await handle.result(timeout_s=PATIENCE_S) == "new 1"


async def test_unknown_job_does_not_count_as_a_crash_or_an_attempt(
    redis_url: str, redis: QueueClient
) -> None:
    """However often it is parked, it costs nothing, and keeps its due time."""
    async with working(redis_url, known, idle_poll_s=0.01):
        stranger = await new.enqueue()
        await eventually(lambda: _rests(stranger))
        due_ms = await redis.zscore(f"{QUEUE}:parked", stranger.id)
        for _ in range(5):
            await offer_parked(redis, "default")
            await eventually(lambda: _rests(stranger))

    assert await redis.zscore(f"{QUEUE}:parked", stranger.id) == due_ms
    assert await crashes(redis, "default", stranger.id) == 0
    assert int(await redis.get(f"arq:retry:{stranger.id}") or 0) == 0


async def test_parked_jobs_of_one_name_are_logged_once_and_move_in_chunks(
    redis_url: str, redis: QueueClient
) -> None:
    """1,200 of them: one line, and the worker that knows them runs them in their order."""
    handles = await new.enqueue_many([{}] * 1200)
    with capture_logs() as lines:
        async with working(redis_url, known, concurrency=100):
            await eventually(lambda: _parked(redis, 1200))
    assert [line["jobs"] for line in lines if line["event"].startswith("jobs parked")] == ["new"]
    async with working(redis_url, known, new, concurrency=100):
        for handle in handles:
            assert await handle.result(timeout_s=PATIENCE_S) == "new 1"
    assert await redis.keys(f"{QUEUE}:parked*") == []


@job(queue="default", name="known")
async def known_with_more(ctx: Context, word: str = "", *, colour: str = "", size: int = 0) -> str:
    """Stand for `known` in newer code, with parameters that the old code does not have."""
    return f"{word} {colour} {size} {ctx.attempt}"


async def test_job_with_a_new_parameter_waits_for_a_worker_that_has_it(
    redis_url: str, redis: QueueClient
) -> None:
    """The old worker parks it; another old one leaves it; the new one runs it at no cost."""
    async with working(redis_url, known, idle_poll_s=0.02):
        handle = await known_with_more.enqueue("x", colour="red", size=2)
        await eventually(lambda: _rests(handle))
        label = await redis.hget(f"{QUEUE}:unknown", handle.id)  # type: ignore[misc]
        assert label == b"known(colour, size)"
        async with working(redis_url, known, idle_poll_s=0.02):
            assert await (await known.enqueue()).result(timeout_s=PATIENCE_S) == "known 1"
            assert await handle.state() is JobState.PARKED
    async with working(redis_url, known_with_more):
        assert await handle.result(timeout_s=PATIENCE_S) == "x red 2 1"


async def test_job_with_a_wrong_value_is_dead_and_not_parked(
    redis_url: str, redis: QueueClient
) -> None:
    """No newer code would make it right."""
    await _put(redis, ODD, b'{"t":null,"f":"known","a":[],"k":{"word":[1]},"et":1}')
    async with working(redis_url, known):
        assert await eventually(lambda: dead_ids(redis, "default")) == [ODD]


async def test_parked_job_is_seen_and_aborted_moved_or_buried(
    redis_url: str, redis: QueueClient
) -> None:
    """Every verb for waiting jobs reaches it, and nothing of the parking is left."""
    admin = Admin(redis)
    handles = await new.enqueue_many([{}] * 4)
    async with working(redis_url, known):
        for handle in handles:
            await eventually(lambda: _rests(handle))  # noqa: B023 -- called at once
    page = await list_jobs(redis, "default", JobState.PARKED, Catalog.of([known]))
    assert [row.job_id for row in page.rows] == [handle.id for handle in handles]
    assert (await why(redis, ["default"], handles[0].id, Catalog.of([known]))).cause == (
        Cause.UNKNOWN_NAME
    )

    await admin.abort("default", handles[0].id)
    await admin.move("default", handles[1].id, "other")
    await admin.bury("default", handles[2].id)
    await admin.run_now("default", handles[3].id)

    assert await redis.keys(f"{QUEUE}:parked*") == []
    assert await redis.exists(f"{QUEUE}:unknown") == 0
    assert [await handle.state() for handle in handles[2:]] == [JobState.DEAD, JobState.READY]
    assert await redis.zscore("arq:queue:other", handles[1].id)


async def test_unknown_job_does_not_keep_a_burst_waiting(redis_url: str) -> None:
    """A burst ends although a job waits that its worker does not know."""
    await new.enqueue()
    handle = await known.enqueue()
    async with working(redis_url, known, burst=True) as one:
        await soon(one.main_task)  # type: ignore[arg-type]

    assert await handle.state() is JobState.DONE


async def test_unknown_job_may_be_deleted_or_run_by_hand(
    redis_url: str, redis: QueueClient
) -> None:
    """An operator acts on a resting job as on any waiting one, and nothing of it is left."""
    async with working(redis_url, known):
        stranger = await new.enqueue()
        await eventually(lambda: _rests(stranger))
        await Admin(redis).delete("default", stranger.id)

        assert await stranger.state() is JobState.UNKNOWN
        assert await redis.exists(f"{QUEUE}:unknown") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x04\x95 a pickle",
        b"",
        b"{",
        b"null",
        b'{"f":"known"}',
        b'{"t":null,"f":"known","a":{},"k":[],"et":1}',
        b'{"t":null,"f":"known","a":[],"k":{},"et":1e400}',
        b'{"t":null,"f":"known","a":[],"k":{},"et":99999999999999999}',
        b"\xff\xfe",
        b"[" * 10_000,
    ],
)
async def test_unreadable_body_is_dead_with_its_bytes_kept(
    redis_url: str, redis: QueueClient, body: bytes
) -> None:
    """An unreadable body is not executed, lost or charged; the worker goes on."""
    await _put(redis, ODD, body)
    async with working(redis_url, known):
        assert await eventually(lambda: dead_ids(redis, "default")) == [ODD]
        assert await (await known.enqueue()).result(timeout_s=PATIENCE_S) == "known 1"

    assert await redis.get("arq:job:" + ODD) == body
    [entry] = await history(redis, ODD)
    assert entry["error"] == "runner.errors.CodecError"
    assert int(await redis.get("arq:retry:" + ODD) or 0) == 0


async def test_mutilated_bodies_harm_no_worker(redis_url: str, redis: QueueClient) -> None:
    """Of hundreds of bodies with bytes cut, doubled and changed, each is done, dead or unknown."""
    random = Random(20260101)  # noqa: S311 -- the same bodies each time
    whole = b'{"t":null,"f":"known","a":["x"],"k":{},"et":1767225600000,"b":"b1","tp":"00-a-b-01"}'
    async with working(redis_url, known, max_retries=0) as one:
        for number in range(400):
            await _put(redis, f"odd{number}", _mutilated(whole, random))
        await redis.lpush(f"{QUEUE}:wake", "1")  # type: ignore[misc]
        await eventually(lambda: _is_settled(redis))
        assert await (await known.enqueue()).result(timeout_s=PATIENCE_S) == "known 1"
        assert one.main_task is not None
        assert not one.main_task.done()

    done, dead = len(await redis.keys("arq:result:odd*")), await redis.zcard(f"{QUEUE}:dead")
    unknown = await redis.hlen(f"{QUEUE}:unknown")  # type: ignore[misc]
    assert dead > 50
    assert done + unknown >= 400 - dead


async def test_missing_body_is_dead_and_says_so(redis_url: str, redis: QueueClient) -> None:
    """An id in the queue whose body was deleted is not tried for ever."""
    await redis.zadd(QUEUE, {GHOST: time.time() * 1000})
    async with working(redis_url, known):
        assert await eventually(lambda: dead_ids(redis, "default")) == [GHOST]

    [entry] = await history(redis, GHOST)
    assert (entry["error"], entry["message"]) == (
        "BodyMissing",
        "the job's body is gone from Redis",
    )


@pytest.mark.parametrize("job_id", [b"\xff\xfe", b"", b"a b\n", "é".encode(), b"x" * 10_000])
async def test_odd_job_ids_are_run_like_any_other(
    redis_url: str, redis: QueueClient, job_id: bytes
) -> None:
    """An id that is not text, which only a foreign client can write, harms no worker."""
    body = b'{"t":null,"f":"known","a":["odd "],"k":{},"et":1}'
    await _put(redis, job_id, body)
    async with working(redis_url, known):
        await eventually(lambda: _gone(redis, job_id))

    assert b'"known odd 1"' in await redis.get(b"arq:result:" + job_id)
    assert await redis.exists(f"{QUEUE}:running") == 0


async def test_odd_job_ids_of_unknown_jobs_do_not_keep_workers_from_starting(
    redis_url: str, redis: QueueClient
) -> None:
    """A resting job with such an id is offered to a worker that knows it, like any other."""
    job_id = b"\xff\xfe"
    await _put(redis, job_id, b'{"t":null,"f":"new","a":[],"k":{},"et":1}')
    async with working(redis_url, known):
        await eventually(lambda: redis.hlen(f"{QUEUE}:unknown"))
    async with working(redis_url, new):
        await eventually(lambda: _gone(redis, job_id))


async def test_keys_of_the_wrong_type_harm_one_job_only(redis_url: str, redis: QueueClient) -> None:
    """A job whose keys somebody overwrote cannot be settled; others of the same call are."""
    await _put(redis, ODD, b"{")
    await redis.set("arq:history:" + ODD, "no list")
    async with working(redis_url, known, lease_s=0.6, heartbeat_s=0.1) as one:
        handles = await known.enqueue_many([{}] * 20)
        for handle in handles:
            assert await handle.result(timeout_s=PATIENCE_S) == "known 1"
        assert one.main_task is not None
        assert not one.main_task.done()
        await redis.delete("arq:history:" + ODD)
        await eventually(lambda: dead_ids(redis, "default"))


async def test_retry_counter_that_is_not_a_number_counts_as_none(
    redis_url: str, redis: QueueClient
) -> None:
    """A counter that somebody overwrote does not keep the job from running."""
    await _put(redis, ODD, b'{"t":null,"f":"known","a":[],"k":{},"et":1}')
    await redis.set("arq:retry:" + ODD, "many")
    async with working(redis_url, known):
        await eventually(lambda: _gone(redis, ODD.encode()))


def _mutilated(body: bytes, random: Random) -> bytes:
    odd = bytearray(body)
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(odd))
        match random.randrange(4):
            case 0:
                odd[start] = random.randrange(256)
            case 1:
                del odd[start : start + random.randint(1, 9)]
            case 2:
                odd[start:start] = odd[start : start + random.randint(1, 9)]
            case _:
                odd[start:start] = random.choice(
                    [b"null", b"1e999", b"-1", b'"', b"{}", b"[", b"9"]
                )
    return bytes(odd)


async def _is_settled(redis: QueueClient) -> bool:
    due = await redis.zcount(QUEUE, "-inf", time.time() * 1000)
    return due == 0 and not await redis.exists(f"{QUEUE}:running")


async def _put(redis: QueueClient, job_id: bytes | str, body: bytes) -> None:
    key = job_id if isinstance(job_id, bytes) else job_id.encode()
    await redis.set(b"arq:job:" + key, body)
    await redis.zadd(QUEUE, {key: time.time() * 1000})


async def _gone(redis: QueueClient, job_id: bytes) -> bool:
    return await redis.zscore(QUEUE, job_id) is None


async def _parked(redis: QueueClient, count: int) -> bool:
    return bool(await redis.zcard(f"{QUEUE}:parked") == count)
