"""`runner.testing`: collect, inline, drain."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runner import Batch, Bury, Context, Retry, job, testing
from runner.errors import ArgumentsError, ConfigurationError
from runner.testing import JobError

if TYPE_CHECKING:
    from runner.middleware import Handler


@dataclass
class Store:
    """A resource that the jobs here use."""

    seen: list[str] = field(default_factory=list)
    failures: int = 0


@job(queue="default")
async def sync(ctx: Context, channel_id: str) -> str:
    """Record the channel, or fail as often as the store says."""
    store = ctx.get(Store)
    store.seen.append(f"{channel_id} {ctx.attempt}")
    if store.failures:
        store.failures -= 1
        raise OSError("no answer")
    return channel_id


@job(queue="default")
async def sync_all(ctx: Context, since: datetime) -> None:
    """Enqueue others."""
    ctx.get(Store).seen.append(f"since {since:%Y}")
    await sync.enqueue("UC1")
    await sync.options(delay_s=60).enqueue("UC2")


@job(queue="default", max_retries=1, backoff=lambda _: 1.0)
async def hopeful(ctx: Context) -> None:
    """Always fail, with one retry of its own."""
    ctx.get(Store).seen.append(f"hopeful {ctx.attempt} of {ctx.max_retries}")
    raise ValueError("still broken")


@job(queue="default")
async def patient(ctx: Context) -> None:
    """Park once without charge, then bury itself."""
    store = ctx.get(Store)
    store.seen.append(f"patient {ctx.attempt}")
    if len(store.seen) < 2:
        raise Retry(30, charge=False)
    raise Bury("no such channel")


async def test_collect_records_and_runs_nothing() -> None:
    """Inside `collect` a job is data: name, queue, id, arguments as JSON, delay."""
    since = datetime(2026, 1, 1, tzinfo=UTC)

    with testing.collect() as jobs:
        handle = await sync_all.options(delay_s=5, queue="slow").enqueue(since=since)
        await sync.enqueue("UC1")

    assert handle.created
    one = jobs.of(sync_all)[0]
    assert (one.name, one.job_id, one.queue, one.delay_s) == ("sync_all", handle.id, "slow", 5)
    assert one.kwargs == {"since": "2026-01-01T00:00:00Z"}
    assert [job.name for job in jobs.jobs] == ["sync_all", "sync"]


async def test_collect_has_the_delay_of_a_job_for_a_given_time() -> None:
    """`at` becomes the seconds until then."""
    with testing.collect() as jobs:
        await sync.options(at=datetime.now(UTC) + timedelta(hours=1)).enqueue("UC1")

    assert 3590 < jobs.jobs[0].delay_s < 3601


async def test_collect_refuses_a_second_job_of_one_id() -> None:
    """As with Redis, while the first one waits."""
    with testing.collect() as jobs:
        first = await sync.options(job_id="sync:UC1").enqueue("UC1")
        second = await sync.options(job_id="sync:UC1").enqueue("UC1")

    assert (first.created, second.created) == (True, False)
    assert len(jobs.jobs) == 1


async def test_collect_checks_arguments_as_enqueue_does() -> None:
    """A test cannot hide a call that would fail with Redis."""
    with testing.collect() as jobs, pytest.raises(ArgumentsError):
        await sync.enqueue(1)  # type: ignore[arg-type]

    assert not jobs.jobs


async def test_collect_gives_way_to_the_outer_mode_at_its_end() -> None:
    """Modes nest: the innermost open one takes what is enqueued."""
    with testing.collect() as outer:
        with testing.collect() as inner:
            await sync.enqueue("UC1")
        await sync.enqueue("UC2")

    assert [one.args for one in inner.jobs] == [("UC1",)]
    assert [one.args for one in outer.jobs] == [("UC2",)]


async def test_inline_runs_a_job_and_what_it_enqueues_before_enqueue_returns() -> None:
    """Arguments go through JSON and validation; there are no delays."""
    store = Store()

    async with testing.inline({Store: store}) as jobs:
        await sync_all.enqueue(since=datetime(2026, 1, 1, tzinfo=UTC))

    assert store.seen == ["since 2026", "UC1 1", "UC2 1"]
    assert [one.name for one in jobs.jobs] == ["sync_all", "sync", "sync"]


async def test_inline_raises_what_the_job_raised() -> None:
    """A failed job fails the test, with the job's own traceback."""
    async with testing.inline({Store: Store(failures=1)}):
        with pytest.raises(JobError, match="sync: OSError: no answer"):
            await sync.enqueue("UC1")


async def test_inline_runs_given_middleware() -> None:
    """A queue's own middleware can be tested with its jobs."""

    async def note(ctx: Context, call_next: Handler) -> Any:
        ctx.get(Store).seen.append(f"before {ctx.job_name}")
        return await call_next(ctx)

    store = Store()
    async with testing.inline({Store: store}, middleware=[note]):
        await sync.enqueue("UC1")

    assert store.seen == ["before sync", "UC1 1"]


async def test_drain_runs_in_order_of_time_and_moves_the_clock() -> None:
    """Jobs run when they are due, by a clock that nobody has to wait for."""
    store = Store()

    async with testing.drain({Store: store}) as jobs:
        await sync.options(delay_s=90).enqueue("late")
        await sync_all.enqueue(since=datetime(2026, 1, 1, tzinfo=UTC))
        started = jobs.clock.now
        assert store.seen == []
        await jobs.run()

    assert store.seen == ["since 2026", "UC1 1", "UC2 1", "late 1"]
    assert jobs.clock.now - started == timedelta(seconds=90)
    assert [one.name for one in jobs.done] == ["sync_all", "sync", "sync", "sync"]


async def test_drain_retries_by_the_backoff_until_the_job_succeeds() -> None:
    """Two failures take 10 and 20 seconds of the test's clock, and no real time."""
    store = Store(failures=2)

    async with testing.drain({Store: store}, max_retries=2) as jobs:
        await sync.enqueue("UC1")
        started = jobs.clock.now
        await jobs.run()

    assert store.seen == ["UC1 1", "UC1 2", "UC1 3"]
    assert jobs.clock.now - started == timedelta(seconds=30)
    assert (len(jobs.done), jobs.dead) == (1, [])


async def test_drain_buries_what_has_no_retries_left() -> None:
    """A job's own retries and backoff override those of the test."""
    store = Store()

    async with testing.drain({Store: store}, max_retries=99) as jobs:
        await hopeful.enqueue()
        started = jobs.clock.now
        await jobs.run()

    assert store.seen == ["hopeful 1 of 1", "hopeful 2 of 1"]
    assert jobs.clock.now - started == timedelta(seconds=1)
    [(dead, outcome)] = jobs.dead
    assert (dead.name, outcome.error.message) == ("hopeful", "still broken")


async def test_drain_parks_without_charge_and_buries_on_request() -> None:
    """`Retry(charge=False)` and `Bury` work as in a worker."""
    store = Store()

    async with testing.drain({Store: store}) as jobs:
        await patient.enqueue()
        await jobs.run()

    assert store.seen == ["patient 1", "patient 1"]
    assert jobs.dead[0][1].error.message == "no such channel"


async def test_drain_may_run_only_what_is_due_within_a_time() -> None:
    """`run(for_s=…)` leaves the rest waiting, and ends at that time."""
    async with testing.drain({Store: Store()}) as jobs:
        started = jobs.clock.now
        await sync.options(delay_s=10).enqueue("UC1")
        await sync.options(at=started + timedelta(seconds=100)).enqueue("UC2")
        await jobs.run(for_s=50)

        assert jobs.clock.now - started == timedelta(seconds=50)
        assert [(one.args, one.delay_s) for one in jobs.waiting] == [(("UC2",), 50)]


async def test_drain_refuses_a_second_job_of_one_id_while_the_first_waits() -> None:
    """Once it has run, the id is free again."""
    async with testing.drain({Store: Store()}) as jobs:
        chosen = sync.options(job_id="sync:UC1")
        assert (await chosen.enqueue("UC1")).created
        assert not (await chosen.enqueue("UC1")).created
        await jobs.run()
        assert (await chosen.enqueue("UC1")).created


async def test_jobs_of_a_job_belong_to_its_batch_in_tests_too() -> None:
    """Jobs that a job of a batch enqueues belong to the batch."""
    batches: list[str | None] = []

    async def note(ctx: Context, call_next: Handler) -> Any:
        batches.append(ctx.batch_id)
        return await call_next(ctx)

    batch = Batch()
    async with testing.inline({Store: Store()}, middleware=[note]):
        with batch.joined():
            await sync_all.enqueue(since=datetime(2026, 1, 1, tzinfo=UTC))
        await sync.enqueue("UC3")
    async with testing.drain({Store: Store()}, middleware=[note]) as jobs:
        with batch.joined():
            await sync_all.enqueue(since=datetime(2026, 1, 1, tzinfo=UTC))
        await jobs.run()

    assert batches == [batch.id] * 3 + [None] + [batch.id] * 3


async def test_missing_resource_is_named_with_a_remedy() -> None:
    """The error of a job that asks for a missing resource lists those that there are."""
    ctx = Context(sync, "j1", "default", 1, 0, 0, resources={int: 1})

    assert ctx.get(int) == 1
    with pytest.raises(ConfigurationError, match="sync needs a Store, and its worker provides int"):
        ctx.get(Store)


@job(queue="default", max_retries=0)
async def give(_: Context, what: str) -> int:
    """Return a number, or something else."""
    return {"number": 5, "text": "five"}[what]  # type: ignore[return-value]  # the mistake


async def test_results_are_checked_as_by_a_worker() -> None:
    """A result that does not fit the signature fails the job, in a test as well."""
    async with testing.inline():
        await give.enqueue("number")
        with pytest.raises(JobError, match="its result does not fit: it: Input should be"):
            await give.enqueue("text")
    async with testing.drain() as jobs:
        await give.enqueue("text")
        await jobs.run()
    assert [one.error.error for _, one in jobs.dead] == ["runner.errors.ResultError"]
