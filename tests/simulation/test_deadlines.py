"""Deadlines in a simulated world: a worker is killed at every step, and none starts too late."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from runner import Batch, Context, JobExpiredError, JobHandle, WorkerSettings, job
from runner.current import current_client
from runner.simulation import crash_everywhere, simulate

if TYPE_CHECKING:
    from runner.simulation import World

TRIED = 25
"""Steps after which a worker is killed, spread over all; with a larger number, more of them."""

started: list[tuple[str, float]] = []
"""Each attempt: its job, and when it started by Redis's clock, Unix ms."""


@job(queue="reminders", max_retries=5)
async def remind(ctx: Context, who: str) -> str:
    """Remind somebody, some at the second attempt."""
    seconds, micros = await current_client().time()
    started.append((who, seconds * 1000 + micros / 1000))
    if who == "late" and ctx.attempt == 1:
        raise ConnectionError("not yet")
    await asyncio.sleep(0.5)
    return who


class Reminders(WorkerSettings):
    """The worker of this module, which runs one job at a time."""

    queue = "reminders"
    jobs = (remind,)
    concurrency = 1
    lease_s = 6.0
    heartbeat_s = 2.0
    blocked_limit_s = 3.0
    max_crashes = 20


async def _ended(handle: JobHandle[str]) -> str:
    with suppress(JobExpiredError):
        return await handle.result(timeout_s=600)
    return "expired"


async def _scenario(_: World) -> None:
    started.clear()
    redis = current_client()
    until: dict[str, float] = {}
    batch = Batch("reminders", complete=remind.call("complete"))
    handles = []
    async with batch:
        for number in range(3):
            who = f"within {number}"
            handles.append(await remind.options(start_within_s=0.7).enqueue(who))
            until[who] = (await redis.zscore("arq:queue:reminders", handles[-1].id) or 0) + 700
        handles.append(await remind.options(deadline_s=12).enqueue("late"))
    seconds, micros = await redis.time()
    until["late"] = seconds * 1000 + micros / 1000 + 12_000
    ends = [await _ended(handle) for handle in handles]
    await JobHandle[str](f"{batch.id}:complete", "reminders").result(timeout_s=600)
    # An attempt asks for the time a step after it started.
    assert [one for one in started if one[1] > until.get(one[0], 1e15) + 50] == []
    progress = (await batch.progress()).queues["reminders"]
    assert (progress.total, progress.waiting, progress.dead) == (4, 0, 0)
    assert progress.expired == ends.count("expired")
    assert progress.done == 4 - progress.expired


def test_none_starts_too_late_wherever_a_worker_is_killed() -> None:
    """Each ends once, done or expired, and its batch with the last of them."""
    assert crash_everywhere(_scenario, Reminders, most=TRIED) > TRIED


def test_jobs_behind_a_slow_one_expire_without_a_crash() -> None:
    """The scenario of the crashes, undisturbed."""
    simulate(_scenario, Reminders)
    assert [who for who, _ in started if who.startswith("within")] == ["within 0", "within 1"]
