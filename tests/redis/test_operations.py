"""The read model and the actions that the pages, the API and the terminal share."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from runner import Batch, Context, JobState, Periodic, job, linear
from runner.broker import keys
from runner.broker.reading import keys_of, shown_id
from runner.errors import ConfigurationError
from runner.operations import audit, metrics, schedules
from runner.operations.actions import Operator, Request
from runner.operations.bulk import Bulk, Selection, bulk_progress, count
from runner.operations.catalog import Catalog
from runner.operations.job import find_queue
from runner.operations.job import job as look_at
from runner.operations.jobs import list_jobs
from runner.operations.processes import processes
from runner.operations.queues import depth, queue
from runner.operations.redis_info import store
from runner.operations.search import Filter
from runner.operations.verbs import Action
from runner.operations.why import Cause, why
from runner.periodic.poller import Poller
from runner.redaction import REDACTED
from runner.states import Found
from runner.telemetry.statsd import NullStatsD
from tests.runner_kit import PATIENCE_S, eventually, soon, stage, working

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE = "default"
QUEUES = ("analytics", QUEUE)
SECRETS = {"pin_code": "4711", "password": "hunter2"}


@job(queue=QUEUE, redact=["pin_code"])
async def sync(ctx: Context, /, channel: str, **secrets: str) -> str:
    """Report progress and the start, and wait."""
    ctx.progress(1, 2, f"half, {len(secrets)} secrets")
    await stage.hold()
    return channel


@job(queue=QUEUE, max_retries=1, backoff=linear(3600))
async def fail(ctx: Context) -> None:
    """Fail; the next attempt is an hour away."""
    raise LookupError(ctx.job_id)


@job(queue=QUEUE, max_retries=0)
async def die(ctx: Context, channel: str) -> None:
    """Fail for good."""
    raise LookupError(f"no {channel} for {ctx.job_id}")


mended = asyncio.Event()


@job(queue=QUEUE, max_retries=1, backoff=linear(0.01))
async def falter(ctx: Context) -> str:
    """Fail until the test has mended it."""
    if not mended.is_set():
        raise LookupError("broken")
    return f"done in attempt {ctx.attempt}"


CATALOG = Catalog.of([sync, fail, die, falter])


@pytest.fixture
def operator(redis: QueueClient) -> Operator:
    """Return an operator."""
    return Operator(redis, "ada")


async def _all(redis: QueueClient, state: JobState, where: Filter | None = None) -> list[str]:
    """Return the ids of all pages, three jobs a page."""
    ids: list[str] = []
    after: str | None = None
    while True:
        page = await list_jobs(redis, QUEUE, state, CATALOG, where=where, after=after, limit=3)
        ids += [row.job_id for row in page.rows]
        after = page.after
        if after is None:
            return ids


async def test_pages_show_each_job_once_in_order(redis: QueueClient) -> None:
    """Also jobs with the same due time; those that are due first come first."""
    at = datetime.now(UTC) + timedelta(hours=1)
    same = [await sync.options(at=at).enqueue(str(n)) for n in range(8)]
    earlier = await sync.options(at=at - timedelta(minutes=1)).enqueue("first")

    listed = await _all(redis, JobState.SCHEDULED)

    assert listed == [earlier.id, *sorted(handle.id for handle in same)]


async def test_pages_go_on_when_the_last_one_shown_is_gone(
    redis: QueueClient, operator: Operator
) -> None:
    """A deleted job does not lose the place in the list: all others are still shown."""
    at = datetime.now(UTC) + timedelta(hours=1)
    ids = sorted([(await sync.options(at=at).enqueue(str(n))).id for n in range(6)])
    page = await list_jobs(redis, QUEUE, JobState.SCHEDULED, CATALOG, limit=3)
    for row in page.rows:
        await operator.act(Request(Action.DELETE), QUEUE, row.key)

    rest = await list_jobs(redis, QUEUE, JobState.SCHEDULED, CATALOG, after=page.after, limit=3)

    assert [row.job_id for row in page.rows + rest.rows] == ids


async def test_dead_jobs_come_latest_first_with_their_error(
    redis_url: str, redis: QueueClient
) -> None:
    """The job that died last is at the top."""
    async with working(redis_url, die):
        for name in "abcde":
            handle = await die.enqueue(name)
            await eventually(partial(_dead, handle))

    page = await list_jobs(redis, QUEUE, JobState.DEAD, CATALOG, limit=2)

    assert [row.arguments["channel"] for row in page.rows] == ["e", "d"]
    assert page.rows[0].error == "LookupError"
    assert page.total == 5
    rest = await _all(redis, JobState.DEAD)
    assert len(set(rest)) == 5


async def _dead(handle: object) -> bool:
    return await handle.state() is JobState.DEAD  # type: ignore[attr-defined]


async def test_filter_finds_by_name_id_and_shown_text_but_not_by_secrets(
    redis: QueueClient,
) -> None:
    """Nobody can guess a hidden value by searching for it."""
    one = await sync.options(job_id="nightly:UC1").enqueue("UC1", **SECRETS)
    await fail.enqueue()

    assert await _all(redis, JobState.READY, Filter(name="sync")) == [one.id]
    assert await _all(redis, JobState.READY, Filter(job_id="NIGHTLY")) == [one.id]
    assert await _all(redis, JobState.READY, Filter(text="uc1")) == [one.id]
    assert await _all(redis, JobState.READY, Filter(text="4711")) == []
    assert await _all(redis, JobState.READY, Filter(text="hunter2")) == []
    page = await list_jobs(redis, QUEUE, JobState.READY, CATALOG)
    assert page.rows[0].arguments == {"channel": "UC1"} | dict.fromkeys(SECRETS, REDACTED)


@pytest.mark.parametrize(
    "text",
    ["channel", "ÜBER", 'a "quoted', "back\\\\slash", "[redacted", "line", '"channel":"', "<b>"],
)
async def test_search_finds_what_the_page_shows(redis: QueueClient, text: str) -> None:
    """However JSON escapes it, and if only the page has an argument's name."""
    channel = 'über a "quoted" back\\slash <b>\nline'
    by_name = (await sync.enqueue(channel=channel, **SECRETS)).id
    by_place = (await sync.enqueue(channel, **SECRETS)).id

    assert set(await _all(redis, JobState.READY, Filter(text=text))) == {by_name, by_place}


@pytest.mark.parametrize(("most", "for_s"), [(5000, 60.0), (10**9, 0.0)])
async def test_search_is_bounded_and_says_how_far_it_came(
    redis: QueueClient, monkeypatch: pytest.MonkeyPatch, most: int, for_s: float
) -> None:
    """Without a match it stops after a number of jobs or a time, and can go on from there."""
    monkeypatch.setattr("runner.operations.jobs._SEARCHED", most)
    monkeypatch.setattr("runner.operations.jobs._STEP", 1000)
    await sync.enqueue_many([{"channel": str(n)} for n in range(6000)])
    page = await list_jobs(
        redis,
        QUEUE,
        JobState.READY,
        CATALOG,
        where=Filter(text="nothing like it"),
        for_s=for_s,
    )

    looked_at = 5000 if for_s else 1000
    assert (page.rows, page.total, page.searched) == ([], 6000, looked_at)
    rest = await list_jobs(
        redis,
        QUEUE,
        JobState.READY,
        CATALOG,
        where=Filter(text='"5999"'),
        after=page.after,
        for_s=60.0,
    )
    assert [row.arguments["channel"] for row in rest.rows] == ["5999"]
    assert rest.after is None


async def test_place_that_no_page_gave_is_refused(redis: QueueClient) -> None:
    """With one line, not a traceback."""
    with pytest.raises(ConfigurationError, match="start from the top"):
        await list_jobs(redis, QUEUE, JobState.READY, CATALOG, after="%%%")


async def test_running_job_shows_progress_holder_and_lease(
    redis_url: str, redis: QueueClient
) -> None:
    """Who runs it, since when, and its progress; also in the list of processes."""
    async with working(redis_url, sync, release="v1") as one:
        handle = await sync.enqueue("UC1")

        async def has_progress() -> bool:
            view = await look_at(redis, QUEUE, handle.id, CATALOG)
            return view is not None and view.progress is not None

        await eventually(has_progress)
        view = await look_at(redis, QUEUE, handle.id, CATALOG)
        assert view is not None
        assert view.holder == one.id
        assert view.lease_until is not None
        assert view.progress is not None
        assert (view.progress.done, view.progress.total) == (1, 2)
        (process,) = await processes(redis, QUEUES)
        assert (process.busy, process.release) == (1, "v1")
        assert process.running[0].job_id == handle.id
        assert (await why(redis, QUEUES, handle.id, CATALOG)).cause is Cause.RUNNING
        (row,) = (await list_jobs(redis, QUEUE, JobState.RUNNING, CATALOG)).rows
        assert row.worker == one.id
        stage.go.set()
        await soon(handle.result())

    view = await look_at(redis, QUEUE, handle.id, CATALOG)
    assert view is not None
    assert (view.state, view.result, view.succeeded) == (JobState.DONE, "UC1", True)
    assert view.attempts[-1].worker == one.id
    assert await find_queue(redis, QUEUES, handle.id) == QUEUE


async def test_done_job_shows_its_failed_attempts(
    redis_url: str, redis: QueueClient, operator: Operator
) -> None:
    """Also those before it was dead and retried by hand, while its result is kept."""
    mended.clear()
    async with working(redis_url, falter):
        handle = await falter.enqueue()
        await eventually(lambda: _dead(handle))
        mended.set()
        await operator.act(Request(Action.RUN), QUEUE, handle.id)
        assert await handle.result(timeout_s=PATIENCE_S) == "done in attempt 1"

    view = await look_at(redis, QUEUE, handle.id, CATALOG)
    assert view is not None
    assert [(one.number, one.message) for one in view.attempts] == [
        (1, "broken"),
        (2, "broken"),
        (1, ""),
    ]
    assert view.attempts_spent == 2
    answer = await why(redis, QUEUES, handle.id, CATALOG)
    assert answer.sentence.endswith("Failed before: 2, the last time with LookupError: broken.")


async def test_id_that_is_not_text_is_found_and_acted_on_as_shown(
    redis: QueueClient, operator: Operator
) -> None:
    """Its page, its explanation and actions; another job may have that very text as its id."""
    body = b'{"t":null,"f":"sync","a":["UC1"],"k":{},"et":1}'
    odd, twin = b"a\xff/\xfe", b"a\\xff/\\xfe"
    for key, due in ((odd, 1), (twin, 2)):
        await redis.set(b"arq:job:" + key, body)
        await redis.zadd("arq:queue:default", {key: due})

    first, second = await _all(redis, JobState.READY)
    assert first == second == r"a\xff/\xfe"
    assert await find_queue(redis, QUEUES, first) == QUEUE
    assert await operator.act(Request(Action.DELETE), QUEUE, first) is Found.WAITING
    assert await redis.zrange("arq:queue:default", 0, -1) == [odd]
    view = await look_at(redis, QUEUE, first, CATALOG)
    assert view is not None
    assert (view.job_id, view.name) == (first, "sync")
    assert (await why(redis, QUEUES, first, CATALOG)).cause is Cause.NO_WORKER
    assert await operator.act(Request(Action.BURY), QUEUE, first) is Found.WAITING
    [dead_id] = await redis.zrange("arq:queue:default:dead", 0, -1)
    assert dead_id.startswith(odd + b"~")


@pytest.mark.parametrize(
    ("shown", "keys_"),
    [
        ("plain", [b"plain"]),
        ("ü", ["ü".encode()]),
        (r"\x41", [rb"\x41"]),
        (r"\xff", [rb"\xff", b"\xff"]),
        (r"\xc3\xbc", [rb"\xc3\xbc"]),
        (r"ü\xe2", [r"ü\xe2".encode(), "ü".encode() + b"\xe2"]),
    ],
)
def test_shown_id_is_read_as_bytes_that_are_shown_like_it(shown: str, keys_: list[bytes]) -> None:
    """Two bytes that form a letter would have been shown as that letter."""
    assert keys_of(shown) == keys_
    assert {shown_id(key) for key in keys_} == {shown}


async def test_why_names_what_keeps_a_job_from_running(
    redis_url: str, redis: QueueClient, operator: Operator
) -> None:
    """Each cause: no such job, not due, paused, no worker, busy slots, done, unknown, dead."""

    async def cause(job_id: str) -> Cause:
        return (await why(redis, QUEUES, job_id, CATALOG)).cause

    assert await cause("nobody") is Cause.GONE
    later = await sync.options(delay_s=60).enqueue("later")
    assert await cause(later.id) is Cause.NOT_DUE
    ready = await sync.enqueue("ready")
    assert await cause(ready.id) is Cause.NO_WORKER
    await operator.pause(QUEUE)
    answer = await why(redis, QUEUES, ready.id, CATALOG)
    assert answer.cause is Cause.PAUSED
    assert "by ada" in answer.sentence
    await operator.resume(QUEUE)
    async with working(redis_url, sync, die, concurrency=1):
        second = await sync.enqueue("second")
        await stage.started.next()
        await eventually(lambda: _is_busy(redis))
        assert await cause(second.id) is Cause.SLOTS_BUSY
        stage.go.set()
        await soon(second.result())
        assert await cause(second.id) is Cause.DONE
        unknown = await fail.enqueue()
        await eventually(lambda: _rests(redis))
        assert await cause(unknown.id) is Cause.UNKNOWN_NAME
        dead = await die.enqueue("x")
        await eventually(lambda: _dead(dead))
        assert await cause(dead.id) is Cause.DEAD


async def _is_busy(redis: QueueClient) -> bool:
    return any(process.busy for process in await processes(redis, QUEUES))


async def _rests(redis: QueueClient) -> bool:
    return bool((await queue(redis, QUEUE)).parked)


async def test_move_takes_a_job_to_another_queue(redis: QueueClient, operator: Operator) -> None:
    """With its due time and its batch; a job that has moved on is left alone."""
    with Batch(id="b").joined():
        handle = await sync.options(delay_s=60).enqueue("UC1")

    found = await operator.act(Request(Action.MOVE, to="analytics"), QUEUE, handle.id)

    assert found == "waiting"
    assert await operator.act(Request(Action.MOVE, to="analytics"), QUEUE, handle.id) == "gone"
    assert await find_queue(redis, QUEUES, handle.id) == "analytics"
    progress = await Batch(id="b").progress(redis)
    assert progress.queues["analytics"].total == 1
    assert progress.queues[QUEUE].total == 0
    assert (await queue(redis, "analytics")).scheduled == 1


async def test_bulk_acts_on_all_that_match_and_on_no_other(
    redis_url: str, redis: QueueClient, operator: Operator
) -> None:
    """Counted first; a second time it does nothing; the audit log has each call once."""
    async with working(redis_url, die):
        for n in range(12):
            handle = await die.enqueue("keep" if n % 4 == 0 else "go")
        await eventually(lambda: _all_dead(redis, 12))
    selection = Selection(QUEUE, JobState.DEAD, Filter(error="no go"))

    assert await count(redis, selection, CATALOG) == type(await count(redis, selection, CATALOG))(
        9, is_exact=True
    )
    bulk = Bulk(redis, operator, Request(Action.RUN), selection)
    over = await bulk.run(CATALOG, total=9)

    assert (over.acted, over.passed, over.is_over) == (9, 0, True)
    assert await bulk_progress(redis, bulk.id) == over
    assert (await queue(redis, QUEUE)).ready == 9
    assert (await queue(redis, QUEUE)).dead == 3
    again = await Bulk(redis, operator, Request(Action.RUN), selection).run(CATALOG, total=0)
    assert again.acted == 0
    log = await audit.entries(redis)
    assert [entry.outcome for entry in log.entries] == [
        "0 done, 0 had moved on",
        "9 done, 0 had moved on",
    ]
    assert log.before is None
    assert handle.id


async def _all_dead(redis: QueueClient, many: int) -> bool:
    return (await queue(redis, QUEUE)).dead == many


async def test_counting_ends_after_its_time_and_acting_goes_on(
    redis: QueueClient, operator: Operator
) -> None:
    """Then the number is a minimum; the action still reaches all that match, and counts them."""
    await sync.enqueue_many([{"channel": str(n)} for n in range(2500)])
    selection = Selection(QUEUE, JobState.READY, Filter(text="9"))
    exact = await count(redis, selection, CATALOG)
    counted = await count(redis, selection, CATALOG, for_s=0)
    assert (exact.is_exact, counted.is_exact) == (True, False)
    assert 0 < counted.jobs < exact.jobs
    bulk = Bulk(redis, operator, Request(Action.DELETE), selection)
    done = await bulk.run(CATALOG, total=counted.jobs)
    assert (done.acted, done.total) == (exact.jobs, exact.jobs)


async def test_metrics_have_ended_jobs_and_their_durations(
    redis_url: str, redis: QueueClient
) -> None:
    """By minute and by ten minutes."""
    async with working(redis_url, die, sync):
        stage.go.set()
        handles = [await sync.enqueue(str(n)) for n in range(5)]
        await asyncio.gather(*[soon(handle.result()) for handle in handles])
        dead = await die.enqueue("x")
        await eventually(lambda: _dead(dead))

    found = {one.name: one for one in await metrics.all_jobs(redis, hours=1)}
    assert (found["sync"].total.done, found["sync"].total.failed) == (5, 0)
    assert (found["die"].total.done, found["die"].total.failed) == (0, 1)
    assert found["sync"].total.percentile_ms(0.95) is not None
    assert len(found["sync"].cells) == 60
    long = await metrics.one_job(redis, QUEUE, "sync", hours=72)
    assert (long.total.done, long.step_s, len(long.cells)) == (5, 600, 432)
    assert sum(cell.attempts for cell in metrics.together(list(found.values()))) == 6


async def test_schedule_is_paused_run_and_described_in_words(
    redis: QueueClient, operator: Operator
) -> None:
    """Ticks during a pause do not count as missed, and "run now" leaves the ticks alone."""
    nightly = Periodic("nightly", sync, "0 3 * * *", {"channel": "UC1", **SECRETS})
    (view,) = await schedules.schedules(redis, [nightly], CATALOG)
    assert view.words == "At 03:00"
    assert view.arguments["password"] == REDACTED
    assert view.next_at is not None
    await schedules.pause(redis, operator, [nightly], "nightly")
    (view,) = await schedules.schedules(redis, [nightly], CATALOG)
    assert view.paused is not None
    assert view.paused.by == "ada"
    await schedules.run_now(redis, operator, [nightly], "nightly")
    assert (await queue(redis, QUEUE)).ready == 1
    yesterday = datetime.now(UTC) - timedelta(days=2)
    await redis.hset(
        keys.ARQ.ticks, f"{sync.queue}|nightly", str(round(yesterday.timestamp() * 1000))
    )  # type: ignore[misc]
    await schedules.resume(redis, operator, [nightly], "nightly")
    (view,) = await schedules.schedules(redis, [nightly], CATALOG)
    assert (view.missed, view.paused) == (0, None)


async def test_schedule_that_never_ran_has_no_last_run(redis_url: str, redis: QueueClient) -> None:
    """It counts from when it was first seen, which is no run; a tick with its job is one."""
    often = Periodic("often", sync, "* * * * *", {"channel": "UC1"})
    async with working(redis_url, die) as one:
        poller = Poller(redis, one.enqueuer, NullStatsD(), schedule=[often])
        await poller.poll()
        (view,) = await schedules.schedules(redis, [often], CATALOG)
        assert view.last_at is None

        seconds, _ = await redis.time()
        before = (seconds - 90) * 1000 + 1
        await redis.hset(keys.ARQ.ticks, f"{sync.queue}|often", str(before))  # type: ignore[misc]
        await poller.poll()
        (view,) = await schedules.schedules(redis, [often], CATALOG)
        assert view.last_at is not None
        assert (view.last_at.second, view.missed) == (0, 0)


async def test_depth_keeps_the_peak_of_each_step_and_leaves_out_what_was_not_read(
    redis: QueueClient,
) -> None:
    """A short peak is drawn as high as it was, and a gap is a gap."""
    seconds, _ = await redis.time()
    begun_ms = (seconds - 3600) * 1000
    for number in (*range(50), *range(80, 100)):
        fields: Any = dict.fromkeys(
            ("running", "scheduled", "retrying", "dead", "oldest_wait_ms"), 0
        )
        fields["ready"] = 900 if number == 33 else 1
        await redis.xadd(
            keys.ARQ.depth_prefix + QUEUE, fields, id=f"{begun_ms + number * 15_000}-0"
        )

    series = await depth(redis, QUEUE, points=10)

    assert max(one.ready for one in series) == 900
    times = [one.at.timestamp() for one in series if one.at is not None]
    assert max(b - a for a, b in pairwise(times)) > 300


async def test_worker_without_a_heartbeat_is_not_counted(redis: QueueClient) -> None:
    """The register keeps its name for a while; nobody works."""
    await redis.zadd(keys.ARQ.queue_key(QUEUE) + keys.WORKERS_SUFFIX, {"gone:1:abc": 1.0})
    assert (await queue(redis, QUEUE)).workers == 0


async def test_result_of_an_earlier_run_says_nothing_about_a_dead_job(
    redis_url: str, redis: QueueClient
) -> None:
    """A dead job is kept until somebody decides; the old result's time is not its own."""
    async with working(redis_url, die):
        handle = await die.enqueue("UC1")
        await eventually(partial(_is_dead, redis, handle.id))
    await redis.set(keys.ARQ.result_prefix + handle.id, b"{}", ex=3300)
    view = await look_at(redis, QUEUE, handle.id, CATALOG)
    assert view is not None
    assert (view.state, view.kept_until, view.attempts_made) == (JobState.DEAD, None, 1)


async def _is_dead(redis: QueueClient, job_id: str) -> bool:
    return await redis.zscore(keys.ARQ.queue_key(QUEUE) + keys.DEAD_SUFFIX, job_id) is not None


async def test_each_poll_adds_to_the_depth_of_a_queue(redis_url: str, redis: QueueClient) -> None:
    """The poller stores the series."""
    await sync.options(delay_s=600).enqueue("UC1")
    async with working(redis_url, die) as one:
        for _ in range(3):
            await Poller(redis, one.enqueuer, NullStatsD(), queues=[QUEUE]).poll()

    series = await depth(redis, QUEUE)
    assert len(series) == 3
    assert series[-1].scheduled == 1
    assert (await store(redis)).memory > 0
