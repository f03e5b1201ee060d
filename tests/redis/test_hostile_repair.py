"""`pipeline doctor` finds what is none of ours in any key, and `--repair` mends it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from runner.broker import keys
from runner.operations.faults import Inspector
from tests import hostile
from tests.redis.standing import QUEUE_KEY

if TYPE_CHECKING:
    from runner import QueueClient
    from runner.operations.faults import Fault
    from tests.redis.standing import Snapshot


async def _faults(redis: QueueClient) -> list[Fault]:
    inspector = Inspector(redis, ["default"], most=10**6, for_s=math.inf, by="ada")
    return await inspector.faults()


async def _restore(redis: QueueClient, snapshot: Snapshot) -> None:
    """As it stood; of what has to expire, nothing lasts for ever."""
    await snapshot.restore(redis)
    for pattern in (keys.ARQ.in_progress_prefix, keys.ARQ.guesses_prefix):
        for key in snapshot.keys_of(pattern + "*"):
            await redis.expire(key, 3600)


async def test_nothing_is_wrong_with_what_we_write(redis: QueueClient, snapshot: Snapshot) -> None:
    """No key that workers, clients and operators wrote is a fault."""
    await _restore(redis, snapshot)
    assert [str(one) for one in await _faults(redis)] == []


@pytest.mark.parametrize("pattern", hostile.PATTERNS)
async def test_what_is_not_ours_is_found_and_mended(
    redis: QueueClient, snapshot: Snapshot, pattern: str
) -> None:
    """After a repair nothing is left to mend, no body is gone, and every job is where it was."""
    [victim, *_] = snapshot.keys_of(pattern)
    problems = []
    for state in hostile.states(hostile.type_of(pattern)):
        await _restore(redis, snapshot)
        await state.put(redis, victim)
        before = await _jobs(redis)
        found = await _faults(redis)
        if (
            state.wrong
            and not found
            and pattern not in {keys.ARQ.aside, keys.ARQ.aside + "-untold"}
        ):
            problems.append(f"{state.name}: not found")
        for one in found:
            assert one.does
            if one.mend is not None:
                await one.mend()
        if left := [str(one) for one in await _faults(redis) if one.mend is not None]:
            problems.append(f"{state.name}: left {left}")
        if lost := before - await _jobs(redis):
            problems.append(f"{state.name}: lost {lost}")
    assert not problems, problems


async def _jobs(redis: QueueClient) -> set[tuple[str, bytes]]:
    """Every job of the queue, and every body."""
    found = {("body", key) for key in await redis.keys(keys.ARQ.job_prefix + "*")}
    for suffix in keys.PLACES:
        if await redis.type(QUEUE_KEY + suffix) == b"zset":
            found |= {(suffix, one) for one in await redis.zrange(QUEUE_KEY + suffix, 0, -1)}
    return found


async def test_time_that_no_calendar_has_becomes_one(redis: QueueClient) -> None:
    """A job that was due since ever is due now, one that never comes due in the year 9999."""
    await redis.zadd(QUEUE_KEY, {"past": "-inf", "future": "inf", "now": 1.0})
    for one in await _faults(redis):
        assert one.mend is not None
        await one.mend()
    scores = dict(await redis.zrange(QUEUE_KEY, 0, -1, withscores=True))
    seconds, _ = await redis.time()
    assert seconds * 1000 - 60_000 < scores[b"past"] <= seconds * 1000
    assert scores[b"future"] < 10**15
    assert scores[b"now"] == 1.0


async def test_what_is_set_aside_is_kept_and_named(redis: QueueClient) -> None:
    """With all that it held, for thirty days, under a name that the register has."""
    await redis.set(QUEUE_KEY + keys.DEAD_SUFFIX, "something of value")
    [fault] = await _faults(redis)
    assert fault.mend is not None
    await fault.mend()
    [name] = await redis.zrange(keys.ARQ.aside, 0, -1)
    assert name.endswith(b":arq:queue:default:dead")
    assert await redis.get(name) == b"something of value"
    assert 29 * 86_400 < await redis.ttl(name) <= keys.ASIDE_TTL_S


async def test_job_behind_a_mark_that_does_not_expire_is_let_go(redis: QueueClient) -> None:
    """No worker holds it, and none would ever take it."""
    await redis.zadd(QUEUE_KEY, {"stuck": 1.0})
    await redis.set(keys.ARQ.in_progress_prefix + "stuck", "w:1")
    [fault] = await _faults(redis)
    assert "does not expire" in str(fault)
    assert fault.mend is not None
    await fault.mend()
    assert not await redis.exists(keys.ARQ.in_progress_prefix + "stuck")


async def test_claim_that_came_meanwhile_keeps_its_time(redis: QueueClient) -> None:
    """A repair moves no job that a worker has claimed since it was found."""
    await redis.zadd(QUEUE_KEY, {"past": "-inf"})
    [fault] = await _faults(redis)
    await redis.zadd(QUEUE_KEY, {"past": 9e12})
    assert fault.mend is not None
    await fault.mend()
    assert await redis.zscore(QUEUE_KEY, "past") == 9e12
