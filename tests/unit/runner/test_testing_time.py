"""`runner.testing`: one clock for delays, retries, schedules and what jobs see; real timeouts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runner import CatchUp, Context, JobState, Periodic, WorkerSettings, job
from runner.errors import ConfigurationError
from runner.testing import JobError, collect, drain

if TYPE_CHECKING:
    from runner.middleware import Handler

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

ran: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@job(queue="clocks")
async def note(ctx: Context, what: str = "") -> str:
    """Note when it was enqueued."""
    ran.append((what, ctx.enqueued_at, ctx.attempt))
    return what


@job(queue="clocks", max_retries=2)
async def third_time(ctx: Context) -> int:
    """Fail twice."""
    ran.append(ctx.attempt)
    if ctx.attempt < 3:
        raise ConnectionError("not yet")
    return ctx.attempt


@job(queue="clocks", timeout_s=0.02, max_retries=0)
async def hang(_: Context) -> None:
    """Never end."""
    await asyncio.Event().wait()


@job(queue="stubborn", timeout_s=0.02, max_retries=0)
async def insist(ctx: Context) -> None:
    """Ignore that it is to end, until the test lets it."""
    ends = ctx.get(asyncio.Event)
    while not ends.is_set():
        with suppress(asyncio.CancelledError):
            await ends.wait()


class Stubborn(WorkerSettings):
    """The settings of that job."""

    queue = "stubborn"
    jobs = (insist,)
    cancel_wait_s = 0.02


async def mark(ctx: Context, call_next: Handler) -> Any:
    """Middleware of the queue."""
    ran.append(f"before {ctx.job_name}")
    return await call_next(ctx)


class Clocks(WorkerSettings):
    """The settings of these jobs."""

    queue = "clocks"
    jobs = (note, third_time)
    max_retries = 9
    backoff = staticmethod(lambda count: 100.0 * (count + 1))
    middleware = (mark,)
    schedule = (Periodic("hourly", note, "0 * * * *", {"what": "tick"}),)


async def test_given_time_and_enqueued_time_follow_the_clock() -> None:
    """`at` is due when the clock says so, whatever the machine's clock says."""
    async with drain(now=NOON) as jobs:
        handle = await note.options(at=NOON + timedelta(minutes=5)).enqueue(what="at")
        assert await handle.state() is JobState.SCHEDULED
        await jobs.run(for_s=299)
        assert ran == []
        await jobs.run(for_s=1)

    assert ran == [("at", NOON, 1)]
    with collect(now=NOON) as collected:
        await note.options(at=NOON + timedelta(minutes=5)).enqueue()
    assert collected.jobs[0].delay_s == 300


async def test_clock_begins_now_if_nothing_else_is_said() -> None:
    """So code that asks the machine for the time, and adds to it, is right."""
    before = datetime.now(UTC)
    async with drain() as jobs:
        assert abs(jobs.clock.now - before) < timedelta(minutes=1)
        handle = await note.options(at=datetime.now(UTC) + timedelta(hours=1)).enqueue()
        await jobs.run(for_s=3500)
        assert await handle.state() is JobState.SCHEDULED
        await jobs.run(for_s=200)
        assert await handle.state() is JobState.DONE


async def test_naive_times_and_negative_ones_are_refused() -> None:
    """A clock that nobody could read helps nobody."""
    with pytest.raises(ConfigurationError, match="now needs a time zone"):
        async with drain(now=NOON.replace(tzinfo=None)):
            pass
    async with drain() as jobs:
        with pytest.raises(ConfigurationError, match="by_s"):
            jobs.clock.advance(-1)
        with pytest.raises(ConfigurationError, match="for_s"):
            await jobs.run(for_s=-1)


async def test_schedules_tick_by_the_clock() -> None:
    """A new schedule begins with its next tick; every job is enqueued at its moment."""
    schedule = [Periodic("quarters", note, "*/15 * * * *", {"what": "tick"})]
    async with drain(schedule=schedule, now=NOON) as jobs:
        await jobs.run(for_s=3600)

    assert [enqueued.strftime("%H:%M") for _, enqueued, _ in ran] == [
        "12:15", "12:30", "12:45", "13:00",
    ]  # fmt: skip


async def test_missed_ticks_are_caught_up_as_the_schedule_says() -> None:
    """A clock that is set ahead is a night in which everything was down."""
    schedule = [
        Periodic(how.value, note, "0 * * * *", {"what": how.value}, catch_up=how) for how in CatchUp
    ]
    async with drain(schedule=schedule, now=NOON) as jobs:
        jobs.clock.advance(3 * 3600 + 600)
        await jobs.run(for_s=0)

    assert sorted(what for what, _, _ in ran) == ["all"] * 3 + ["last"]


async def test_tick_waits_for_the_job_of_the_one_before() -> None:
    """Without overlap, a tick is skipped while the job of an earlier one is pending."""
    schedule = [Periodic("slow", third_time, "* * * * *", overlap=False)]
    async with drain(schedule=schedule, backoff=lambda _: 50.0, now=NOON) as jobs:
        await jobs.run(for_s=240)

    assert len(jobs.done) == 1
    assert ran[:3] == [1, 2, 3]


async def test_schedule_has_no_end() -> None:
    """So a test has to say for how long it runs."""
    async with drain(workers=[Clocks]) as jobs:
        with pytest.raises(ConfigurationError, match="say for how long"):
            await jobs.run()


async def test_day_of_ticks_and_retries() -> None:
    """1,440 ticks, and jobs that fail twice each hour."""
    schedule = [
        Periodic("minutely", note, "* * * * *", {"what": "tick"}),
        Periodic("hourly", third_time, "0 * * * *"),
    ]
    async with drain(schedule=schedule, now=NOON) as jobs:
        await jobs.run(for_s=86_400)

    assert len(jobs.done) == 1440 + 23
    assert len(ran) == 1440 + 3 * 23 + 1


async def test_settings_classes_bring_their_options_middleware_and_schedules() -> None:
    """What is tested is what is worked; a queue without a worker is not."""
    async with drain(workers=[Clocks], now=NOON) as jobs:
        handle = await third_time.enqueue()
        elsewhere = await note.options(queue="other").enqueue()
        stranger = await hang.enqueue()
        await jobs.run(for_s=3600)

        assert await handle.result() == 3
        assert await elsewhere.state() is JobState.READY
        assert await stranger.state() is JobState.PARKED
        with pytest.raises(JobError, match="no worker here takes it"):
            await elsewhere.result()
    assert ran[0] == "before third_time"
    assert ("tick", NOON + timedelta(hours=1), 1) in ran


async def test_timeout_ends_a_job() -> None:
    """As in a worker: one that hangs is cancelled, and one that ignores that is left behind."""
    async with drain() as jobs:
        await hang.enqueue()
        await jobs.run()
    assert "did not end within 0.02 s, its own timeout" in jobs.dead[0][1].error.message

    ends = asyncio.Event()
    async with drain({asyncio.Event: ends}, workers=[Stubborn]) as jobs:
        handle = await insist.enqueue()
        await jobs.run()
        assert await handle.state() is JobState.DEAD
        ends.set()
    assert "ignored its cancellation" in jobs.dead[0][1].error.message


async def test_timeout_of_the_test_is_that_of_jobs_without_one() -> None:
    """`timeout_s` counts what really passes."""

    @job(queue="clocks", max_retries=0)
    async def patient(_: Context) -> None:
        await asyncio.Event().wait()

    async with drain(timeout_s=0.02) as jobs:
        await patient.enqueue()
        await jobs.run()
    assert "its worker's timeout" in jobs.dead[0][1].error.message
