"""Contract 2: a job is in exactly one state, and each transition is one atomic script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner import Bury, Context, JobState, Retry, job
from runner.broker import keys
from runner.broker.scripts.fields import Claimed, ClaimReply
from runner.periodic.gauges import queue_gauges
from tests.runner_kit import (
    PATIENCE_S,
    dead_ids,
    eventually,
    holds_nothing,
    lose_answers_to_claims,
    lose_answers_to_settles,
    note_settles,
    stage,
    start,
    stop,
    worker,
    working,
)

if TYPE_CHECKING:
    from runner import JobHandle, QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default")
async def act(ctx: Context, ending: str) -> str:
    """Wait, then end as *ending* says."""
    await stage.hold()
    match ending:
        case "retry" if ctx.attempt == 1:
            raise Retry(3600)
        case "park":
            raise Retry(3600, charge=False)
        case "bury":
            raise Bury("no such channel")
    return ending


@job(queue="default", keep_result_s=0)
async def act_forgotten(ctx: Context) -> str:
    """End with the others, and leave no result."""
    return await act(ctx, "done")


async def _memberships(redis: QueueClient, job_id: str) -> dict[str, bool]:
    """Return which structures of a queue hold the job."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.zscore(QUEUE, job_id)
        pipe.hexists(QUEUE + keys.RUNNING_SUFFIX, job_id)
        pipe.zscore(QUEUE + keys.DEAD_SUFFIX, job_id)
        pipe.zscore(QUEUE + keys.RETRYING_SUFFIX, job_id)
        pipe.exists(keys.ARQ.in_progress_prefix + job_id)
        pipe.exists(keys.ARQ.job_prefix + job_id)
        pipe.exists(keys.ARQ.retry_prefix + job_id)
        pipe.exists(keys.ARQ.history_prefix + job_id)
        found = await pipe.execute()
    names = ("queue", "running", "dead", "retrying", "in progress", "body", "attempts", "history")
    return {name: value not in {None, 0} for name, value in zip(names, found, strict=True)}


def _only(*names: str) -> dict[str, bool]:
    every = ("queue", "running", "dead", "retrying", "in progress", "body", "attempts", "history")
    return {name: name in names for name in every}


async def _end_of(handle: JobHandle[Any], state: JobState) -> None:
    await eventually(lambda: _is(handle, state))


async def _is(handle: JobHandle[Any], state: JobState) -> bool:
    return await handle.state() is state


@pytest.mark.parametrize(
    ("ending", "state", "where"),
    [
        ("done", JobState.DONE, _only()),
        ("retry", JobState.RETRYING, _only("queue", "retrying", "body", "attempts", "history")),
        ("park", JobState.SCHEDULED, _only("queue", "body")),
        ("bury", JobState.DEAD, _only("dead", "body", "attempts", "history")),
    ],
)
async def test_transition_leaves_a_job_in_exactly_one_state(
    redis_url: str, redis: QueueClient, ending: str, state: JobState, where: dict[str, bool]
) -> None:
    """Ready, running, ended: all structures agree at each step."""
    handle = await act.enqueue(ending)
    assert await handle.state() is JobState.READY
    assert await _memberships(redis, handle.id) == _only("queue", "body")

    async with working(redis_url, act):
        await stage.started.next()
        assert await handle.state() is JobState.RUNNING
        assert await _memberships(redis, handle.id) == _only(
            "queue", "running", "in progress", "body"
        )
        stage.go.set()
        await _end_of(handle, state)
        assert await _memberships(redis, handle.id) == where


async def test_transitions_of_all_kinds_go_together(redis_url: str, redis: QueueClient) -> None:
    """Settled in one call, each job has its own outcome, in whatever order they are sent."""
    endings = ["bury", "done", "retry", "done", "park", "retry", "done"]
    states = {"bury": JobState.DEAD, "retry": JobState.RETRYING, "park": JobState.SCHEDULED}

    async with working(redis_url, act, act_forgotten) as one:
        settles = note_settles(one)
        unheard = await act_forgotten.enqueue()
        handles = await act.enqueue_many([{"ending": ending} for ending in endings])
        await eventually(lambda: len(one.tasks) == len(endings) + 1)
        stage.go.set()
        for ending, handle in zip(endings, handles, strict=True):
            await _end_of(handle, states.get(ending, JobState.DONE))
            result = await redis.get(keys.ARQ.result_prefix + handle.id)
            assert (result is not None) == (ending in {"bury", "done"})
            if ending == "done":
                assert await handle.result(timeout_s=PATIENCE_S) == "done"
        await _end_of(unheard, JobState.UNKNOWN)

    assert settles == [len(endings) + 1]
    assert await dead_ids(redis, "default") == [handles[0].id]


async def test_transition_keeps_nothing_of_a_job_that_is_done(
    redis_url: str, redis: QueueClient
) -> None:
    """After a retried job is done, Redis holds only its result, its history, and its id."""
    stage.go.set()
    async with working(redis_url, act):
        handle = await act.enqueue("retry")
        await _end_of(handle, JobState.RETRYING)
        await redis.zadd(QUEUE, {handle.id: 1})
        await redis.lpush(f"{QUEUE}:wake", "1")  # type: ignore[misc]
        assert await handle.result(timeout_s=PATIENCE_S) == "retry"

    left = {key.decode() for key in await redis.keys()} - {
        keys.ARQ.ticks,
        keys.ARQ.fence,
        keys.ARQ.queues,
    }
    of_workers = (":workers", "health", keys.ARQ.metrics)
    assert {key for key in left if not any(part in key for part in of_workers)} == {
        f"arq:result:{handle.id}",
        f"arq:history:{handle.id}",
        QUEUE + keys.DONE_SUFFIX,
    }


async def test_settle_repeated_after_a_lost_answer_changes_nothing(
    redis_url: str, redis: QueueClient
) -> None:
    """Redis settled, the answer was lost, the worker settles again: the job is done once."""
    async with working(redis_url, act) as one:
        loses = lose_answers_to_settles(one)
        stage.go.set()
        handle = await act.enqueue("done")
        assert await handle.result(timeout_s=PATIENCE_S) == "done"
        await eventually(lambda: holds_nothing(one))

    assert loses.lost == [[]]
    assert await redis.zcard(QUEUE) == 0
    assert (one.jobs_complete, one.jobs_failed, one.jobs_retried) == (1, 0, 0)


async def test_settle_repeated_after_a_lost_answer_charges_one_attempt(
    redis_url: str, redis: QueueClient
) -> None:
    """A failure that is sent twice is one failure: one history entry, one attempt spent."""
    async with working(redis_url, act) as one:
        lose_answers_to_settles(one)
        stage.go.set()
        handle = await act.enqueue("retry")
        await _end_of(handle, JobState.RETRYING)
        await eventually(lambda: holds_nothing(one))

    assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 1
    assert await redis.llen(f"arq:history:{handle.id}") == 1  # type: ignore[misc]


async def test_claim_whose_answer_was_lost_is_given_back(
    redis_url: str, redis: QueueClient
) -> None:
    """The next claim gets its jobs at once, and no crash is counted."""
    one = await start(worker(redis_url, act))
    loses = lose_answers_to_claims(one)
    handles = await act.enqueue_many([{"ending": "done"}] * 5)
    stage.go.set()
    for handle in handles:
        assert await handle.result(timeout_s=PATIENCE_S) == "done"
    await stop(one)

    assert len(loses.lost[0]) == len(ClaimReply._fields) + 5 * len(Claimed._fields)
    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_claim_whose_answers_were_lost_several_times_is_given_back(
    redis_url: str, redis: QueueClient
) -> None:
    """The next claim gets the jobs of each lost answer, not only those of the last."""
    one = await start(worker(redis_url, act, concurrency=2))
    lose_answers_to_claims(one, times=3)
    handles = await act.enqueue_many([{"ending": "done"}] * 8)
    stage.go.set()
    for handle in handles:
        assert await handle.result(timeout_s=PATIENCE_S) == "done"
    await stop(one)

    assert await redis.exists(f"{QUEUE}:crashes") == 0


async def test_claim_whose_answer_was_lost_is_given_back_as_the_worker_stops(
    redis_url: str, redis: QueueClient
) -> None:
    """A worker that stops right after an answer was lost leaves no job claimed."""
    one = await start(worker(redis_url, act))
    lose_answers_to_claims(one, before=one.stop)
    handle = await act.enqueue("done")
    await eventually(lambda: _is(handle, JobState.READY))
    await stop(one)

    assert await handle.state() is JobState.READY
    assert await redis.hlen(f"{QUEUE}:running") == 0  # type: ignore[misc]
    assert not stage.started.unread()


async def test_gauges_count_each_job_in_one_state(redis_url: str, redis: QueueClient) -> None:
    """Ready, scheduled, retrying, running and dead add up to all jobs."""
    stage.go.set()
    async with working(redis_url, act):
        retrying = await act.enqueue("retry")
        await _end_of(retrying, JobState.RETRYING)
        dead = await act.enqueue("bury")
        await _end_of(dead, JobState.DEAD)
        stage.go.clear()
        stage.started.unread()
        await act.enqueue("done")
        await stage.started.next()
        await act.options(delay_s=60).enqueue("done")
        await redis.set(f"{QUEUE}:paused", "1")
        await act.enqueue("done")
        gauges = await queue_gauges(redis, "default")
        stage.go.set()

    assert (gauges.ready, gauges.scheduled, gauges.retrying, gauges.running, gauges.dead) == (
        *(1, 1, 1, 1),
        1,
    )
    assert gauges.paused
    assert gauges.oldest_wait_s < 5
    assert await dead_ids(redis, "default") == [dead.id]
