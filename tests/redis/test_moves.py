"""A job is moved only to where workers know it, whoever asks, one by one or with all others."""

from __future__ import annotations

import pytest

from runner import Context, JobState, QueueClient, job
from runner.broker import keys
from runner.errors import ConfigurationError
from runner.operations.actions import Operator, Request
from runner.operations.bulk import Bulk, Selection
from runner.operations.catalog import Catalog
from runner.operations.search import Filter
from runner.operations.verbs import Action
from tests.runner_kit import working

QUEUES = ("default", "able", "other")
REFUSED = "the workers of other do not know early; those of able do: nothing was moved"
TO_OTHER = Request(Action.MOVE, to="other")


@job(queue="default")
async def early(ctx: Context) -> str:
    """Stand for a job of one queue."""
    return ctx.job_id


@job(queue="other")
async def late(ctx: Context) -> str:
    """Stand for a job of another."""
    return ctx.job_id


CATALOG = Catalog.of((early, late))
WAITING = Selection("default", JobState.SCHEDULED, Filter())


async def _waiting(redis: QueueClient, queue: str) -> int:
    return int(await redis.zcard(keys.ARQ.queue_key(queue)))


async def test_job_is_not_moved_to_workers_that_do_not_know_it(
    redis_url: str, redis: QueueClient
) -> None:
    """What is said names the queues whose workers do; there it may go, and where nobody works."""
    handle = await early.options(delay_s=600).enqueue()
    operator = Operator(redis, "Grace", QUEUES)
    async with (
        working(redis_url, late),
        working(redis_url, early.options(queue="able").job, queue="able"),
    ):
        with pytest.raises(ConfigurationError, match=REFUSED):
            await operator.act(TO_OTHER, "default", handle.id)
        assert await _waiting(redis, "default") == 1
        assert (
            await operator.act(Request(Action.MOVE, to="able"), "default", handle.id) == "waiting"
        )
        assert await operator.act(Request(Action.MOVE, to="empty"), "able", handle.id) == "waiting"
    assert await _waiting(redis, "empty") == 1


async def test_no_job_of_many_is_moved_to_workers_that_do_not_know_it(
    redis_url: str, redis: QueueClient
) -> None:
    """They are asked before anything moves; what came meanwhile is left alone, and counted."""
    for _ in range(3):
        await late.options(queue="default", delay_s=600).enqueue()
    bulk = Bulk(redis, Operator(redis, "Grace", QUEUES), TO_OTHER, WAITING)
    async with working(redis_url, late):
        await bulk.check(CATALOG)
        await early.options(delay_s=600).enqueue()
        with pytest.raises(ConfigurationError, match="do not know early"):
            await bulk.check(CATALOG)
        over = await bulk.run(CATALOG, total=4)
    assert (over.acted, over.passed) == (3, 1)
    assert await _waiting(redis, "default") == 1
