"""Redis's clock was set back: what was due stays due, whichever way it goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner.admin import Admin
from runner.broker import keys
from runner.broker.scripts import CLAIM, RECOVER, RENEW, SET_BACK, SETTLE, UNPARK
from runner.broker.scripts.fields import (
    Claimed,
    ClaimHead,
    ClaimReply,
    FullOutcome,
    Lease,
    RecoverHead,
    RenewHead,
    SetBackHead,
    SettleHead,
    UnparkHead,
)

if TYPE_CHECKING:
    from runner import QueueClient

KEY = keys.ARQ.queue_key("default")
RUNNING = KEY + keys.RUNNING_SUFFIX
HOUR_MS = 3_600_000
LEASE_MS = 60_000


async def _run(redis: QueueClient, script: str, *args: Any) -> Any:
    return await redis.eval(script, 2, KEY, keys.ARQ.base, *args)  # type: ignore[misc]  # redis-py's own hints: sync or async


async def _now_ms(redis: QueueClient) -> float:
    seconds, microseconds = await redis.time()
    return float(seconds * 1000 + microseconds / 1000)


async def _claim(
    redis: QueueClient, token: str, *labels: str, **options: Any
) -> dict[bytes, float]:
    """Return what is claimed, and when it was due."""
    head = ClaimHead(9, LEASE_MS, token, token.partition(":")[0], **options)
    reply = await _run(redis, CLAIM, *head, *labels)
    claimed = reply[len(ClaimReply._fields) :]
    size = len(Claimed._fields)
    return {claimed[at]: float(claimed[at + 2]) for at in range(0, len(claimed), size)}


async def _held_since_before(redis: QueueClient) -> float:
    """Let worker `w` hold job j1, which was due an hour from now; return now."""
    now_ms = await _now_ms(redis)
    await redis.set(keys.ARQ.job_prefix + "j1", '{"t":null,"f":"act","a":[],"k":{},"et":1}')
    await redis.zadd(KEY, {"j1": now_ms - 1})
    ((_, due_ms),) = (await _claim(redis, "w:1")).items()
    mark = (await redis.hget(RUNNING, "j1")).decode()  # type: ignore[misc]  # as above
    parts = mark.split("|")
    assert float(parts[1]) == due_ms
    parts[1] = f"{due_ms + HOUR_MS:.4f}"
    await redis.hset(RUNNING, "j1", "|".join(parts))  # type: ignore[misc]
    return now_ms


async def _settle(redis: QueueClient, kind: str, **fields: Any) -> None:
    outcome = FullOutcome(kind, "j1", "w:1", **fields)
    assert await _run(redis, SETTLE, *SettleHead("default", 1), *outcome) == []


async def _lapse(redis: QueueClient) -> None:
    await redis.delete(keys.ARQ.in_progress_prefix + "j1")
    await redis.zadd(KEY, {"j1": 1})


async def _recovered(redis: QueueClient) -> None:
    await _lapse(redis)
    assert await _run(redis, RECOVER, *RecoverHead(), "j1") == 1


async def _recovered_with_a_crash(redis: QueueClient) -> None:
    await _run(redis, RENEW, *RenewHead(LEASE_MS, "w"), *Lease("j1", "w:1"))  # it has started
    await _recovered(redis)


async def _unanswered(redis: QueueClient) -> None:
    assert await _run(redis, RECOVER, *RecoverHead(unanswered="w:1"), "j1") == 1


async def _parked(redis: QueueClient) -> None:
    """It was parked before the clock was set back."""
    await _settle(redis, "park", entry=b"old")
    ahead = await _now_ms(redis) + HOUR_MS
    for place in (":parked", ":parked:old"):
        await redis.zadd(KEY + place, {"j1": ahead})


async def _unparked(redis: QueueClient) -> None:
    await _parked(redis)
    assert await _run(redis, UNPARK, *UnparkHead(9), "old") == 1


async def _moved_from_the_parked(redis: QueueClient) -> None:
    await _parked(redis)
    await Admin(redis).move("default", "j1", "other")
    await redis.rename(keys.ARQ.queue_key("other"), KEY)


async def _moved_from_the_suspects(redis: QueueClient) -> None:
    await _recovered_with_a_crash(redis)
    await redis.zadd(KEY + keys.SUSPECTS_SUFFIX, {"j1": await _now_ms(redis) + HOUR_MS})
    await Admin(redis).move("default", "j1", "other")
    await redis.rename(keys.ARQ.queue_key("other"), KEY)


WAYS: dict[str, Any] = {
    "released": lambda redis: _settle(redis, "release"),
    "given back": lambda redis: _settle(redis, "unclaim"),
    "offered": lambda redis: _settle(redis, "offer"),
    "recovered": _recovered,
    "recovered with a crash": _recovered_with_a_crash,
    "unanswered": _unanswered,
    "parked": _parked,
    "unparked": _unparked,
    "moved from the parked": _moved_from_the_parked,
    "moved from the suspects": _moved_from_the_suspects,
}


@pytest.mark.parametrize("way", WAYS)
async def test_job_that_goes_back_is_due_at_once(redis: QueueClient, way: str) -> None:
    """Another worker claims it now, not in an hour, and reads that it was due by now."""
    began_ms = await _held_since_before(redis)
    await WAYS[way](redis)

    claimed = await _claim(
        redis,
        "other:1",
        *(["old"] if way == "parked" else []),
        mode="suspect" if way == "recovered with a crash" else "",
    )

    assert set(claimed) == {b"j1"}
    assert began_ms - HOUR_MS <= claimed[b"j1"] <= await _now_ms(redis)


async def test_worker_that_claims_its_own_lapsed_job_reads_that_it_was_due_by_now(
    redis: QueueClient,
) -> None:
    """It goes on with it; nothing waits for a negative time."""
    await _held_since_before(redis)
    await _lapse(redis)

    claimed = await _claim(redis, "w:2")

    assert claimed[b"j1"] <= await _now_ms(redis)


async def test_suspect_that_waits_is_due_at_the_next_poll(redis: QueueClient) -> None:
    """It stood in the future, outside the queue."""
    await _held_since_before(redis)
    await _recovered_with_a_crash(redis)
    now_ms = await _now_ms(redis)
    await redis.zadd(KEY + keys.SUSPECTS_SUFFIX, {"j1": now_ms + HOUR_MS - 1})

    head = SetBackHead(round(now_ms + HOUR_MS), HOUR_MS, LEASE_MS, 0, 100)
    assert await _run(redis, SET_BACK, *head) == -1

    assert set(await _claim(redis, "other:1", mode="suspect")) == {b"j1"}


async def test_lease_taken_just_before_the_jump_ends_within_one_lease(redis: QueueClient) -> None:
    """It ends later than the clock has ever shown; what is due then in earnest stays."""
    await _held_since_before(redis)
    now_ms = await _now_ms(redis)
    ends_ms = now_ms + HOUR_MS + LEASE_MS - 1
    await redis.zadd(KEY, {"j1": ends_ms, "later": ends_ms})
    await redis.pexpire(keys.ARQ.in_progress_prefix + "j1", HOUR_MS)

    head = SetBackHead(round(now_ms + HOUR_MS), HOUR_MS, LEASE_MS, 0, 100)
    assert await _run(redis, SET_BACK, *head) == -1

    assert await redis.zscore(KEY, "later") == pytest.approx(ends_ms, abs=0.01)
    held_until_ms = await redis.zscore(KEY, "j1")
    assert held_until_ms <= await _now_ms(redis) + LEASE_MS
    assert await redis.pttl(keys.ARQ.in_progress_prefix + "j1") <= LEASE_MS


async def test_worker_seen_late_before_the_jump_is_given_up_in_time(redis: QueueClient) -> None:
    """When it was first seen late lies in the future: the wait begins anew, and ends."""
    await _held_since_before(redis)
    await _lapse(redis)
    ends = f"{await _now_ms(redis) - LEASE_MS:.0f}"
    await redis.zadd(KEY + keys.HOLDERS_SUFFIX, {"w": float(ends)})
    ahead = f"{await _now_ms(redis) + HOUR_MS:.4f}"
    await redis.hset(KEY + keys.LATE_SUFFIX, "w", f"{ends}|{ahead}")  # type: ignore[misc]

    assert await _claim(redis, "other:1") == {}

    _, since = (await redis.hget(KEY + keys.LATE_SUFFIX, "w")).decode().split("|")  # type: ignore[misc]
    assert float(since) <= await _now_ms(redis)


async def test_volunteer_of_before_the_jump_keeps_no_other_from_volunteering(
    redis: QueueClient,
) -> None:
    """Its time ends an hour too late, and it may be long dead."""
    await _held_since_before(redis)
    await _recovered_with_a_crash(redis)
    await redis.set(KEY + keys.VOLUNTEER_SUFFIX, "gone", px=HOUR_MS)
    now_ms = await _now_ms(redis)

    await _run(redis, SET_BACK, *SetBackHead(round(now_ms), HOUR_MS, LEASE_MS, 0, 100))

    head = ClaimHead(1, LEASE_MS, "busy:1", "busy", volunteer_ms=1000)
    reply = ClaimReply(*(await _run(redis, CLAIM, *head))[: len(ClaimReply._fields)])
    assert reply.suspects == 2
