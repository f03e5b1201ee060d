"""Unique jobs: of a key one waits or runs, and whatever ends that one frees the key."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest

from runner import (
    Batch,
    Bury,
    Context,
    DuplicateJobError,
    JobHandle,
    JobState,
    Unique,
    job,
)
from runner.admin import Admin
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.job import job as look_at
from runner.operations.unique import release, unique_keys
from runner.operations.why import why
from runner.periodic.cleanup import free_keys
from runner.states import Found
from tests.runner_kit import (
    dead_ids,
    eventually,
    lose_answers_to_enqueues,
    mortal,
    soon,
    stage,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

BY_ONE = Unique(by=("one",))
TURNS = Unique(by=("one",), on_conflict="after")
ENTRIES = "arq:queue:default:unique"


@job(queue="default", max_retries=0, unique=BY_ONE)
async def do(_: Context, one: int, how: str = "", more: int = 0) -> int:
    """Do what *how* says, and return *more*."""
    stage.runs[one, more] += 1
    match how:
        case "hold":
            await stage.hold(more)
        case "bury":
            raise Bury("no such channel")
    return more


async def of_keys(redis: QueueClient) -> list[dict[bytes, bytes]]:
    """Return what stands at each key that is held."""
    names = [name async for name in redis.scan_iter("arq:unique:*")]
    return [await redis.hgetall(name) for name in names]  # type: ignore[misc]


async def leftovers(redis: QueueClient) -> list[bytes]:
    """Return the names of what there is of unique keys."""
    found = [name async for name in redis.scan_iter("arq:*")]
    return [one for one in found if b"unique" in one or one.endswith(b":waiting")]


async def test_job_with_the_key_of_one_that_waits_is_not_added(redis: QueueClient) -> None:
    """Its handle is that of the other; by chosen arguments, defaults included, and in bulk."""
    first = await do.enqueue(one=1)
    again = await do.enqueue(1, "", more=5)
    other = await do.enqueue(one=2)
    assert (first.created, again.created, other.created) == (True, False, True)
    assert (again.id, again.queue) == (first.id, first.queue)
    many = await do.enqueue_many([{"one": 1}, {"one": 3}, {"one": 3, "more": 1}, {"one": 2}])
    assert [one.created for one in many] == [False, True, False, False]
    assert [many[0].id, many[2].id, many[3].id] == [first.id, many[1].id, other.id]
    with pytest.raises(DuplicateJobError, match=f"the job {first.id} of default has its") as caught:
        await do.options(unique=Unique(by=("one",), on_conflict="raise")).enqueue_many(
            [{"one": 1}, {"one": 4}, {"one": 2}]
        )
    assert caught.value.held_by == first.id
    assert len(caught.value.job_ids) == 2
    assert await redis.zcard("arq:queue:default") == 4
    # All arguments make up the key without `by`, a default like what is given; or none.
    whole = do.options(unique=Unique())
    assert (await whole.enqueue(one=1)).created
    assert not (await whole.enqueue(one=1, more=0, how="")).created
    assert (await whole.enqueue(one=1, more=1)).created
    alone = do.options(unique=Unique(by=()))
    assert [(await alone.enqueue(one=n)).created for n in (1, 2)] == [True, False]
    assert (await do.options(unique=False).enqueue(one=1)).created
    assert (await do.options(queue="analytics").enqueue(one=1)).created
    totals = await redis.hgetall("arq:metrics:total")  # type: ignore[misc]
    assert totals == {b"default|do|duplicates": b"8"}


@pytest.mark.parametrize(
    ("on_conflict", "waits", "runs"),
    [
        ("skip", (False, 0), None),
        ("raise", (False, 0), None),
        ("replace", (False, 2), None),
        ("after", (False, 2), 2),
        ("reschedule", (False, 2), 2),
    ],
)
async def test_conflict_is_met_as_asked(
    redis_url: str,
    redis: QueueClient,
    on_conflict: Any,
    waits: tuple[bool, int],
    runs: int | None,
) -> None:
    """While the other waits, and while it runs: the last call's arguments win where any do."""
    unique = Unique(by=("one",), on_conflict=on_conflict)
    bound = do.options(unique=unique)

    async def call(more: int) -> JobHandle[int] | None:
        try:
            return await bound.enqueue(one=1, how="hold", more=more)
        except DuplicateJobError:
            assert on_conflict == "raise"
            return None

    first = await bound.enqueue(one=1, how="hold")
    others = [await call(more) for more in (1, 2)]
    assert {one.id for one in others if one} <= {first.id}
    async with working(redis_url, do):
        assert await stage.started.next() == waits[1]
        handles = [await call(more) for more in (1, 2)]
        if runs is None:
            assert {one.id for one in handles if one} <= {first.id}
        else:
            following, last = handles
            assert following is not None
            assert last is not None
            assert (following.created, last.created) == (True, False)
            assert last.id == following.id != first.id
            assert await following.state() is JobState.WAITING
            told = await why(redis, ["default"], following.id, Catalog({}))
            assert f"waits until the job {first.id}" in told.sentence
            assert {
                (row.role, row.job_id) for row in await unique_keys(redis, ["default"], limit=9)
            } == {
                ("holds", first.id),
                ("waits", following.id),
            }
        stage.go.set()
        assert await first.result(timeout_s=5) == waits[1]
        if runs is not None and following is not None:
            assert await following.result(timeout_s=5) == runs
        await eventually(lambda: _is_empty(redis, "arq:queue:default"))
    assert await leftovers(redis) == []


async def _is_empty(redis: QueueClient, *places: str) -> bool:
    return not await redis.exists(*places)


async def _delete(redis: QueueClient, handle: JobHandle[Any]) -> None:
    await Admin(redis).delete("default", handle.id)


async def _bury(redis: QueueClient, handle: JobHandle[Any]) -> None:
    await Admin(redis).bury("default", handle.id)


async def _abort(_: QueueClient, handle: JobHandle[Any]) -> None:
    await handle.abort()


@pytest.mark.parametrize("until", ["waits", "runs"])
@pytest.mark.parametrize(
    "end", [_delete, _bury, _abort, None], ids=["delete", "bury", "abort", "end"]
)
async def test_key_is_free_in_the_step_that_ends_its_job(
    redis_url: str,
    redis: QueueClient,
    until: str,
    end: Callable[[QueueClient, JobHandle[Any]], Awaitable[None]] | None,
) -> None:
    """Done, dead, aborted or deleted, waiting or running; under an id of its caller's, too."""
    for job_id in (None, "chosen"):
        stage.clear()
        how = "hold" if until == "runs" else "bury"
        bound = do.options(job_id=job_id, delay_s=60 if until == "waits" and end else None)
        handle = await bound.enqueue(one=1, how=how)
        if until == "waits" and end is not None:
            await end(redis, handle)
        else:
            async with working(redis_url, do):
                if until == "runs":
                    await stage.started.next()
                    if end is _abort:
                        await _abort(redis, handle)
                    stage.go.set()
                await eventually(lambda: _is_empty(redis, "arq:queue:default"))
        assert await of_keys(redis) == []
        dead = await dead_ids(redis, "default")
        # That of a dead job leads to its key, for when it is retried.
        assert await redis.hkeys(ENTRIES) == [one.encode() for one in dead]  # type: ignore[misc]
        for one in dead:
            await Admin(redis).delete("default", one)
        assert await leftovers(redis) == []


async def test_dead_job_is_not_retried_beside_a_living_one(redis: QueueClient) -> None:
    """It stays dead until that has ended, and has its key again then; moved, too."""
    for job_id in (None, "chosen"):
        handle = await do.options(job_id=job_id, delay_s=60).enqueue(one=1)
        await Admin(redis).bury("default", handle.id)
        [dead] = await dead_ids(redis, "default")
        living = await do.options(delay_s=60).enqueue(one=1)
        assert living.created
        admin = Admin(redis)
        assert await admin.run_now("default", dead) is Found.HELD
        assert await admin.move("default", dead, "analytics") is Found.HELD
        told = await why(redis, ["default"], dead, Catalog({}))
        assert f"The job {living.id} has its unique key now" in told.remedy
        await admin.delete("default", living.id)
        assert await admin.run_now("default", dead) is Found.DEAD
        again = await do.enqueue(one=1)
        assert (again.created, again.id) == (False, handle.id)
        # It keeps the key in another queue.
        await admin.move("default", handle.id, "analytics")
        again = await do.enqueue(one=1)
        assert (again.created, again.id, again.queue) == (False, handle.id, "analytics")
        await admin.delete("analytics", handle.id)
        assert await leftovers(redis) == []


async def test_dead_job_holds_its_key_if_asked(redis: QueueClient) -> None:
    """Under the id that it has then; a retry keeps it, and a deletion frees it."""
    bound = do.options(unique=Unique(by=("one",), while_dead=True, on_conflict="replace"))
    for job_id in (None, "chosen"):
        handle = await do.options(
            unique=Unique(by=("one",), while_dead=True), job_id=job_id, delay_s=60
        ).enqueue(one=1)
        await Admin(redis).bury("default", handle.id)
        [dead] = await dead_ids(redis, "default")
        refused = await bound.enqueue(one=1)
        assert (refused.created, refused.id) == (False, dead)
        assert await Admin(redis).run_now("default", dead) is Found.DEAD
        assert (await bound.enqueue(one=1)).id == handle.id
        await Admin(redis).bury("default", handle.id)
        await Admin(redis).delete("default", (await dead_ids(redis, "default"))[0])
        assert await leftovers(redis) == []


async def test_key_is_held_for_a_while_once_the_job_is_done(
    redis_url: str, redis: QueueClient
) -> None:
    """A throttle: none comes meanwhile, or one waits until it is over; a death ends it at once."""
    bound = do.options(unique=Unique(by=("one",), for_s=60))
    turns = do.options(unique=Unique(by=("one",), for_s=60, on_conflict="after"))
    async with working(redis_url, do):
        first = await bound.enqueue(one=1)
        await first.result(timeout_s=5)
        again = await bound.enqueue(one=1)
        assert (again.created, again.id) == (False, first.id)
        [name] = [one async for one in redis.scan_iter("arq:unique:*")]
        assert 50_000 < await redis.pttl(name) <= 60_000
        view = await look_at(redis, "default", first.id, Catalog({}))
        assert view is not None
        assert view.unique is None
        following = await turns.enqueue(one=1, more=1)
        later = await turns.enqueue(one=1, more=2)
        assert (following.created, later.created, later.id) == (True, False, following.id)
        assert await following.state() is JobState.SCHEDULED
        assert await redis.pttl(name) == -1
        await Admin(redis).run_now("default", following.id)
        assert await following.result(timeout_s=5) == 2
        # An operator may end it.
        operator = Operator(redis, "ada")
        key = await release(redis, operator, ["default"], name.decode().rpartition(":")[2])
        assert name.decode().endswith(key)
        dies = await bound.enqueue(one=1, how="bury")
        await eventually(lambda: _is(dies, JobState.DEAD))
        assert (await bound.enqueue(one=1)).created


async def _is(handle: JobHandle[Any], state: JobState) -> bool:
    return await handle.state() is state


async def test_key_until_the_start_is_free_for_one_more(redis_url: str, redis: QueueClient) -> None:
    """While one runs another may wait, of which there is one at a time."""
    bound = do.options(unique=Unique(by=("one",), until="started"))
    first = await bound.enqueue(one=1, how="hold")
    assert not (await bound.enqueue(one=1)).created
    async with working(redis_url, do, concurrency=1):
        await stage.started.next()
        second = await bound.enqueue(one=1, how="hold", more=1)
        third = await bound.enqueue(one=1, how="hold", more=2)
        assert (second.created, third.created, third.id) == (True, False, second.id)
        stage.go.set()
        assert [await one.result(timeout_s=5) for one in (first, second)] == [0, 1]
    assert await leftovers(redis) == []


async def test_debounced_job_runs_once_with_the_last_arguments(
    redis_url: str, redis: QueueClient
) -> None:
    """A thousand calls put it off, each time anew, but not beyond what is said."""
    unique = Unique(by=("one",), on_conflict="reschedule", max_wait_s=30)
    soonest = do.options(unique=unique, delay_s=20)
    calls = [{"one": 1, "more": more} for more in range(1000)]
    first, *others = await soonest.enqueue_many(calls)
    assert first.created
    assert not any(one.created for one in others)
    due = await redis.zscore("arq:queue:default", first.id)
    await do.options(unique=unique, delay_s=600).enqueue(one=1, more=1000)
    last = await redis.zscore("arq:queue:default", first.id)
    assert 0 < last - due <= 10_500  # 30 s after the first call
    await do.options(unique=unique).enqueue(one=1, more=1001)
    async with working(redis_url, do):
        assert await first.result(timeout_s=5) == 1001
    assert sum(stage.runs.values()) == 1


async def test_holder_that_another_program_ended_holds_nothing(
    redis_url: str, redis: QueueClient
) -> None:
    """The next job has its key, and the poller lets a job come that waited for it."""
    gone = await do.enqueue(one=1)
    await redis.zrem("arq:queue:default", gone.id)
    await redis.delete(f"arq:job:{gone.id}")
    second = await do.enqueue(one=1, how="hold")
    assert second.created
    assert await redis.hkeys(ENTRIES) == [second.id.encode()]  # type: ignore[misc]
    async with working(redis_url, do, concurrency=1) as one:
        await stage.started.next()
        following = await do.options(unique=TURNS).enqueue(one=1, more=3)
        assert await following.state() is JobState.WAITING
        # As a stock arq worker leaves it: it knows no tokens, either.
        await redis.zrem("arq:queue:default", second.id)
        await redis.hdel("arq:queue:default:running", second.id)  # type: ignore[misc]
        await redis.delete(f"arq:in-progress:{second.id}", f"arq:job:{second.id}")
        assert await free_keys(redis, "default", 0) == 0
        stage.go.set()
        assert await following.result(timeout_s=5) == 3
        del one
    assert await leftovers(redis) == []
    assert await free_keys(redis, "default", 0) == 0


async def test_job_that_waits_for_another_can_be_acted_on(
    redis_url: str, redis: QueueClient
) -> None:
    """Not run or moved: it waits for the other; aborted or deleted, it leaves its place."""
    turns, admin = do.options(unique=TURNS), Admin(redis)
    async with working(redis_url, do):
        first = await turns.enqueue(one=1, how="hold")
        await stage.started.next()
        for act in (admin.abort, admin.delete, admin.bury):
            following = await turns.enqueue(one=1)
            assert following.created
            assert await admin.run_now("default", following.id) is Found.HELD
            assert await admin.move("default", following.id, "analytics") is Found.HELD
            later = timedelta(hours=1)
            assert await admin.reschedule("default", following.id, later) is Found.WAITING
            assert await following.state() is JobState.WAITING
            await act("default", following.id)
            assert await following.state() is not JobState.WAITING
        [held] = await of_keys(redis)
        assert set(held) == {b"job", b"at"}
        following = await turns.enqueue(one=1, more=7)
        # Freed by hand, it runs beside the first.
        await release(redis, Operator(redis, "ada"), ["default"], first.id)
        assert await following.result(timeout_s=5) == 7
        stage.go.set()
        await first.result(timeout_s=5)


async def test_replaced_call_leaves_its_batch(redis_url: str, redis: QueueClient) -> None:
    """The job belongs to the batch of the call whose arguments it has; a refused one to none."""
    replace = do.options(unique=Unique(by=("one",), on_conflict="replace"))
    before, after = Batch("before"), Batch("after")
    async with before:
        await do.options(delay_s=60).enqueue(one=1)
        await do.enqueue(one=1)
    assert (await before.progress(redis)).queues["default"].total == 1
    async with after:
        handle = await replace.enqueue(one=1, more=1)
    assert not handle.created
    counts = [await batch.progress(redis) for batch in (before, after)]
    assert [(one.queues["default"].total, one.waiting) for one in counts] == [(0, 0), (1, 1)]
    assert await redis.hexists(f"arq:batch:{before.id}:plan", "ended_ms")  # type: ignore[misc]
    await Admin(redis).run_now("default", handle.id)
    async with working(redis_url, do):
        assert await handle.result(timeout_s=5) == 1
    assert (await after.progress(redis)).queues["default"].done == 1


async def test_call_whose_answer_was_lost_is_counted_once(
    redis_url: str, redis: QueueClient
) -> None:
    """Sent again, it finds what it did: a job of its own, or one that it changed."""
    lose_answers_to_enqueues(redis, times=3)
    first = await do.enqueue(one=1, how="hold")
    assert first.created
    turns = do.options(unique=TURNS)
    async with working(redis_url, do):
        await stage.started.next()
        lose_answers_to_enqueues(redis, times=2)
        following = await turns.enqueue(one=1, more=1)
        assert following.created
        lose_answers_to_enqueues(redis, times=2)
        again = await turns.enqueue(one=1, more=2)
        assert (again.created, again.id) == (False, following.id)
        stage.go.set()
        assert await following.result(timeout_s=5) == 2
    assert sum(stage.runs.values()) == 2


def test_thread_without_a_loop_has_unique_jobs_too(redis_url: str, monkeypatch: Any) -> None:
    """By the same script."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    first = do.enqueue_sync(one=1)
    again, other = do.enqueue_many_sync([{"one": 1}, {"one": 2}])
    assert (again.created, again.id, other.created) == (False, first.id, True)
    with pytest.raises(DuplicateJobError):
        do.options(unique=Unique(by=("one",), on_conflict="raise")).enqueue_sync(one=1)


async def test_keys_cost_nothing_where_they_are_not_used(
    redis_url: str, redis: QueueClient
) -> None:
    """No command as jobs are enqueued, start and end, and no byte; a few for a unique job."""

    async def commands(unique: Unique | Literal[False]) -> Counter[str]:
        await redis.config_resetstat()
        bound = do.options(unique=unique)
        handles = await bound.enqueue_many([{"one": one} for one in range(200)])
        async with working(redis_url, do, concurrency=200):
            await handles[-1].result(timeout_s=10)
            await eventually(lambda: _is_empty(redis, "arq:queue:default"))
        stats = await redis.info("commandstats")
        return Counter({name[8:]: one["calls"] for name, one in stats.items()})

    plain = await commands(False)  # noqa: FBT003 -- as the option has it
    assert await leftovers(redis) == []
    more = await commands(BY_ONE)
    assert await leftovers(redis) == []
    told = {name: (count - plain[name]) / 200 for name, count in more.items()}
    assert 6 < sum(told.values()) < 10, told
    # Of 200 jobs: what a call costs, and none for each of them but those of a claim.
    assert plain["hmget"] + plain["hset"] + plain["hget"] + plain["hdel"] < 20, plain


async def test_64_clients_and_dying_workers_never_have_two_of_a_key(
    redis_url: str, redis: QueueClient
) -> None:
    """However keys are asked for and jobs end: one of a key runs, and no key is left."""
    chance = random.Random(7)  # noqa: S311 -- chance, not a secret
    modes: list[Any] = ["skip", "replace", "after", "reschedule", "raise"]
    at_a_time: dict[int, set[str]] = {}
    beside: list[str] = []

    @job(queue="default", max_retries=1, unique=BY_ONE, name="guarded")
    async def guarded(ctx: Context, one: int, call: int) -> None:
        mine = at_a_time.setdefault(one, set())
        mine.add(ctx.job_id)
        beside.extend(mine if len(mine) > 1 else ())
        try:
            await asyncio.sleep(chance.random() * 0.01)
            if call % 7 == 0:
                raise ConnectionError("not now")
            if call % 11 == 0:
                raise Bury("never")
        finally:
            mine.discard(ctx.job_id)

    async def client(number: int) -> None:
        for call in range(30):
            unique = Unique(by=("one",), on_conflict=chance.choice(modes))
            bound = guarded.options(unique=unique, delay_s=chance.choice([None, 0.005]))
            try:
                handle = await bound.enqueue(one=chance.randrange(10), call=number * 30 + call)
            except DuplicateJobError:
                continue
            if chance.random() < 0.05:
                await handle.abort()

    async def dying_workers(over: asyncio.Event) -> None:
        while not over.is_set():
            async with mortal(redis_url, guarded, backoff=lambda _: 0.01, lease_s=1.0) as one:
                await asyncio.sleep(0.2)
                await one.kill()

    over = asyncio.Event()
    async with working(redis_url, guarded, backoff=lambda _: 0.01, lease_s=1.0):
        dying = asyncio.create_task(dying_workers(over))
        await asyncio.gather(*[client(number) for number in range(64)])
        over.set()
        await soon(dying)
        # At once: a suspect goes back and forth.
        places = ("arq:queue:default", "arq:queue:default:suspects", "arq:queue:default:waiting")
        await eventually(lambda: _is_empty(redis, *places))
    assert beside == []
    assert await of_keys(redis) == []
    dead = await dead_ids(redis, "default")
    assert await redis.hlen(ENTRIES) == len(dead)  # type: ignore[misc]
