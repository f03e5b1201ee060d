"""The simulated world by itself: what it leaves behind."""

from __future__ import annotations

import asyncio

from runner.simulation.world import World


def test_killed_process_leaves_nothing_in_the_loop_of_the_caller() -> None:
    """What its `finally` starts as it is dropped runs nowhere: not in the thread's loop either."""
    ran: list[str] = []

    async def tidy(name: str) -> None:
        ran.append(name)

    async def main() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.gather(tidy("a"), tidy("b"))

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        with World(1) as world:
            world.process("victim", main)
            world.run_until(lambda: world.now > 1, longest_s=2)
        assert asyncio.all_tasks(loop) == set()
        loop.run_until_complete(asyncio.sleep(0))
        assert ran == []
    finally:
        asyncio.set_event_loop(None)
        loop.close()
