"""Workers of several queues with one pool of slots: shares by weight, and a strict order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runner import Context, Fleet, SlotPool, job
from runner.operations.catalog import Catalog
from runner.operations.processes import processes
from runner.operations.why import Cause, why
from tests.runner_kit import PATIENCE_S, eventually, soon, stage, start, stop, worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner import QueueClient
    from runner.worker.pool import Share

pytestmark = pytest.mark.usefixtures("redis")

_ran: list[str] = []


@pytest.fixture(autouse=True)
def _none_ran() -> Iterator[None]:
    _ran.clear()
    yield
    _ran.clear()


@job(queue="default")
async def often(ctx: Context, ms: float = 0) -> None:
    """Note the queue, and take that long."""
    _ran.append(ctx.queue)
    await asyncio.sleep(ms / 1000)


@job(queue="bulk")
async def seldom(ctx: Context, ms: float = 0) -> None:
    """Note the queue, and take that long."""
    _ran.append(ctx.queue)
    await asyncio.sleep(ms / 1000)


@job(queue="bulk")
async def hold(ctx: Context) -> None:
    """Report the start, and wait."""
    await stage.hold(ctx.queue)


def _share_while_both_have_work() -> float:
    """That of the first queue, until one of them has no more; the start is left out."""
    total = {name: _ran.count(name) for name in set(_ran)}
    seen = dict.fromkeys(total, 0)
    for place, name in enumerate(_ran):
        seen[name] += 1
        if seen[name] == total[name]:
            return _ran[40:place].count("default") / (place - 40)
    raise AssertionError("nothing ran")


@pytest.mark.parametrize(
    ("slots", "jobs", "ms"), [(20, 2000, 0), (20, 700, 10), (5, 300, 5), (1, 200, 1)]
)
async def test_shares_follow_the_weights_while_both_queues_have_work(
    redis_url: str, slots: int, jobs: int, ms: float
) -> None:
    """They are within 5 % of 3 to 1: for short jobs and longer ones, in whole slots and parts."""
    await often.enqueue_many([{"ms": ms}] * jobs)
    await seldom.enqueue_many([{"ms": ms}] * jobs)
    pool = SlotPool(slots)
    fleet = Fleet(
        [
            worker(redis_url, often, share=pool.share(3)),
            worker(redis_url, seldom, share=pool.share(1)),
        ]
    )
    async with fleet.running():
        await eventually(lambda: len(_ran) == 2 * jobs, every_s=0.01)

    assert _share_while_both_have_work() == pytest.approx(0.75, abs=0.05)
    assert pool.busy == 0
    assert pool.free == slots


async def test_share_that_is_not_used_goes_to_the_other_queue(redis_url: str) -> None:
    """The queue with the lower weight runs in all slots while the other has no work."""
    pool = SlotPool(4)
    fleet = Fleet(
        [
            worker(redis_url, often, share=pool.share(3)),
            worker(redis_url, hold, share=pool.share(1)),
        ]
    )
    async with fleet.running():
        await soon(fleet.ready())
        await hold.enqueue_many([{}] * 6)
        for _ in range(4):
            await stage.started.next()
        assert pool.busy == 4
        # A slot that becomes free is for the queue that has less than its share.
        await often.enqueue_many([{}] * 20)
        stage.go.set()
        await eventually(lambda: len(_ran) == 20)


async def test_strict_pool_runs_the_first_queue_first(redis_url: str) -> None:
    """No job of the second starts while the first has work, except those that ran before."""
    await often.enqueue_many([{"ms": 2}] * 100)
    await seldom.enqueue_many([{"ms": 2}] * 100)
    pool = SlotPool(3, strict=True)
    first = worker(redis_url, often, share=pool.share())
    second = worker(redis_url, seldom, share=pool.share())
    await start(first)
    await start(second)
    try:
        await eventually(lambda: len(_ran) == 200, every_s=0.01)
    finally:
        await stop(first)
        await stop(second)

    assert _ran == ["default"] * 100 + ["bulk"] * 100


async def test_worker_that_stops_leaves_its_slots_to_the_others(redis_url: str) -> None:
    """A quiet one, too; and one that comes back has its share again."""
    await often.enqueue_many([{"ms": 1}] * 50)
    await seldom.enqueue_many([{"ms": 1}] * 50)
    pool = SlotPool(2, strict=True)
    first = await start(worker(redis_url, often, share=pool.share()))
    first.quiet()
    second = await start(worker(redis_url, seldom, share=pool.share()))
    await eventually(lambda: _ran.count("bulk") == 50)
    first.resume()
    await eventually(lambda: _ran.count("default") == 50)
    await often.enqueue_many([{"ms": 1}] * 50)
    await stop(first)
    await seldom.enqueue_many([{"ms": 1}] * 50)
    await eventually(lambda: _ran.count("bulk") == 100)
    await stop(second)

    assert pool.free == 2


async def test_class_s_own_limit_holds_in_a_pool(redis_url: str) -> None:
    """It never runs more, and what it leaves is the other queue's."""
    pool = SlotPool(4)
    fleet = Fleet(
        [
            worker(redis_url, hold, share=pool.share(3, most=1)),
            worker(redis_url, often, share=pool.share(1)),
        ]
    )
    await hold.enqueue_many([{}] * 4)
    await often.enqueue_many([{"ms": 1}] * 30)
    async with fleet.running():
        await stage.started.next()
        await eventually(lambda: len(_ran) == 30)
        assert fleet.workers[0].engine.slots.busy == 1
        stage.go.set()


async def test_heartbeats_tell_the_pool_and_count_its_slots_once(
    redis_url: str, redis: QueueClient
) -> None:
    """A process of two queues with 4 slots has 4, and `why` says who shares them."""
    pool = SlotPool(4)
    fleet = Fleet(
        [
            worker(redis_url, often, share=pool.share(3)),
            worker(redis_url, hold, share=pool.share(1)),
        ]
    )
    async with fleet.running():
        await soon(fleet.ready())
        await hold.enqueue_many([{}] * 4)
        for _ in range(4):
            await stage.started.next()
        handle = await often.enqueue()

        async def beaten() -> bool:
            found = await processes(redis, ["default", "bulk"])
            return all(w.pool and w.pool.busy == 4 for one in found for w in one.workers)

        await eventually(beaten)
        [process] = await processes(redis, ["default", "bulk"])
        assert (process.slots, process.busy) == (4, 4)
        assert [one.label for one in process.workers] == ["default:3", "bulk:1"]
        assert {one.free for one in process.workers} == {0}
        told = await why(redis, ["default", "bulk"], handle.id, Catalog())
        assert told.cause == Cause.SLOTS_BUSY
        assert "other queues share them, this one with the weight 3" in told.sentence
        stage.go.set()
        await handle.result(timeout_s=PATIENCE_S)


def test_server_that_does_not_answer_holds_up_no_other_queue() -> None:
    """After a second, what its worker reserved is free, and a strict order goes on without it."""

    async def play() -> None:
        pool = SlotPool(2, strict=True)
        first, second = pool.share(), pool.share()
        turns: list[Share] = []
        first.open(lambda: turns.append(first))
        second.open(lambda: turns.append(second))
        assert first.reserve(2) == 2
        assert second.reserve(2) == 0
        await eventually(lambda: second in turns)
        assert second.reserve(2) == 2
        second.rest()

    asyncio.run(play())
