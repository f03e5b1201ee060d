"""What type checkers see of flows: results of jobs, with their types, as arguments of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from runner import Context, Failed, Flow, Node, job


@dataclass
class Frame:
    """What `fetch` returns."""

    charts: list[int]
    title: str


@job(queue="default")
async def fetch(_: Context, url: str) -> Frame:
    """Return a frame."""
    return Frame([len(url)], url)


@job(queue="default")
async def draw(_: Context, chart: int) -> str:
    """Return a page."""
    return str(chart)


@job(queue="default")
async def bind(_: Context, pages: list[str]) -> bytes:
    """Return a book."""
    return "".join(pages).encode()


@job(queue="default")
async def judge(_: Context, page: str | Failed) -> bool:
    """Return whether there is a page."""
    return isinstance(page, str)


async def results() -> None:
    """A node has the type of its job's result, and so has what the flow returns."""
    flow = Flow("report")
    data = flow.add(fetch.call(url="x"))
    assert_type(data, Node[Frame])
    assert_type(data.out.charts, list[int])
    parts = flow.map(draw.call, over=data.out.charts)
    assert_type(parts, Node[list[str]])
    done = flow.add(bind.call(pages=parts.out), after=[data])
    page = flow.add(draw.call(data.out.charts[0]), on_failure="go_on")
    assert_type(page, Node[str | Failed])
    flow.add(judge.call(page.out))
    run = await flow.start()
    assert_type(await run.result(done, timeout_s=1), bytes)


def refused(flow: Flow) -> None:
    """What does not fit is an error; mypy reports an unused ignore if it is none."""
    data = flow.add(fetch.call(url="x"))
    flow.add(draw.call(data.out.title))  # type: ignore[arg-type]
    flow.add(bind.call(pages=data.out.charts))  # type: ignore[arg-type]
    page = flow.add(draw.call(1), on_failure="go_on")
    flow.add(bind.call(pages=[page.out]))  # type: ignore[list-item]
    flow.map(draw.call, over=["x"])  # type: ignore[arg-type]
    flow.add(draw.call(1), on_failure="never")  # type: ignore[call-overload]
