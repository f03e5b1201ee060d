"""What is wrong is found once, and said by the overview, `pipeline top` and doctor."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from pydantic_core import to_json

from runner import Context, job
from runner.broker import keys
from runner.broker.redis_clock import redis_now
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.findings import Severity, examined, findings, of_store
from runner.operations.redis_info import store
from runner.operations.session import OperatorSession
from runner.operations.snapshot import look
from runner.terminal.overview import Overview
from tests.runner_kit import eventually, working
from tests.visit import visiting

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE = "default"


@job(queue=QUEUE, max_retries=0)
async def die(ctx: Context, shard: int) -> None:
    """Fail for good, of one cause."""
    del ctx
    raise LookupError(f"shard {shard}: index file is truncated at byte {shard * 77}")


CATALOG = Catalog.of([die])


async def _has_died(redis: QueueClient, many: int) -> bool:
    dead: int = await redis.zcard(keys.ARQ.queue_key(QUEUE) + keys.DEAD_SUFFIX)
    return dead == many


async def test_dead_jobs_of_one_cause_are_one_finding_on_every_face(
    redis: QueueClient, redis_url: str
) -> None:
    """Ten of them are an error; the page offers to retry exactly those."""
    async with working(redis_url, die):
        for shard in range(10):
            await die.enqueue(shard)
        await eventually(partial(_has_died, redis, 10))
        seen = await look(redis, (QUEUE,), CATALOG)
        found = findings(seen)
        [dead] = [one for one in found if one.group is not None]
        assert (dead.severity, dead.text) == (Severity.ERROR, "10 jobs of die died of one error")
        assert found[0] is dead
        session = OperatorSession(redis, (QUEUE,), {}, (), CATALOG, Operator(redis, "tester"))
        assert f"✖ {dead.text}" in (await Overview().look(session)).summary
        async with visiting(redis) as browser:
            page = (await browser.get("/")).text
        assert dead.text in page
        assert "things are wrong" in page
        assert "Retry 10…" in page
    assert dead.text in [one.text for one in examined(seen)]


async def test_queue_without_a_worker_and_a_paused_one_are_found(redis: QueueClient) -> None:
    """The one whose jobs wait is worse."""
    await die.enqueue(1)
    await Operator(redis, "ada").pause("analytics")
    found = {one.queue: one for one in findings(await look(redis, (QUEUE, "analytics"), CATALOG))}
    assert found[QUEUE].severity is Severity.ERROR
    assert "no worker takes jobs of default" in found[QUEUE].text
    assert found["analytics"].severity is Severity.WARNING


@pytest.mark.parametrize(
    ("risk", "said"),
    [
        ("it keeps nothing on disk: set appendonly yes", "Redis keeps nothing on disk"),
        ("it evicts keys when full: set noeviction", "Redis evicts keys when full"),
        ("it is saved only now and then: set both", "Redis is saved only now and then"),
    ],
)
async def test_risk_of_redis_names_it(redis: QueueClient, risk: str, said: str) -> None:
    """A finding stands alone: it says what it is about, and counts no jobs where none waits."""
    server = replace(await store(redis), risks=(risk,))
    [found] = [one for one in of_store(server, []) if one.name == "durability"]
    assert (found.text, found.facts) == (said, "no job waits now")


@pytest.mark.parametrize(("lag_ms", "is_blocked"), [(120.0, False), (480.0, False), (840.0, True)])
async def test_late_loop_is_marked_where_it_is_a_finding(
    redis: QueueClient, lag_ms: float, *, is_blocked: bool
) -> None:
    """The list of workers colours a loop's lag if, and only if, that is worth a look."""
    now = await redis_now(redis)
    beat = {
        "id": "host:1:abc",
        "queue": QUEUE,
        "host": "host",
        "pid": 1,
        "slots": 10,
        "busy": 0,
        "jobs": ["die"],
        "started_at": now.isoformat(),
        "release": "1",
        "beat_ms": round(now.timestamp() * 1000),
        "rss": 1_000_000,
        "lag_ms": lag_ms,
    }
    await redis.set(keys.ARQ.worker_prefix + "host:1:abc", to_json(beat), ex=60)
    workers = keys.ARQ.queue_key(QUEUE) + keys.WORKERS_SUFFIX
    await redis.zadd(workers, {"host:1:abc": now.timestamp() * 1000})
    async with visiting(redis) as browser:
        page = (await browser.get("/workers")).text
    assert f"{lag_ms:.0f} ms" in page
    assert ('class="num retrying"' in page) is is_blocked
    names = [one.name for one in findings(await look(redis, (QUEUE,), CATALOG))]
    assert ("event loop" in names) is is_blocked
