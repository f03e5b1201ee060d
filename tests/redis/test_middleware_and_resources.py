"""What runs around each job of a worker, and what is opened for its jobs."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from runner import Context, job
from runner.errors import ConfigurationError, JobFailedError
from runner.worker.held import Held
from tests.runner_kit import (
    PATIENCE_S,
    eventually,
    holds_nothing,
    soon,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from runner.middleware import Handler, Middleware

pytestmark = pytest.mark.usefixtures("redis")


@dataclass
class Store:
    """A resource that the jobs here use."""

    notes: list[str] = field(default_factory=list)
    is_open: bool = True


@job(queue="default", timeout_s=5)
async def act(ctx: Context, number: int, fail: bool = False) -> str:  # noqa: FBT001, FBT002 -- a job's argument
    """Use the store, or fail."""
    ctx.get(Store).notes.append(f"job {number!r}")
    if fail:
        raise ValueError("broken")
    return f"done {ctx.job_name} {ctx.queue} {ctx.attempt}/{ctx.max_retries + 1}"


def _provides(store: Store, *, events: list[str] | None = None) -> Any:
    @asynccontextmanager
    async def resources() -> AsyncIterator[Mapping[type[Any], Any]]:
        if events is not None:
            events.append("open")
        yield {Store: store}
        store.is_open = False
        if events is not None:
            events.append("closed")

    return resources


def _noting(name: str) -> Middleware:
    async def note(ctx: Context, call_next: Handler) -> Any:
        notes = ctx.get(Store).notes
        notes.append(f"{name} in {ctx.kwargs['number']!r}")
        try:
            return await call_next(ctx)
        except Exception as error:
            notes.append(f"{name} saw {type(error).__name__}")
            raise
        finally:
            notes.append(f"{name} out")

    return note


async def test_middleware_of_a_queue_runs_inside_the_default_ones_in_its_order(
    redis_url: str,
) -> None:
    """It sees validated arguments and the names that the log context has bound."""
    store = Store()
    bound: dict[str, Any] = {}

    async def look(ctx: Context, call_next: Handler) -> Any:
        bound.update(structlog.contextvars.get_contextvars())
        assert ctx.kwargs["fail"] is False
        return await call_next(ctx)

    async with working(
        redis_url,
        act,
        middleware=(_noting("outer"), look, _noting("inner")),
        resources=_provides(store),
    ):
        handle = await act.enqueue(number=7)
        assert await handle.result(timeout_s=PATIENCE_S) == "done act default 1/4"

    assert store.notes == ["outer in 7", "inner in 7", "job 7", "inner out", "outer out"]
    assert bound == {"job_id": handle.id, "job_name": "act", "queue": "default", "attempt": 1}


async def test_middleware_sees_what_the_job_raised(redis_url: str) -> None:
    """From the inside out; the outcome is what leaves the outermost."""
    store = Store()

    async def rescue(ctx: Context, call_next: Handler) -> Any:
        try:
            return await call_next(ctx)
        except ValueError:
            return "rescued"

    async with working(
        redis_url, act, middleware=(rescue, _noting("inner")), resources=_provides(store)
    ):
        assert (
            await (await act.enqueue(number=7, fail=True)).result(timeout_s=PATIENCE_S) == "rescued"
        )

    assert store.notes == ["inner in 7", "job 7", "inner saw ValueError", "inner out"]


async def test_middleware_that_fails_is_the_jobs_failure_and_harms_no_other(
    redis_url: str,
) -> None:
    """Whatever a middleware raises, the worker goes on."""

    async def broken(ctx: Context, call_next: Handler) -> Any:
        if ctx.kwargs["number"] == 1:
            raise LookupError("broken middleware")
        return await call_next(ctx)

    async with working(
        redis_url, act, middleware=(broken,), resources=_provides(Store()), max_retries=0
    ):
        with pytest.raises(JobFailedError, match="LookupError: broken middleware"):
            await (await act.enqueue(number=1)).result(timeout_s=PATIENCE_S)
        await (await act.enqueue(number=2)).result(timeout_s=PATIENCE_S)


async def test_middleware_runs_within_the_jobs_timeout(redis_url: str) -> None:
    """A queue's own middleware cannot block a slot for ever."""

    async def hang(_: Context, __: Handler) -> Any:
        await asyncio.Event().wait()

    async with working(
        redis_url, hurried, middleware=(hang,), resources=_provides(Store()), max_retries=0
    ):
        with pytest.raises(JobFailedError, match=r"hurried did not end within 0\.02 s"):
            await (await hurried.enqueue()).result(timeout_s=PATIENCE_S)


@job(queue="default", timeout_s=0.02)
async def hurried(ctx: Context) -> None:
    """Run with a short timeout."""
    raise NotImplementedError(ctx)


async def test_resources_are_opened_once_and_closed_after_the_last_job(redis_url: str) -> None:
    """All jobs of a worker share one; it is open until the last of them has ended."""
    store, events = Store(), []

    async def wait(ctx: Context, call_next: Handler) -> Any:
        await stage.hold()
        events.append("open" if ctx.get(Store).is_open else "closed too early")
        return await call_next(ctx)

    one = await start(
        worker(redis_url, act, middleware=(wait,), resources=_provides(store, events=events))
    )
    await act.enqueue(number=1)
    await act.enqueue(number=2)
    await stage.started.next()
    one.stop()
    stage.go.set()
    await stop(one)

    assert events in (["open", "open", "open", "closed"], ["open", "open", "closed"])
    assert not store.is_open


async def test_resources_that_cannot_be_opened_end_the_worker_with_their_error(
    redis_url: str,
) -> None:
    """A database that is away at start stops the worker, and fails no job."""

    @asynccontextmanager
    async def resources() -> AsyncIterator[Mapping[type[Any], Any]]:
        raise ConfigurationError("DATABASE_URL names nothing")
        yield {}

    one = worker(redis_url, act, resources=resources)
    handle = await act.enqueue(number=1)
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        await soon(one.async_run())
    await one.close()

    assert (await handle.state()).value == "ready"


async def test_resource_that_is_missing_is_named_in_the_jobs_error(redis_url: str) -> None:
    """The error of a job that asks for a missing resource says what to do."""
    async with working(redis_url, act, max_retries=0):
        with pytest.raises(JobFailedError, match="act needs a Store, and its worker provides"):
            await (await act.enqueue(number=1)).result(timeout_s=PATIENCE_S)


async def test_jobs_enqueue_through_their_workers_client(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a job no REDIS_URL is needed: it uses its worker's Redis."""
    await parent.enqueue()
    async with working(redis_url, parent, act, resources=_provides(Store())) as one:
        monkeypatch.delenv("REDIS_URL")
        assert await eventually(lambda: one.pool.exists("arq:result:child"))


@job(queue="default")
async def parent(ctx: Context) -> None:
    """Enqueue another job."""
    await act.options(job_id="child").enqueue(number=ctx.attempt)


async def test_finished_jobs_leave_nothing_to_the_garbage_collector(redis_url: str) -> None:
    """All objects of a job are freed with it: collecting them would take a third of the time."""
    store = Store()
    async with working(redis_url, act, resources=_provides(store)) as one:
        await (await act.enqueue(1)).result(timeout_s=PATIENCE_S)  # creates what is created once
        gc.collect()
        gc.disable()
        try:
            for number in range(5):
                await (await act.enqueue(number)).result(timeout_s=PATIENCE_S)
            await eventually(lambda: holds_nothing(one))
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = [kind for kind in gc.garbage if isinstance(kind, Held)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    assert left == []
