"""Flows: a node starts once, when what it needs is done, and gets the results."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runner import (
    Context,
    Failed,
    Flow,
    FlowRun,
    JobHandle,
    JobState,
    Node,
    chain,
    group,
    job,
    prev,
)
from runner.admin import Admin
from runner.batch_books import ask, look_after
from runner.broker import keys
from runner.broker.scripts.fields import BatchHead, FlowNode
from runner.errors import JobFailedError
from runner.operations.batches import batch
from runner.operations.catalog import Catalog
from runner.operations.why import why
from tests.runner_kit import dead_ids, eventually, stage, working

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

FAR_MS = 1e15


@dataclass
class Frame:
    """What `fetch` returns."""

    charts: list[str]
    title: str


@job(queue="default", keep_result_s=0)
async def fetch(_: Context, count: int) -> Frame:
    """Return a frame with so many charts."""
    return Frame([f"chart {at}" for at in range(count)], "June")


@job(queue="analytics", max_retries=0)
async def draw(_: Context, chart: str, title: str = "") -> str:
    """Return a page; fail while the stage is closed, if the chart says so."""
    if chart.startswith("bad") and not stage.go.is_set():
        raise ValueError("no such chart")
    return f"{chart} of {title}"


@job(queue="default")
async def bind(_: Context, pages: list[str], more: dict[str, list[str]] | None = None) -> int:
    """Return how many pages there are."""
    return len(pages) + sum(map(len, (more or {}).values()))


@job(queue="default")
async def judge(_: Context, page: str | Failed) -> str:
    """Return what became of a page."""
    return page.message if isinstance(page, Failed) else page


@job(queue="default")
async def wait(_: Context) -> str:
    """Wait for the stage."""
    await stage.hold()
    return "went on"


@job(queue="default")
async def announce(_: Context, what: str) -> str:
    """Return *what*."""
    return what


async def leftovers(redis: QueueClient, flow: Flow) -> set[str]:
    """Return the keys of *flow* that stay while it has not ended."""
    names = [f"arq:batch:{flow.id}:{one}" for one in ("letters", "results", "ready", "pending")]
    return {name for name in names if await redis.exists(name)}


def working_both(redis_url: str) -> tuple[Any, Any]:
    """Return the worker of one queue, within that of the other."""
    return working(redis_url, fetch, bind, judge, wait, announce), working(
        redis_url, draw, queue="analytics"
    )


async def test_results_go_to_the_nodes_that_need_them(redis_url: str, redis: QueueClient) -> None:
    """Also to several, from other queues, as parts, and though the jobs keep no result."""
    flow = Flow("report", success=announce.call("sent"))
    data = flow.add(fetch.call(count=2))
    first = flow.add(draw.call(data.out.charts[0], title=data.out.title))
    second = flow.add(draw.call(chart=data.out.charts[1]))
    done = flow.add(bind.call([first.out, second.out, "cover"], more={"x": data.out.charts}))
    run = await flow.start()
    assert run.created
    one, other = working_both(redis_url)
    async with one, other:
        assert await run.result(done, timeout_s=5) == 5
        assert await run.result(first, timeout_s=5) == "chart 0 of June"
        assert await JobHandle[str](f"{flow.id}:success", "default").result(timeout_s=5) == "sent"
    assert set((await run.states()).values()) == {"done"}
    progress = await run.progress()
    assert (progress.queues["default"].done, progress.queues["analytics"].done) == (2, 2)
    assert await leftovers(redis, flow) == set()


@pytest.mark.parametrize("count", [0, 1, 7])
async def test_map_has_a_job_for_each_item(redis_url: str, redis: QueueClient, count: int) -> None:
    """However many there are, in order, with results of other nodes beside it."""
    flow = Flow("report")
    data = flow.add(fetch.call(count=count))
    pages = flow.map(lambda chart: draw.call(chart, title=data.out.title), over=data.out.charts)
    again = flow.map(draw.call, over=pages.out)
    done = flow.add(bind.call(pages=again.out))
    run = await flow.start()
    one, other = working_both(redis_url)
    async with one, other:
        assert await run.result(done, timeout_s=5) == count
        drawn = await run.result(again, timeout_s=5)
        assert drawn == [f"chart {at} of June of " for at in range(count)]
    assert await leftovers(redis, flow) == set()
    assert (await run.progress()).queues["default"].done == 2
    if count:
        assert (await run.progress()).queues["analytics"].done == 2 * count


async def test_map_over_many_items_has_some_of_its_jobs_in_their_queue(
    redis_url: str, redis: QueueClient
) -> None:
    """No more than 500; each that ends brings the next."""
    flow = Flow("report")
    data = flow.add(fetch.call(count=510))
    pages = flow.map(draw.call, over=data.out.charts)
    done = flow.add(bind.call(pages=pages.out))
    run = await flow.start()
    async with working(redis_url, fetch, bind):
        await eventually(lambda: _is(run, {1: "done", 2: "started", 3: "1"}))
        assert await redis.zcard("arq:queue:analytics") == 500
        async with working(redis_url, draw, queue="analytics"):
            assert await run.result(done, timeout_s=60) == 510


async def test_successors_of_a_dead_node_wait_until_it_is_retried(
    redis_url: str, redis: QueueClient
) -> None:
    """The flow has not ended meanwhile; the rest goes on after the retry."""
    flow = Flow("report", complete=announce.call("over"), death=announce.call("dead"))
    page = flow.add(draw.call("bad"))
    done = flow.add(bind.call([page.out]))
    run = await flow.start()
    one, other = working_both(redis_url)
    async with one, other:
        await eventually(lambda: _is(run, {1: "dead", 2: "1"}))
        assert await JobHandle(f"{flow.id}:complete", "default").state() is JobState.UNKNOWN
        assert await JobHandle[str](f"{flow.id}:death", "default").result(timeout_s=5) == "dead"
        stage.go.set()
        assert await run.retry_dead() == 1
        assert await run.result(done, timeout_s=5) == 1
        assert await JobHandle[str](f"{flow.id}:complete", "default").result(timeout_s=5) == "over"
    assert await leftovers(redis, flow) == set()


async def _is(run: FlowRun, states: dict[int, str]) -> bool:
    return await run.states() == states


async def test_flow_goes_on_without_a_failed_node(redis_url: str, redis: QueueClient) -> None:
    """Those that need it get why it failed; a retry that succeeds later starts nothing again."""
    flow = Flow("report")
    page = flow.add(draw.call("bad"), on_failure="go_on")
    done = flow.add(judge.call(page.out))
    run = await flow.start()
    one, other = working_both(redis_url)
    async with one, other:
        assert await run.result(done, timeout_s=5) == "no such chart"
        stage.go.set()
        await run.retry_dead()
        await eventually(lambda: _no_dead(redis))
    assert await run.states() == {1: "failed", 2: "done"}
    assert (await run.progress()).queues["default"].total == 1


async def _no_dead(redis: QueueClient) -> bool:
    return not await dead_ids(redis, "analytics")


async def test_node_that_fails_cancels_the_rest(redis_url: str, redis: QueueClient) -> None:
    """What waits is dropped in that step; the poller stops what runs; no success follows."""
    flow = Flow("report", complete=announce.call("over"), success=announce.call("never"))
    page = flow.add(draw.call("bad"), on_failure="cancel")
    other = flow.add(wait.call())
    flow.add(bind.call([page.out, other.out]))
    run = await flow.start()
    one, two = working_both(redis_url)
    async with one:
        await stage.started.next()
        async with two:
            await eventually(lambda: _is(run, {1: "dead", 2: "started", 3: "aborted"}))
        await look_after(redis, now_ms=FAR_MS)
        await eventually(lambda: _is(run, {1: "dead", 2: "aborted", 3: "aborted"}))
        assert await JobHandle[str](f"{flow.id}:complete", "default").result(timeout_s=5) == "over"
    assert await JobHandle(f"{flow.id}:success", "default").state() is JobState.UNKNOWN


async def test_cancelled_flow_drops_what_waits_and_stops_what_runs(
    redis_url: str, redis: QueueClient
) -> None:
    """Whoever waits for a node that never starts is told."""
    flow = Flow("report", complete=announce.call("over"))
    first = flow.add(wait.call())
    done = flow.add(judge.call(first.out))
    run = await flow.start()
    async with working(redis_url, wait, judge, announce):
        await stage.started.next()
        assert await run.cancel()
        with pytest.raises(JobFailedError, match="aborted"):
            await run.result(done, timeout_s=5)
        await eventually(lambda: _is(run, {1: "aborted", 2: "aborted"}))
        assert await JobHandle[str](f"{flow.id}:complete", "default").result(timeout_s=5) == "over"
    assert not await run.cancel()
    assert await leftovers(redis, flow) == set()


@pytest.mark.parametrize("how", ["delete", "abort"])
async def test_node_that_is_deleted_or_aborted_cancels_the_rest(
    redis: QueueClient, how: str
) -> None:
    """Nothing could ever start what needs it."""
    flow = Flow("report")
    page = flow.add(draw.call("a"))
    flow.add(bind.call([page.out]))
    run = await flow.start()
    await getattr(Admin(redis), how)("analytics", f"{flow.id}:1")
    assert (await run.states())[2] == "aborted"
    assert await leftovers(redis, flow) == set()


async def test_node_that_is_moved_goes_on(redis_url: str, redis: QueueClient) -> None:
    """Into another queue: it has not ended."""
    flow = Flow("report")
    page = flow.add(draw.call("a"))
    done = flow.add(bind.call([page.out]))
    run = await flow.start()
    await Admin(redis).move("analytics", f"{flow.id}:1", "default")
    async with working(redis_url, draw, bind, queue="default"):
        assert await run.result(done, timeout_s=5) == 1


async def test_flow_of_an_id_starts_once(redis: QueueClient) -> None:
    """A second start finds the first, and adds nothing."""
    for created in (True, False):
        flow = Flow("report", id="june")
        flow.add(fetch.call(1))
        assert (await flow.start()).created is created
    assert await redis.zcard("arq:queue:default") == 1


async def test_nothing_is_left_of_a_flow_whose_creator_died_before_its_start(
    redis: QueueClient,
) -> None:
    """None of its nodes runs, and its callbacks do not come."""
    head = BatchHead("nodes", "half", keys.BATCH_TTL_S, 60_000, name="x", flow="token")
    node = FlowNode("1", "wait\n\n\ndefault\nfetch", b"arq:queue:default\n{\n}\ndefault\n\n", 0)
    assert await ask(redis, head, [str(one) if isinstance(one, int) else one for one in node]) == 1
    assert await redis.zcard("arq:queue:default") == 0
    await redis.hset("arq:batch:half:plan", "open_until_ms", "1")  # type: ignore[misc]
    await look_after(redis, now_ms=FAR_MS)
    assert [one async for one in redis.scan_iter("arq:batch*")] == []


async def test_large_flow_starts_in_bounded_calls(redis_url: str, redis: QueueClient) -> None:
    """A thousand nodes that need nothing, and one that needs all of them."""
    flow = Flow("large")
    pages = [flow.add(draw.call(f"{at}")) for at in range(1200)]
    done = flow.add(bind.call([one.out for one in pages]))
    run = await flow.start()
    assert await redis.zcard("arq:queue:analytics") == 1200
    one, other = working_both(redis_url)
    async with one, other:
        assert await run.result(done, timeout_s=60) == 1200


@job(queue="default")
async def add_up(_: Context, own: int, numbers: list[int]) -> int:
    """Return the sum."""
    return (own + sum(numbers)) % 1_000_003


async def test_random_flow_of_a_thousand_computes_what_plain_python_does(
    redis_url: str, redis: QueueClient
) -> None:
    """Whatever needs what; each node runs once."""
    dice = random.Random(18)  # noqa: S311 -- repeatable
    needs = [dice.sample(range(at), dice.randint(0, min(at, 5))) for at in range(1000)]
    values: list[int] = []
    for at, of in enumerate(needs):
        values.append((at + sum(values[one] for one in of)) % 1_000_003)
    flow = Flow("random")
    nodes: list[Node[int]] = []
    for at, of in enumerate(needs):
        nodes.append(flow.add(add_up.call(at, [nodes[one].out for one in of])))
    ends = flow.last
    assert isinstance(ends, list)
    run = await flow.start()
    async with working(redis_url, add_up):
        assert await run.last_result(timeout_s=60) == [values[one - 1] for one in ends]
    assert (await run.progress()).queues["default"].done == 1000
    assert await leftovers(redis, flow) == set()


async def test_chain_passes_each_result_to_the_next_step(redis_url: str) -> None:
    """A group is one step, whose result is a list."""
    flow = chain(
        fetch.call(2),
        group(draw.call(prev.charts[0]), draw.call(prev.charts[1], title=prev.title)),
        bind.call(prev),
    )
    run = await flow.start()
    one, other = working_both(redis_url)
    async with one, other:
        assert await run.last_result(timeout_s=5) == 2


async def test_jobs_of_a_map_that_die_hold_up_what_needs_the_map(
    redis_url: str, redis: QueueClient
) -> None:
    """Until they are retried; the others run meanwhile."""
    flow = Flow("report")
    titles = flow.add(wait_for_titles.call())
    pages = flow.map(draw.call, over=titles.out)
    done = flow.add(bind.call(pages.out))
    run = await flow.start()
    async with (
        working(redis_url, wait_for_titles, bind),
        working(redis_url, draw, queue="analytics"),
    ):
        await eventually(lambda: _has_dead(redis, 2))
        assert (await run.states())[3] == "1"
        stage.go.set()
        assert await run.retry_dead() == 2
        assert await run.result(done, timeout_s=5) == 4


@job(queue="default")
async def wait_for_titles(_: Context) -> list[str]:
    """Return titles of charts, some of which fail."""
    return ["a", "bad 1", "b", "bad 2"]


async def _has_dead(redis: QueueClient, count: int) -> bool:
    return len(await dead_ids(redis, "analytics")) == count


async def test_operator_sees_what_each_node_waits_for(redis: QueueClient) -> None:
    """`why` of a node names the nodes that it needs, and `show` has all of them as a tree."""
    flow = Flow("report")
    data = flow.add(fetch.call(1))
    pages = flow.map(draw.call, over=data.out.charts)
    flow.add(bind.call(pages=pages.out, more={"x": data.out.charts}))
    await flow.start()
    told = await why(redis, ["default", "analytics"], f"{flow.id}:3", Catalog())
    assert told.cause == "flow"
    assert f"fetch ({flow.id}:1, started), draw ({flow.id}:2, waiting)" in told.sentence
    nodes = (await batch(redis, flow.id)).nodes
    assert [(one.name, one.state, one.needs, one.waits_for, one.depth) for one in nodes] == [
        ("fetch", "started", [], [], 0),
        ("draw", "waiting", [1], [1], 1),
        ("bind", "waiting", [1, 2], [1, 2], 2),
    ]
    await FlowRun(flow.id).cancel()
    told = await why(redis, ["default", "analytics"], f"{flow.id}:3", Catalog())
    assert "cancelled" in told.sentence


async def test_node_that_another_program_has_ended_passes_its_result_on(
    redis_url: str, redis: QueueClient
) -> None:
    """The poller finds what a stock arq worker has done, with the result that it left."""
    flow = Flow("report")
    page = flow.add(draw.call("a"))
    done = flow.add(judge.call(page.out))
    run = await flow.start()
    await redis.delete(f"arq:job:{flow.id}:1")
    await redis.zrem("arq:queue:analytics", f"{flow.id}:1")
    await redis.set(f"arq:result:{flow.id}:1", b'{"s":true,"r":"by another"}')
    await look_after(redis, now_ms=FAR_MS)
    async with working(redis_url, judge):
        assert await run.result(done, timeout_s=5) == "by another"
