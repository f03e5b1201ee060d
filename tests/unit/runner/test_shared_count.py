"""Copies are counted for many calls at once, each on the connection over which it wrote."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from runner.enqueuer import SharedCount


class Script:
    """A connection that counts when it is let, and writes down for how many copies it waited."""

    def __init__(self) -> None:
        self.line: object | None = object()
        self.began, self.may_count = asyncio.Event(), asyncio.Event()
        self.asked: list[int] = []

    async def copies(self, least: int, _longest_ms: int) -> int:
        """Return how many there are: two."""
        self.asked.append(least)
        self.began.set()
        await self.may_count.wait()
        return 2


def _counting(script: Script, *calls: int) -> tuple[SharedCount, list[asyncio.Task[int]]]:
    counts = SharedCount(cast("Any", script))
    return counts, [asyncio.create_task(counts.copies(least)) for least in calls]


async def test_calls_share_a_count_that_has_not_begun() -> None:
    """One that has begun says nothing of what was written since; the most copies are awaited."""
    script = Script()
    counts, first = _counting(script, 1, 1)
    await script.began.wait()
    later = [asyncio.create_task(counts.copies(least)) for least in (1, 2, 1)]
    await asyncio.sleep(0)
    script.may_count.set()

    assert await asyncio.gather(*first, *later) == [2] * 5
    assert script.asked == [1, 2]


async def test_count_on_another_connection_says_nothing() -> None:
    """A replica may have all that was written over it, and not what was written before a loss."""
    script = Script()
    script.may_count.set()
    counts, calls = _counting(script, 1)
    # The call has noted its connection, and the count is about to begin.
    await asyncio.sleep(0)
    script.line = object()

    assert await asyncio.gather(*calls) == [0]
    assert await counts.copies(1) == 2
    script.line = None
    assert await counts.copies(1) == 0


async def test_cancelled_call_leaves_the_count_to_others() -> None:
    """Its error, if there is one, is theirs."""
    script = Script()
    counts, [one, other] = _counting(script, 1, 1)
    await script.began.wait()
    one.cancel()
    script.may_count.set()

    assert await other == 2
    assert one.cancelled()
    await counts.close()
