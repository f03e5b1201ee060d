"""Applications with prefixes of their own share a Redis, and never meet."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from runner import Batch, Bury, Context, JobState, Periodic, connect, job
from runner.admin import Admin
from runner.broker import keys
from runner.current import configure, current_client, using
from runner.errors import ConfigurationError
from runner.handle import JobHandle
from runner.operations import metrics
from runner.operations.actions import Operator
from runner.operations.audit import entries
from runner.operations.faults import Inspector
from runner.operations.job import find_queue
from runner.operations.processes import processes
from runner.operations.queues import depth, queue
from runner.operations.redis_info import store
from runner.operations.sessions import sessions
from runner.periodic.poller import poll_age_s
from runner.periodic.ticks import last_ticks, paused
from runner.states import Found
from runner.worker.heartbeat import live_workers
from tests import hostile
from tests.redis import standing
from tests.runner_kit import eventually, soon, worker, working
from tests.visit import log_in, visiting

if TYPE_CHECKING:
    from runner import QueueClient

SHOP, FORUM = "shop:", "forum:"
PREFIXES = (SHOP, FORUM, "")
LONG_S = 60.0


@job(queue="default")
async def work(_: Context, number: int) -> int:
    """Return the number."""
    return number


@job(queue="default")
async def doomed(_: Context) -> None:
    """Fail for good."""
    raise Bury("no")


async def test_every_key_begins_with_its_applications_base(
    redis_url: str, redis: QueueClient
) -> None:
    """Whatever workers, clients, pages and operators write, with the same queues and ids."""
    recorded = {prefix: await standing.record(redis_url, prefix) for prefix in PREFIXES}

    found = {key.decode("latin-1") async for key in redis.scan_iter(count=1000)}
    for prefix, snapshot in recorded.items():
        own = keys.with_prefix(prefix)
        written = {key.decode("latin-1") for key in snapshot.dumps}
        assert written
        assert all(key.startswith(own.base) for key in written)
        bare = {own.bare(key) for key in written}
        missing = [
            pattern
            for pattern in map(keys.ARQ.bare, hostile.PATTERNS)
            if not any(fnmatchcase(key, pattern) for key in bare)
        ]
        assert missing == [], prefix
        # What one wrote is still there after the next, but for what lives for a moment.
        assert own.queue_key("default") in found
    bases = tuple(keys.with_prefix(prefix).base for prefix in PREFIXES)
    assert [key for key in found if not key.startswith(bases)] == []


async def test_an_application_sees_nothing_of_another(redis_url: str, redis: QueueClient) -> None:
    """Its pages, commands, doctor and metrics are those of an empty Redis."""
    recorded = await standing.record(redis_url, SHOP)
    queues = ("default",)
    for one in (redis, connect(redis_url, prefix=FORUM)):
        counted = await queue(one, "default")
        assert (counted.ready, counted.scheduled, counted.running, counted.dead) == (0, 0, 0, 0)
        assert counted.paused is None
        assert await depth(one, "default") == []
        assert await processes(one, queues) == []
        assert await live_workers(one, list(queues)) == {"default": 0}
        assert await poll_age_s(one, queues) is None
        assert await sessions(one) == []
        assert (await entries(one)).entries == []
        assert (await store(one)).set_aside == 0
        assert await metrics.all_jobs(one) == []
        assert await metrics.deploys(one) == []
        assert await last_ticks(one, standing.SCHEDULE) == [None]
        assert await paused(one, standing.SCHEDULE) == [None]
        for job_id in recorded.jobs:
            assert await find_queue(one, queues, job_id) is None
        with using(one):
            states = [await JobHandle(job_id, "default").state() for job_id in recorded.jobs]
            assert set(states) == {JobState.UNKNOWN}
        assert (await Batch(id=recorded.batch_id).progress(one)).queues == {}
        doctor = Inspector(one, queues, most=10_000, for_s=LONG_S, by="ada")
        assert await doctor.faults() == []
        assert doctor.looked_at == 0
        assert doctor.is_complete
        async with visiting(one, standing.LOGIN) as browser:
            browser.headers["cookie"] = recorded.cookie
            answer = await browser.get("/api/queues", follow_redirects=False)
            assert not answer.is_success, "a session of the other application is none here"
        await one.aclose()


async def test_same_ids_live_apart(redis_url: str, redis: QueueClient) -> None:
    """Enqueued, run, buried, retried, counted and scheduled by each for itself."""
    schedule = [Periodic("often", work, "* * * * * *", {"number": 7})]
    options = {"schedule": schedule, "poll_interval_s": 0.1, "heartbeat_s": 0.2}
    shop, forum = connect(redis_url, prefix=SHOP), connect(redis_url, prefix=FORUM)
    with using(forum):
        waiting = await work.options(job_id="mine").enqueue(2)
        lost = await doomed.options(job_id="dead").enqueue()
    with using(shop):
        handle = await work.options(job_id="mine").enqueue(1)
        assert handle.created
        batch = Batch(id="both")
        with batch.joined():
            dead = await doomed.options(job_id="dead").enqueue()
    async with working(redis_url, work, doomed, prefix=SHOP, **options):
        with using(shop):
            assert await soon(handle.result()) == 1
            await eventually(lambda: _is_dead(dead))
            await eventually(lambda: shop.hexists(keys.of(shop).ticks, "default|often"))
    with using(forum):
        assert await waiting.state() is JobState.READY
        assert await lost.state() is JobState.READY
        assert (await Batch(id="both").progress(forum)).queues == {}
    assert (await Batch(id="both").progress(shop)).dead == 1
    assert await last_ticks(forum, schedule) == [None]
    await Operator(shop, "ada").pause("default")
    assert (await queue(forum, "default")).paused is None
    async with working(redis_url, work, doomed, prefix=FORUM):
        with using(forum):
            assert await soon(waiting.result()) == 2
            await eventually(lambda: _is_dead(lost))
    assert await Admin(shop).run_now("default", "dead") is Found.DEAD
    with using(forum):
        assert await lost.state() is JobState.DEAD
    assert await redis.keys("arq:*") == []
    await shop.aclose()
    await forum.aclose()


async def _is_dead(handle: JobHandle[None]) -> bool:
    return await handle.state() is JobState.DEAD


async def test_threads_and_twins_keep_the_prefix(
    redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service says it once, in the environment; synchronous calls and other loops follow."""
    monkeypatch.setenv("REDIS_PREFIX", SHOP)

    def from_a_thread() -> JobState:
        handle = work.enqueue_sync(3)
        state = handle.state_sync()
        handle.abort_sync()
        return state

    def from_another_loop() -> str:
        async def enqueue() -> str:
            return (await work.enqueue(4)).id

        return asyncio.run(enqueue())

    client = current_client()
    assert keys.of(client).prefix == SHOP
    with using(client):
        assert await asyncio.to_thread(from_a_thread) is JobState.READY
        job_id = await asyncio.to_thread(from_another_loop)
    assert await redis.exists(f"shop:job:{job_id}")
    assert await redis.keys("arq:*") == []


async def test_what_arq_itself_would_look_for_is_refused(redis_url: str) -> None:
    """Its own classes know one base, and would find nothing; enqueueing works."""
    shop = connect(redis_url, prefix=SHOP)
    found = await shop.enqueue_job("work", 5, _job_id="five")
    assert found is not None
    assert await shop.exists("shop:job:five")
    assert [one.job_id for one in await shop.queued_jobs()] == ["five"]
    for ask in (found.status, found.info, found.result, found.result_info, found.abort):
        with pytest.raises(ConfigurationError, match=r"begin with 'shop:': use runner\.JobHandle"):
            await ask()
    with pytest.raises(ConfigurationError, match="all_job_results"):
        await shop.all_job_results()
    with pytest.raises(ConfigurationError, match="lies outside the prefix"):
        await shop.enqueue_job("work", 6, _queue_name="arq:queue:default")
    await shop.aclose()


async def test_worker_with_another_prefix_than_its_pool_is_refused(
    redis_url: str, redis: QueueClient
) -> None:
    """It would claim under one, and enqueue under the other."""
    one = worker(redis_url, work, prefix=SHOP, redis_pool=redis)
    with pytest.raises(ConfigurationError, match="give both the same"):
        await one.async_run()
    await one.close()


async def test_health_line_that_arq_checks_has_the_prefix(redis_url: str) -> None:
    """`arq --check` reads where the settings class says."""
    shop = connect(redis_url, prefix=SHOP)
    async with working(redis_url, work, prefix=SHOP, heartbeat_s=0.2) as one:
        assert one.health_check_key == "shop:queue:default:health-check"
        await eventually(lambda: shop.exists("shop:queue:default:health-check"))
    await shop.aclose()


async def test_pages_let_each_application_log_in_by_itself(redis_url: str) -> None:
    """The same user and password open a session there alone."""
    shop, forum = connect(redis_url, prefix=SHOP), connect(redis_url, prefix=FORUM)
    async with visiting(shop, standing.LOGIN) as browser:
        await log_in(browser)
    assert len(await sessions(shop)) == 1
    assert await sessions(forum) == []
    await shop.aclose()
    await forum.aclose()


@pytest.mark.parametrize("prefix", ["shop", "arq:", "sh*p:"])
def test_service_names_a_prefix_that_can_be_one(prefix: str) -> None:
    """`configure` and `connect` say what is wrong with it."""
    with pytest.raises(ConfigurationError, match="prefix is"):
        configure(prefix=prefix)
    with pytest.raises(ConfigurationError, match="prefix is"):
        _ = connect("redis://localhost", prefix=prefix)
