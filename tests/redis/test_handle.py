"""A handle on a job: its state, its result, and its abort."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from runner import Bury, Context, JobHandle, JobState, Retry, job
from runner.broker import keys
from runner.errors import ConfigurationError, JobFailedError, ResultNotFoundError
from tests.runner_kit import PATIENCE_S, eventually, is_running, stage, working

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default")
async def act(ctx: Context, how: str = "wait") -> Any:
    """Do what *how* says."""
    match how:
        case "retry":
            raise Retry(3600)
        case "bury":
            raise Bury("no such channel")
        case "values":
            return {"list": [1, 2.5, None]}
    await stage.hold()
    return f"{how} {ctx.attempt}"


@job(queue="default")
async def tell(_: Context) -> tuple[datetime, dict[int, UUID]]:
    """Return what JSON has no type for."""
    return datetime(2026, 1, 1, tzinfo=UTC), {1: UUID(int=5)}


@job(queue="default", keep_result_s=0)
async def forget(ctx: Context) -> str:
    """Keep no result."""
    return ctx.job_id


async def _is(handle: JobHandle[Any], state: JobState) -> bool:
    return await handle.state() is state


async def test_state_follows_a_job_through_its_life(redis_url: str) -> None:
    """Scheduled, ready, running, done."""
    later = await act.options(delay_s=60).enqueue()
    assert await later.state() is JobState.SCHEDULED
    handle = await act.enqueue()
    assert await handle.state() is JobState.READY
    async with working(redis_url, act):
        await stage.started.next()
        assert await handle.state() is JobState.RUNNING
        stage.go.set()
        await handle.result(timeout_s=PATIENCE_S)
    assert await handle.state() is JobState.DONE


@pytest.mark.parametrize(("how", "state"), [("retry", JobState.RETRYING), ("bury", JobState.DEAD)])
async def test_state_of_a_failed_job_is_retrying_or_dead(
    redis_url: str, how: str, state: JobState
) -> None:
    """Retrying until its next attempt, or dead."""
    handle = await act.enqueue(how)
    async with working(redis_url, act):
        await eventually(lambda: _is(handle, state))


async def test_state_of_what_never_was_is_unknown() -> None:
    """A handle may be made from any id, in another process or later."""
    assert await JobHandle[str]("nothing", "default").state() is JobState.UNKNOWN


async def test_result_is_what_the_job_returned(redis_url: str) -> None:
    """In the types of the signature; plain JSON where it has none."""
    async with working(redis_url, act, tell):
        plain = await (await act.enqueue("values")).result(timeout_s=PATIENCE_S)
        typed = await (await tell.enqueue()).result(timeout_s=PATIENCE_S)

    assert plain == {"list": [1, 2.5, None]}
    assert typed == (datetime(2026, 1, 1, tzinfo=UTC), {1: UUID(int=5)})


async def test_result_is_waited_for(redis_url: str) -> None:
    """`result` called before the job ends returns as soon as it has ended."""
    async with working(redis_url, act):
        handle = await act.enqueue()
        waiting = asyncio.create_task(handle.result(timeout_s=PATIENCE_S))
        await stage.started.next()
        assert not waiting.done()
        stage.go.set()

        assert await waiting == "wait 1"


async def test_result_is_not_waited_for_longer_than_asked(redis_url: str) -> None:
    """It raises TimeoutError, and the job goes on."""
    async with working(redis_url, act):
        handle = await act.enqueue()
        await stage.started.next()
        with pytest.raises(TimeoutError):
            await handle.result(timeout_s=0.05)
        assert await handle.state() is JobState.RUNNING
        stage.go.set()


async def test_result_of_a_dead_job_is_its_error(redis_url: str) -> None:
    """Type, message and traceback travel as data."""
    async with working(redis_url, act):
        with pytest.raises(JobFailedError) as raised:
            await (handle := await act.enqueue("bury")).result(timeout_s=PATIENCE_S)

    error = raised.value
    assert (error.job_id, error.error_type, error.message) == (
        handle.id,
        "runner.errors.Bury",
        "no such channel",
    )
    assert "raise Bury" in error.traceback


async def test_result_that_is_not_kept_is_said_to_be_missing(redis_url: str) -> None:
    """`result` does not wait, and its error says why."""
    async with working(redis_url, forget):
        handle = await forget.enqueue()
        with pytest.raises(ResultNotFoundError, match=r"no such job in default, or its result"):
            await handle.result(timeout_s=PATIENCE_S)
        with pytest.raises(ResultNotFoundError):
            await JobHandle[str]("nothing", "default").result(timeout_s=PATIENCE_S)


async def test_result_of_an_earlier_job_is_not_that_of_a_new_one_with_its_id(
    redis_url: str,
) -> None:
    """The old result is gone when a job is enqueued again under its id."""
    stage.go.set()
    chosen = act.options(job_id="act:daily")
    async with working(redis_url, act):
        assert await (await chosen.enqueue("first")).result(timeout_s=PATIENCE_S) == "first 1"
        second = await chosen.enqueue("second")
        assert second.created
        assert await second.result(timeout_s=PATIENCE_S) == "second 1"


async def test_abort_of_a_waiting_job_keeps_it_from_starting(
    redis_url: str, redis: QueueClient
) -> None:
    """Ready or scheduled, it ends at once, with a result that says so; nothing else is left."""
    ready, scheduled = await act.enqueue(), await act.options(delay_s=3600).enqueue()
    for handle in (ready, scheduled):
        await handle.abort()
        with pytest.raises(JobFailedError, match="aborted before it started"):
            await handle.result(timeout_s=PATIENCE_S)
    async with working(redis_url, act):
        pass

    assert not stage.started.unread()
    assert {key for key in await redis.keys("arq:*") if b"result" not in key} <= {
        keys.ARQ.queues.encode(),
        *(f"{QUEUE}:{name}".encode() for name in ("wake", "done", "health-check")),
    }


async def test_abort_of_a_running_job_cancels_it(redis_url: str, redis: QueueClient) -> None:
    """It is cancelled within `abort_check_s`, and not retried."""
    async with working(redis_url, act) as one:
        handle = await act.enqueue()
        await stage.started.next()
        await handle.abort()
        await stage.cancelled.next()
        with pytest.raises(JobFailedError, match="aborted while running"):
            await handle.result(timeout_s=PATIENCE_S)
        assert is_running(one)

    assert await redis.zcard(QUEUE) == 0
    assert await redis.zcard(f"{QUEUE}:dead") == 0
    assert await redis.exists("arq:abort") == 0


async def test_abort_of_a_finished_job_changes_nothing(redis_url: str, redis: QueueClient) -> None:
    """Its result is kept, and a later job of the same id is not aborted."""
    stage.go.set()
    chosen = act.options(job_id="act:daily")
    async with working(redis_url, act):
        handle = await chosen.enqueue("first")
        await handle.result(timeout_s=PATIENCE_S)
        await handle.abort()
        assert await handle.result(timeout_s=PATIENCE_S) == "first 1"
        assert await redis.exists("arq:abort") == 0
        assert await (await chosen.enqueue("second")).result(timeout_s=PATIENCE_S) == "second 1"


async def test_abort_of_one_job_leaves_the_others_alone(redis_url: str) -> None:
    """Only the job of that id ends."""
    async with working(redis_url, act):
        first, second = await act.enqueue("first"), await act.enqueue("second")
        await eventually(lambda: _is(second, JobState.RUNNING))
        await first.abort()
        with pytest.raises(JobFailedError):
            await first.result(timeout_s=PATIENCE_S)
        stage.go.set()

        assert await second.result(timeout_s=PATIENCE_S) == "second 1"


async def test_options_of_a_queue_send_the_job_elsewhere(redis_url: str) -> None:
    """Any queue whose worker knows the job can run it."""
    stage.go.set()
    async with working(redis_url, act, queue="slow"):
        handle = await act.options(queue="slow").enqueue("slow")

        assert await handle.result(timeout_s=PATIENCE_S) == "slow 1"
    assert handle.queue == "slow"


async def test_many_callers_learn_of_their_results_from_one_task(
    redis_url: str, redis: QueueClient
) -> None:
    """Three thousand wait: a round of questions is a few commands, whoever comes and goes."""
    handles = await act.enqueue_many([{"how": str(n)} for n in range(3000)])
    waits = [asyncio.create_task(handle.result(timeout_s=PATIENCE_S)) for handle in handles]
    given_up = [asyncio.create_task(handle.result(timeout_s=0.01)) for handle in handles[:50]]
    await asyncio.wait(given_up)
    assert all(isinstance(one.exception(), TimeoutError) for one in given_up)
    before = (await redis.info("commandstats"))["cmdstat_mget"]["calls"]
    for _ in range(20):
        await asyncio.sleep(0.01)
    asked = (await redis.info("commandstats"))["cmdstat_mget"]["calls"] - before
    assert asked <= 20 * 3000 / 500

    stage.go.set()
    async with working(redis_url, act, concurrency=100):
        results = await asyncio.gather(*waits)

    assert results == [f"{n} 1" for n in range(3000)]


@pytest.mark.parametrize("odd", [UUID(int=1), None, 5, "", "\ud800", "x" * 2000])
async def test_handle_on_an_id_that_cannot_be_one_is_refused(odd: Any) -> None:
    """In one line, before Redis is asked."""
    handle: JobHandle[Any] = JobHandle(odd, "default")

    for ask in (handle.state, handle.result, handle.abort):
        with pytest.raises(ConfigurationError, match=r"id (is|has)"):
            await ask()
    with pytest.raises(ConfigurationError, match="queue is"):
        await JobHandle[Any]("j", odd).state()
