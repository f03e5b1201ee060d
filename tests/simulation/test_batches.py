"""Batches in a simulated world: a worker is killed at every step, and the callbacks still come."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Context, JobHandle, JobState, WorkerSettings, job
from runner.current import current_client
from runner.simulation import crash_everywhere, simulate

if TYPE_CHECKING:
    from runner.simulation import World

TRIED = 60
"""Steps after which a worker is killed, spread over all; with a larger number, more of them."""

done: Counter[str] = Counter()
early: list[str] = []


@job(queue="letters", max_retries=5)
async def send(ctx: Context, to: str) -> None:
    """Send one letter; some at the second attempt, some with another one enclosed."""
    if to == "late" and ctx.attempt == 1:
        raise ConnectionError("not yet")
    if to == "more":
        await send.options(job_id="enclosed").enqueue(to="enclosed")
    await asyncio.sleep(0.2)
    done[to] += 1


@job(queue="letters")
async def announce(_: Context, after: list[str]) -> None:
    """Say that all has been sent."""
    early.extend(to for to in after if not done[to])
    done["announced"] += 1


@job(queue="letters", max_retries=5)
async def create(ctx: Context) -> str:
    """Open a batch in a job, and return its id."""
    batch = Batch("made by a job", complete=announce.call(after=[]), abandoned="close")
    async with batch:
        await current_client().rpush("opened", batch.id)  # type: ignore[misc]
        await send.options(job_id=f"first-{ctx.attempt}").enqueue(to="a")
        await asyncio.sleep(0.2)
        await send.options(job_id=f"second-{ctx.attempt}").enqueue(to="b")
    return batch.id


@job(queue="letters", max_retries=5)
async def enclose(ctx: Context) -> None:
    """Open a batch within that of this job; one attempt's is another's."""
    async with Batch(id=f"within-{ctx.attempt}", parent=ctx.batch_id):
        await send.options(job_id=f"within-{ctx.attempt}").enqueue(to="within")
        await asyncio.sleep(0.2)


class Letters(WorkerSettings):
    """The worker of this module."""

    queue = "letters"
    jobs = (send, announce, create, enclose)
    lease_s = 6.0
    heartbeat_s = 2.0
    blocked_limit_s = 3.0
    max_crashes = 20


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()
    early.clear()


async def _is_done(callback: JobHandle[None]) -> None:
    for _ in range(600):
        if await callback.state() is JobState.DONE:
            return
        await asyncio.sleep(1)
    raise AssertionError(f"{callback.id} has not come")


async def _batch_of_three(_: World) -> None:
    done.clear()
    everybody = ["late", "more", "enclosed", "plain"]
    batch = Batch("letters", success=announce.call(after=everybody))
    async with batch:
        for to in ("late", "more", "plain"):
            await send.enqueue(to=to)
    callback = JobHandle[None](f"{batch.id}:success", "letters")
    await _is_done(callback)
    assert early == []
    progress = (await batch.progress()).queues["letters"]
    # A letter that was sent by a worker that died may be sent again, with what it encloses.
    assert progress.done == progress.total in {4, 5}
    # It ran again only if its worker died with it; it was enqueued once.
    assert done["announced"] in {1, 2}
    redis = current_client()
    assert await redis.exists(f"arq:batch:{batch.id}:pending", f"arq:job:{callback.id}") == 0
    plan = await redis.hgetall(f"arq:batch:{batch.id}:plan")  # type: ignore[misc]
    assert b"ended_ms" in plan
    assert b"success" not in plan


async def _batch_in_a_batch(_: World) -> None:
    done.clear()
    batch = Batch("outer", success=announce.call(after=["within", "plain"]))
    async with batch:
        await enclose.enqueue()
        await send.enqueue(to="plain")
    await _is_done(JobHandle[None](f"{batch.id}:success", "letters"))
    assert early == []
    progress = await batch.progress()
    assert progress.queues["letters"].done == progress.queues["letters"].total == 2
    # Each attempt whose worker died may have left one, which has ended, too.
    assert progress.batches.done == progress.batches.total >= 1
    redis = current_client()
    assert await redis.exists(f"arq:batch:{batch.id}:pending") == 0


def test_batch_ends_after_the_one_within_it_wherever_a_worker_is_killed() -> None:
    """A crash between any two steps neither loses the inner batch nor ends the outer one early."""
    assert crash_everywhere(_batch_in_a_batch, Letters, most=TRIED) > 10


def test_callback_comes_once_after_the_last_job_wherever_a_worker_is_killed() -> None:
    """A crash between any two steps loses no count, and enqueues nothing too early or twice."""
    assert crash_everywhere(_batch_of_three, Letters, most=TRIED) > TRIED


def test_batch_without_a_crash_announces_once() -> None:
    """The scenario of the crashes, undisturbed."""
    simulate(_batch_of_three, Letters)
    assert done["announced"] == 1


async def _batch_of_a_job(_: World) -> None:
    redis = current_client()
    handle = await create.enqueue()
    last = await handle.result(timeout_s=600)
    opened = [one.decode() for one in await redis.lrange("opened", 0, -1)]  # type: ignore[misc]
    assert last == opened[-1]
    # That of an attempt whose worker died is closed by the poller, and ends with its jobs.
    for batch_id in opened:
        callback = JobHandle[None](f"{batch_id}:complete", "letters")
        await _is_done(callback)
        progress = await Batch(id=batch_id).progress()
        assert (progress.waiting, progress.is_open) == (0, False)


def test_batch_of_a_creator_that_is_killed_ends_all_the_same() -> None:
    """Wherever it is killed: before, between and after its jobs."""
    assert crash_everywhere(_batch_of_a_job, Letters, most=TRIED) > TRIED
