"""Unique jobs in a simulated world: a worker is killed at every step, and no key is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner import Bury, Context, JobHandle, JobState, Unique, WorkerSettings, job
from runner.current import current_client
from runner.simulation import crash_everywhere, simulate
from tests.runner_kit import eventually

if TYPE_CHECKING:
    from runner.simulation import World

TRIED = 60
"""Steps after which a worker is killed, spread over all; with a larger number, more of them."""

LAST = Unique(by=("channel",), on_conflict="after")
QUIET = Unique(by=("channel",), on_conflict="reschedule", max_wait_s=20)

seen: list[tuple[str, str, int]] = []
"""Each attempt: the job's id, its channel, and which call it was given."""


@job(queue="channels", max_retries=5, unique=Unique(by=("channel",)))
async def sync(ctx: Context, channel: str, call: int = 0) -> int:
    """Sync a channel, some at the second attempt, some never."""
    seen.append((ctx.job_id, channel, call))
    if channel == "late" and ctx.attempt == 1:
        raise ConnectionError("not yet")
    await asyncio.sleep(0.5)
    if channel == "gone":
        raise Bury("no such channel")
    return call


class Channels(WorkerSettings):
    """The worker of this module."""

    queue = "channels"
    jobs = (sync,)
    lease_s = 6.0
    heartbeat_s = 2.0
    blocked_limit_s = 3.0
    max_crashes = 20


async def _is(handle: JobHandle[int], state: JobState) -> bool:
    return await handle.state() is state


async def _scenario(_: World) -> None:
    seen.clear()
    redis = current_client()
    late = await sync.enqueue(channel="late")
    assert not (await sync.enqueue(channel="late")).created
    gone = await sync.enqueue(channel="gone")
    running = await sync.options(unique=LAST).enqueue(channel="a", call=1)
    put_off = [
        await sync.options(unique=QUIET, delay_s=3).enqueue(channel="b", call=call)
        for call in range(3)
    ]
    assert {one.id for one in put_off} == {put_off[0].id}
    await eventually(
        lambda: ("a", 1) in {(channel, call) for _, channel, call in seen}, every_s=0.05
    )
    calls = [await sync.options(unique=LAST).enqueue(channel="a", call=call) for call in (2, 3)]
    # Its worker may have been killed meanwhile: then it waits, and has those of a later call.
    assert await calls[-1].result(timeout_s=600) == 3
    assert await running.result(timeout_s=600) in {1, 2, 3}
    assert [call for _, channel, call in seen if channel == "a"][-1] == 3
    assert await late.result(timeout_s=600) == 0
    assert await put_off[0].result(timeout_s=600) == 2
    assert {call for _, channel, call in seen if channel == "b"} == {2}
    await eventually(lambda: _is(gone, JobState.DEAD), within_s=600, every_s=0.05)
    left = [name async for name in redis.scan_iter("arq:unique:*")]
    assert left == []
    assert await redis.exists("arq:queue:channels:waiting") == 0
    # The dead one has its key again once it is retried.
    assert await redis.hkeys("arq:queue:channels:unique") == [gone.id.encode()]  # type: ignore[misc]
    assert (await sync.enqueue(channel="gone")).created


def test_key_follows_its_job_wherever_a_worker_is_killed() -> None:
    """One of a key at a time, freed with its end, handed on to the one that waits."""
    assert crash_everywhere(_scenario, Channels, most=TRIED) > TRIED


def test_unique_jobs_without_a_crash_run_once() -> None:
    """The scenario of the crashes, undisturbed."""
    simulate(_scenario, Channels)
    assert sorted((channel, call) for _, channel, call in seen) == [
        ("a", 1),
        ("a", 3),
        ("b", 2),
        ("gone", 0),
        ("late", 0),
        ("late", 0),
    ]
