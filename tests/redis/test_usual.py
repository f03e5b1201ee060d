"""The overview says beside a figure what is usual at this time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runner.broker import keys
from runner.broker.redis_clock import redis_now
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.findings import Severity, examined
from runner.operations.metrics import Cell
from runner.operations.session import OperatorSession
from runner.operations.snapshot import look
from runner.operations.usual import Band, Pace, UsualBands, usual
from runner.terminal.overview import Overview
from runner.worker.counts import BY_MINUTE, BY_TEN_MINUTES, SLOT_MS, page_key
from tests.visit import visiting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner import QueueClient

NOW = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)


def _day_before(days: int, done: int, failed: int = 0) -> list[Cell]:
    """Return an hour's counts about this time of day."""
    first = NOW - timedelta(days=days, minutes=25)
    return [Cell(first + number * timedelta(minutes=10), done, failed) for number in range(6)]


async def _count(redis: QueueClient, at: datetime, values: Mapping[str, int]) -> None:
    at_ms = int(at.timestamp() * 1000) // SLOT_MS * SLOT_MS
    own = keys.ARQ
    page = page_key(own, "default", "sync", BY_TEN_MINUTES, at_ms)
    async with redis.pipeline() as pipe:
        for name, many in values.items():
            pipe.hset(page, f"{at_ms}|{name}", str(many))
        await pipe.execute()


def test_usual_is_of_this_time_of_day() -> None:
    """Neither today nor another hour counts, and quiet times of days that were counted do."""
    cells = [
        *_day_before(2, 0),
        *_day_before(1, 200, failed=10),
        Cell(NOW - timedelta(hours=5), 9_000),
        Cell(NOW - timedelta(minutes=10), 7_000),
    ]
    early = [Cell(NOW - timedelta(days=2, hours=1), 1)]
    found = usual([*early, *cells], NOW)
    assert found is not None
    assert found.done == Band(0, 20)
    assert found.failing is not None
    assert (found.failing.low, found.failing.high) == pytest.approx((100 / 21, 100 / 21))
    assert found.is_failing_more(Cell(done=80, failed=20))
    assert not found.is_failing_more(Cell(done=9, failed=1))
    later = usual(cells, NOW)
    assert later is not None
    assert later.done == Band(20, 20)  # nothing was counted before: that was not 0


def test_too_little_says_nothing() -> None:
    """A band of a few minutes, or of nothing, would be made up."""
    assert usual([], NOW) is None
    assert usual(_day_before(1, 5)[:3], NOW) is None
    assert usual([Cell(NOW - timedelta(hours=3), 5)], NOW) is None


async def test_overview_says_what_is_usual(redis: QueueClient) -> None:
    """It is read once in five minutes."""
    now = await redis_now(redis)
    async with visiting(redis) as browser:
        assert "the last five full minutes" in (await browser.get("/")).text
    await redis.zadd(keys.ARQ.metrics, {"default|sync": now.timestamp() * 1000})
    for number in range(8):
        at = now - timedelta(days=1, minutes=40 - 10 * number)
        await _count(redis, at, {"n": 1_000 + 10 * number, "f": 10, "14": 1_000})
    async with visiting(redis) as browser:
        page = (await browser.get("/")).text
    assert "usual 10" in page
    assert "over the last 3 days" in page
    bands = UsualBands(redis)
    known = await bands.now()
    assert known is not None
    await redis.flushall()
    assert await bands.now() is known


async def test_every_face_says_the_same_is_usual(redis: QueueClient) -> None:
    """Page, `top`, API and doctor compare the same minutes with the same band."""
    now = await redis_now(redis)
    await redis.zadd(keys.ARQ.metrics, {"default|sync": now.timestamp() * 1000})
    for number in range(8):
        at = now - timedelta(days=1, minutes=40 - 10 * number)
        await _count(redis, at, {"n": 990, "f": 10, "14": 1_000})
    minute = now - timedelta(minutes=2)
    at_ms = int(minute.timestamp() * 1000) // 60_000 * 60_000
    for name, values in {"sync": {"n": 83, "f": 2}, "notify": {"n": 10, "f": 5, "14": 15}}.items():
        await redis.zadd(keys.ARQ.metrics, {f"default|{name}": now.timestamp() * 1000})
        page = page_key(keys.ARQ, "default", name, BY_MINUTE, at_ms)
        async with redis.pipeline() as pipe:
            pipe.hset(page, mapping={f"{at_ms}|{key}": many for key, many in values.items()})
            await pipe.execute()
    session = OperatorSession(redis, ("default",), {}, (), Catalog(), Operator(redis, "tester"))
    said = "7 % of the attempts of the last five minutes failed; usual 1 %"
    async with visiting(redis) as browser:
        page = (await browser.get("/")).text
        told = (await browser.get("/api/pace")).json()
    assert said in page
    assert "usual 1 %, 7 of 100" in page
    summary = str((await Overview().look(session)).summary)
    assert said in summary
    assert "7 % failing (usual 1 %)" in summary
    assert (told["done"], told["failed"], told["failing"]) == (93, 7, 7.0)
    assert told["is_failing_more"]
    assert told["usual"]["failing"] == {"low": 1.0, "high": 1.0}
    seen = await look(redis, ("default",), Catalog())
    [found] = [one for one in examined(seen) if one.name == "failures"]  # as doctor does
    assert (found.text, found.severity) == (said, Severity.WARNING)
    assert found.facts == "7 of 100 attempts · 5 of them of notify"


@pytest.mark.parametrize(
    ("last", "is_more"),
    [
        (Cell(done=95, failed=5), False),  # as usual
        (Cell(done=93, failed=7), True),
        (Cell(done=4, failed=4), False),  # too few to look at
        (Cell(), False),
    ],
)
def test_only_more_failures_than_usual_are_an_alarm(last: Cell, is_more: bool) -> None:  # noqa: FBT001
    """Few failures, and as many as always, are none."""
    found = usual(_day_before(1, 950, failed=50), NOW)
    assert found is not None
    pace = Pace.of(last, 5, found)
    assert pace.is_failing_more is is_more
    assert pace.usual_failing == "usual 5 %"
