"""A job says what it has really spent of its lane's rate; the lane's next jobs start by that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner import Context, Lane, Rate, Retry, job
from runner.broker.scripts import CLAIM, SETTLE
from runner.broker.scripts.fields import ClaimHead, FullOutcome, SettleHead
from runner.errors import ConfigurationError
from tests.runner_kit import eventually, stage, working

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
UNIT_MS = 100_000
LANE = Lane(by=(), rate=Rate(10, per_s=1000, units="units"))


@job(queue="default", max_retries=1, lane=LANE)
async def fetch(ctx: Context, units: float, really: float, how: str = "") -> None:
    """Spend what it is said to spend."""
    ctx.spent(1)
    ctx.spent(units=really)
    stage.started.put(units)
    if how == "later" and ctx.attempt == 1:
        raise Retry(0.01, charge=False)
    if how == "bury":
        raise ValueError("no")


async def used_until(redis: QueueClient) -> float:
    """Return until when the lane's tokens are used up, Unix ms."""
    entry = await redis.hget(QUEUE + ":paced", "fetch")  # type: ignore[misc]
    return float(entry.split(b"|")[0])


async def _ended(redis: QueueClient) -> bool:
    return not await redis.exists(QUEUE + ":running")


@pytest.mark.parametrize(
    ("units", "really", "how"), [(1, 3.5, ""), (37, 1, ""), (1, 1, ""), (2, 5, "bury")]
)
async def test_next_jobs_of_a_lane_start_by_what_was_spent(
    redis_url: str, redis: QueueClient, units: float, really: float, how: str
) -> None:
    """Both ways, and however the attempt ended; what stands in the queue is due by that, too."""
    [now, _] = await redis.time()
    async with working(redis_url, fetch):
        await fetch.enqueue(units=units, really=really, how=how)
        await stage.started.next()
        await eventually(lambda: _ended(redis))
        after = await fetch.enqueue(units=1, really=1)
    left = await used_until(redis) - now * 1000
    assert left == pytest.approx(really * UNIT_MS, abs=10_000)
    assert await redis.zscore(QUEUE, after.id) == pytest.approx(await used_until(redis), abs=1)


async def test_job_that_stands_in_the_queue_comes_due_anew(
    redis_url: str, redis: QueueClient
) -> None:
    """Later after one that has spent more, at once after one that has spent nothing."""
    [now, _] = await redis.time()
    for really in (4, 0):
        first = await fetch.enqueue(units=1, really=really)
        after = [await fetch.enqueue(units=units, really=0) for units in (2, 1)]
        async with working(redis_url, fetch):
            await first.result(timeout_s=10)
            if not really:
                for handle in after:
                    await handle.result(timeout_s=10)
        if really:
            due = await redis.zscore(QUEUE, after[0].id)
            assert due - now * 1000 == pytest.approx((4 + 2 - 2) * UNIT_MS, abs=10_000)
            await redis.flushdb()


async def test_each_attempt_corrects_its_own_units_once(redis: QueueClient) -> None:
    """Also one that is given back; an outcome that is sent again changes nothing."""
    [now, _] = await redis.time()
    await fetch.enqueue(units=1, really=1, how="later")
    head = ClaimHead(5, 30_000, "w:1", "w")
    [_, _, _, *_, job_id, _, _] = await _run(redis, CLAIM, [*head])
    outcome = FullOutcome("release", job_id, "w:1", 0, units=6)
    for _ in range(2):
        await _run(redis, SETTLE, [*SettleHead("default", 60), *outcome])
    assert await used_until(redis) - now * 1000 == pytest.approx(6 * UNIT_MS, abs=10_000)
    due = await redis.zscore(QUEUE, job_id)
    assert due == pytest.approx(await used_until(redis), abs=1)


async def _run(redis: QueueClient, script: str, args: list[Any]) -> Any:
    return await redis.eval(script, 2, QUEUE, "arq:", *args)  # type: ignore[misc]


def test_wrong_units_are_refused_in_a_sentence() -> None:
    """And nothing is sent: outside a worker it has no effect at all."""
    ctx = Context(fetch, "one", "default", 1, 1, 0)
    for units in (-1, 1_000_001, "3", True, float("nan")):
        with pytest.raises(ConfigurationError, match="spent: units is "):
            ctx.spent(units)  # type: ignore[arg-type]
    ctx.spent(0.5)
    assert ctx.board is None
