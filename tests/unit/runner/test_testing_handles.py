"""`runner.testing`: what handles answer, and blocks of tests side by side."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runner import Context, JobHandle, JobState, Retry, job
from runner.errors import (
    ConfigurationError,
    JobFailedError,
    ResultNotFoundError,
)
from runner.testing import JobError, collect, drain, inline

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Sum:
    """A result with a type of its own."""

    total: int


@job(queue="sums")
async def add(_: Context, *numbers: int) -> Sum:
    """Add up."""
    return Sum(sum(numbers))


@job(queue="sums", max_retries=1)
async def fail(_: Context, why: str) -> None:
    """Fail at each attempt."""
    raise LookupError(why)


@job(queue="sums", keep_result_s=10)
async def add_briefly(_: Context, *numbers: int) -> Sum:
    """Add up, for a caller who asks soon."""
    return Sum(sum(numbers))


@job(queue="sums")
async def hold(ctx: Context) -> None:
    """Say that it runs, and never end by itself."""
    ctx.get(asyncio.Event).set()
    await asyncio.Event().wait()


@job(queue="sums")
async def add_elsewhere(_: Context, *numbers: int) -> int:
    """Let another job add up, and wait for it."""
    handle = await add.enqueue(*numbers)
    return (await handle.result()).total


@job(queue="sums", max_retries=0)
async def wait_for_oneself(ctx: Context) -> None:
    """Wait for what cannot come."""
    await JobHandle[None](ctx.job_id, ctx.queue).result()


@job(queue="sums")
async def never_ready(_: Context) -> None:
    """Ask for another attempt each time, without charge."""
    raise Retry(60, charge=False)


@job(queue="sums")
async def add_in_process(ctx: Context, *numbers: int) -> int:
    """Add up in another process."""
    return await ctx.offload(sum, numbers)


async def test_inline_job_of_another_loop_has_processes_of_its_own() -> None:
    """They end with their job; those of the test's loop serve on, and end with the block."""
    before = _children()
    async with inline():
        assert await (await add_in_process.enqueue(1, 2)).result() == 3
        kept = _children() - before
        assert kept
        for number in range(2):
            call = partial(_enqueue_in_own_loop, number)
            assert await asyncio.to_thread(call) == number + 1
            assert _children() - before == kept
        assert await (await add_in_process.enqueue(3, 4)).result() == 7
    assert _children() == before


def _enqueue_in_own_loop(number: int) -> int:
    async def enqueue() -> int:
        return await (await add_in_process.enqueue(1, number)).result()

    return asyncio.run(enqueue())


def _children() -> set[int]:
    return {one.pid for one in psutil.Process().children()}


async def test_drained_job_answers_for_its_state_and_its_result() -> None:
    """From memory, in the types of the job's signature, and by the states of a real queue."""
    async with drain() as jobs:
        soon = await add.enqueue(1, 2)
        later = await add.options(delay_s=60).enqueue(3)
        failing = await fail.enqueue("no such sum")
        states = [await one.state() for one in (soon, later, failing)]
        assert states == [JobState.READY, JobState.SCHEDULED, JobState.READY]

        await jobs.run(for_s=0)
        states = [await one.state() for one in (soon, later, failing)]
        assert states == [JobState.DONE, JobState.SCHEDULED, JobState.RETRYING]

        await jobs.run()
        states = [await one.state() for one in (soon, later, failing)]
        assert states == [JobState.DONE, JobState.DONE, JobState.DEAD]
        assert await soon.result() == Sum(3)
        with pytest.raises(JobFailedError, match="LookupError: no such sum"):
            await failing.result()


async def test_waiting_for_a_result_runs_what_comes_due_until_then() -> None:
    """The time that a caller waits passes by the clock; what comes later stays."""
    async with drain() as jobs:
        started = jobs.clock.now
        last = await add.options(delay_s=7200).enqueue(1)
        wanted = await add.options(delay_s=3600).enqueue(2)

        assert await wanted.result(timeout_s=4000) == Sum(2)

        assert (jobs.clock.now - started).total_seconds() == 3600
        with pytest.raises(TimeoutError, match="had not ended after 60 s"):
            await last.result(timeout_s=60)
        assert (jobs.clock.now - started).total_seconds() == 3660


async def test_result_of_a_job_that_is_not_there_or_not_kept() -> None:
    """As with Redis: there is none."""
    async with drain() as jobs:
        brief = await add_briefly.enqueue(1)
        await jobs.run()
        assert await brief.result() == Sum(1)
        jobs.clock.advance(10)

        with pytest.raises(ResultNotFoundError):
            await brief.result()
        with pytest.raises(ResultNotFoundError):
            await JobHandle[Any]("nobody", "sums").result()
        assert await brief.state() is JobState.UNKNOWN
        assert await JobHandle[Any](brief.id, "another").state() is JobState.UNKNOWN


async def test_job_waits_for_another_one_but_not_for_itself() -> None:
    """What a job waits for runs meanwhile; what can never come is an error."""
    async with drain() as jobs:
        outer = await add_elsewhere.enqueue(2, 3)
        hopeless = await wait_for_oneself.enqueue()

        assert await outer.result() == 5
        await jobs.run()
        assert await hopeless.state() is JobState.DEAD
        assert "waits for its own result" in jobs.dead[0][1].error.message


async def test_aborted_jobs_end_as_in_a_queue() -> None:
    """One that waits never starts, and one that runs is cancelled."""
    runs = asyncio.Event()
    async with drain({asyncio.Event: runs}) as jobs:
        waiting = await add.enqueue(1)
        await waiting.abort()
        running = await hold.enqueue()
        run = asyncio.create_task(jobs.run())
        await runs.wait()
        assert await running.state() is JobState.RUNNING
        await running.abort()
        await run

        for handle, why in ((waiting, "before it started"), (running, "while running")):
            assert await handle.state() is JobState.DONE
            with pytest.raises(JobFailedError, match=f"CancelledError: aborted {why}"):
                await handle.result()
        assert (jobs.done, jobs.dead, jobs.waiting) == ([], [], [])


async def test_job_goes_back_if_its_run_is_cancelled() -> None:
    """The test was cancelled, and not the job's fault: it costs no attempt."""
    runs = asyncio.Event()
    async with drain({asyncio.Event: runs}) as jobs:
        handle = await hold.enqueue()
        run = asyncio.create_task(jobs.run())
        await runs.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        assert await handle.state() is JobState.READY
        await handle.abort()
        await jobs.run()


async def test_inline_job_has_its_result_at_once() -> None:
    """It has run when `enqueue` returns."""
    async with inline():
        handle = await add_elsewhere.enqueue(4, 5)

        assert await handle.state() is JobState.DONE
        assert await handle.result() == 9
        with pytest.raises(JobError, match="LookupError: gone"):
            await fail.enqueue("gone")
        parked = await never_ready.enqueue()
        with pytest.raises(JobError, match="never_ready has no result"):
            await parked.result()


async def test_collected_job_has_a_state_and_says_that_nothing_runs_it() -> None:
    """A test that waits for its result would wait for ever."""
    with collect() as jobs:
        soon = await add.enqueue(1)
        later = await add.options(delay_s=5).enqueue(2)

        assert await soon.state() is JobState.READY
        assert await later.state() is JobState.SCHEDULED
        jobs.clock.advance(5)
        assert await later.state() is JobState.READY
        with pytest.raises(JobError, match="`collect` runs no job"):
            await soon.result()
        await soon.abort()
        with pytest.raises(JobFailedError, match="aborted before it started"):
            await soon.result()


async def test_threads_ask_as_tasks_do() -> None:
    """`state_sync`, `result_sync` and `abort_sync` are answered in the loop of the test."""
    async with drain() as jobs:
        handle = await asyncio.to_thread(add.enqueue_sync, 1, 2)
        aborted = await add.enqueue(5)
        assert await asyncio.to_thread(handle.state_sync) is JobState.READY
        await asyncio.to_thread(aborted.abort_sync)
        assert await asyncio.to_thread(handle.result_sync) == Sum(3)
        assert [one.name for one in jobs.done] == ["add"]
        with pytest.raises(ConfigurationError, match="would block the event loop"):
            handle.state_sync()


def test_handles_answer_without_a_loop() -> None:
    """A synchronous view is tested without one."""
    with collect():
        assert add.enqueue_sync(1).state_sync() is JobState.READY


async def test_blocks_side_by_side_do_not_mix() -> None:
    """Each task has the jobs that were enqueued in it, and in what it began."""

    async def one_test(name: str) -> list[str]:
        with collect() as jobs:
            for _ in range(5):
                await asyncio.gather(fail.enqueue(name), asyncio.sleep(0))
            await asyncio.to_thread(fail.enqueue_sync, name)
            return [one.kwargs.get("why", one.args[0] if one.args else "") for one in jobs.jobs]

    found = await asyncio.gather(*(one_test(name) for name in "abc"))

    assert found == [[name] * 6 for name in "abc"]


async def test_thread_of_no_block_belongs_to_the_only_one() -> None:
    """A server that a fixture began before the test is tested, too; of several it cannot know."""

    def in_a_thread(what: Callable[[], Any]) -> Any:
        result: list[Any] = []

        def keep() -> None:
            try:
                result.append(what())
            except ConfigurationError as error:
                result.append(error)

        thread = threading.Thread(target=keep)
        thread.start()
        thread.join()
        return result[0]

    enqueue = partial(add.enqueue_sync, 1)
    both_open, done = asyncio.Event(), asyncio.Event()

    async def beside() -> None:
        with collect():
            both_open.set()
            await done.wait()

    task = asyncio.create_task(beside())
    await both_open.wait()
    with collect() as jobs:
        refused = in_a_thread(enqueue)
        done.set()
        await task
        accepted = await asyncio.get_running_loop().run_in_executor(None, in_a_thread, enqueue)

    assert "begun in none of their blocks" in str(refused)
    assert accepted.created
    assert len(jobs.jobs) == 1
