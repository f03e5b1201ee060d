"""A stock arq worker takes a job in two steps; what happens between them must not run it twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import WatchError

from runner.admin import Admin
from runner.broker import keys
from runner.broker.scripts import RECOVER, SETTLE
from runner.broker.scripts.fields import FullOutcome, RecoverHead, SettleHead

if TYPE_CHECKING:
    from runner import QueueClient

KEY = keys.ARQ.queue_key("default")
MARK = keys.ARQ.in_progress_prefix + "j1"
OURS = "worker:1"


async def _put(redis: QueueClient, *, running: str = "") -> None:
    await redis.set(keys.ARQ.job_prefix + "j1", '{"t":null,"f":"act","a":[],"k":{},"et":1}')
    await redis.zadd(KEY, {"j1": 1.0})
    if running:
        await redis.hset(KEY + keys.RUNNING_SUFFIX, "j1", running)  # type: ignore[misc]


@pytest.mark.parametrize("action", ["bury", "delete", "abort", "recover"])
async def test_job_that_leaves_its_queue_is_taken_by_no_stock_worker(
    redis: QueueClient, action: str
) -> None:
    """It has looked and found the job waiting; its transaction must fail."""
    await _put(redis, running=f"{OURS}|1.0" if action == "recover" else "")
    async with redis.pipeline(transaction=True) as stock:
        await stock.watch(MARK)
        assert not await stock.exists(MARK)
        if action == "recover":
            await redis.eval(RECOVER, 2, KEY, keys.ARQ.base, *RecoverHead(), "j1")  # type: ignore[misc]
        else:
            await getattr(Admin(redis), action)("default", "j1")
        assert await redis.zscore(KEY, "j1") is None
        stock.multi()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        stock.psetex(MARK, 1000, b"1")
        with pytest.raises(WatchError):
            await stock.execute()


@pytest.mark.parametrize("is_over", [False, True])
async def test_unanswered_claim_is_not_put_back_once_stock_arq_has_its_job(
    redis: QueueClient, *, is_over: bool
) -> None:
    """It runs there, or has run: nobody else may take it."""
    await _put(redis, running=f"{OURS}|1.0")
    if is_over:
        await redis.zrem(KEY, "j1")
    else:
        await redis.set(MARK, "1")

    await redis.eval(RECOVER, 2, KEY, keys.ARQ.base, *RecoverHead(unanswered=OURS))  # type: ignore[misc]
    back = await redis.eval(RECOVER, 2, KEY, keys.ARQ.base, *RecoverHead(unanswered=OURS), "j1")  # type: ignore[misc]

    assert back == 0
    assert await redis.get(MARK) == (None if is_over else b"1")
    assert not await redis.hexists(KEY + keys.RUNNING_SUFFIX, "j1")  # type: ignore[misc]


@pytest.mark.parametrize("mark", [OURS, "1", None])
async def test_lapsed_job_is_put_back_in_the_millisecond_in_which_its_mark_ends(
    redis: QueueClient, mark: str | None
) -> None:
    """The mark of its own claim outlives the lease by less; a stock worker that has it runs it."""
    await _put(redis, running=f"{OURS}|1.0")
    if mark is not None:
        await redis.set(MARK, mark)

    back = await redis.eval(RECOVER, 2, KEY, keys.ARQ.base, *RecoverHead(), "j1")  # type: ignore[misc]

    assert back == (mark != "1")
    assert await redis.hexists(KEY + keys.RUNNING_SUFFIX, "j1") == (mark == "1")  # type: ignore[misc]
    assert await redis.get(MARK) != OURS.encode()


@pytest.mark.parametrize("kind", ["unclaim", "release", "offer", "retry"])
async def test_job_that_stock_arq_ran_and_put_back_keeps_the_time_of_its_retry(
    redis: QueueClient, kind: str
) -> None:
    """The worker whose lease had lapsed comes back: what it says of the job comes too late."""
    retry_at = 4e12
    await _put(redis, running=f"{OURS}|1.0")
    await redis.zadd(KEY, {"j1": retry_at})
    await redis.incr(keys.ARQ.retry_prefix + "j1")
    spent = 1 if kind == "retry" else 0

    outcome = FullOutcome(kind, "j1", OURS, spent=spent)
    args: Any = [*SettleHead("default", 1), *outcome]
    lost = await redis.eval(SETTLE, 2, KEY, keys.ARQ.base, *args)  # type: ignore[misc]

    assert lost == [1]
    assert await redis.zscore(KEY, "j1") == retry_at
    assert await redis.get(keys.ARQ.retry_prefix + "j1") == b"1"
