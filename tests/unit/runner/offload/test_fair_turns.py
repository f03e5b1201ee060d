"""Places for work: never more in use than there are, and shared fairly by name."""

from __future__ import annotations

import asyncio

from runner.offload.fair_turns import Turns


async def _worked(turns: Turns, name: str, order: list[str]) -> None:
    async with turns.place(name):
        order.append(name)
        await asyncio.sleep(0)


async def test_names_take_turns() -> None:
    """A name with one waiter goes after one of a name with many, not after all of them."""
    turns, order = Turns(1), list[str]()
    waiting = ["many"] * 5 + ["few"] + ["many"]
    await asyncio.gather(*(_worked(turns, name, order) for name in waiting))
    assert order == ["many", "many", "few", "many", "many", "many", "many"]


async def test_no_more_at_a_time_than_places() -> None:
    """With three places and many waiters, three work at a time, and in the end all have."""
    turns, at_work, most, done = Turns(3), 0, 0, 0

    async def work(name: str) -> None:
        nonlocal at_work, most, done
        async with turns.place(name):
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1
            done += 1

    await asyncio.gather(*(work(f"queue {n % 4}") for n in range(40)))
    assert (most, done) == (3, 40)


async def test_cancelled_at_any_moment_loses_no_place() -> None:
    """A wait is cancelled before, at and after the moment in which its turn comes."""
    turns = Turns(1)
    for steps in range(6):
        holder = asyncio.create_task(_worked(turns, "a", []))
        waiter = asyncio.create_task(_worked(turns, "b", []))
        for _ in range(steps):
            await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(holder, waiter, return_exceptions=True)
        async with asyncio.timeout(5), turns.place("c"):
            pass
