"""Each script, in each of its forms, for two jobs: a misplaced field fails a test here."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from runner.broker import keys, scripts
from runner.broker.scripts import fields
from runner.broker.scripts.fields import (
    AdminHead,
    AdminJob,
    ClaimHead,
    CountHead,
    EnqueueHead,
    FreshJob,
    FullOutcome,
    JobCount,
    Lease,
    NewJob,
    RecoverHead,
    RenewHead,
    SettleHead,
    ShortOutcome,
    StartHead,
)

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE = "mail"
KEY = keys.ARQ.queue_key(QUEUE)
TTL_S = 1000
HEAD = len(fields.ClaimReply._fields)
FAR_MS = 4_000_000_000_000
ONE, TWO = b'{"f":"one"}', b'{"f":"two"}'


async def run(redis: QueueClient, script: str, head: Any, *blocks: Any) -> Any:
    """Return what *script* returns for KEY, *head* and *blocks*."""
    return await redis.eval(script, 2, KEY, keys.ARQ.base, *head, *chain.from_iterable(blocks))  # type: ignore[misc]


async def claimed(redis: QueueClient, *ids: str) -> list[Any]:
    """Enqueue jobs of *ids*, and claim them under the token `w:1`."""
    jobs = [NewJob(one, f'{{"id":"{one}"}}'.encode(), due_ms=n) for n, one in enumerate(ids, 1)]
    assert await run(redis, scripts.ENQUEUE, EnqueueHead(TTL_S, QUEUE), *jobs) == [1] * len(ids)
    reply = await run(redis, scripts.CLAIM, ClaimHead(10, 60_000, "w:1", "w"))
    assert reply[HEAD :: len(fields.Claimed._fields)] == [one.encode() for one in ids]
    return list(reply)


async def marks(redis: QueueClient) -> dict[str, str]:
    """Return the mark of each running job, without what only makes it long."""
    held = await redis.hgetall(f"{KEY}:running")  # type: ignore[misc]
    return {job_id.decode(): mark.decode().rstrip("-").rstrip("|") for job_id, mark in held.items()}


async def unstarted(redis: QueueClient) -> set[bytes]:
    """Return the ids of the claimed jobs that have not started."""
    return set(await redis.smembers("arq:unstarted:w:1"))  # type: ignore[misc]


def test_script_that_names_an_undeclared_field_is_refused() -> None:
    """A field that is gone from the declaration, but still used, fails at load."""
    with pytest.raises(KeyError, match=r"JOB\."):
        scripts.Script("enqueue.lua", EnqueueHead, {"FRESH": FreshJob, "JOB": FreshJob}).text()


def test_every_declared_field_is_used_by_its_script() -> None:
    """A field that no script reads would be sent for nothing."""
    for script in scripts.SCRIPTS.values():
        files = (*script.begins_with, script.file)
        source = "".join((scripts._HERE / file).read_text("utf-8") for file in files)
        blocks = {"HEAD": script.head} if script.head else {}
        for name, block in (blocks | script.blocks | script.replies).items():
            unused = [one for one in block._fields if f"{name}.{one}" not in source]
            assert unused == [], (script.file, name)


async def test_enqueue_takes_two_short_jobs(redis: QueueClient) -> None:
    """Both bodies, both entries in their order, a wake token each."""
    jobs = (FreshJob("a", ONE), FreshJob("b", TWO))
    assert await run(redis, scripts.ENQUEUE, EnqueueHead(TTL_S, QUEUE, "fresh"), *jobs) == 1
    assert await redis.mget("arq:job:a", "arq:job:b") == [ONE, TWO]
    assert await redis.zrange(KEY, 0, -1) == [b"a", b"b"]
    assert await redis.llen(f"{KEY}:wake") == 2  # type: ignore[misc]


async def test_enqueue_of_short_jobs_is_repeated_in_full(redis: QueueClient) -> None:
    """After a lost reply each job is recognized by its own body, and none is added twice."""
    jobs = (FreshJob("a", ONE), FreshJob("b", TWO), FreshJob("c", ONE))
    assert await run(redis, scripts.ENQUEUE, EnqueueHead(TTL_S, QUEUE, "fresh"), *jobs) == 1
    again = [NewJob(*job) for job in jobs]
    assert await run(redis, scripts.ENQUEUE, EnqueueHead(TTL_S, QUEUE), *again) == [1, 1, 1]
    assert await redis.mget("arq:job:a", "arq:job:b", "arq:job:c") == [ONE, TWO, ONE]
    assert await redis.zcard(KEY) == 3


async def test_enqueue_takes_every_field_of_two_full_jobs(redis: QueueClient) -> None:
    """Times, expiry, batch, tick and attempts of each job are its own."""
    jobs = (
        NewJob("a", ONE, due_ms=FAR_MS, batch="b1", schedule="hourly", tick_ms=7, spent=2),
        NewJob("b", TWO, delay_ms=60_000, mode="unique", expires_ms=50_000, batch="b2"),
    )
    assert await run(redis, scripts.ENQUEUE, EnqueueHead(TTL_S, QUEUE), *jobs) == [1, 1]
    assert await redis.mget("arq:job:a", "arq:job:b") == [ONE, TWO]
    assert await redis.zscore(KEY, "a") == FAR_MS
    assert 0 < await redis.zscore(KEY, "b") - time.time() * 1000 <= 60_000
    assert await redis.pttl("arq:job:a") == -1
    assert 0 < await redis.pttl("arq:job:b") <= 50_000
    assert await redis.hget("arq:batch:b1", "mail|total") == b"1"  # type: ignore[misc]
    assert await redis.hget("arq:batch:b2", "mail|total") == b"1"  # type: ignore[misc]
    assert await redis.smembers("arq:batch:b2:pending") == {b"mail|b"}  # type: ignore[misc]
    assert await redis.hgetall(keys.ARQ.ticks) == {b"mail|hourly": b"7"}  # type: ignore[misc]
    assert await redis.mget("arq:retry:a", "arq:retry:b") == [b"2", None]


async def test_claim_returns_every_field_of_two_jobs(redis: QueueClient) -> None:
    """Ids, bodies and due times; and for one job attempts, a crash, an abort, its last token."""
    reply = await claimed(redis, "a", "b")
    head = fields.ClaimReply(*reply[:HEAD])
    assert (head.suspects, head.more, head.lapsed, head.stray, head.extras) == (0, 0, [], [], [])
    assert abs(int(head.fence) / 1e6 - time.time()) < 60
    assert reply[HEAD:] == [b"a", b'{"id":"a"}', b"1", b"b", b'{"id":"b"}', b"2"]
    assert await marks(redis) == {"a": "w:1|1", "b": "w:1|2"}

    await redis.set("arq:retry:b", 3)
    await redis.zadd(keys.ARQ.abort, {"b": 1})
    await redis.zadd(KEY, {"a": 1, "b": 2})
    await redis.delete("arq:in-progress:a", "arq:in-progress:b")
    await redis.hset(f"{KEY}:crashes", "b", f"{time.time() * 1000:.0f}=v:1")  # type: ignore[misc]
    again = await run(redis, scripts.CLAIM, ClaimHead(10, 60_000, "w:2", "w"))
    assert fields.ClaimReply(*again[:HEAD]).extras == [1, 0, 0, 0, b"w:1", 2, 3, 1, 1, b"w:1"]
    assert int(again[2]) > int(head.fence)
    assert again[HEAD::3] == [b"a", b"b"]


async def test_claim_stops_at_the_bytes_that_it_may_take(redis: QueueClient) -> None:
    """One body more than fits, and at least one; the reply says that there is more."""
    for most, taken in ((0, 1), (1, 1), (25, 2), (60, 5), (1000, 6)):
        await redis.flushdb()
        jobs = [NewJob(f"j{n}", b"x" * 13, due_ms=n) for n in range(6)]
        await run(redis, scripts.ENQUEUE, EnqueueHead(TTL_S, QUEUE), *jobs)
        head = ClaimHead(10, 60_000, "w:1", "w", most_bytes=most)
        reply = await run(redis, scripts.CLAIM, head)
        assert len(reply[HEAD::3]) == taken
        assert fields.ClaimReply(*reply[:HEAD]).more == (taken < 6)
        assert len(await marks(redis)) == taken


async def test_start_is_recorded_of_two_jobs(redis: QueueClient) -> None:
    """Of three that were claimed two run now; a repeated start changes nothing."""
    await claimed(redis, "a", "b", "c")
    assert await unstarted(redis) == {b"a", b"b", b"c"}
    assert await run(redis, scripts.START, StartHead("w:1"), ["a", "b"]) == 2
    assert await run(redis, scripts.START, StartHead("w:1"), ["a", "b"]) == 0
    assert await unstarted(redis) == {b"c"}


async def test_recover_puts_two_jobs_back_as_they_were_due(redis: QueueClient) -> None:
    """One had started, counts a crash and is a suspect; one had not, and waits in the queue."""
    await claimed(redis, "a", "b", "c")
    await run(redis, scripts.START, StartHead("w:1"), ["a", "c"])
    await redis.zadd(KEY, {"a": 50, "b": 50})
    await redis.zadd(f"{KEY}:holders", {"w": 50})
    await redis.delete("arq:in-progress:a", "arq:in-progress:b")
    assert await run(redis, scripts.RECOVER, RecoverHead(finished="w"), ["a", "b", "c"]) == 2
    assert await redis.zscore(KEY, "b") == 2
    assert await redis.zrange(f"{KEY}:suspects", 0, -1, withscores=True) == [(b"a", 1)]
    [crash] = (await redis.hget(f"{KEY}:crashes", "a")).split()  # type: ignore[misc]
    assert crash.endswith(b"=w:1")
    assert await marks(redis) == {"c": "w:1|3"}
    assert not await redis.exists(f"{KEY}:holders")


async def test_recover_undoes_a_claim_that_was_never_answered(redis: QueueClient) -> None:
    """Its jobs are due as they were, and should it arrive later, it takes nothing."""
    await claimed(redis, "a", "b")
    assert await run(redis, scripts.RECOVER, RecoverHead("w:1"), ["a", "b"]) == 2
    assert (await redis.zscore(KEY, "a"), await redis.zscore(KEY, "b")) == (1, 2)
    assert not await redis.exists(f"{KEY}:running", f"{KEY}:crashes", "arq:in-progress:a")
    late = await run(redis, scripts.CLAIM, ClaimHead(10, 60_000, "w:1", "w"))
    assert late[HEAD:] == []


async def test_renew_extends_two_jobs_and_reports_a_third(redis: QueueClient) -> None:
    """Each by its own token; the one under another token is lost."""
    await claimed(redis, "a", "b", "c")
    leases = (Lease("a", "w:1"), Lease("b", "w:1"), Lease("c", "v:9"))
    assert await run(redis, scripts.RENEW, RenewHead(90_000, "w"), *leases) == [[b"c"], []]
    assert await redis.pttl("arq:in-progress:a") > 80_000
    assert await redis.pttl("arq:in-progress:b") > 80_000
    assert await redis.pttl("arq:in-progress:c") <= 60_000


async def test_settle_keeps_two_short_results(redis: QueueClient) -> None:
    """Each job has its own result, and nothing else is left of either."""
    await claimed(redis, "a", "b")
    outcomes = (ShortOutcome("a", "w:1", ONE), ShortOutcome("b", "w:1", TWO))
    assert await run(redis, scripts.SETTLE, SettleHead(QUEUE, TTL_S, 2, 5000), *outcomes) == []
    assert await redis.mget("arq:result:a", "arq:result:b") == [ONE, TWO]
    assert 0 < await redis.pttl("arq:result:b") <= 5000
    assert not await redis.exists("arq:job:a", "arq:job:b", KEY, f"{KEY}:running")


@pytest.mark.parametrize("short", [0, 2])
async def test_settle_takes_every_field_of_two_full_outcomes(
    redis: QueueClient, short: int
) -> None:
    """A retry, a death, a release and a result, alone and after short outcomes."""
    await claimed(redis, "s", "t", "a", "b", "c", "d")
    before = [ShortOutcome("s", "w:1", ONE), ShortOutcome("t", "w:1", TWO)][:short]
    outcomes = (
        FullOutcome("retry", "a", "w:1", 70_000, b"", b"failed once", 1, "b1"),
        FullOutcome("dead", "b", "w:1", 5000, TWO, b"failed for good", 4, "b2"),
        FullOutcome("release", "c", "w:1", 30_000, spent=2),
        FullOutcome("done", "d", "w:1", 6000, ONE, batch="b1"),
    )
    head = SettleHead(QUEUE, TTL_S, short, 5000)
    assert await run(redis, scripts.SETTLE, head, *before, *outcomes) == []
    assert await redis.mget("arq:result:s", "arq:result:t") == ([ONE, TWO] if short else [None] * 2)
    assert 0 < await redis.zscore(KEY, "a") - time.time() * 1000 <= 70_000
    assert await redis.lrange("arq:history:a", 0, -1) == [b"failed once"]  # type: ignore[misc]
    [dead_id] = [one.decode() for one in await redis.zrange(f"{KEY}:dead", 0, -1)]
    assert await redis.lrange(f"arq:history:{dead_id}", 0, -1) == [b"failed for good"]  # type: ignore[misc]
    assert await redis.mget("arq:retry:a", f"arq:retry:{dead_id}") == [b"1", b"4"]
    assert await redis.mget("arq:result:b", "arq:result:d") == [TWO, ONE]
    assert await redis.zscore(f"{KEY}:retrying", "c")
    assert await redis.hgetall("arq:batch:b1") == {b"mail|retries": b"1", b"mail|done": b"1"}  # type: ignore[misc]
    assert await redis.smembers("arq:batch:b2:dead") == {f"mail|{dead_id}".encode()}  # type: ignore[misc]


async def test_settle_gives_two_claims_back_as_they_were_due(redis: QueueClient) -> None:
    """Each is due at its own time again; those that are offered are marked."""
    await claimed(redis, "a", "b", "c", "d")
    outcomes = (
        FullOutcome("unclaim", "a", "w:1"),
        FullOutcome("unclaim", "b", "w:1"),
        FullOutcome("offer", "c", "w:1"),
        FullOutcome("offer", "d", "w:1"),
    )
    assert await run(redis, scripts.SETTLE, SettleHead(QUEUE, TTL_S), *outcomes) == []
    assert (await redis.zscore(KEY, "a"), await redis.zscore(KEY, "b")) == (1, 2)
    assert (await redis.zscore(KEY, "c"), await redis.zscore(KEY, "d")) == (3, 4)
    assert await marks(redis) == {"c": "w:1|3|offered", "d": "w:1|4|offered"}


async def test_admin_takes_every_field_of_its_action(redis: QueueClient) -> None:
    """When to run, what to write into the history, the result to keep, and where to move."""
    jobs = [NewJob(one, ONE, due_ms=FAR_MS) for one in ("a", "b", "c", "d")]
    await run(redis, scripts.ENQUEUE, EnqueueHead(TTL_S, QUEUE), *jobs)

    async def act(action: str, job_id: str, **details: Any) -> None:
        result = details.pop("result", b"")
        head = AdminHead(action, QUEUE, TTL_S, **details)
        jobs = AdminJob(job_id, result), AdminJob("none")
        assert await run(redis, scripts.ADMIN, head, *jobs) == [b"waiting", b"gone"]

    await act("reschedule", "a", due_ms=FAR_MS + 5)
    await act("bury", "b", entry=b"buried")
    await act("abort", "c", result=TWO, keep_ms=5000)
    await act("move", "d", target_key="arq:queue:post", target="post")
    assert await redis.zscore(KEY, "a") == FAR_MS + 5
    [dead_id] = await redis.zrange(f"{KEY}:dead", 0, -1)
    assert dead_id.startswith(b"b~")
    assert await redis.lrange("arq:history:" + dead_id.decode(), 0, -1) == [b"buried"]  # type: ignore[misc]
    assert await redis.get("arq:result:c") == TWO
    assert 0 < await redis.pttl("arq:result:c") <= 5000
    assert await redis.zrange("arq:queue:post", 0, -1) == [b"d"]


async def test_count_adds_the_counts_of_two_jobs_once(redis: QueueClient) -> None:
    """Each job has its cells by minute and ten minutes, and totals; a repeated batch adds none."""
    jobs: list[Any] = []
    for name, done in (("mail|a", 2), ("mail|b", 5)):
        block = JobCount(name, f"m:{name}", 9000, 60, f"t:{name}", 99_000, 600, 2)
        jobs += [*block, "n", done, "ms", 10 * done]
    for number in (1, 1):
        head = CountHead(number, TTL_S, 1234)
        guard = keys.ARQ.metrics_guard_prefix + "w"
        await redis.eval(scripts.COUNT, 2, guard, keys.ARQ.base, *head, *jobs)  # type: ignore[misc,arg-type]
    assert await redis.hgetall("m:mail|a") == {b"60|n": b"2", b"60|ms": b"20"}  # type: ignore[misc]
    assert await redis.hgetall("t:mail|b") == {b"600|n": b"5", b"600|ms": b"50"}  # type: ignore[misc]
    assert await redis.hget(keys.ARQ.metrics_total, "mail|b|ms") == b"50"  # type: ignore[misc]
    assert await redis.zscore(keys.ARQ.metrics, "mail|a") == 1234
    assert 0 < await redis.pttl("m:mail|b") <= 9000 < await redis.pttl("t:mail|a")
    assert 0 < await redis.ttl(guard) <= TTL_S
