"""What contrib promises services about the state of their jobs, and about where jobs run."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from flask import Flask, current_app

from runner import Context, current, job
from runner.contrib.fastapi import lifespan
from runner.contrib.flask import AppContext
from runner.contrib.job_status import JobStatus, Statuses, UnknownJobError
from runner.errors import ConfigurationError, JobFailedError
from runner.threads import surrounded
from tests.runner_kit import PATIENCE_S, start, stop, worker, working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner import QueueClient
    from runner.middleware import Handler

QUEUE = "default"


@job(queue=QUEUE, max_retries=0)
async def divide(_: Context, by: int) -> float:
    """Die, if *by* is 0."""
    return 1 / by


@job(queue=QUEUE, keep_result_s=0)
async def forget(_: Context) -> None:
    """Leave no result."""


@job(queue=QUEUE)
async def name_of_app(_: Context) -> str:
    """Say in which application it runs."""
    return current_app.import_name


@job(queue=QUEUE, max_retries=0)
def name_in_thread(_: Context, *, fails: bool = False) -> str:
    """Say it from a thread."""
    if fails:
        raise LookupError(current_app.import_name)
    return f"{current_app.import_name} {threading.current_thread().name}"


async def test_status_of_jobs_that_ended_in_other_ways(redis_url: str, redis: QueueClient) -> None:
    """An error shows its type alone; a job without a result, and a stranger, are unknown."""
    statuses = Statuses([divide.options(queue="default"), forget])
    aborted = await divide.options(delay_s=600).enqueue(by=1)
    assert (await statuses.of("divide", aborted.id)).state == "scheduled"
    await aborted.abort()
    dead, forgotten = await divide.enqueue(by=0), await forget.enqueue()
    one = await start(worker(redis_url, divide, forget))
    with pytest.raises(JobFailedError, match="division by zero"):
        await dead.result(timeout_s=PATIENCE_S)
    await stop(one)

    status = await statuses.of("divide", dead.id)
    assert status == JobStatus(dead.id, "divide", "dead", None, "ZeroDivisionError")
    assert await asyncio.to_thread(statuses.of_sync, "divide", dead.id) == status
    assert (await statuses.of("divide", aborted.id)).error == "CancelledError"
    for name, job_id in (("forget", forgotten.id), ("divide", "nobody"), ("rob", dead.id)):
        with pytest.raises(UnknownJobError):
            await statuses.of(name, job_id)
        with pytest.raises(UnknownJobError):
            await asyncio.to_thread(statuses.of_sync, name, job_id)
    assert await redis.zcard("arq:queue:default") == 0


def test_states_are_of_different_jobs() -> None:
    """A name is found once, and belongs to a job."""
    with pytest.raises(ConfigurationError, match="two jobs are named divide"):
        Statuses([divide, divide.options(queue="other")])
    with pytest.raises(ConfigurationError, match="is not a job: give jobs made by @job"):
        Statuses([print])  # type: ignore[list-item]


async def test_lifespan_closes_the_client_that_it_made(redis: QueueClient) -> None:
    """A service that has ended has no connection left."""
    before = {one["id"] for one in await redis.client_list()}
    async with lifespan(FastAPI()):
        await current.current_client().ping()
        assert len({one["id"] for one in await redis.client_list()} - before) == 1
    assert {one["id"] for one in await redis.client_list()} == before


async def test_lifespan_refuses_to_start_without_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service says so as it starts, and not at the first request."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(ConfigurationError, match="set REDIS_URL"):
        async with lifespan(FastAPI()):
            pass


async def test_jobs_run_in_the_context_of_a_flask_application(
    redis_url: str, redis: QueueClient
) -> None:
    """A plain function in its thread, where the context is also torn down, whatever happens."""
    torn_down: list[str] = []
    made: list[Flask] = []

    def create_app() -> Flask:
        app = Flask("shop")
        app.teardown_appcontext(lambda _: torn_down.append(threading.current_thread().name))
        made.append(app)
        return app

    here = AppContext(create_app)
    async with working(redis_url, name_of_app, name_in_thread, middleware=(here,)):
        assert await (await name_of_app.enqueue()).result(timeout_s=PATIENCE_S) == "shop"
        assert torn_down == ["MainThread"]
        said = await (await name_in_thread.enqueue()).result(timeout_s=PATIENCE_S)
        assert said == f"shop {torn_down[-1]}"
        assert said.startswith("shop job_")
        with pytest.raises(JobFailedError, match="LookupError: shop"):
            await (await name_in_thread.enqueue(fails=True)).result(timeout_s=PATIENCE_S)
    assert len(torn_down) == 3
    assert len(made) == 1
    assert await redis.zcard("arq:queue:default") == 0


async def test_what_surrounds_functions_is_entered_in_their_threads(
    redis_url: str, redis: QueueClient
) -> None:
    """In the order of the middleware, left in reverse, and only around plain functions."""
    seen: list[str] = []

    @contextmanager
    def noting(name: str) -> Iterator[None]:
        seen.append(f"{name} in {threading.current_thread().name[:3]}")
        yield
        seen.append(f"out of {name}")

    async def outer(ctx: Context, call_next: Handler) -> object:
        with surrounded(lambda: noting("outer")), surrounded(lambda: noting("inner")):
            return await call_next(ctx)

    context = AppContext(Flask("shop"))
    async with working(redis_url, name_in_thread, divide, middleware=(outer, context)):
        await (await divide.enqueue(by=1)).result(timeout_s=PATIENCE_S)
        assert seen == []
        await (await name_in_thread.enqueue()).result(timeout_s=PATIENCE_S)
    assert seen == ["outer in job", "inner in job", "out of inner", "out of outer"]
    assert await redis.zcard("arq:queue:default") == 0
