"""Users' scenarios in a simulated world."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from runner import Context, JobState, Periodic, WorkerSettings, job
from runner.simulation import Stuck, World, crash_everywhere, simulate
from runner.simulation.everywhere import _spread

sent: list[str] = []


@job(queue="letters")
async def send(_: Context, to: str) -> str:
    """Send one letter."""
    sent.append(to)
    await asyncio.sleep(0.5)
    return f"sent to {to}"


@job(queue="letters", max_retries=3)
async def send_third_time(ctx: Context) -> int:
    """Succeed at the third attempt."""
    if ctx.attempt < 3:
        raise ConnectionError("not yet")
    return ctx.attempt


class Letters(WorkerSettings):
    """The worker of this module."""

    queue = "letters"
    jobs = (send, send_third_time)
    lease_s = 6.0
    heartbeat_s = 2.0
    blocked_limit_s = 3.0


@pytest.fixture(autouse=True)
def _nothing_sent() -> None:
    sent.clear()


def test_scenario_waits_for_results_in_the_worlds_time() -> None:
    """Retries after 10 and 20 seconds take no real time."""

    async def scenario(world: World) -> tuple[int, float]:
        handle = await send_third_time.enqueue()
        return await handle.result(), world.now

    attempts, now = simulate(scenario, Letters)

    assert attempts == 3
    assert 30.0 <= now < 40.0


def test_given_times_and_schedules_follow_the_worlds_clock() -> None:
    """Ticks come at their minutes, and so does a job that is enqueued for one."""

    class Ticking(WorkerSettings):
        queue = "letters"
        jobs = (send,)
        schedule = (Periodic("thirds", send, "*/3 * * * *", {"to": "tick"}),)

    async def scenario(world: World) -> float:
        began = world.utc_now
        handle = await send.options(at=began + timedelta(minutes=5)).enqueue(to="letter")
        await asyncio.sleep(299)
        assert await handle.state() is JobState.SCHEDULED
        await handle.result()
        waited_s = (world.utc_now - began).total_seconds()
        await asyncio.sleep(600 - waited_s)
        return waited_s

    waited_s = simulate(scenario, Ticking)

    assert 300 <= waited_s < 302
    assert sorted(sent) == ["letter", *["tick"] * 3]


def test_same_seed_gives_the_same_world() -> None:
    """Ids, order and times follow from the seed."""

    async def scenario(world: World) -> tuple[str, float]:
        handle = await send.enqueue(to="a")
        await handle.result()
        return handle.id, world.now

    first, again, other = (simulate(scenario, Letters, seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_what_a_scenario_raises_is_raised() -> None:
    """A failed assertion fails the test."""

    async def scenario(world: World) -> None:
        raise LookupError(f"at {world.now}")

    with pytest.raises(LookupError):
        simulate(scenario, Letters)


def test_scenario_without_an_end_is_reported() -> None:
    """Nothing waits for ever, not even for a world's time."""

    async def scenario(_: World) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck, match="had not ended after 60 s"):
        simulate(scenario, Letters, longest_s=60)


def test_job_is_done_wherever_its_worker_is_killed() -> None:
    """A crash after any step of the worker loses nothing."""

    async def scenario(_: World) -> None:
        handle = await send.enqueue(to="b")
        assert await handle.result(timeout_s=120) == "sent to b"
        assert await handle.state() is JobState.DONE

    steps = crash_everywhere(scenario, Letters)

    assert steps > 30
    assert len(sent) > steps


def test_crash_everywhere_finds_what_is_not_safe() -> None:
    """A scenario that a crash breaks fails soon, and says after which step."""
    runs = 0

    async def scenario(_: World) -> None:
        nonlocal runs
        runs += 1
        before = len(sent)
        handle = await send.enqueue(to="c")
        await handle.result(timeout_s=120)
        assert len(sent) == before + 1, "sent twice"

    with pytest.raises(AssertionError, match="sent twice") as caught:
        crash_everywhere(scenario, Letters)

    notes: Any = caught.value.__notes__
    assert "was killed after step" in notes[-1]
    assert runs <= 50


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 194])
def test_each_step_is_taken_once_and_each_stretch_of_them_early(count: int) -> None:
    """A tenth of the steps is met within a quarter of the runs, wherever it lies."""
    order = list(_spread(count))
    stretch, early = max(1, count // 10), set(order[: count // 4 + 1])

    assert sorted(order) == list(range(1, count + 1))
    if count >= 20:
        for first in range(1, count - stretch + 2):
            assert early & set(range(first, first + stretch))


def test_workers_with_a_prefix_have_a_client_with_it() -> None:
    """What the scenario enqueues reaches them."""

    class Apart(Letters):
        prefix = "shop:"

    async def scenario(_: World) -> str:
        return await (await send.enqueue("Ada")).result()

    assert simulate(scenario, Apart) == "sent to Ada"
