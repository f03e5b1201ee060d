"""An attempt always ends in an outcome, and no job ends its worker, whatever it says or does."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runner import Bury, Context, JobState, Retry, job
from runner.errors import JobFailedError
from runner.telemetry.job_log import KeepLines
from tests.odd_values import ERRORS, WITHOUT_JSON, Unwritable
from tests.runner_kit import PATIENCE_S, eventually, is_running, working

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

_SAID: dict[str, Any] = {
    "surrogate": "a \ud800.csv",
    "nan": math.nan,
    "inf": math.inf,
    "huge": 10**5000,
    "object": object(),
    "unwritable": Unwritable(),
}


@job(queue="default", max_retries=0)
async def die(_: Context, kind: str) -> None:
    """Raise something odd."""
    error = ERRORS[kind]()
    raise error


@job(queue="default", max_retries=0)
async def die_in_a_task(_: Context, kind: str, how: str) -> None:
    """Raise something odd in a task that this job starts, and wait for it."""

    async def child() -> None:
        error = ERRORS[kind]()
        raise error

    if how == "group":
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
    elif how == "gather":
        await asyncio.gather(child(), asyncio.sleep(0))
    else:
        await asyncio.create_task(child())


@job(queue="default", max_retries=0)
async def give(_: Context, kind: str) -> Any:
    """Return something odd."""
    return WITHOUT_JSON[kind]()


@job(queue="default", max_retries=0)
async def say(ctx: Context, kind: str) -> str:
    """Log something odd, and report it as progress, until the heartbeat has sent it."""
    said = _SAID[kind]
    keep = KeepLines(5)  # as a processor of structlog, whose renderers refuse some of these
    keep(None, "info", {"event": "reading", "file": said})
    keep(None, "info", {"event": said})
    ctx.progress(said, said, said)
    said_before = _beats[0]
    await eventually(lambda: _beats[0] > said_before + 1)
    return "fine"


@job(queue="default", max_retries=0)
async def once_freely(_: Context, how: str) -> str:
    """Ask to run again at no cost, the first time."""
    if how not in _asked:
        _asked.add(how)
        raise {"timedelta": Retry(timedelta(milliseconds=5), charge=False)}[how]
    return "fine"


_beats = [0]
_asked: set[str] = set()


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if "signal" not in kind])
async def test_job_that_raises_something_odd_is_dead(redis_url: str, kind: str) -> None:
    """It has failed, and its worker goes on."""
    async with working(redis_url, die) as one:
        handle = await die.enqueue(kind)
        with pytest.raises(JobFailedError):
            await handle.result(timeout_s=PATIENCE_S)
        assert is_running(one)

    assert await handle.state() is JobState.DEAD


@pytest.mark.parametrize("kind", ["exit", "interrupt", "generator exit", "base", "group of exits"])
@pytest.mark.parametrize("how", ["group", "gather", "task"])
async def test_job_whose_task_exits_is_dead(redis_url: str, kind: str, how: str) -> None:
    """asyncio would raise that out of the loop, past everybody, and end the worker."""
    async with working(redis_url, die_in_a_task) as one:
        handle = await die_in_a_task.enqueue(kind, how)
        with pytest.raises(JobFailedError):
            await handle.result(timeout_s=PATIENCE_S)
        assert is_running(one)


@pytest.mark.parametrize("kind", WITHOUT_JSON)
async def test_job_that_returns_what_has_no_json_form_is_dead(redis_url: str, kind: str) -> None:
    """With the reason, instead of being done with a result that nobody can read."""
    async with working(redis_url, give) as one:
        handle = await give.enqueue(kind)
        with pytest.raises(JobFailedError, match="has no JSON form"):
            await handle.result(timeout_s=PATIENCE_S)
        assert is_running(one)

    assert await handle.state() is JobState.DEAD


@pytest.mark.parametrize("kind", _SAID)
async def test_job_may_say_anything(
    redis_url: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it logs and reports as progress is shown as well as it can be."""
    from runner.worker.heartbeat import Heartbeat

    describe = Heartbeat._describe

    def counted(self: Heartbeat) -> dict[str, Any]:
        _beats[0] += 1
        return describe(self)

    monkeypatch.setattr(Heartbeat, "_describe", counted)
    async with working(redis_url, say) as one:
        assert await (await say.enqueue(kind)).result(timeout_s=PATIENCE_S) == "fine"
        assert is_running(one)


async def test_job_may_ask_to_run_again_by_a_timedelta(redis_url: str) -> None:
    """As arq's own signal allows."""
    async with working(redis_url, once_freely):
        assert await (await once_freely.enqueue("timedelta")).result(timeout_s=PATIENCE_S) == "fine"


async def test_outcome_that_redis_refuses_is_buried(
    redis: QueueClient, url_of_who_may_not_rename: str
) -> None:
    """A retry whose key has a wrong type becomes a dead job; the others are settled."""

    @job(queue="default")
    async def fail(_: Context, *, spoil: bool) -> None:
        if spoil:
            await redis.set("arq:queue:default:retrying", "not a sorted set")
        raise Bury("no") if not spoil else ValueError("no")

    async with working(url_of_who_may_not_rename, fail) as one:
        handle = await fail.enqueue(spoil=True)
        await eventually(lambda: redis.zscore("arq:queue:default:dead", handle.id))
        await redis.delete("arq:queue:default:retrying")
        with pytest.raises(JobFailedError, match="cannot be recorded"):
            await handle.result(timeout_s=PATIENCE_S)
        other = await fail.enqueue(spoil=False)
        with pytest.raises(JobFailedError, match="no"):
            await other.result(timeout_s=PATIENCE_S)
        assert is_running(one)
