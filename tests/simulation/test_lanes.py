"""Lanes in a simulated world: a worker is killed at every step, and no place is lost."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from runner import Bury, Context, JobHandle, JobState, Lane, Limited, Rate, WorkerSettings, job
from runner.current import current_client
from runner.operations.actions import Operator
from runner.operations.lanes import set_limit
from runner.simulation import crash_everywhere, simulate
from tests.runner_kit import eventually

if TYPE_CHECKING:
    from runner.lanes import AtLimit
    from runner.simulation import World

TRIED = 60
"""Steps after which a worker is killed, spread over all; with a larger number, more of them."""

LIMIT = 2
WAYS: tuple[AtLimit, ...] = ("newest", "cancel_running", "skip")
inside: dict[str, set[str]] = {}
"""Jobs that run, by account, and as their workers know it."""
most: dict[str, int] = {}
ran: list[tuple[str, int]] = []
begun: set[str] = set()
seen: list[int] = []
"""Jobs of the lane of one that have begun, and how many of them ran as another one began."""


@job(queue="accounts", max_retries=5, lane=Lane(by="account", limit=LIMIT))
async def sync(ctx: Context, account: str, call: int = 0) -> int:
    """Sync an account, some at the second attempt, some never."""
    of_account = inside.setdefault(account, set())
    of_account.add(ctx.job_id)
    most[account] = max(most.get(account, 0), len(of_account))
    ran.append((account, call))
    try:
        await asyncio.sleep(0.5)
        if call == 1 and ctx.attempt == 1:
            raise ConnectionError("not yet")
        if call == 2:
            raise Bury("no such account")
        return call
    finally:
        of_account.discard(ctx.job_id)


@job(queue="accounts", max_retries=5, lane=Lane(by=(), rate=Rate(4, burst=2)))
async def fetch(ctx: Context, call: int) -> int:
    """Fetch at a rate; the first call meets somebody else's limit."""
    ran.append(("fetch", call))
    ctx.spent(2 if call == 1 else 0.5)
    if call == 0 and ran.count(("fetch", 0)) == 1:
        raise Limited(3)
    await asyncio.sleep(0.5 * bool(ctx.attempt))
    return call


@job(queue="accounts", max_retries=5)
async def replaced(ctx: Context, call: int) -> int:
    """Run until another one takes the place of this."""
    ran.append(("replaced", call))
    begun.add(ctx.job_id)
    states = [await JobHandle[int](one, "accounts").state() for one in begun]
    seen.append(states.count(JobState.RUNNING))
    await asyncio.sleep(100 if call in {0, 1} else 0.2)
    return call


class Accounts(WorkerSettings):
    """The worker of this module."""

    queue = "accounts"
    jobs = (sync, fetch, replaced)
    concurrency = 8
    lease_s = 6.0
    heartbeat_s = 2.0
    blocked_limit_s = 3.0
    max_crashes = 20


async def _is(handle: JobHandle[int], state: JobState) -> bool:
    return await handle.state() is state


async def _scenario(_: World) -> None:
    for memory in (inside, most, ran):
        memory.clear()
    redis = current_client()
    handles = await sync.enqueue_many(
        [{"account": account, "call": call} for call in range(5) for account in ("a", "b")]
    )
    fetches = await fetch.enqueue_many([{"call": call} for call in range(6)])
    later = await sync.options(delay_s=2).enqueue(account="a", call=7)
    await set_limit(redis, Operator(redis, "Ada"), "accounts", "sync:b", 1)
    await eventually(lambda: ("b", 0) in ran, within_s=600, every_s=0.05)
    await set_limit(redis, Operator(redis, "Ada"), "accounts", "sync:b", None)
    for handle in [*handles, *fetches, later]:
        if handle not in handles[4:6]:
            await handle.result(timeout_s=600)
    for handle in handles[4:6]:
        await eventually(partial(_is, handle, JobState.DEAD), within_s=600, every_s=0.05)
    assert max(most.values()) <= LIMIT
    # Nothing is left but of the dead, which come back to their lanes when they are retried.
    left = {name async for name in redis.scan_iter("arq:queue:accounts:lane*")}
    left |= {name async for name in redis.scan_iter("arq:queue:accounts:waiting")}
    left |= {name async for name in redis.scan_iter("arq:queue:accounts:unseated")}
    assert left == {b"arq:queue:accounts:laned"}
    dead = {one.id.encode() for one in handles[4:6]}
    assert {*await redis.hkeys("arq:queue:accounts:laned")} == dead  # type: ignore[misc]


def test_place_goes_on_wherever_a_worker_is_killed() -> None:
    """Never more than the limit inside, and none waits for ever: through retries and deaths."""
    assert crash_everywhere(_scenario, Accounts, most=TRIED) > TRIED


def test_jobs_of_lanes_without_a_crash_run_once() -> None:
    """The scenario of the crashes, undisturbed."""
    simulate(_scenario, Accounts)
    assert sorted(ran) == sorted(
        [(account, call) for account in "ab" for call in (0, 1, 1, 2, 3, 4)]
        + [("fetch", call) for call in (0, 0, 1, 2, 3, 4, 5)]
        + [("a", 7)]
    )


async def _replaced(_: World) -> None:
    for memory in (begun, seen, ran):
        memory.clear()
    redis = current_client()
    ways = {how: replaced.options(lane=Lane((), 1, at_limit=how)) for how in WAYS}
    first = await ways["newest"].enqueue(call=0)
    await eventually(lambda: ("replaced", 0) in ran, within_s=600, every_s=0.05)
    dropped = [await ways["newest"].enqueue(call=call) for call in (2, 3)]
    taken = await ways["cancel_running"].enqueue(call=1)
    skipped = await ways["skip"].enqueue(call=4)
    await eventually(lambda: ("replaced", 1) in ran, within_s=600, every_s=0.05)
    last = await ways["cancel_running"].enqueue(call=5)
    assert not skipped.created
    assert await last.result(timeout_s=600) == 5
    for handle in [first, *dropped, taken]:
        await eventually(partial(_is, handle, JobState.DONE), within_s=600, every_s=0.05)
    assert {call for _, call in ran} == {0, 1, 5}
    assert max(seen) == 1
    assert [name async for name in redis.scan_iter("arq:queue:accounts:lane*")] == []
    assert await redis.exists("arq:queue:accounts:dropped", "arq:queue:accounts:waiting") == 0


def test_dropped_jobs_never_start_wherever_a_worker_is_killed() -> None:
    """They end without a start, one that runs gives way, and the last call is done."""
    assert crash_everywhere(_replaced, Accounts, most=TRIED // 2) > TRIED // 2
