"""Flows in a simulated world: a worker is killed at every step, and each node still starts once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from runner import Bury, Context, Failed, Flow, WorkerSettings, job
from runner.current import current_client
from runner.simulation import crash_everywhere, simulate

if TYPE_CHECKING:
    from runner.simulation import World

TRIED = 60
"""Steps after which a worker is killed, spread over all; with a larger number, more of them."""

seen: list[tuple[str, str]] = []
"""Each attempt: the job's id, and what it was given."""


@job(queue="pages", max_retries=5)
async def read(ctx: Context, count: int) -> list[str]:
    """Return so many titles; at the second attempt."""
    seen.append((ctx.job_id, ""))
    if ctx.attempt == 1:
        raise ConnectionError("not yet")
    return [f"title {at}" for at in range(count)]


@job(queue="pages", max_retries=5)
async def draw(ctx: Context, title: str) -> str:
    """Return a page."""
    seen.append((ctx.job_id, title))
    await asyncio.sleep(0.2)
    return f"page of {title}"


@job(queue="pages")
async def fail(ctx: Context) -> str:
    """Die."""
    seen.append((ctx.job_id, ""))
    raise Bury("no such chart")


@job(queue="pages", max_retries=5)
async def bind(ctx: Context, pages: list[str], last: str | Failed, titles: list[str]) -> list[str]:
    """Return all that it was given."""
    seen.append((ctx.job_id, ""))
    why = last.message if isinstance(last, Failed) else last
    return [*pages, why, *titles]


@job(queue="pages", max_retries=5)
async def begin(ctx: Context) -> str:
    """Start a flow in a job."""
    flow = Flow("begun by a job", id=f"begun-{ctx.attempt}")
    titles = [flow.add(read.call(count=2)) for _ in range(3)]
    flow.add(bind.call(pages=titles[0].out, last="x", titles=titles[2].out))
    await flow.start()
    return flow.id


class Pages(WorkerSettings):
    """The worker of this module."""

    queue = "pages"
    jobs = (read, draw, fail, bind, begin)
    lease_s = 6.0
    heartbeat_s = 2.0
    blocked_limit_s = 3.0
    max_crashes = 20


async def _report(_: World) -> None:
    seen.clear()
    flow = Flow("report")
    titles = flow.add(read.call(count=3))
    pages = flow.map(draw.call, over=titles.out)
    last = flow.add(fail.call(), after=[titles], on_failure="go_on")
    done = flow.add(bind.call(pages=pages.out, last=last.out, titles=titles.out))
    run = await flow.start()
    bound = await run.result(done, timeout_s=600)
    own = [f"title {at}" for at in range(3)]
    assert bound == [*(f"page of {one}" for one in own), "no such chart", *own]
    progress = (await run.progress()).queues["pages"]
    # Each node was enqueued once, and counted as it ended.
    assert (progress.total, progress.done, progress.dead) == (6, 5, 1)
    # None ran before what it needs had ended: it had all that by its first attempt.
    first = {one: at for at, (one, _) in reversed([*enumerate(seen)])}
    order = [first[f"{flow.id}:{one}"] for one in ("1", "3", "4")]
    assert order == sorted(order)
    assert {title for one, title in seen if one.startswith(f"{flow.id}:2.")} == set(own)
    redis = current_client()
    key = f"arq:batch:{flow.id}"
    assert await redis.exists(f"{key}:letters", f"{key}:pending", f"{key}:ready") == 0


def test_each_node_starts_once_wherever_a_worker_is_killed() -> None:
    """With the results that it needs, after those nodes; and all of them are counted."""
    assert crash_everywhere(_report, Pages, most=TRIED) > TRIED


def test_flow_without_a_crash_runs_each_attempt_once() -> None:
    """The scenario of the crashes, undisturbed."""
    simulate(_report, Pages)
    assert set(Counter(one.rpartition(":")[2] for one, _ in seen).items()) == {
        ("1", 2),
        ("2.0", 1),
        ("2.1", 1),
        ("2.2", 1),
        ("3", 1),
        ("4", 1),
    }


async def _begun(_world: World) -> None:
    last = await (await begin.enqueue()).result(timeout_s=600)
    redis = current_client()
    for _ in range(600):
        state = await redis.hget(f"arq:batch:{last}:state", "4")  # type: ignore[misc]
        if state == b"done":
            return
        await asyncio.sleep(1)
    raise AssertionError(f"{last} has not ended: {state!r}")


@pytest.mark.parametrize("tried", [30])
def test_flow_of_a_creator_that_is_killed_runs_whole_or_not_at_all(tried: int) -> None:
    """Wherever it is killed: a second attempt finds it, or starts it."""
    assert crash_everywhere(_begun, Pages, most=tried) > tried
