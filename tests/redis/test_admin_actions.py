"""What an operator may do to a job: each action, from each state, any number of times."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runner import Batch, Context, JobState, job, linear
from runner.admin import Admin
from runner.broker import keys
from runner.errors import ConfigurationError, JobFailedError
from runner.states import Found
from tests.runner_kit import PATIENCE_S, dead_ids, eventually, history, result_of, stage, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from runner import JobHandle, QueueClient, QueueProgress

QUEUE = "default"
KEY = keys.ARQ.queue_key(QUEUE)
BATCH = Batch("nightly")
WAITING = ("scheduled", "ready", "retrying", "resting")
STATES = (*WAITING, "dead", "running", "held by a stock arq worker", "gone")


@pytest.fixture
def admin(redis: QueueClient) -> Admin:
    """Return the operator's actions."""
    return Admin(redis)


@job(queue=QUEUE)
async def act(ctx: Context) -> str:
    """Wait until it may end."""
    await stage.hold()
    return f"attempt {ctx.attempt}"


@job(queue=QUEUE, max_retries=1, backoff=linear(3600))
async def fail(ctx: Context) -> None:
    """Fail; the next attempt is an hour away."""
    raise LookupError(ctx.job_id)


@job(queue=QUEUE, max_retries=0)
async def die(ctx: Context) -> None:
    """Fail for good."""
    raise LookupError(ctx.job_id)


@job(queue=QUEUE, max_retries=0)
async def known_elsewhere(ctx: Context) -> None:
    """Stand for a job that no worker here knows."""
    raise NotImplementedError(ctx)


async def _in_state(name: str, redis_url: str, redis: QueueClient) -> JobHandle[Any]:
    """Return a job of the batch in the given state; `running` needs a worker around the test."""
    with BATCH.joined():
        match name:
            case "scheduled":
                return await act.options(delay_s=600).enqueue()
            case "ready" | "running":
                return await act.enqueue()
            case "held by a stock arq worker":
                handle = await act.enqueue()
                await redis.set(keys.ARQ.in_progress_prefix + handle.id, b"1", px=60_000)
                return handle
            case "gone":
                handle = await act.enqueue()
                await Admin(redis).delete(QUEUE, handle.id)
                return handle
        jobs = {"retrying": fail, "dead": die, "resting": known_elsewhere}
        left = await jobs[name].enqueue()
    async with working(redis_url, fail, die):
        await eventually(lambda: _has_left(left))
    return left


async def _has_left(handle: JobHandle[Any]) -> bool:
    return await handle.state() not in {JobState.READY, JobState.RUNNING}


def _actions(admin: Admin) -> dict[str, Callable[[str], Awaitable[Found]]]:
    later = datetime.now(UTC) + timedelta(hours=1)
    return {
        "run": lambda job_id: admin.run_now(QUEUE, job_id),
        "reschedule": lambda job_id: admin.reschedule(QUEUE, job_id, later),
        "bury": lambda job_id: admin.bury(QUEUE, job_id),
        "delete": lambda job_id: admin.delete(QUEUE, job_id),
        "delete dead": lambda job_id: _trim(admin, job_id),
        "abort": lambda job_id: admin.abort(QUEUE, job_id),
    }


async def _trim(admin: Admin, job_id: str) -> Found:
    [found] = await admin.act_on_all("trim", QUEUE, [job_id])
    return found


_AFTERWARDS = {
    ("waiting", "run"): {JobState.READY},
    ("waiting", "reschedule"): {JobState.SCHEDULED, JobState.RETRYING},
    ("waiting", "bury"): {JobState.DEAD},
    ("waiting", "delete"): {JobState.UNKNOWN},
    ("waiting", "abort"): {JobState.DONE},
    ("dead", "run"): {JobState.READY},
    ("dead", "reschedule"): {JobState.SCHEDULED},
    ("dead", "bury"): {JobState.DEAD},
    ("dead", "delete"): {JobState.UNKNOWN},
    ("dead", "delete dead"): {JobState.UNKNOWN},
    ("dead", "abort"): {JobState.DEAD},
    ("running", "run"): {JobState.RUNNING},
    ("gone", "run"): {JobState.UNKNOWN},
}
"""By where the job was found; for those that are not here, it stays in its state."""


@pytest.mark.parametrize("action", ["run", "reschedule", "bury", "delete", "delete dead", "abort"])
@pytest.mark.parametrize("state", [state for state in STATES if state != "running"])
async def test_action_from_each_state_does_what_it_says_and_may_be_repeated(
    redis_url: str, redis: QueueClient, admin: Admin, state: str, action: str
) -> None:
    """It returns where it found the job; repeated, it finds what the first action left."""
    handle = await _in_state(state, redis_url, redis)
    before = await handle.state()
    found = "waiting" if state in WAITING else state.split(maxsplit=1)[0].replace("held", "running")
    act_on = _actions(admin)[action]

    assert await act_on(handle.id) == found
    after = await handle.state()
    assert after in _AFTERWARDS.get((found, action), {before})
    counts = await _counts(redis)
    keys_after = await _all_keys(redis)

    again = await act_on(handle.id)
    assert again == _found_again(after, found)
    assert await handle.state() is after
    assert await _counts(redis) == counts
    assert await _all_keys(redis) == keys_after
    _check_counts(counts, after, found, action)


def _found_again(after: JobState, found: str) -> Found:
    match after:
        case JobState.DEAD:
            return Found.DEAD
        case JobState.UNKNOWN | JobState.DONE:
            return Found.GONE
        case JobState.RUNNING:
            return Found.RUNNING
    assert found in {"waiting", "dead"}
    return Found.WAITING


def _check_counts(counts: QueueProgress, after: JobState, found: str, action: str) -> None:
    """The batch counts its one job by state, and does not count a deleted one."""
    deleted = after is JobState.UNKNOWN
    assert counts.total == (0 if deleted else 1)
    assert counts.dead == (after is JobState.DEAD)
    assert counts.aborted == (action == "abort" and found == "waiting")
    over = counts.dead + counts.aborted
    assert counts.waiting == (0 if deleted else 1 - over)


async def _counts(redis: QueueClient) -> QueueProgress:
    progress = (await BATCH.progress(redis)).queues[QUEUE]
    dead = await BATCH.dead_jobs(redis)
    assert len(dead) == progress.dead
    return progress


async def _all_keys(redis: QueueClient) -> set[bytes]:
    return set(await redis.keys())


@pytest.mark.parametrize("action", ["run", "reschedule", "bury", "delete", "delete dead"])
async def test_action_on_a_running_job_changes_nothing(
    redis_url: str, redis: QueueClient, admin: Admin, action: str
) -> None:
    """A job that was just claimed belongs to its worker: the action says so, and it goes on."""
    async with working(redis_url, act):
        handle = await _in_state("running", redis_url, redis)
        await stage.started.next()
        lease_ends = await redis.zscore(KEY, handle.id)

        assert await _actions(admin)[action](handle.id) is Found.RUNNING

        assert await handle.state() is JobState.RUNNING
        assert await redis.zscore(KEY, handle.id) >= lease_ends
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "attempt 1"
    counts = await _counts(redis)
    assert (counts.total, counts.done, counts.waiting) == (1, 1, 0)


async def test_abort_of_a_running_job_cancels_it(
    redis_url: str, redis: QueueClient, admin: Admin
) -> None:
    """Its coroutine is cancelled, and its result says so."""
    async with working(redis_url, act):
        handle = await _in_state("running", redis_url, redis)
        await stage.started.next()

        assert await admin.abort(QUEUE, handle.id) is Found.RUNNING
        assert await admin.abort(QUEUE, handle.id) is Found.RUNNING

        await stage.cancelled.next()
        with pytest.raises(JobFailedError, match="CancelledError: aborted while running"):
            await handle.result(timeout_s=PATIENCE_S)
    counts = await _counts(redis)
    assert (counts.total, counts.aborted, counts.waiting) == (1, 1, 0)
    assert await redis.exists(keys.ARQ.abort) == 0


async def test_abort_of_a_waiting_job_leaves_a_result_that_says_so(
    redis: QueueClient, admin: Admin
) -> None:
    """A caller that waits for the job gets an error at once; only the result remains."""
    handle = await act.enqueue()
    waiting = asyncio.create_task(handle.result(timeout_s=PATIENCE_S))

    await admin.abort(QUEUE, handle.id)

    with pytest.raises(JobFailedError, match="aborted before it started"):
        await waiting
    left = {key.decode() for key in await redis.keys()}
    assert left <= {keys.ARQ.result_prefix + handle.id, KEY + ":wake", KEY + keys.DONE_SUFFIX}
    result = await result_of(redis, handle.id)
    assert result is not None
    assert result["s"] is False


async def test_run_makes_a_dead_job_as_good_as_new(
    redis_url: str, redis: QueueClient, admin: Admin
) -> None:
    """It has all its attempts back and no crashes; its history is kept."""
    handle = await _in_state("dead", redis_url, redis)
    await redis.hset(KEY + ":crashes", handle.id, "2")  # type: ignore[misc]

    await admin.run_now(QUEUE, handle.id)

    assert int(await redis.get(keys.ARQ.retry_prefix + handle.id) or 0) == 0
    assert await redis.exists(KEY + ":crashes") == 0
    assert len(await history(redis, handle.id)) == 1
    async with working(redis_url, die):
        await eventually(lambda: dead_ids(redis, QUEUE))
    assert [entry["attempt"] for entry in await history(redis, handle.id)] == [1, 1]


@pytest.mark.parametrize("state", ["scheduled", "retrying", "resting", "dead"])
async def test_run_wakes_an_idle_worker(
    redis_url: str, redis: QueueClient, admin: Admin, state: str
) -> None:
    """The job starts at once, without a poll."""
    handle = await _in_state(state, redis_url, redis)
    async with working(redis_url, act, fail, die, known_elsewhere):
        # A worker that knows a resting name claims it anyway, without the operator.
        await admin.run_now(QUEUE, handle.id)
        if state == "scheduled":
            await stage.started.next()
        else:
            await eventually(lambda: _has_run(redis, handle.id, state))


async def _has_run(redis: QueueClient, job_id: str, state: str) -> bool:
    return len(await history(redis, job_id)) >= (1 if state == "resting" else 2)


async def test_run_leaves_a_job_that_is_due_in_its_place(redis: QueueClient, admin: Admin) -> None:
    """Running a due job now does not send it to the end of the queue."""
    first, second = await act.enqueue_many([{}, {}])
    due = await redis.zscore(KEY, first.id)

    assert await admin.run_now(QUEUE, first.id) is Found.WAITING

    assert await redis.zscore(KEY, first.id) == due
    assert await redis.zrange(KEY, 0, -1) == [first.id.encode(), second.id.encode()]


async def test_reschedule_is_kept_to_the_millisecond(redis: QueueClient, admin: Admin) -> None:
    """A waiting or dead job is due at that time; a past time means now."""
    handle = await act.enqueue()
    at = datetime(2040, 2, 29, 12, 0, 0, 123_000, tzinfo=UTC)

    await admin.reschedule(QUEUE, handle.id, at)
    assert await redis.zscore(KEY, handle.id) == at.timestamp() * 1000

    await admin.reschedule(QUEUE, handle.id, datetime(2001, 1, 1, tzinfo=UTC))
    assert await handle.state() is JobState.READY


async def test_reschedule_refuses_a_time_without_a_zone(admin: Admin) -> None:
    """A naive time could mean any of many moments."""
    with pytest.raises(ConfigurationError, match="needs a time zone"):
        await admin.reschedule(QUEUE, "x", datetime(2040, 1, 1))  # noqa: DTZ001 -- the point of it


async def test_buried_job_records_the_reason(redis: QueueClient, admin: Admin) -> None:
    """The history has the reason, and the body is kept for good."""
    handle = await act.enqueue()
    await redis.pexpire(keys.ARQ.job_prefix + handle.id, 60_000)

    await admin.bury(QUEUE, handle.id, reason="asked for by support")

    [entry] = await history(redis, handle.id)
    assert (entry["error"], entry["message"]) == ("Buried", "asked for by support")
    dead = await admin.dead_job(QUEUE, handle.id)
    assert (dead.name, dead.message, dead.attempts) == ("act", "asked for by support", 0)
    assert abs(dead.died_at.timestamp() - time.time()) < 60
    assert await redis.ttl(keys.ARQ.job_prefix + handle.id) == -1


async def test_abort_asked_for_before_a_burial_does_not_survive_it(
    redis_url: str, redis: QueueClient, admin: Admin
) -> None:
    """The burial drops a stock client's abort: run again, the job runs."""
    handle = await act.enqueue()
    await redis.zadd(keys.ARQ.abort, {handle.id: time.time() * 1000})
    await admin.bury(QUEUE, handle.id)
    await admin.run_now(QUEUE, handle.id)

    async with working(redis_url, act):
        await stage.started.next()
        stage.go.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "attempt 1"


async def test_actions_of_two_operators_do_not_tear_a_job_apart(
    redis: QueueClient, admin: Admin
) -> None:
    """In whatever order they come, each job ends in one state, and the batch adds up."""
    with BATCH.joined():
        handles = await act.enqueue_many([{}] * 30)
    actions = _actions(admin)

    await asyncio.gather(
        *(
            actions[name](handle.id)
            for handle in handles
            for name in ("bury", "delete", "run", "abort", "bury", "run", "delete dead")
        )
    )

    for handle in handles:
        waits = await redis.zscore(KEY, handle.id) is not None
        died = await redis.zscore(KEY + ":dead", handle.id) is not None
        body = await redis.exists(keys.ARQ.job_prefix + handle.id)
        assert waits + died == body
    counts = await _counts(redis)
    assert counts.waiting == await redis.zcard(KEY)
    assert counts.dead == await redis.zcard(KEY + ":dead")


@pytest.fixture
async def claimed_at_once(redis_url: str) -> AsyncIterator[None]:
    """Run a worker that claims whatever is enqueued."""
    async with working(redis_url, act, concurrency=50):
        yield


@pytest.mark.usefixtures("claimed_at_once")
@pytest.mark.parametrize("action", ["bury", "delete"])
async def test_action_in_a_race_with_a_claim_has_one_winner(
    redis: QueueClient, admin: Admin, action: str
) -> None:
    """Either the operator gets the job, and it never starts, or the worker, and it finishes."""
    stage.go.set()
    outcomes = []
    for _ in range(25):
        handle = await act.enqueue()
        outcomes.append((handle, await _actions(admin)[action](handle.id)))

    for handle, found in outcomes:
        if found is Found.WAITING:
            gone = {"bury": JobState.DEAD, "delete": JobState.UNKNOWN}[action]
            assert await handle.state() is gone
        else:
            assert await handle.result(timeout_s=PATIENCE_S) == "attempt 1"
    assert await redis.zcard(KEY) == 0
