"""Redis's own clock is set by an hour while jobs wait, run and go back: none is held up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runner import Context, JobExpiredError, Retry, connect, job
from runner.current import disconnect
from tests.redis_server import RedisServer
from tests.runner_kit import eventually, mortal, poll_now, stop, working
from tests.wall_clock import WallClock, library_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

HOUR_S = 3600


@job(queue="default")
async def work(ctx: Context) -> None:
    """Wait as long as the test likes."""
    _runs.append(ctx.job_id)
    if len(_runs) == 1:
        await eventually(lambda: _may_end)


@job(queue="default")
async def ask_again(ctx: Context) -> None:
    """Wait as long as the test likes, and ask to run again."""
    _runs.append(ctx.job_id)
    if len(_runs) == 1:
        await eventually(lambda: _may_end)
        raise Retry(0, charge=False)


@job(queue="default", keep_result_s=60)
async def quick(_: Context) -> None:
    """Do nothing."""


IN_TIME: list[dict[str, Any]] = [{"deadline_s": 2.5}, {"start_within_s": 2.5}]
LATE: list[dict[str, Any]] = [{"deadline_s": 0.05}, {"start_within_s": 0.02}]
_runs: list[str] = []
_may_end: list[bool] = []


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[WallClock]:
    """Give a clock that is right."""
    _runs.clear()
    _may_end.clear()
    library = library_in(tmp_path)
    if library is None:
        pytest.skip("the clock of a server can be set on Linux, with a C compiler")
    one = WallClock(library, tmp_path / "clock")
    yield one
    one.close()


@pytest.fixture
async def server(clock: WallClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisServer]:
    """Run a server by *clock*."""
    one = RedisServer(environment=clock.environment)
    await asyncio.to_thread(one.start)
    monkeypatch.setenv("REDIS_URL", one.url)
    try:
        yield one
    finally:
        await disconnect()
        one.close()


@pytest.mark.parametrize("how", ["stop", "lost"])
async def test_job_that_ran_while_the_clock_was_set_back_is_due_when_it_goes_back(
    server: RedisServer, clock: WallClock, how: str
) -> None:
    """Its due time, by the clock before, lies an hour ahead."""
    clock.set(HOUR_S)
    async with mortal(server.url, work, poll_interval_s=60.0) as one:
        await work.enqueue()
        await eventually(lambda: _runs)
        clock.set(0)
        await poll_now(one.worker)
        await (one.kill() if how == "lost" else stop(one.worker, at_once=True))
    async with working(server.url, work):
        await eventually(lambda: len(_runs) == 2)


async def test_job_that_asks_to_run_again_after_the_clock_was_set_back_is_due_at_once(
    server: RedisServer, clock: WallClock
) -> None:
    """As it is when the clock is right."""
    clock.set(HOUR_S)
    async with working(server.url, ask_again, poll_interval_s=60.0) as one:
        await ask_again.enqueue()
        await eventually(lambda: _runs)
        clock.set(0)
        await poll_now(one)
        _may_end.append(True)
        await eventually(lambda: len(_runs) == 2)


@pytest.mark.parametrize("ahead_s", [-5, 5])
async def test_deadline_is_by_the_clock_of_redis(
    server: RedisServer, clock: WallClock, ahead_s: int
) -> None:
    """What is in time by it starts, and nothing else does, though other clocks are 5 s apart."""
    clock.set(ahead_s)
    client = connect(server.url)
    in_time = [await quick.options(**limit).enqueue() for limit in IN_TIME]
    late = [await quick.options(delay_s=0.001, **limit).enqueue() for limit in LATE]
    seconds, micros = await client.time()
    now_ms = seconds * 1000 + micros / 1000
    [body, *_] = await client.mget(f"arq:job:{in_time[0].id}")
    assert abs(int(body.rpartition(b":")[2][:-1]) - now_ms - 2500) < 1000
    await asyncio.sleep(0.1)
    async with working(server.url, quick):
        for handle in in_time:
            await handle.result(timeout_s=10)
        for handle in late:
            with pytest.raises(JobExpiredError):
                await handle.result(timeout_s=10)
    await client.aclose()
