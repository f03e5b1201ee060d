"""An id that a caller chose is free once its job is dead, and the dead job is found under both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner import Batch, Bury, Context, JobHandle, JobState, job
from runner.admin import Admin
from runner.broker import keys
from runner.errors import JobFailedError
from runner.operations.actions import Operator, Request, ids_back
from runner.operations.bulk import Bulk, Selection
from runner.operations.catalog import Catalog
from runner.operations.job import find_queue
from runner.operations.job import job as view_of
from runner.operations.jobs import list_jobs
from runner.operations.search import Filter
from runner.operations.session import OperatorSession
from runner.operations.verbs import Action, Role
from runner.states import Found
from runner.terminal.orders import ORDERS
from runner.web.login import LoginSettings
from tests.runner_kit import PATIENCE_S, dead_ids, eventually, history, working
from tests.visit import OPERATE, visiting_at_once

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "default"
KEY = keys.ARQ.queue_key(QUEUE)
MD5 = "9e107d9d372bb6826bd81d3542a419d6"


@job(queue=QUEUE, max_retries=0)
async def make(ctx: Context, what: str) -> str:
    """Make a report, or fail for good."""
    if what == "fail":
        raise Bury("no such channel")
    return f"{what} {ctx.attempt}"


async def _die(redis_url: str, redis: QueueClient, job_id: str) -> str:
    """Let a job die under this id; return the id that it has now."""
    before = set(await dead_ids(redis, QUEUE))
    async with working(redis_url, make):
        await make.options(job_id=job_id).enqueue("fail")
        await eventually(lambda: _has_died(redis, len(before) + 1))
    [dead_id] = set(await dead_ids(redis, QUEUE)) - before
    return dead_id


async def _has_died(redis: QueueClient, count: int) -> bool:
    return bool(await redis.zcard(f"{KEY}:dead") == count)


@pytest.mark.parametrize("job_id", ["report:7", MD5, "a~1", "é ~"])
async def test_death_frees_a_chosen_id(redis_url: str, redis: QueueClient, job_id: str) -> None:
    """A report that died is made again under its id; the dead one is kept with its history."""
    dead_id = await _die(redis_url, redis, job_id)
    assert dead_id.startswith(f"{job_id}~")
    handle: JobHandle[str] = JobHandle(job_id, QUEUE)
    assert await handle.state() is JobState.DEAD
    with pytest.raises(JobFailedError, match="no such channel"):
        await handle.result(timeout_s=PATIENCE_S)

    again = await make.options(job_id=job_id).enqueue("report")
    assert again.created
    assert await again.state() is JobState.READY
    async with working(redis_url, make):
        assert await again.result(timeout_s=PATIENCE_S) == "report 1"

    assert await again.state() is JobState.DONE
    assert await dead_ids(redis, QUEUE) == [dead_id]
    [entry] = await history(redis, dead_id)
    assert entry["message"] == "no such channel"


async def test_random_id_stays_when_its_job_dies(redis_url: str, redis: QueueClient) -> None:
    """It collides with no later one."""
    async with working(redis_url, make):
        handle = await make.enqueue("fail")
        await eventually(lambda: _has_died(redis, 1))
    assert await dead_ids(redis, QUEUE) == [handle.id]


async def test_dead_job_is_shown_and_retried_by_either_id(
    redis_url: str, redis: QueueClient
) -> None:
    """The id of old and the new one lead to it; a retry gives it its own id back."""
    dead_id = await _die(redis_url, redis, "report:7")
    catalog = Catalog.of([make])
    for shown in ("report:7", dead_id):
        assert await find_queue(redis, [QUEUE], shown) == QUEUE
        view = await view_of(redis, QUEUE, shown, catalog)
        assert view is not None
        assert (view.job_id, view.state) == (dead_id, JobState.DEAD)

    assert await Admin(redis).run_now(QUEUE, "report:7") is Found.DEAD

    assert await redis.zrange(KEY, 0, -1) == [b"report:7"]
    assert await redis.exists(f"{KEY}:died", f"arq:job:{dead_id}") == 0
    assert len(await history(redis, "report:7")) == 1


async def test_retry_goes_on_under_the_new_id_while_its_own_is_taken(
    redis_url: str, redis: QueueClient
) -> None:
    """Neither job is lost, nor takes the other's place."""
    dead_id = await _die(redis_url, redis, "report:7")
    assert (await make.options(job_id="report:7").enqueue("report")).created

    assert await Admin(redis).run_now(QUEUE, dead_id) is Found.DEAD

    assert set(await redis.zrange(KEY, 0, -1)) == {b"report:7", dead_id.encode()}


async def test_batch_of_a_dead_job_knows_its_new_id(redis_url: str, redis: QueueClient) -> None:
    """It counts as dead once, is found, and after a retry counts as waiting again."""
    batch = Batch()
    with batch.joined():
        dead_id = await _die(redis_url, redis, "report:7")
    assert await batch.dead_jobs(redis) == [(QUEUE, dead_id)]

    await Admin(redis).run_now(QUEUE, dead_id)

    assert await batch.dead_jobs(redis) == []
    assert (await batch.progress(redis)).waiting == 1


async def test_deleted_dead_job_leaves_nothing(redis_url: str, redis: QueueClient) -> None:
    """Neither under its old id nor under its new one."""
    await _die(redis_url, redis, "report:7")
    await _die(redis_url, redis, "report:7")

    for dead_id in await dead_ids(redis, QUEUE):
        assert await Admin(redis).delete(QUEUE, dead_id) is Found.DEAD

    assert [key for key in await redis.keys() if b"report:7" in key] == []
    assert await redis.exists(f"{KEY}:died") == 0


async def test_buried_job_frees_its_id_too(redis: QueueClient) -> None:
    """By hand as by failing."""
    await make.options(job_id="report:7").enqueue("x")
    await Admin(redis).bury(QUEUE, "report:7")

    assert (await make.options(job_id="report:7").enqueue("x")).created


async def test_whoever_retries_it_reads_its_id(redis_url: str, redis: QueueClient) -> None:
    """In the API, on the page and in `top`: one by one, or how many of all that match."""
    session = OperatorSession(redis, (QUEUE,), {}, (), Catalog(), Operator(redis, "ada"))
    [order] = [one for one in ORDERS.values() if one.word == "run"]
    for number in range(5):
        await _die(redis_url, redis, f"report:{number}")
    await make.options(job_id="report:4").enqueue("report")
    rows = sorted(
        (await list_jobs(redis, QUEUE, JobState.DEAD, Catalog())).rows, key=lambda row: row.job_id
    )

    said = await order.carry_out(session, rows[:1])
    assert said.endswith("due now, as report:0")
    login = LoginSettings(tokens={OPERATE: Role.OPERATE})
    async with visiting_at_once(redis, login) as (browser, _):
        bearer = {"authorization": f"Bearer {OPERATE}"}
        path = f"/api/queues/{QUEUE}/jobs/{rows[1].job_id}"
        answer = await browser.post(path, json={"action": "run"}, headers=bearer)
        assert answer.json() == {"found": "dead", "done": True, "job_id": "report:1"}
        form = {"queue": QUEUE, "action": "run", "id": [rows[2].job_id, "gone"], "back": "/jobs"}
        answer = await browser.post("/act", data=form, headers=bearer)
        page = await browser.get(answer.headers["location"], headers=bearer)
        assert "1 goes on under the id that its caller chose" in page.text
    bulk = Bulk(
        redis, session.operator, Request(Action.RUN), Selection(QUEUE, JobState.DEAD, Filter())
    )
    over = await bulk.run(Catalog(), total=2)
    assert (over.acted, over.renamed) == (2, 2)
    assert ids_back(2) == (
        "2 go on under the ids that their callers chose, where no other job has these"
    )
    assert await redis.exists(keys.ARQ.job_prefix + rows[4].job_id)
