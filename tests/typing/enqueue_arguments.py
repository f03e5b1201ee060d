"""What a type checker says to a service that enqueues: checked by mypy, never run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_type

from runner import Call, Context, Job, JobHandle, job


@job(queue="analytics")
async def analyze(ctx: Context, channel_id: str, days: int = 28) -> float:
    """Stand for any job."""
    return float(len(ctx.job_id + channel_id) + days)


@job(queue="default")
async def tidy(ctx: Context, *names: str) -> None:
    """Take any number of names."""
    raise NotImplementedError(ctx.job_id, names)


async def right() -> None:
    """Calls that fit, and the types that they give."""
    assert_type(await analyze.enqueue("UC1"), JobHandle[float])
    assert_type(await analyze.enqueue(channel_id="UC1", days=7), JobHandle[float])
    assert_type(await tidy.enqueue("a", "b"), JobHandle[None])
    handle = await analyze.options(delay_s=5, job_id="analyze:UC1").enqueue("UC1")
    assert_type(handle, JobHandle[float])
    assert_type(await handle.result(timeout_s=1), float)
    await analyze.options(at=datetime(2030, 1, 1, tzinfo=UTC), queue="slow").enqueue("UC1")
    await analyze.enqueue_many([{"channel_id": "UC1"}, {"channel_id": "UC2", "days": 7}])


async def called(ctx: Context) -> None:
    """A job is still the coroutine that it was."""
    assert_type(await analyze(ctx, "UC1"), float)
    await analyze(ctx, 1)  # type: ignore[arg-type]
    await analyze("UC1")  # type: ignore[arg-type, call-arg]


async def wrong() -> None:
    """Calls that do not fit: each is an error to the type checker."""
    await analyze.enqueue()  # type: ignore[call-arg]
    await analyze.enqueue(1)  # type: ignore[arg-type]
    await analyze.enqueue("UC1", days="7")  # type: ignore[arg-type]
    await analyze.enqueue("UC1", 7, 8)  # type: ignore[call-arg]
    await analyze.enqueue(channel="UC1")  # type: ignore[call-arg]
    await tidy.enqueue(1)  # type: ignore[arg-type]
    await analyze.options(delay_s=5).enqueue(channel_id=1)  # type: ignore[arg-type]
    analyze.options(delay_s="5")  # type: ignore[arg-type]
    analyze.options(after_s=5)  # type: ignore[call-arg]
    await analyze.enqueue_many(["UC1"])  # type: ignore[list-item]


@job(queue="default")
def in_a_thread(ctx: Context, count: int) -> str:
    """Stand for a plain function."""
    return ctx.job_id * count


def synchronous() -> None:
    """Calls that fit from a thread, and the types that they give."""
    assert_type(in_a_thread.enqueue_sync(2), JobHandle[str])
    assert_type(analyze.enqueue_sync("UC1").result_sync(), float)
    assert_type(analyze.options(delay_s=5).enqueue_many_sync([]), list[JobHandle[float]])
    assert_type(analyze.call("UC1"), Call[float])
    analyze.enqueue_sync(1)  # type: ignore[arg-type]
    analyze.call()  # type: ignore[call-arg]
    in_a_thread.enqueue_sync("2")  # type: ignore[arg-type]


@job()  # type: ignore[call-arg]
async def _without_a_queue(ctx: Context) -> int:
    return len(ctx.job_id)


def takes(one: Job[[str], None]) -> None:
    """A job is known by its arguments and its result."""
    raise NotImplementedError(one)


takes(analyze)  # type: ignore[arg-type]
