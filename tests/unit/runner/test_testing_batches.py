"""Batches in tests without Redis: their callbacks come as a worker's would."""

from __future__ import annotations

import pytest

from runner import Batch, Bury, Context, JobHandle, Retry, job
from runner.testing import collect, drain, inline


@job(queue="default")
async def member(ctx: Context, how: str = "done") -> None:
    """Do what *how* says."""
    if how == "bury":
        raise Bury("no")
    if how == "once" and ctx.attempt == 1:
        raise Retry(5)
    if how == "more":
        await member.enqueue("once")


@job(queue="default")
async def announce(_: Context, what: str) -> str:
    """Return *what*."""
    return what


def batch_of_all() -> Batch:
    """Return a batch with each callback."""
    complete, success, death = (announce.call(what=how) for how in ("complete", "success", "death"))
    return Batch("nightly", complete=complete, success=success, death=death)


@pytest.mark.parametrize(
    ("hows", "called"),
    [
        ((), ["complete", "success"]),
        (("done", "once", "more"), ["complete", "success"]),
        (("done", "bury", "bury"), ["death", "complete"]),
    ],
)
async def test_drained_batch_calls_back_once_its_jobs_have_ended(
    hows: tuple[str, ...], called: list[str]
) -> None:
    """In order of time, retries and the jobs of its jobs included."""
    async with drain() as jobs:
        async with batch_of_all() as batch:
            for how in hows:
                await member.enqueue(how)
            await jobs.run()
            assert (await batch.progress()).is_open
        await jobs.run()
        progress = await batch.progress()
        result = await JobHandle[str](f"{batch.id}:complete", "default").result()
    ends = [one.kwargs["what"] for one in jobs.done if one.name == "announce"]
    assert ends == called
    assert (progress.waiting, progress.is_open, result) == (0, False, "complete")
    assert progress.dead == hows.count("bury")


async def test_cancelled_batch_of_a_test_runs_nothing_more() -> None:
    """Its jobs are aborted, later ones refused, and it is no success."""
    async with drain() as jobs:
        async with batch_of_all() as batch:
            await member.enqueue()
            assert await batch.cancel()
            assert not (await member.enqueue()).created
        await jobs.run()
        assert not await batch.cancel()
    assert [one.kwargs["what"] for one in jobs.done] == ["complete"]


async def test_inline_batch_calls_back_where_it_is_closed() -> None:
    """Its jobs have run by then."""
    async with inline() as jobs:
        async with batch_of_all():
            await member.enqueue()
        assert [one.name for one in jobs.jobs] == ["member", "announce", "announce"]


async def test_collected_batch_waits_for_its_jobs() -> None:
    """None of them runs, so nothing follows; of an empty one it does."""
    with collect() as jobs:
        async with batch_of_all():
            await member.enqueue()
        assert [one.name for one in jobs.jobs] == ["member"]
        async with batch_of_all():
            pass
    assert [one.name for one in jobs.jobs] == ["member", "announce", "announce"]
