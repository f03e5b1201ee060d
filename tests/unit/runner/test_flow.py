"""Flows without Redis: what is refused when one is built, and how a test runs one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from runner import Batch, Bury, Context, Failed, Flow, chain, group, job, prev
from runner.errors import ArgumentsError, ConfigurationError
from runner.testing import collect, drain, inline

if TYPE_CHECKING:
    from collections.abc import Callable


class Author(BaseModel):
    """A model whose JSON has other names."""

    full_name: str = Field(alias="fullName")


@dataclass
class Frame:
    """What `fetch` returns."""

    charts: list[int]
    title: str
    author: Author | None = None
    counts: dict[str, int] | None = None


@job(queue="default")
async def fetch(_: Context, count: int) -> Frame:
    """Return a frame."""
    return Frame([*range(count)], "June", Author(fullName="Ada"), {"a": 7})


@job(queue="default")
async def draw(_: Context, chart: int, title: str = "") -> str:
    """Return a page."""
    if chart < 0:
        raise Bury("no such chart")
    return f"{chart}{title}"


@job(queue="default")
async def bind(_: Context, pages: list[str]) -> str:
    """Return all pages."""
    return ",".join(pages)


@job(queue="default")
async def add(_: Context, own: int, numbers: list[int]) -> int:
    """Return the sum."""
    return (own + sum(numbers)) % 1_000_003


@job(queue="default")
async def judge(_: Context, page: str | Failed) -> str:
    """Return what became of a page."""
    return page.message if isinstance(page, Failed) else page


@job(queue="default")
async def take(_: Context, value: Any) -> Any:
    """Return anything."""
    return value


def _other() -> Any:
    return Flow("other").add(fetch.call(1))


REFUSED: dict[str, Callable[[Any, Any], object]] = {
    "a text for a number": lambda flow, data: flow.add(draw.call(data.out.title)),
    "an object for a list": lambda flow, data: flow.add(bind.call(data.out)),
    "numbers for texts": lambda flow, data: flow.add(bind.call(data.out.charts)),
    "a number in a list of texts": lambda flow, data: flow.add(bind.call([data.out.charts[0]])),
    "a field that is none": lambda flow, data: flow.add(take.call(data.out.pages)),
    "an item of what has none": lambda flow, data: flow.add(take.call(data.out.title[0])),
    "a slice": lambda flow, data: flow.add(take.call(data.out.charts[1:])),
    "a loop": lambda flow, data: [flow.add(draw.call(one)) for one in data.out.charts],
    "a question": lambda flow, data: flow.add(draw.call(1)) if data.out.charts else None,
    "another flow's node": lambda flow, _: flow.add(take.call(_other().out)),
    "after another flow's node": lambda flow, _: flow.add(take.call(1), after=[_other()]),
    "prev outside a chain": lambda flow, _: flow.add(take.call(prev)),
    "prev in a first step": lambda _flow, _: chain(take.call(prev)),
    "no step": lambda _flow, _: chain(),
    "an empty group": lambda _flow, _: chain(group()),
    "a map over a text": lambda flow, data: flow.map(draw.call, over=data.out.title),
    "a map over a list": lambda flow, _: flow.map(draw.call, over=[1]),
    "a map whose items do not fit": lambda flow, data: flow.map(bind.call, over=data.out.charts),
    "an unknown policy": lambda flow, _: flow.add(take.call(1), on_failure="never"),
    "a job in place of a call": lambda flow, _: flow.add(take),
    "Failed where it does not fit": lambda flow, _: flow.add(
        bind.call([flow.add(draw.call(1), on_failure="go_on").out])
    ),
    "a map over what may fail": lambda flow, _: flow.map(
        draw.call, over=flow.add(fetch.call(1), on_failure="go_on").out.charts
    ),
    "an item outside its map": lambda flow, data: flow.map(
        lambda one: [flow.add(draw.call(one)), draw.call(one)][1], over=data.out.charts
    ),
    "a result in a callback": lambda _flow, data: Batch("x", complete=draw.call(data.out)),
}


@pytest.mark.parametrize("build", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused_when_it_is_built(build: Callable[[Any, Any], object]) -> None:
    """In one line, where it is written."""
    flow = Flow("report")
    data = flow.add(fetch.call(2))
    with pytest.raises(ConfigurationError) as raised:
        build(flow, data)
    assert "\n" not in str(raised.value)


async def test_empty_flow_and_options_of_a_job_alone_are_refused() -> None:
    """When it is started; and plain arguments are checked with the call."""
    with collect():
        with pytest.raises(ConfigurationError, match="no jobs"):
            await Flow("x").start()
        flow = Flow("x")
        flow.add(draw.options(job_id="mine").call(1))
        with pytest.raises(ConfigurationError, match="leave job_id out"):
            await flow.start()
        data = flow.add(fetch.call(1))
        with pytest.raises(ArgumentsError):
            draw.call("x", title=data.out.title)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="add the call to the flow"):
            await draw.call(data.out.charts[0]).enqueue()


async def test_drained_flow_passes_parts_of_results() -> None:
    """Fields by their names in JSON, items, and whole results in lists and mappings."""
    async with drain():
        flow = Flow("report")
        data = flow.add(fetch.call(2))
        author = data.out.author
        assert author is not None
        parts = flow.add(
            take.call({"who": author.full_name, "of": [data.out.counts, data.out.charts[1], 5]})
        )
        pages = flow.map(lambda one: draw.call(one, title=data.out.title), over=data.out.charts)
        done = flow.add(bind.call(pages.out))
        first = flow.add(take.call(pages.out[0]))
        run = await flow.start()
        assert await run.result(parts) == {"who": "Ada", "of": [{"a": 7}, 1, 5]}
        assert await run.result(done) == "0June,1June"
        assert await run.result(pages) == ["0June", "1June"]
        assert await run.result(first) == "0June"
        assert set((await run.states()).values()) == {"done"}


@pytest.mark.parametrize(
    ("policy", "states"),
    [
        ("wait", {1: "dead", 2: "1", 3: "done"}),
        ("go_on", {1: "failed", 2: "done", 3: "done"}),
        ("cancel", {1: "dead", 2: "aborted", 3: "done"}),
    ],
)
async def test_drained_flow_does_what_its_node_says_of_failures(
    policy: Any, states: dict[int, str]
) -> None:
    """As a worker's would."""
    async with drain() as jobs:
        flow = Flow("report", complete=take.call("over"))
        page = flow.add(draw.call(-1), on_failure=policy)
        flow.add(judge.call(page.out))
        flow.add(take.call(1))
        run = await flow.start()
        await jobs.run()
        assert await run.states() == states
    over = [one.args for one in jobs.done if one.job_id == f"{flow.id}:complete"]
    assert len(over) == (policy != "wait")


async def test_inline_and_collect_know_flows() -> None:
    """One runs each node where another has ended; the other keeps those that need none."""
    both = group(draw.call(prev.charts[0]), draw.call(prev.charts[1]))
    steps = fetch.call(2), both, bind.call(prev)
    async with inline() as ran:
        run = await chain(*steps).start()
        assert await run.last_result() == "0,1"
    assert [one.name for one in ran.jobs] == ["fetch", "draw", "draw", "bind"]
    with collect() as kept:
        await chain(*steps).start()
    assert [one.name for one in kept.jobs] == ["fetch"]


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(0, 2**32))
async def test_random_flow_computes_what_plain_python_does(size: int, seed: int) -> None:
    """Whatever needs what."""
    dice = random.Random(seed)  # noqa: S311 -- repeatable
    needs = [dice.sample(range(at), dice.randint(0, min(at, 4))) for at in range(size)]
    values: list[int] = []
    for at in range(size):
        values.append((at + sum(values[one] for one in needs[at])) % 1_000_003)
    async with drain() as jobs:
        flow = Flow("random")
        nodes: list[Any] = []
        for at in range(size):
            nodes.append(flow.add(add.call(at, [nodes[one].out for one in needs[at]])))
        run = await flow.start()
        await jobs.run()
        assert [await run.result(one) for one in nodes] == values
    assert len(jobs.done) == size
