"""Lanes: of the jobs of one, so many run at a time; whatever ends one lets the next in."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

import pytest

from runner import (
    Batch,
    Bury,
    Context,
    Flow,
    JobState,
    Lane,
    Limited,
    Queue,
    Rate,
    Retry,
    Unique,
    job,
)
from runner.admin import Admin
from runner.errors import ArgumentsError, ConfigurationError
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.job import LaneView
from runner.operations.job import job as look_at
from runner.operations.lanes import lanes, set_limit
from runner.operations.why import Cause, why
from runner.periodic.cleanup import look_after_lanes
from runner.states import Found
from tests.runner_kit import dead_ids, eventually, stage, working

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"
ONE = Lane(by="account", limit=1)
TWO = Lane(by="account", limit=2)
gates: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
"""By the number of a job that holds: until when."""


order: list[tuple[tuple[int, int], float]] = []
"""Which jobs have started, and when."""


@pytest.fixture(autouse=True)
def _no_gates() -> None:
    gates.clear()
    order.clear()


@job(queue="default", max_retries=1, lane=ONE)
async def sync(ctx: Context, account: int, how: str = "", more: int = 0) -> int:
    """Do what *how* says, and return *more*."""
    stage.runs[account, more] += 1
    order.append(((account, more), time.monotonic()))
    match how:
        case "hold":
            stage.started.put(more)
            await gates[more].wait()
        case "bury":
            raise Bury("no such account")
        case "later" if ctx.attempt == 1:
            raise Retry(3600)
        case "note":
            stage.started.put(more)
        case "limited" if stage.runs[account, more] == 1:
            raise Limited(1)
    return more


async def leftovers(redis: QueueClient) -> list[bytes]:
    """Return the names of what there is of lanes."""
    found = [name async for name in redis.scan_iter("arq:*")]
    return [one for one in found if b":lane" in one or one.endswith(b":waiting")]


async def states(*handles: JobHandle[int]) -> list[JobState]:
    """Return the states of jobs."""
    return [await one.state() for one in handles]


async def test_jobs_of_a_lane_beyond_its_limit_wait_and_hold_up_nobody_else(
    redis_url: str, redis: QueueClient
) -> None:
    """In the order of their calls, those of other lanes beside them; nothing is left afterwards."""
    mine = await sync.options(lane=TWO).enqueue_many(
        [{"account": 1, "how": "hold", "more": more} for more in range(5)]
    )
    other = await sync.enqueue(account=2, more=9)
    assert await states(*mine) == [JobState.READY] * 2 + [JobState.WAITING] * 3
    assert await redis.zcard(QUEUE) == 3
    async with working(redis_url, sync, concurrency=10):
        assert {await stage.started.next(), await stage.started.next()} == {0, 1}
        assert await other.result(timeout_s=10) == 9
        gates[1].set()
        assert await stage.started.next() == 2
        assert await states(*mine[3:]) == [JobState.WAITING] * 2
        for more in (0, 2, 3, 4):
            gates[more].set()
        assert [await one.result(timeout_s=10) for one in mine] == [*range(5)]
    assert await leftovers(redis) == []


@pytest.mark.parametrize("exit_", ["done", "dead", "abort", "delete", "bury", "move", "fail"])
async def test_place_goes_to_the_next_by_whatever_exit_a_job_leaves(
    redis_url: str, redis: QueueClient, exit_: str
) -> None:
    """The step that ends the one lets the next in, and a job that waits leaves its lane, too."""
    admin = Admin(redis)
    how = {"dead": "bury", "done": ""}.get(exit_, "")
    first = await sync.enqueue(account=1, how=how)
    waits = await sync.enqueue(account=1, more=1)
    last = await sync.enqueue(account=1, more=2)
    for handle in (waits, first):
        match exit_:
            case "abort":
                assert await admin.abort("default", handle.id) is Found.WAITING
            case "delete":
                assert await admin.delete("default", handle.id) is Found.WAITING
            case "bury":
                assert await admin.bury("default", handle.id) is Found.WAITING
            case "move" if handle is first:
                assert await admin.move("default", first.id, "analytics") is Found.WAITING
            case "fail":
                await redis.delete(f"arq:job:{first.id}")
    if exit_ in {"abort", "delete", "bury"}:
        assert await states(last) == [JobState.READY]
    if exit_ == "move":
        assert await redis.zcard("arq:queue:analytics") == 1
        assert await states(waits) == [JobState.READY]
    async with working(redis_url, sync):
        assert await last.result(timeout_s=10) == 2
    assert await redis.zcard(QUEUE + ":waiting") == 0
    left = {one for one in await leftovers(redis) if b"analytics" not in one}
    assert left <= {b"arq:queue:default:laned"}  # of the dead, which come back when retried
    if left:
        dead = set(await dead_ids(redis, "default"))
        assert {one.decode() for one in await redis.hkeys(QUEUE + ":laned")} == dead  # type: ignore[misc]


async def test_dead_job_comes_back_to_its_lane(redis_url: str, redis: QueueClient) -> None:
    """Retried, it waits for a place, as a new one does."""
    dead = await sync.options(job_id="mine").enqueue(account=1, how="bury")
    async with working(redis_url, sync):
        await eventually(lambda: dead_ids(redis, "default"))
        held = await sync.enqueue(account=1, how="hold", more=1)
        await stage.started.next()
        assert await Admin(redis).run_now("default", "mine") is Found.DEAD
        assert await states(dead) == [JobState.WAITING]
        gates[1].set()
        assert await held.result(timeout_s=10) == 1
        await eventually(lambda: dead_ids(redis, "default"))
    assert stage.runs[1, 0] == 2


async def test_job_that_is_not_due_makes_room_for_one_that_is(
    redis_url: str, redis: QueueClient
) -> None:
    """Scheduled or to be retried: it has its place again when nobody needs that before."""
    later = await sync.options(delay_s=3600).enqueue(account=1, more=1)
    assert await states(later) == [JobState.SCHEDULED]
    retried = await sync.enqueue(account=1, how="later", more=2)
    # It still stands in the queue, and the next claim takes it out.
    assert await states(later, retried) == [JobState.SCHEDULED, JobState.READY]
    async with working(redis_url, sync):
        await eventually(lambda: stage.runs[1, 2])
        # Both are due in an hour, and the first of them has the place.
        await eventually(lambda: redis.zcard(QUEUE + ":waiting"))
        assert await states(later, retried) == [JobState.SCHEDULED, JobState.WAITING]
        third = await sync.enqueue(account=1, more=3)
        assert await third.result(timeout_s=10) == 3
        assert await states(later, retried) == [JobState.SCHEDULED, JobState.WAITING]
        assert await Admin(redis).run_now("default", later.id) is Found.WAITING
        assert await later.result(timeout_s=10) == 1
        assert await states(retried) == [JobState.RETRYING]
        assert await Admin(redis).run_now("default", retried.id) is Found.WAITING
        assert await retried.result(timeout_s=10) == 2
    assert await leftovers(redis) == []


async def test_job_that_waits_for_a_place_may_be_due_at_another_time(redis: QueueClient) -> None:
    """Then it comes in by that; only a job with a place can be made to run now."""
    admin = Admin(redis)
    first = await sync.enqueue(account=1)
    second, third = await sync.enqueue_many([{"account": 1, "more": more} for more in (1, 2)])
    assert await admin.run_now("default", second.id) is Found.HELD
    assert await admin.reschedule("default", second.id, timedelta(hours=1)) is Found.WAITING
    await admin.delete("default", first.id)
    assert await states(second, third) == [JobState.WAITING, JobState.READY]
    assert await admin.reschedule("default", third.id, timedelta(hours=2)) is Found.WAITING
    assert await states(second, third) == [JobState.SCHEDULED, JobState.WAITING]


async def test_limit_of_an_operator_holds_at_once_and_until_it_is_taken_back(
    redis_url: str, redis: QueueClient
) -> None:
    """Lower, what nobody runs waits again; higher, more come in; 0 is a pause; `why` says so."""
    operator, catalog = Operator(redis, "Ada", ["default"]), Catalog.of([sync])
    bound = sync.options(lane=TWO)
    handles = [await bound.enqueue(account=1, how="hold", more=more) for more in range(6)]
    assert await set_limit(redis, operator, "default", "sync:1", 4) == 2
    assert await set_limit(redis, operator, "default", "sync:1", 1) == 3
    assert await states(*handles) == [JobState.READY] + [JobState.WAITING] * 5
    async with working(redis_url, sync, concurrency=10):
        assert await stage.started.next() == 0
        found = await why(redis, ["default"], handles[2].id, catalog)
        assert found.cause is Cause.LANE
        assert (
            "its lane sync:1, which runs 1 at a time, and has 1 inside; 1 job comes before it"
            in found.sentence
        )
        view = await look_at(redis, "default", handles[2].id, catalog)
        assert view is not None
        assert view.lane == LaneView("sync:1", inside=1, waiting=5, limit=1, ahead=1)
        assert await set_limit(redis, operator, "default", "sync:1", 0) == 0
        gates[0].set()
        assert await handles[0].result(timeout_s=10) == 0
        assert await states(*handles[1:]) == [JobState.WAITING] * 5
        assert "is paused" in (await why(redis, ["default"], handles[1].id, catalog)).sentence
        [row] = (await lanes(redis, ["default"])).rows
        assert (row.lane, row.inside, row.waiting, row.limit, row.of_jobs) == ("sync:1", 0, 5, 0, 2)
        for gate in range(1, 6):
            gates[gate].set()
        assert await set_limit(redis, operator, "default", "sync:1", None) == 2
        assert [await one.result(timeout_s=10) for one in handles] == [*range(6)]
    assert await leftovers(redis) == []
    # A limit of an operator stays though nothing has the lane; nobody's lane is none.
    await set_limit(redis, operator, "default", "sync:2", 3)
    assert [one.set_to for one in (await lanes(redis, ["default"], part=":2")).rows] == [3]
    with pytest.raises(ConfigurationError, match="cannot be a lane"):
        await set_limit(redis, operator, "default", "sync 2|x", 3)


async def test_wide_lanes_let_in_as_many_as_there_are_places(redis: QueueClient) -> None:
    """Also when a limit grows by more than a script does in one step."""
    operator = Operator(redis, "Ada", ["default"])
    await sync.enqueue_many([{"account": 1, "more": more} for more in range(1500)])
    assert await redis.zcard(QUEUE) == 1
    assert await set_limit(redis, operator, "default", "sync:1", 1200) == 1199
    assert await redis.zcard(QUEUE) == 1200
    assert await set_limit(redis, operator, "default", "sync:1", 20) == 1180
    assert await set_limit(redis, operator, "default", "sync:1", None) == 19
    # A job with another limit in its code changes that of its lane.
    await sync.options(lane=Lane("account", 40)).enqueue(account=1)
    assert await redis.zcard(QUEUE) == 40


async def test_unique_job_has_its_place_in_its_lane(redis_url: str, redis: QueueClient) -> None:
    """One that comes after another of its key waits for its lane then; new arguments, new lane."""
    unique = Unique(by=("how",), on_conflict="after")
    bound = sync.options(unique=unique, lane=TWO)
    first = await bound.enqueue(account=1, how="hold")
    async with working(redis_url, sync, concurrency=10):
        await stage.started.next()
        after = await bound.enqueue(account=1, how="hold", more=1)
        beside = await sync.options(lane=TWO).enqueue(account=1, more=7)
        assert await beside.result(timeout_s=10) == 7
        assert await states(after) == [JobState.WAITING]
        assert (await bound.enqueue(account=2, how="hold", more=2)).id == after.id
        assert await redis.hget(QUEUE + ":laned", after.id) == b"2|sync:2"  # type: ignore[misc]
        gates[0].set()
        assert await stage.started.next() == 2
        assert await first.result(timeout_s=10) == 0
        gates[2].set()
        assert await after.result(timeout_s=10) == 2
    assert await leftovers(redis) == []
    # One that waits in its lane moves to another with the arguments of a later call.
    replace = sync.options(unique=Unique(by=("how",), on_conflict="replace"))
    await sync.enqueue(account=1)
    await sync.enqueue(account=3)
    waits = await replace.enqueue(account=1, how="x")
    assert await states(waits) == [JobState.WAITING]
    assert (await replace.enqueue(account=2, how="x")).id == waits.id
    assert await states(waits) == [JobState.READY]
    assert (await replace.enqueue(account=3, how="x")).id == waits.id
    assert await redis.zrange(QUEUE + ":unseated", 0, -1) == [waits.id.encode()]
    none = replace.job.options(unique=Unique(by=("how",), on_conflict="replace"), lane=False)
    assert (await none.enqueue(account=3, how="x")).id == waits.id
    assert await redis.hget(QUEUE + ":laned", waits.id) is None  # type: ignore[misc]
    async with working(redis_url, sync):
        assert await waits.result(timeout_s=10) == 0
    assert await leftovers(redis) == []


async def test_nodes_and_callbacks_have_their_lanes(redis_url: str, redis: QueueClient) -> None:
    """What a script enqueues waits for a place, too."""
    flow = Flow()
    roots = [flow.add(sync.call(account=1, more=more)) for more in range(4)]
    flow.add(sync.call(account=1, how="hold", more=9), after=roots)
    run = await flow.start()
    last = flow.nodes[-1]
    assert await redis.zcard(QUEUE) == 1
    async with Batch(complete=sync.call(account=1, more=5)) as batch:
        await sync.enqueue(account=2, how="hold", more=8)
    async with working(redis_url, sync, concurrency=10):
        assert [await stage.started.next() for _ in range(2)] == [8, 9]
        gates[8].set()
        await eventually(lambda: redis.exists(f"arq:job:{batch.id}:complete"))
        assert await redis.zscore(QUEUE + ":waiting", f"{batch.id}:complete")
        gates[9].set()
        await eventually(lambda: stage.runs[1, 5])
        assert await run.result(last, timeout_s=10) == 9
    assert await leftovers(redis) == []


async def test_places_of_jobs_that_a_stock_worker_ended_are_given_on(redis: QueueClient) -> None:
    """It knows no lanes: the poller looks after them; whoever stands still has its place."""
    first, second, third = await sync.options(lane=TWO).enqueue_many([{"account": 1}] * 3)
    await redis.zrem(QUEUE, first.id)
    await redis.delete(f"arq:job:{first.id}")
    await redis.hset(QUEUE + ":running", first.id, "a claim that nobody settles any more|1|")  # type: ignore[misc]
    assert await states(second, third) == [JobState.READY, JobState.WAITING]
    assert await look_after_lanes(redis, "default", 0) == 0
    assert await states(second, third) == [JobState.READY, JobState.READY]
    assert await redis.hlen(QUEUE + ":running") == 0  # type: ignore[misc]
    assert {*await redis.hkeys(QUEUE + ":laned")} == {second.id.encode(), third.id.encode()}  # type: ignore[misc]


async def test_jobs_of_a_lane_go_into_one_partition() -> None:
    """Or its limit would hold in each."""
    queue = Queue("mail", partitions=4)
    bound = sync.options(queue=queue)
    handles = [await bound.enqueue(account=account) for account in (*range(8), *range(8))]
    assert [one.queue for one in handles[:8]] == [one.queue for one in handles[8:]]
    assert len({one.queue for one in handles}) > 1


async def test_job_that_is_not_due_holds_no_place_after_a_lower_limit(
    redis_url: str, redis: QueueClient
) -> None:
    """While more are inside than may be, it keeps nobody out once these have ended."""
    held = await sync.options(lane=TWO).enqueue(account=1, how="hold")
    later = await sync.options(lane=TWO, delay_s=3600).enqueue(account=1)
    async with working(redis_url, sync, concurrency=10):
        await stage.started.next()
        # The limit of the jobs that come from now on: two are inside.
        waits = await sync.enqueue(account=1, more=1)
        assert await states(later, waits) == [JobState.SCHEDULED, JobState.WAITING]
        gates[0].set()
        assert await waits.result(timeout_s=10) == 1
        assert await held.result(timeout_s=10) == 0
        assert await states(later) == [JobState.SCHEDULED]
    # A job that comes back brings no limit with it.
    assert await redis.hget(QUEUE + ":lanes", "sync:1") == b"1|"  # type: ignore[misc]


async def test_lanes_take_turns_though_one_has_very_many_jobs(
    redis_url: str, redis: QueueClient
) -> None:
    """Places are free once their jobs start: any number of one lane runs, and others get in."""
    turns = sync.options(lane=Lane("account", 16, until="started"))
    many = await turns.enqueue_many([{"account": 1, "more": more} for more in range(3000)])
    few = await turns.enqueue_many([{"account": 2, "more": more} for more in range(50)])
    assert await redis.zcard(QUEUE) == 32
    async with working(redis_url, sync, concurrency=10):
        await few[-1].result(timeout_s=30)
        assert order.index(next(one for one in order if one[0] == (2, 49))) < 150
        await many[-1].result(timeout_s=60)
    assert await leftovers(redis) == []
    assert not await redis.exists(QUEUE + ":paced")
    # A hundred of one lane run at a time.
    held = [{"account": 1, "how": "hold", "more": 7} for _ in range(100)]
    await turns.enqueue_many(held)
    async with working(redis_url, sync, concurrency=100):
        for _ in held:
            await stage.started.next()
        gates[7].set()


def _most_within(times: list[float], seconds: float) -> int:
    """Return the most starts within a time of this length."""
    return max(sum(begin <= one < begin + seconds for one in times) for begin in times)


@pytest.mark.parametrize("late", [False, True])
async def test_jobs_start_at_the_rate_of_their_lane(
    redis_url: str,
    redis: QueueClient,
    late: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    """With a burst after a pause, by their units, and however late the workers come."""
    lane = Lane("account", rate=Rate(10, per_s=0.4, burst=3, units="more"))
    bound = sync.options(lane=lane)
    calls = [{"account": 1, "how": "note", "more": 1 + number % 2} for number in range(20)]
    begun = time.monotonic()
    handles = await bound.enqueue_many(calls)
    other = await bound.enqueue(account=2, more=1)
    if late:
        await asyncio.sleep(0.5)
    async with working(redis_url, sync, concurrency=20):
        await other.result(timeout_s=10)
        for handle in handles:
            await handle.result(timeout_s=10)
        took = time.monotonic() - begun
    # Thirty units, of which three start at once.
    assert took >= 27 * 0.04
    assert _most_within(stage.started.times, 0.4) <= 13
    assert await redis.hlen(QUEUE + ":laned") == 0  # type: ignore[misc]


def _has_run_twice(account: int) -> bool:
    return stage.runs[account, -1] == 2


async def test_limit_that_one_job_meets_holds_its_whole_lane(
    redis_url: str, redis: QueueClient
) -> None:
    """As somebody else's `Retry-After` asks: nothing of the lane starts before, others do."""
    rate = sync.options(lane=Lane("account", rate=Rate(4, burst=2)))
    two = sync.options(lane=TWO)
    for bound, account in ((rate, 1), (two, 2)):
        handles = [await bound.enqueue(account=account, how="limited", more=-1)]
        handles += [await bound.enqueue(account=account, more=more) for more in range(4)]
    async with working(redis_url, sync, concurrency=1):
        began = time.monotonic()
        for account in (1, 2):
            await eventually(partial(_has_run_twice, account))
            assert time.monotonic() - began >= 1
        await eventually(lambda: stage.runs[2, 3] and stage.runs[1, 3])
    before = [one for one in order if one[1] < began + 1]
    # The job itself, and at most what was claimed before it started.
    assert all(len([one for one in before if one[0][0] == account]) <= 3 for account in (1, 2))
    assert await dead_ids(redis, "default") == []


async def test_units_that_are_no_number_are_refused() -> None:
    """Before anything is sent."""
    bound = sync.options(lane=Lane("account", rate=Rate(10, units="how")))
    with pytest.raises(ArgumentsError, match="how is 'x': give the units of its lane, above 0"):
        await bound.enqueue(account=1, how="x")


async def test_a_job_that_finds_a_place_costs_seven_commands_more(redis: QueueClient) -> None:
    """As it is enqueued; one of them asks at once whether the queue has rates or priorities."""

    async def commands(lane: Lane | Literal[False]) -> Counter[str]:
        bound = sync.options(lane=lane)
        await bound.enqueue(account=0)
        await redis.config_resetstat()
        for account in range(1, 101):
            await bound.enqueue(account=account)
        stats = await redis.info("commandstats")
        return Counter({name[8:]: one["calls"] / 100 for name, one in stats.items()})

    plain, laned = await commands(False), await commands(ONE)  # noqa: FBT003 -- as the option has it
    assert laned["exists"] - plain["exists"] == 1, laned
    assert laned.total() - plain.total() < 8, (laned, plain)
