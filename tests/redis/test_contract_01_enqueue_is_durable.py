"""Contract 1: when `enqueue` returns, the job is in Redis: body, queue entry and wake token."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from redis.exceptions import TimeoutError as RedisTimeoutError

from runner import Context, JobState, connect, disconnect, job
from runner.admin import Admin
from runner.codec import decode_job
from runner.current import current_client
from runner.errors import ArgumentsError, CodecError, ConfigurationError, EnqueueError
from runner.telemetry.job_log import KeepLines
from tests.runner_kit import (
    PATIENCE_S,
    cut_off_enqueues,
    eventually,
    lose_answers_to_enqueues,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner import QueueClient
    from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("redis")

QUEUE = "arq:queue:default"


@job(queue="default")
async def tidy(ctx: Context, number: int = 0, anything: Any = None) -> None:
    """Stand for any job."""
    raise NotImplementedError(ctx, number, anything)


async def test_enqueue_returns_when_all_of_the_job_is_in_redis(redis: QueueClient) -> None:
    """Body, queue entry and wake token are there, the job is due now, and nothing is under way."""
    before_ms = time.time() * 1000
    handle = await tidy.enqueue(7)

    assert sorted(await redis.keys()) == [
        f"arq:job:{handle.id}".encode(),
        QUEUE.encode(),
        f"{QUEUE}:wake".encode(),
    ]
    body = decode_job(await redis.get(f"arq:job:{handle.id}"))
    assert (body.name, body.args) == ("tidy", [7])
    assert before_ms - 1 <= await redis.zscore(QUEUE, handle.id) <= time.time() * 1000 + 1
    assert await handle.state() is JobState.READY


async def test_enqueue_survives_a_crash_of_redis(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the append-only file always synced, a killed Redis has the job again."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    handle = await tidy.enqueue(7)

    own_redis_server.kill()
    own_redis_server.start()

    assert await handle.state() is JobState.READY


async def test_enqueue_that_fails_says_so_and_leaves_nothing(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis there is one clear error after a few tries, and no job appears later."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    await tidy.enqueue(1)
    own_redis_server.kill()

    with pytest.raises(
        EnqueueError, match=r"default: (not|may be) enqueued.*check that Redis answers"
    ):
        await tidy.enqueue(2)

    own_redis_server.start()
    client = connect(own_redis_server.url)
    assert await client.zcard(QUEUE) == 1
    await client.aclose()


async def test_enqueue_waits_out_a_short_absence_of_redis(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller does not notice a restart of a moment."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    await tidy.enqueue(1)
    own_redis_server.kill()
    waiting = asyncio.create_task(tidy.enqueue(2))
    await asyncio.sleep(0)
    await asyncio.to_thread(own_redis_server.start)

    handle = await waiting

    assert handle.created
    assert await handle.state() is JobState.READY


async def test_enqueue_repeated_after_a_lost_answer_adds_no_second_job(redis: QueueClient) -> None:
    """Redis took the job and the answer was lost: the second call finds it, and returns created."""
    loses = lose_answers_to_enqueues(redis)

    job_id = "tidy:1"
    first = await redis.enqueue_job("tidy", _job_id=job_id)
    second = await redis.enqueue_job("tidy", _job_id=job_id)

    assert (first is not None, second) == (True, None)
    assert loses.left == 0
    assert await redis.zcard(QUEUE) == 1


@pytest.fixture
def _keeps_lines() -> Iterator[None]:
    """Keep what jobs log with their results, which are written in another way then."""
    structlog.configure(processors=[KeepLines(10), structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_keeps_lines")
@pytest.mark.parametrize("logs", [False, True], ids=["quiet", "logs"])
@pytest.mark.parametrize("how", ["random id", "chosen id", "as arq"])
async def test_enqueue_repeated_after_its_job_has_run_does_not_run_it_twice(
    redis_url: str,
    redis: QueueClient,
    how: str,
    logs: bool,  # noqa: FBT001 -- a parameter of pytest
) -> None:
    """The answer was lost and the job has run: the second call finds its result."""
    ran: list[str] = []

    async def note(ctx: Context, _: Any) -> None:
        ran.append(ctx.job_id)
        if logs:
            structlog.get_logger("tests.contract").info("tidying")

    client = redis if how == "as arq" else current_client()
    lose_answers_to_enqueues(client, after=lambda: eventually(lambda: redis.keys("arq:result:*")))
    async with working(redis_url, tidy, middleware=(note,)):
        if how == "as arq":
            assert await redis.enqueue_job("tidy", _job_id="tidy:1") is not None
            assert await redis.enqueue_job("tidy", _job_id="tidy:1") is None
        else:
            options = tidy.options(job_id="tidy:1") if how == "chosen id" else tidy
            handle = await options.enqueue()
            assert handle.created
            await handle.result(timeout_s=PATIENCE_S)

    assert len(ran) == 1
    assert await redis.zcard(QUEUE) == 0


async def test_enqueue_repeated_after_its_job_was_aborted_adds_none(redis: QueueClient) -> None:
    """The answer was lost, and the job was aborted before it started."""

    async def abort() -> None:
        await Admin(redis).abort("default", "tidy:1")

    lose_answers_to_enqueues(current_client(), after=abort)
    handle = await tidy.options(job_id="tidy:1", deadline_s=60).enqueue()

    assert handle.created
    assert await redis.zcard(QUEUE) == 0
    assert (await tidy.options(job_id="tidy:1").enqueue()).created


async def test_id_of_a_job_that_is_done_is_free_for_another_call(
    redis_url: str, redis: QueueClient
) -> None:
    """A result stops the call that it came from alone."""
    once = tidy.options(job_id="tidy:1")

    async def does_nothing(ctx: Context, _: Any) -> None: ...

    async with working(redis_url, tidy, middleware=(does_nothing,)):
        await (await once.enqueue()).result(timeout_s=PATIENCE_S)

    assert (await once.enqueue()).created
    assert await redis.zcard(QUEUE) == 1


async def test_enqueue_of_one_id_at_the_same_time_is_created_once(redis: QueueClient) -> None:
    """Of many callers with the same id and arguments, exactly one created the job."""
    handles = await asyncio.gather(
        *[tidy.options(job_id="tidy:daily").enqueue(1) for _ in range(50)]
    )

    assert sum(handle.created for handle in handles) == 1
    assert {handle.id for handle in handles} == {"tidy:daily"}
    assert await redis.zcard(QUEUE) == 1


async def test_enqueue_of_an_id_is_refused_while_the_first_job_is_pending_or_dead(
    redis: QueueClient,
) -> None:
    """The first body is left as it is."""
    first = await tidy.options(job_id="tidy:daily").enqueue(1)
    second = await tidy.options(job_id="tidy:daily").enqueue(2)

    assert (first.created, second.created) == (True, False)
    assert decode_job(await redis.get("arq:job:tidy:daily")).args == [1]


async def test_enqueue_at_a_time_is_due_then(redis: QueueClient) -> None:
    """`delay_s` counts by the clock of Redis; `at` is the time itself."""
    at = datetime.now(UTC) + timedelta(hours=1)

    timed = await tidy.options(at=at).enqueue()
    delayed = await tidy.options(delay_s=60).enqueue()

    assert await redis.zscore(QUEUE, timed.id) == round(at.timestamp() * 1000)
    assert await redis.zscore(QUEUE, delayed.id) == pytest.approx(
        (time.time() + 60) * 1000, abs=1000
    )
    assert await delayed.state() is JobState.SCHEDULED


async def test_enqueue_of_arguments_that_do_not_fit_leaves_nothing(redis: QueueClient) -> None:
    """Nothing of a wrong call reaches Redis; others at the same time go through."""
    good, bad, odd = await asyncio.gather(
        tidy.enqueue(1),
        tidy.enqueue("one"),  # type: ignore[arg-type]
        tidy.enqueue(1, object()),
        return_exceptions=True,
    )

    assert isinstance(bad, ArgumentsError)
    assert isinstance(odd, CodecError)
    assert not isinstance(good, BaseException)
    assert await redis.keys("arq:job:*") == [f"arq:job:{good.id}".encode()]


async def test_enqueue_many_is_all_or_nothing_where_an_argument_has_no_json_form(
    redis: QueueClient,
) -> None:
    """One call that cannot be encoded keeps all of them back."""
    with pytest.raises(CodecError):
        await tidy.enqueue_many([{"number": 1}, {"anything": object()}])

    after = await tidy.enqueue(2)
    assert await redis.keys("arq:job:*") == [f"arq:job:{after.id}".encode()]


async def test_enqueue_many_keeps_the_order_of_the_calls(redis: QueueClient) -> None:
    """First in, first due: also for more jobs than fit into one script call."""
    handles = await tidy.enqueue_many([{"number": n} for n in range(1200)])

    ids = await redis.zrange(QUEUE, 0, -1)
    assert [job_id.decode() for job_id in ids] == [handle.id for handle in handles]
    scores = [await redis.zscore(QUEUE, handle.id) for handle in handles[:3]]
    assert scores == sorted(set(scores))


async def test_enqueue_one_after_another_keeps_the_order(redis: QueueClient) -> None:
    """Jobs of one caller are due in the order of its calls."""
    handles = [await tidy.enqueue(n) for n in range(30)]

    assert [job_id.decode() for job_id in await redis.zrange(QUEUE, 0, -1)] == [
        handle.id for handle in handles
    ]


async def test_enqueue_leaves_a_bounded_number_of_wake_tokens(redis: QueueClient) -> None:
    """However many jobs are enqueued while no worker is there, the wake list stays short."""
    await tidy.enqueue_many([{"number": n} for n in range(600)])
    await tidy.enqueue_many([{"number": n} for n in range(600)])

    assert await redis.llen(f"{QUEUE}:wake") == 64  # type: ignore[misc]


async def test_enqueue_fails_each_caller_of_a_lost_call(redis: QueueClient) -> None:
    """All callers whose jobs were sent together get the error."""
    cut_off_enqueues(redis)

    answers = await asyncio.gather(
        *[redis.enqueue_job("tidy") for _ in range(3)], return_exceptions=True
    )

    assert all(isinstance(answer, EnqueueError) for answer in answers)


@pytest.mark.parametrize(
    "ask",
    [
        lambda _: tidy.enqueue(),
        lambda _: tidy.enqueue_many([{"number": 1}] * 2000),
        lambda _: asyncio.gather(*[tidy.enqueue() for _ in range(700)]),
        lambda _: current_client().enqueue_job("tidy", _job_id="by arq's call"),
        lambda _: tidy.options(delay_s=5, copies=1).enqueue(),
    ],
)
async def test_enqueue_answers_in_time_though_redis_hangs(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, ask: Any
) -> None:
    """All tries together have one deadline; when Redis is back, the next call goes through."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    monkeypatch.setenv("RUNNER__CALL_TIMEOUT_S", "1.0")
    await tidy.enqueue()
    own_redis_server.pause()
    try:
        for _ in range(2):
            with pytest.raises(
                EnqueueError, match=r"may be enqueued or not.*no answer within 1 s.*job_id"
            ):
                async with asyncio.timeout(PATIENCE_S):
                    await ask(None)
    finally:
        own_redis_server.resume()

    async def goes_through() -> bool:
        with contextlib.suppress(EnqueueError):
            return (await tidy.enqueue()).created
        return False

    await eventually(goes_through)


async def test_each_call_has_its_own_deadline_and_a_repeat_adds_no_second_job(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that came later, and waits behind the first, still goes through when Redis is back."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    monkeypatch.setenv("RUNNER__CALL_TIMEOUT_S", "2.0")
    handle = await tidy.enqueue()
    own_redis_server.pause()
    try:
        first = asyncio.create_task(tidy.options(job_id="a").enqueue())
        await asyncio.sleep(1.0)
        second = asyncio.create_task(tidy.options(job_id="b").enqueue())
        with pytest.raises(EnqueueError):
            await first
    finally:
        own_redis_server.resume()
    assert (await second).created
    await tidy.options(job_id="a").enqueue()
    assert sorted(await current_client().zrange(QUEUE, 0, -1)) == sorted(
        [b"a", b"b", handle.id.encode()]
    )


@pytest.mark.parametrize("what", ["state", "result", "abort"])
async def test_handle_answers_in_time_though_redis_hangs(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """`state` and `abort` by the client's deadline, `result` by its own."""
    monkeypatch.setenv("REDIS_URL", own_redis_server.url)
    monkeypatch.setenv("RUNNER__CALL_TIMEOUT_S", "1.0")
    handle = await tidy.enqueue()
    own_redis_server.pause()
    try:
        async with asyncio.timeout(PATIENCE_S):
            if what == "result":
                with pytest.raises(TimeoutError):
                    await handle.result(timeout_s=0.8)
            else:
                with pytest.raises(RedisTimeoutError, match=r"no answer within 1 s"):
                    await getattr(handle, what)()
    finally:
        own_redis_server.resume()


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan", "inf"])
async def test_call_timeout_that_is_no_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """At the first call, in one line."""
    await disconnect()
    monkeypatch.setenv("RUNNER__CALL_TIMEOUT_S", given)
    with pytest.raises(ConfigurationError, match="RUNNER__CALL_TIMEOUT_S is"):
        await tidy.enqueue()


async def test_calls_share_the_wait_for_a_replica_that_is_missing(redis: QueueClient) -> None:
    """Each says that its job is enqueued and not copied; other jobs wait no longer for that."""
    await tidy.enqueue()
    await redis.config_resetstat()

    answers = await asyncio.gather(
        *[tidy.options(copies=1).enqueue() for _ in range(50)], return_exceptions=True
    )

    for one in answers:
        assert isinstance(one, EnqueueError)
        assert "only 0 of 1 replicas acknowledged it" in str(one)
    assert (await redis.info("commandstats"))["cmdstat_wait"]["calls"] <= 2
    assert await redis.zcard(QUEUE) == 51
