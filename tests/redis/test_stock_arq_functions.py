"""Plain arq functions on our worker: arq's options mean here what they mean in arq."""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from arq.cron import cron
from arq.jobs import DeserializationError
from arq.worker import FailedJobs, JobExecutionFailed, Retry, RetryJob

from runner import Context, JobState, Worker, connect, errors, job
from runner.broker.location import location
from runner.handle import JobHandle
from runner.on_arq.job_function import JobFunction
from runner.options import WorkerOptions
from tests.runner_kit import PATIENCE_S, dead_ids, eventually, soon, start, stop
from tests.stock_arq import named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient
    from runner.reporters import Failure

QUEUE = "arq:queue"
STRANGE, PICKLED = "0" * 32, "1" * 32
"""What arq calls its queue where nobody names one."""

OPTIONS = WorkerOptions(
    queue="/arq:queue", heartbeat_s=0.15, lease_s=0.6, abort_check_s=0.05, cancel_wait_s=0.5
)


def plain_worker(url: str, *functions: Any, **arq_options: Any) -> Worker:
    """Return a worker as an arq user would create it."""
    defaults: dict[str, Any] = {
        "redis_settings": location(url),
        "poll_delay": 0.02,
        "handle_signals": False,
    }
    return Worker(functions, **({"runner": OPTIONS} | defaults | arq_options))


@asynccontextmanager
async def plain(url: str, *functions: Any, **arq_options: Any) -> AsyncIterator[Worker]:
    """Run `plain_worker` for the block."""
    one = await start(plain_worker(url, *functions, **arq_options))
    try:
        yield one
    finally:
        await stop(one, at_once=True)


async def _enqueue(redis: QueueClient, name: str, *args: Any, **kwargs: Any) -> Any:
    handle = await redis.enqueue_job(name, *args, _queue_name=QUEUE, **kwargs)
    assert handle is not None
    return handle


async def _counted(one: Worker, complete: int, failed: int) -> bool:
    """Return the counts: Redis shows a result a moment before its worker has the answer."""
    return (one.jobs_complete, one.jobs_failed) == (complete, failed)


async def _ended(one: Worker) -> bool:
    return bool(one.jobs_complete + one.jobs_failed)


async def test_function_that_raises_is_not_retried(redis_url: str, redis: QueueClient) -> None:
    """Nor is it in the dead set: its result says what happened, as in arq."""
    runs: list[int] = []

    async def fail(ctx: dict[Any, Any]) -> None:
        runs.append(ctx["job_try"])
        raise ValueError("broken")

    async with plain(redis_url, named("fail", fail)) as one:
        handle = await _enqueue(redis, "fail")
        with pytest.raises(errors.JobFailedError, match="ValueError: broken"):
            await handle.result(timeout=PATIENCE_S, poll_delay=0.01)
        await eventually(lambda: _counted(one, 0, 1))
        assert one.jobs_retried == 0
    assert runs == [1]
    assert await dead_ids(redis, "/arq:queue") == []


@pytest.mark.parametrize("poll_delay", [0, 0.0, 0.001])
async def test_worker_runs_with_each_poll_delay_that_arq_takes(
    redis_url: str, redis: QueueClient, poll_delay: float
) -> None:
    """Also with none, as arq's own tests have it."""

    async def note(_: dict[Any, Any]) -> str:
        return "noted"

    async with plain(redis_url, named("note", note), poll_delay=poll_delay):
        handle = await _enqueue(redis, "note")
        assert await handle.result(timeout=PATIENCE_S, poll_delay=0.01) == "noted"


@pytest.mark.parametrize(
    "value", [object(), float("nan"), "\ud800"], ids=("object", "nan", "surrogate")
)
async def test_function_whose_result_cannot_be_written_has_ended(
    redis_url: str, redis: QueueClient, value: Any
) -> None:
    """As in arq: it is complete, is not run again, and its result is arq's error."""
    runs: list[int] = []

    async def give(ctx: dict[Any, Any]) -> Any:
        runs.append(ctx["job_try"])
        return value

    async with plain(redis_url, named("give", give)) as one:
        handle = await _enqueue(redis, "give")
        with pytest.raises(errors.JobFailedError, match="unable to serialize result"):
            await handle.result(timeout=PATIENCE_S, poll_delay=0.01)
        await eventually(lambda: _counted(one, 1, 0))
    assert runs == [1]
    assert await dead_ids(redis, "/arq:queue") == []
    assert await redis.keys("arq:job:*") == []


async def test_retry_runs_again_up_to_max_tries(redis_url: str, redis: QueueClient) -> None:
    """It starts `max_tries` times, and then has arq's own error."""
    tries: list[int] = []

    async def again(ctx: dict[Any, Any]) -> None:
        tries.append(ctx["job_try"])
        raise Retry(defer=0.01) if len(tries) % 2 else RetryJob

    async with plain(redis_url, named("again", again), max_tries=4):
        handle = await _enqueue(redis, "again")
        with pytest.raises(errors.JobFailedError, match="max 4 retries exceeded"):
            await handle.result(timeout=PATIENCE_S, poll_delay=0.01)
    assert tries == [1, 2, 3, 4]


async def test_stopping_costs_no_try(redis_url: str, redis: QueueClient) -> None:
    """Stock arq charges a try for a shutdown, and with `max_tries=1` loses the job (fault 3)."""
    started = asyncio.Event()
    tries: list[int] = []

    async def hang(ctx: dict[Any, Any]) -> str:
        tries.append(ctx["job_try"])
        started.set()
        if len(tries) == 1:
            await asyncio.Event().wait()
        return "done"

    async with plain(redis_url, named("hang", hang), max_tries=1):
        handle = await _enqueue(redis, "hang")
        await soon(started.wait())
    async with plain(redis_url, named("hang", hang), max_tries=1):
        assert await handle.result(timeout=PATIENCE_S, poll_delay=0.01) == "done"
    assert tries == [1, 1]


async def test_without_retry_jobs_a_stopped_job_has_failed(
    redis_url: str, redis: QueueClient
) -> None:
    """With `retry_jobs` off, nothing runs a second time, not even after a shutdown."""
    started = asyncio.Event()

    async def hang(_ctx: dict[Any, Any]) -> None:
        started.set()
        await asyncio.Event().wait()

    async with plain(redis_url, named("hang", hang), retry_jobs=False):
        handle = await _enqueue(redis, "hang")
        await soon(started.wait())
    with pytest.raises(asyncio.CancelledError):
        await handle.result(timeout=PATIENCE_S)
    assert await redis.zcard(QUEUE) == 0


async def test_hooks_share_one_context_with_the_function(
    redis_url: str, redis: QueueClient
) -> None:
    """What `on_job_start` puts there is seen by the function and by the other hooks."""
    calls: list[tuple[str, str]] = []

    async def start_hook(ctx: dict[Any, Any]) -> None:
        ctx["session"] = f"session of {ctx['job_id']}"

    async def end_hook(ctx: dict[Any, Any]) -> None:
        calls.append(("end", ctx["session"]))

    async def after_hook(ctx: dict[Any, Any]) -> None:
        assert await redis.exists(f"arq:result:{ctx['job_id']}")
        calls.append(("after", ctx["session"]))

    async def work(ctx: dict[Any, Any]) -> str:
        calls.append(("work", ctx["session"]))
        return str(ctx["colour"])

    hooks = {"on_job_start": start_hook, "on_job_end": end_hook, "after_job_end": after_hook}
    async with plain(redis_url, named("work", work), ctx={"colour": "green"}, **hooks):
        handle = await _enqueue(redis, "work", _job_id="one")
        assert await handle.result(timeout=PATIENCE_S, poll_delay=0.01) == "green"
    assert calls == [(step, "session of one") for step in ("work", "end", "after")]


@pytest.mark.parametrize("hook", ["on_job_end", "after_job_end"])
async def test_hook_that_raises_ends_nothing(
    redis_url: str, redis: QueueClient, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    """The job's result is kept and the worker goes on; a stock arq worker ends (fault 7)."""

    async def work(_ctx: dict[Any, Any]) -> str:
        return "done"

    async def broken(_ctx: dict[Any, Any]) -> None:
        raise RuntimeError("no such table")

    async with plain(redis_url, named("work", work), **{hook: broken}):
        for _ in range(2):
            handle = await _enqueue(redis, "work")
            assert await handle.result(timeout=PATIENCE_S, poll_delay=0.01) == "done"
    assert f"{hook} failed" in caplog.text


async def test_start_hook_that_raises_fails_its_job(redis_url: str, redis: QueueClient) -> None:
    """As if the function had raised it; the next job runs."""

    async def work(_ctx: dict[Any, Any]) -> str:
        return "done"

    async def picky(ctx: dict[Any, Any]) -> None:
        if ctx["job_id"] == "bad":
            raise RuntimeError("no such table")

    async with plain(redis_url, named("work", work), on_job_start=picky) as one:
        bad = await _enqueue(redis, "work", _job_id="bad")
        with pytest.raises(errors.JobFailedError, match="no such table"):
            await bad.result(timeout=PATIENCE_S, poll_delay=0.01)
        good = await _enqueue(redis, "work", _job_id="good")
        assert await good.result(timeout=PATIENCE_S, poll_delay=0.01) == "done"
        await eventually(lambda: _counted(one, 1, 1))


async def test_pickle_is_used_where_it_is_asked_for(redis_url: str, redis: QueueClient) -> None:
    """Arguments, results and exceptions travel as objects, as arq's users expect."""

    async def work(_ctx: dict[Any, Any], given: set[int]) -> set[int]:
        if not given:
            raise KeyError("nothing")
        return given | {0}

    serializers = {"job_serializer": pickle.dumps, "job_deserializer": pickle.loads}
    async with plain(redis_url, named("work", work), **serializers) as one:
        client = one.pool
        full = await _enqueue(client, "work", {1, 2})  # type: ignore[arg-type]
        assert await full.result(timeout=PATIENCE_S, poll_delay=0.01) == {0, 1, 2}
        empty = await _enqueue(client, "work", set())  # type: ignore[arg-type]
        with pytest.raises(KeyError, match="nothing"):
            await empty.result(timeout=PATIENCE_S, poll_delay=0.01)
    assert pickle.loads(await redis.get(f"arq:result:{full.job_id}"))["r"] == {0, 1, 2}  # noqa: S301


async def test_worker_that_pickles_runs_our_jobs_too(redis_url: str, redis: QueueClient) -> None:
    """Bodies and results of `@job` stay JSON, whatever serializer the worker has."""

    @job(queue="/arq:queue")
    async def double(ctx: Context, number: int) -> int:
        del ctx
        return number * 2

    serializers = {"job_serializer": pickle.dumps, "job_deserializer": pickle.loads}
    async with plain(redis_url, JobFunction.of(double), **serializers):
        handle = await double.enqueue(number=4)
        assert await handle.result(timeout_s=PATIENCE_S) == 8
        await redis.set(f"arq:job:{STRANGE}", b"\x00 neither")
        await redis.zadd(QUEUE, {STRANGE: 1})
        assert await eventually(lambda: dead_ids(redis, "/arq:queue")) == [STRANGE]
    # Kept as it is, for a worker that can read it.
    assert await redis.get(f"arq:job:{STRANGE}") == b"\x00 neither"


async def test_body_of_another_serializer_is_kept(redis_url: str, redis: QueueClient) -> None:
    """A pickle that nobody asked us to load goes to the dead set, byte for byte."""
    body = pickle.dumps({"t": None, "f": "work", "a": (), "k": {}, "et": 1})

    async def work(_ctx: dict[Any, Any]) -> None:
        raise AssertionError("it was unpickled")

    await redis.set(f"arq:job:{PICKLED}", body)
    await redis.zadd(QUEUE, {PICKLED: 1})
    async with plain(redis_url, named("work", work)):
        assert await eventually(lambda: dead_ids(redis, "/arq:queue")) == [PICKLED]
    assert await redis.get(f"arq:job:{PICKLED}") == body


async def test_run_check_raises_what_failed(redis_url: str, redis: QueueClient) -> None:
    """arq's way to run a worker in a test: a count, or the results of failed jobs."""

    async def work(_ctx: dict[Any, Any], number: int) -> float:
        return 1 / number

    serializers = {"job_serializer": pickle.dumps, "job_deserializer": pickle.loads}
    one = plain_worker(redis_url, named("work", work), burst=True, **serializers)
    await redis.set("arq:job:broken", b"broken")
    await redis.zadd(QUEUE, {"broken": 1, "expired": 1})
    pickling = connect(redis_url)
    pickling.job_serializer = pickle.dumps
    for number in (1, 0):
        await _enqueue(pickling, "work", number)
    await pickling.aclose()
    with pytest.raises(FailedJobs) as caught:
        await one.run_check()
    await one.close()

    assert one.jobs_complete == 1
    kinds = {type(result.result) for result in caught.value.job_results}
    assert kinds == {ZeroDivisionError, DeserializationError, JobExecutionFailed}


async def test_result_is_kept_as_long_as_the_function_says(
    redis_url: str, redis: QueueClient
) -> None:
    """The function's `keep_result` also holds for failures (stock arq ignores it there)."""

    async def fail(_ctx: dict[Any, Any]) -> None:
        raise ValueError

    function = named("fail", fail)
    function.keep_result_s = 100
    async with plain(redis_url, function) as one:
        handle = await _enqueue(redis, "fail")
        await eventually(lambda: _ended(one))
    assert 90_000 < await redis.pttl(f"arq:result:{handle.job_id}") <= 100_000


async def test_abort_needs_allow_abort_jobs(redis_url: str, redis: QueueClient) -> None:
    """Without it a running function runs to its end, as in arq."""
    go, started = asyncio.Event(), asyncio.Event()

    async def wait(_ctx: dict[Any, Any]) -> str:
        started.set()
        await go.wait()
        return "done"

    async with plain(redis_url, named("wait", wait), allow_abort_jobs=False):
        handle = await _enqueue(redis, "wait")
        await soon(started.wait())
        ours: JobHandle[str] = JobHandle(handle.job_id, "/arq:queue")
        await ours.abort()
        await asyncio.sleep(0.4)  # several heartbeats and checks for aborts
        go.set()
        assert await handle.result(timeout=PATIENCE_S, poll_delay=0.01) == "done"


async def test_job_timeout_is_arqs(redis_url: str, redis: QueueClient) -> None:
    """`job_timeout` holds if no option of ours does; a timeout is a failure."""

    async def hang(_ctx: dict[Any, Any]) -> None:
        await asyncio.Event().wait()

    async with plain(redis_url, named("hang", hang), job_timeout=0.1, runner=None):
        handle = await _enqueue(redis, "hang")
        with pytest.raises(errors.JobFailedError, match="TimeoutError"):
            await handle.result(timeout=PATIENCE_S, poll_delay=0.01)


async def test_function_that_cancels_itself_spends_a_try(
    redis_url: str, redis: QueueClient
) -> None:
    """As in arq; without a cost it could go on for ever."""
    tries: list[int] = []

    async def quit_job(ctx: dict[Any, Any]) -> None:
        tries.append(ctx["job_try"])
        raise asyncio.CancelledError

    async with plain(redis_url, named("quit", quit_job), max_tries=3) as one:
        await _enqueue(redis, "quit")
        await eventually(lambda: _ended(one))
    assert tries == [1, 2, 3]


async def test_failure_is_reported_once_and_as_final(redis_url: str, redis: QueueClient) -> None:
    """Reporters get what a function raises, but not its `Retry`."""
    heard: list[Failure] = []

    class Ear:
        async def report(self, failure: Failure) -> None:
            heard.append(failure)

    async def work(ctx: dict[Any, Any], channel_id: str) -> None:
        if ctx["job_try"] == 1:
            raise Retry
        raise ValueError(channel_id)

    options = WorkerOptions(queue="/arq:queue", reporters=[Ear()])
    async with plain(redis_url, named("work", work), runner=options) as one:
        await _enqueue(redis, "work", "UC1")
        await eventually(lambda: _ended(one))
    assert [(failure.attempt, failure.final) for failure in heard] == [(2, True)]
    assert heard[0].arguments == {"channel_id": "UC1"}


async def test_arqs_lines_are_logged_and_ours_are_not(
    redis_url: str, redis: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The logger `arq.worker` has arq's lines, and each job once."""
    caplog.set_level(logging.INFO)

    async def work(_ctx: dict[Any, Any], name: str) -> str:
        return name.upper()

    async with plain(redis_url, named("work", work)) as one:
        await _enqueue(redis, "work", "a", _job_id="one")
        await eventually(lambda: _ended(one))
    lines = [record.getMessage() for record in caplog.records if "one:work" in record.getMessage()]
    assert [line[8:] for line in lines] == ["→ one:work('a')", "← one:work ● 'A'"]


async def test_argument_that_cannot_be_shown_harms_nothing(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """arq logs arguments and results; a broken `__repr__` does not fail the job."""
    caplog.set_level(logging.INFO, logger="arq.worker")

    async def work(_ctx: dict[Any, Any]) -> Unshowable:
        return Unshowable()

    serializers = {"job_serializer": pickle.dumps, "job_deserializer": pickle.loads}
    async with plain(redis_url, named("work", work), **serializers) as one:
        handle = await _enqueue(one.pool, "work")  # type: ignore[arg-type]
        assert isinstance(await handle.result(timeout=PATIENCE_S, poll_delay=0.01), Unshowable)
    assert "ZeroDivisionError while it was formatted" in caplog.text


class Unshowable:
    """An object whose `__repr__` raises."""

    def __repr__(self) -> str:
        return str(1 / 0)


async def test_unknown_function_waits_for_a_worker_that_knows_it(
    redis_url: str, redis: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Stock arq deletes the job (fault 4); here a worker with the new code runs it."""

    async def work(_ctx: dict[Any, Any]) -> str:
        return "done"

    async with plain(redis_url, named("old", work)):
        handle = await _enqueue(redis, "new")
        await eventually(lambda: redis.exists(f"{QUEUE}:unknown"))
        ours: JobHandle[str] = JobHandle(handle.job_id, "/arq:queue")
        await eventually(lambda: _is_parked(ours))
        async with plain(redis_url, named("new", work)):
            assert await handle.result(timeout=PATIENCE_S, poll_delay=0.01) == "done"
    assert "function 'new' not found: parked for a worker that has it" in caplog.text


async def test_cancelling_the_workers_task_gives_its_jobs_back(
    redis_url: str, redis: QueueClient
) -> None:
    """A caller may cancel the task that runs `async_run()`: no job is left under a lease."""
    started = asyncio.Event()

    async def hang(_ctx: dict[Any, Any]) -> None:
        started.set()
        await asyncio.Event().wait()

    one = await start(plain_worker(redis_url, named("hang", hang)))
    handle = await _enqueue(redis, "hang")
    await soon(started.wait())
    assert one.main_task is not None
    one.main_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(one.main_task)
    await one.close()

    assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]
    assert not await redis.exists(f"arq:in-progress:{handle.job_id}", f"arq:retry:{handle.job_id}")
    assert await redis.zcount(QUEUE, "-inf", time.time() * 1000) == 1


async def test_cron_job_at_startup_runs_once_in_the_fleet(
    redis_url: str, redis: QueueClient
) -> None:
    """Stock arq runs it on each worker that starts (fault 23)."""
    runs: list[str] = []

    async def begin(ctx: dict[Any, Any]) -> None:
        runs.append(ctx["job_id"])

    coroutine: Any = begin
    for _ in range(3):
        jobs = [cron(coroutine, hour=1, run_at_startup=True)]
        one = plain_worker(redis_url, cron_jobs=jobs, burst=True)
        await one.async_run()
        await one.close()
    assert len(runs) == 1
    assert await redis.zcard(QUEUE) == 0


async def test_cron_job_retries_when_it_asks_to(redis_url: str) -> None:
    """After its own delay: stock arq first keeps the tick locked for a minute (fault 24)."""
    tries: list[int] = []

    async def begin(ctx: dict[Any, Any]) -> None:
        tries.append(ctx["job_try"])
        if len(tries) == 1:
            raise Retry(defer=0.05)

    coroutine: Any = begin
    jobs = [cron(coroutine, hour=1, run_at_startup=True, max_tries=2)]
    async with plain(redis_url, cron_jobs=jobs) as one:
        await eventually(lambda: _ended(one))
    assert tries == [1, 2]


async def _is_parked(handle: JobHandle[Any]) -> bool:
    return await handle.state() is JobState.PARKED
