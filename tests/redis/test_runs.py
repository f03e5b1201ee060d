"""A run is one graph, from whichever of its jobs it is read: what led to what, and when."""

from __future__ import annotations

import html
import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import structlog

from runner import Batch, Context, Flow, JobState, job
from runner.broker import keys
from runner.commands.run_of import bar, run_of
from runner.enqueue import current_trace
from runner.operations.actions import Operator
from runner.operations.batches import batches
from runner.operations.catalog import Catalog
from runner.operations.job import job as look_at
from runner.operations.run_list import latest
from runner.operations.runs import Runs
from runner.operations.session import OperatorSession
from runner.telemetry.job_log import KeepLines
from tests.runner_kit import eventually, stage, working
from tests.visit import visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from runner import QueueClient
    from runner.commands.output import Shown
    from runner.operations.runs import RunGraph

QUEUE = "default"
_log = structlog.get_logger("tests.runs")


@job(queue=QUEUE)
async def sync(ctx: Context, channel: str) -> str:  # noqa: ARG001 -- a job has its context
    """Begin a run."""
    _log.info("read", items=3)
    await analyze.options(job_id=f"analyze:{channel}").enqueue(channel)
    return f"3 items of {channel}"


@job(queue=QUEUE)
async def analyze(ctx: Context, channel: str) -> int:  # noqa: ARG001
    """Lead to some that are alike, and one that fails."""
    _log.info("analysed")
    for number in range(5):
        await draw.options(job_id=f"draw:{channel}:{number}").enqueue(number)
    await advise.options(job_id=f"advise:{channel}").enqueue()
    return 5


@job(queue=QUEUE)
async def draw(ctx: Context, number: int) -> int:  # noqa: ARG001
    """Give a number."""
    return number


@job(queue=QUEUE, max_retries=0)
async def advise(ctx: Context) -> None:  # noqa: ARG001
    """Wait on the stage, then die."""
    await stage.hold()
    raise LookupError("no data of that day")


@job(queue=QUEUE)
async def add(_: Context, one: int, two: int) -> int:
    """Add, and say so: a result with log lines is written in another way."""
    _log.info("added")
    return one + two


class _Host:
    """An application, as a command has it."""

    def __init__(self, redis: QueueClient) -> None:
        self._redis = redis

    @asynccontextmanager
    async def operator_session(self) -> AsyncIterator[OperatorSession]:
        """Give what a command works with."""
        yield OperatorSession(self._redis, [QUEUE], {}, (), CATALOG, Operator(self._redis, "ada"))


async def _command(redis: QueueClient, job_id: str) -> Shown:
    read = getattr(run_of.callback, "reads")  # noqa: B009 -- click's type does not have it
    found: Shown = await read(_Host(redis), job_id=job_id)
    return found


JOBS = (sync, analyze, draw, advise, add)
CATALOG = Catalog.of(JOBS)


@pytest.fixture(autouse=True)
def _kept_lines() -> Iterator[None]:
    """Keep what jobs log; the results of those that did are written in another way."""
    structlog.configure(processors=[KeepLines(10), structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


def _runs(redis: QueueClient) -> Runs:
    return Runs(redis, [QUEUE], CATALOG)


async def _graph(redis: QueueClient, job_id: str) -> RunGraph:
    runs = _runs(redis)
    key = await runs.of_job(job_id)
    assert key is not None
    graph = await runs.graph(key)
    while (
        not graph.is_complete
    ):  # one look takes a moment at most: on a busy machine not all is read
        graph = await runs.graph(key)
    return graph


def _tree(graph: RunGraph) -> list[tuple[int, str, str]]:
    return [(one.depth, one.job_id, str(one.state)) for one in graph.jobs]


async def test_what_a_caller_says_follows_from_a_job_is_part_of_its_run(
    redis: QueueClient, redis_url: str
) -> None:
    """Also where the job is of a batch, after which a flow is named; what comes apart is not."""
    async with working(redis_url, *JOBS):
        async with Batch() as batch:
            first = await add.enqueue(1, 2)
        with first.followed():
            flow = Flow(id=f"{batch.id}:more")
            flow.add(add.call(3, 4))
            await flow.start()
        await add.enqueue(5, 6)
        await eventually(lambda: _have_ended(redis, 3))
    graph = await _graph(redis, first.id)
    assert [one.job_id for one in graph.jobs] == [first.id, f"{batch.id}:more:1"]
    page = await latest(redis, [QUEUE], CATALOG)
    assert [(one.name, one.jobs, one.is_whole) for one in page.rows] == [("add", 2, True)]


async def test_run_is_the_same_from_each_of_its_jobs(redis: QueueClient, redis_url: str) -> None:
    """While it goes on and after: who led to whom, how long each ran, and what the whole awaits."""
    async with working(redis_url, *JOBS):
        await sync.options(job_id="other").enqueue("UC2")
        await sync.options(job_id="root").enqueue("UC1")
        await eventually(lambda: stage.running == 2)
        await eventually(lambda: _have_ended(redis, 14))
        going = await _graph(redis, "draw:UC1:3")
        assert _tree(going)[:3] == [
            (0, "root", "done"),
            (1, "analyze:UC1", "done"),
            (2, "draw:UC1:0", "done"),
        ]
        assert len(going.jobs) == 8
        assert going.ended_at is None
        assert [one.job_id for one in going.path] == ["root", "analyze:UC1", "advise:UC1"]
        assert "1 of 8 jobs not ended: advise (running)" in going.sentence
        stage.go.set()
        await eventually(lambda: _are_dead(redis, 2))

    graph = await _graph(redis, "root")
    died = next(one.job_id for one in graph.jobs if one.state is JobState.DEAD)
    assert died.startswith("advise:UC1~")
    for other in ("analyze:UC1", died):
        assert _tree(await _graph(redis, other)) == _tree(graph)
    by_id = {one.job_id: one for one in graph.jobs}
    assert by_id[died].led_by == "analyze:UC1"
    assert by_id[died].gave == "LookupError: no data of that day"
    assert by_id["root"].gave == "3 items of UC1"
    assert graph.sentence.startswith("1 of 8 jobs dead: advise.")
    assert graph.ended_at == by_id[died].ended_at
    assert graph.began_at == by_id["root"].due_at
    assert graph.took_s == pytest.approx(graph.ran_s + (graph.waited_s or 0))
    assert graph.is_complete
    assert "█" in bar(by_id["root"], graph)
    assert "▒" in bar(by_id[died], graph)

    async with visiting(redis) as browser:
        told = (await browser.get("/api/runs/draw:UC1:3")).json()
        assert [one["job_id"] for one in told["jobs"]] == [one.job_id for one in graph.jobs]
        page = await browser.get("/runs/root?job=default%7Croot", follow_redirects=True)
        assert page.status_code == 200
        assert "trace=" in str(page.url)
        assert all(one.job_id in page.text for one in graph.jobs)
        assert "items=3" in page.text
        assert (await browser.get("/runs/nobody")).status_code == 404
        assert (await browser.get("/api/runs/nobody")).status_code == 404
        assert (await browser.get("/runs?trace=xyz")).status_code == 404

    await _are_listed(redis, graph)
    command = await _command(redis, "draw:UC1:3")
    lines = [line for part in command.parts for line in part.lines(None)]
    assert graph.sentence in lines[0]
    assert [line.split()[0] for line in lines if "draw:UC1" in line] == ["draw"] * 5
    assert (await _command(redis, "nobody")).status == 1

    await redis.delete(*[keys.ARQ.result_prefix + f"draw:UC1:{number}" for number in range(5)])
    left = await _graph(redis, "root")
    assert (len(left.jobs), left.gone) == (3, 5)


async def _are_listed(redis: QueueClient, graph: RunGraph) -> None:
    """Check the list of the runs "root" and "other": each row leads to its page."""
    rows = (await latest(redis, [QUEUE], CATALOG)).rows
    assert [(one.name, one.jobs, str(one.state), one.is_whole) for one in rows] == [
        ("sync", 8, "dead", True),
        ("sync", 8, "dead", True),
    ]
    assert [one.job_id for one in rows] == ["root", "other"]
    assert (rows[0].trace, rows[0].first_dead) == (graph.trace, "advise")
    assert (rows[0].began_at, rows[0].ended_at) == (graph.began_at, graph.ended_at)
    async with visiting(redis) as browser:
        told = (await browser.get("/api/runs")).json()["rows"]
        assert [one["trace"] for one in told] == [one.trace for one in rows]
        page = await browser.get("/runs")
        for one in rows:
            link = re.search(rf'href="(/runs\?trace={one.trace}[^"]*)"', page.text)
            assert link is not None
            shown = await browser.get(html.unescape(link[1]))
            assert shown.text.count("advise") > 0


async def test_trace_of_the_caller_is_the_run(redis: QueueClient, redis_url: str) -> None:
    """Jobs that continue a sampled trace keep it as it is, and are found by it."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    stage.go.set()
    async with working(redis_url, *JOBS):
        token = current_trace.set(f"00-{trace}-00f067aa0ba902b7-01")
        await sync.enqueue("UC1")
        current_trace.reset(token)
        await eventually(lambda: _are_dead(redis, 1))
    graph = await _graph(redis, "draw:UC1:3")
    assert (graph.trace, len(graph.jobs)) == (trace, 8)
    assert {one.depth for one in graph.jobs} == {0}


async def _are_dead(redis: QueueClient, many: int) -> bool:
    return bool(await redis.zcard(keys.ARQ.queue_key(QUEUE) + keys.DEAD_SUFFIX) == many)


async def test_batch_and_flow_are_runs(redis: QueueClient, redis_url: str) -> None:
    """A flow shows what needs what, nodes without a job included; a batch what followed it."""
    flow = Flow("sums", id="f1")
    first = flow.add(draw.call(1))
    second = flow.add(draw.call(2))
    flow.add(add.call(first.out, second.out))
    await flow.start()
    runs = _runs(redis)
    waiting = await runs.graph(await runs.of_batch("f1"))
    assert [str(one.state) for one in waiting.jobs].count("unknown") == 1
    assert waiting.jobs[1].gave == "node 3 waits for 1, 2"
    async with Batch("nightly", id="b1", success=draw.call(9)):
        await draw.options(job_id="in-batch").enqueue(4)
    async with working(redis_url, *JOBS):
        await eventually(lambda: _have_ended(redis, 5))
    graph = await runs.graph(await runs.of_batch("f1"))
    by_id = {one.job_id: one for one in graph.jobs}
    assert {one.gave for one in graph.jobs} == {"1", "2", "3"}
    assert by_id["f1:3"].led_by in {"f1:1", "f1:2"}
    assert by_id["f1:3"].depth == 1
    assert (await _graph(redis, "f1:2")).batch_id == "f1"
    view = await look_at(redis, QUEUE, "f1:3", CATALOG)
    assert view is not None
    assert view.arguments == {"one": "(from node 1)", "two": "(from node 2)"}
    page = await batches(redis)
    assert {(one.batch_id, one.state, one.ended_at is None) for one in page.rows} == {
        ("f1", "ended", False),
        ("b1", "ended", False),
    }
    listed = await latest(redis, [QUEUE], CATALOG)
    assert {(one.name, one.batch_id, one.jobs) for one in listed.rows} == {
        ("sums", "f1", 3),
        ("nightly", "b1", 1),
    }
    assert listed.single == 1
    batch = await _graph(redis, "in-batch")
    assert {one.job_id for one in batch.jobs} == {"in-batch", "b1:success"}
    assert batch.name == "nightly"
    async with visiting(redis) as browser:
        assert (await browser.get("/runs?batch=f1")).status_code == 200
        told = await browser.get("/api/batches/b1/run")
        assert json.loads(told.text)["batch_id"] == "b1"


async def test_node_that_died_is_one_job_of_its_flow(redis: QueueClient, redis_url: str) -> None:
    """It has left a result under its first id; what needs it waits below it."""
    stage.go.set()
    flow = Flow("dies", id="f2")
    first = flow.add(advise.call())
    flow.add(draw.call(1), after=[first])
    async with working(redis_url, *JOBS):
        await flow.start()
        await eventually(lambda: _are_dead(redis, 1))
    runs = _runs(redis)
    graph = await runs.graph(await runs.of_batch("f2"))
    dead, waits = graph.jobs
    assert (dead.state, dead.depth) == (JobState.DEAD, 0)
    assert (waits.job_id, waits.depth, waits.led_by) == ("f2:2", 1, dead.job_id)
    assert graph.sentence.startswith("1 of 2 jobs dead: advise.")


async def _have_ended(redis: QueueClient, many: int) -> bool:
    return bool(await redis.zcard(keys.ARQ.queue_key(QUEUE) + keys.DONE_SUFFIX) == many)
