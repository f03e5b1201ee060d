"""Pages, API, `pipeline top` and commands show the same, and what Redis holds, under load."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from runner import Context, job, linear
from runner.broker import keys
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.job import job as look_at
from runner.operations.job_text import facts
from runner.operations.jobs import Row
from runner.operations.redis_info import store
from runner.operations.session import OperatorSession
from runner.operations.why import explain
from runner.terminal.jobs import Dead
from runner.terminal.overview import Overview
from tests.runner_kit import eventually, stage, working
from tests.visit import visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import httpx

    from runner import QueueClient

QUEUE = "default"
STATES = ("ready", "running", "scheduled", "retrying", "dead")


@job(queue=QUEUE)
async def hold(ctx: Context, number: int) -> int:
    """Wait on the stage, having told how far it has come."""
    ctx.progress(number, 12, "pages")
    await stage.hold()
    return number


@job(queue=QUEUE, max_retries=1, backoff=linear(3600))
async def again(ctx: Context) -> None:  # noqa: ARG001 -- a job has its context
    """Fail; the next attempt is an hour away."""
    raise LookupError("no such channel")


@job(queue=QUEUE, max_retries=0)
async def die(ctx: Context) -> None:  # noqa: ARG001
    """Fail for good."""
    raise LookupError("no such channel")


@job(queue="analytics", keep_result_s=60)
async def load(ctx: Context) -> int:
    """End at once."""
    return ctx.attempt


JOBS = (hold, again, die)


@asynccontextmanager
async def _under_load(redis_url: str) -> AsyncIterator[None]:
    """Enqueue and run jobs of another queue, as fast as they go."""

    async def enqueue() -> None:
        while True:
            await asyncio.gather(*[load.enqueue() for _ in range(50)])

    async with working(redis_url, load, concurrency=50, lease_s=10.0, heartbeat_s=1.0):
        task = asyncio.create_task(enqueue())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _command(redis_url: str, home: Path, *words: str) -> Any:
    """Run `pipeline WORDS… -o json` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runner.start", *words, "-o", "json"),
        env={**os.environ, "REDIS_URL": redis_url, "PIPELINE_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return json.loads(out)


async def _page(browser: httpx.AsyncClient, path: str) -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200
    return answer.text


def _cells(page: str, key: str) -> Mapping[str, str]:
    """The cells of the row with this key, by their labels."""
    [row] = re.findall(rf'<tr data-key="{re.escape(key)}">(.*?)</tr>', page, re.DOTALL)
    found = re.findall(r'data-label="([^"]+)"[^>]*>(.*?)</td>', row, re.DOTALL)
    return {label.lower(): html.unescape(re.sub(r"<[^>]+>", "", cell)) for label, cell in found}


def _facts(page: str) -> Mapping[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page, re.DOTALL)
    return {label.lower(): html.unescape(re.sub(r"<[^>]+>", "", text)) for label, text in found}


async def _count_all(redis: QueueClient) -> dict[str, int]:
    """What Redis holds, asked for by its own commands."""
    key = keys.ARQ.queue_key(QUEUE)
    running: int = await redis.hlen(key + keys.RUNNING_SUFFIX)  # type: ignore[misc]
    retrying = await redis.zcard(key + keys.RETRYING_SUFFIX)
    return {
        "ready": 0,
        "running": running,
        "retrying": retrying,
        "scheduled": await redis.zcard(key) - running - retrying,
        "dead": await redis.zcard(key + keys.DEAD_SUFFIX),
    }


async def test_four_faces_agree_with_redis_under_load(
    redis: QueueClient, redis_url: str, tmp_path: Path
) -> None:
    """Counts, workers, attempts and how long a job is kept: each face says what Redis holds."""
    async with (
        working(redis_url, *JOBS, concurrency=5, lease_s=10.0, heartbeat_s=1.0),
        visiting(redis, hosts=("127.0.0.1",)) as browser,
        _under_load(redis_url),
    ):
        ids = {
            "running": (await hold.enqueue(3)).id,
            "retrying": (await again.enqueue()).id,
            "dead": (await die.enqueue()).id,
            "scheduled": (await hold.options(delay_s=3600).enqueue(4)).id,
        }
        await eventually(partial(_settled, redis))
        held = await _count_all(redis)
        assert held == {"ready": 0, "running": 1, "scheduled": 1, "retrying": 1, "dead": 1}
        session = OperatorSession(
            redis, (QUEUE,), {}, (), Catalog.of(JOBS), Operator(redis, "tester")
        )

        cells = _cells(await _page(browser, "/queues"), QUEUE)
        [in_api] = (await browser.get("/api/queues")).json()
        [[in_top]] = (await Overview().look(session)).lines
        [by_command] = [
            one
            for one in await _command(redis_url, tmp_path, "queues", "list")
            if one["name"] == QUEUE
        ]
        for place, state in enumerate(STATES, 1):
            told = {int(cells[state]), in_api[state], in_top.cells[place], by_command[state]}
            assert told == {held[state]}, state
        told = {int(cells["workers"]), in_api["workers"], in_top.cells[8], by_command["workers"]}
        assert told == {1}

        for state, job_id in ids.items():
            page = _facts(await _page(browser, f"/jobs/{QUEUE}/{job_id}"))
            told_by_api = (await browser.get(f"/api/jobs/{job_id}")).json()
            view = await look_at(redis, QUEUE, job_id, session.catalog)
            assert view is not None
            in_terminal = facts(view, await explain(redis, view))
            command = (await _command(redis_url, tmp_path, "jobs", "show", job_id))["job"]
            made = 0 if state == "scheduled" else 1
            assert told_by_api["state"] == command["state"] == in_terminal["state"] == state
            assert {told_by_api["attempts_made"], command["attempts_made"]} == {made}
            assert page["attempts"].startswith(str(made))
            assert in_terminal["attempts"].startswith(str(made))
            kept = {told_by_api["kept_until"], command["kept_until"]} - {None}
            assert len({datetime.fromisoformat(one) for one in kept}) == (state == "dead")
            assert ("kept until" in page) == ("kept until" in in_terminal) == bool(kept)
            if state == "running":
                continue
            listed = (
                await browser.get(f"/api/queues/{QUEUE}/jobs", params={"state": state})
            ).json()
            assert [one["attempts_made"] for one in listed["rows"]] == [made]
        [[dead]] = (await Dead().look(session)).lines
        assert isinstance(dead.target, Row)
        assert dead.target.attempts_made == 1
        stage.go.set()


async def test_round_trip_is_that_of_redis_and_not_of_this_loop(redis: QueueClient) -> None:
    """A loop that is held for a tenth of a second at a time does not count."""

    async def hold_the_loop() -> None:
        until = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < until:
            pass

    async def keep_holding() -> None:
        while True:
            await hold_the_loop()
            await asyncio.sleep(0)

    task = asyncio.create_task(keep_holding())
    try:
        assert (await store(redis)).answer_ms < 50
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _settled(redis: QueueClient) -> bool:
    held = await _count_all(redis)
    return held["running"] == 1 and held["retrying"] == 1 and held["dead"] == 1
