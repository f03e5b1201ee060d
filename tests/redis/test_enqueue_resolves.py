"""Each call of enqueue returns or raises, whatever is raised on its way."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from runner.broker.script_connection import ScriptConnection
from runner.client import connect
from runner.enqueue import Enqueue
from runner.enqueuer import Enqueuer
from runner.errors import EnqueueError
from tests.runner_kit import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient


@pytest.fixture
async def enqueuer(redis: QueueClient) -> AsyncIterator[Enqueuer]:
    """Return an enqueuer of its own."""
    one = Enqueuer(redis)
    yield one
    await one.close()


def _request(job_id: Any = None, queue: Any = "default", **fields: Any) -> Enqueue:
    return Enqueue(queue, job_id or uuid4().hex, "tidy", **fields)


async def _all(enqueuer: Enqueuer, *requests: Enqueue) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*map(enqueuer.put, requests), return_exceptions=True)


@pytest.mark.parametrize("odd", [uuid4(), object(), 1.5j, "\ud800", ["x"], {"x": 1}], ids=range(6))
async def test_value_that_cannot_be_sent_harms_only_its_own_caller(
    enqueuer: Enqueuer, odd: Any
) -> None:
    """An id that is no text: its call fails, and those gathered with it are enqueued."""
    before, failed, after = await _all(enqueuer, _request(), _request(odd), _request())

    assert (before, after) == (True, True)
    assert isinstance(failed, EnqueueError)


async def test_key_that_cannot_be_set_aside_harms_only_its_own_caller(
    redis: QueueClient, url_of_who_may_not_rename: str
) -> None:
    """Redis refuses one job half-way through the script: the others are enqueued, once each."""
    narrow = connect(url_of_who_may_not_rename)
    enqueuer = Enqueuer(narrow)
    await redis.hset("arq:job:odd", "not", "a body")  # type: ignore[misc]  # redis-py's own hints
    before, failed, after = await _all(
        enqueuer,
        _request("one", unique=True),
        _request("odd", unique=True),
        _request("two", unique=True),
    )

    assert (before, after) == (True, True)
    assert isinstance(failed, EnqueueError)
    assert "REDIS_URL" not in str(failed)
    assert {b"one", b"two"} <= {*await redis.zrange("arq:queue:default", 0, -1)}
    await enqueuer.close()
    await narrow.aclose()


@pytest.mark.parametrize("queue", [5, None, object()], ids=range(3))
async def test_queue_that_is_no_name_fails_its_caller(enqueuer: Enqueuer, queue: Any) -> None:
    """Wherever it is looked at first."""
    failed, other = await _all(enqueuer, _request(queue=queue), _request())

    assert isinstance(failed, Exception)
    assert other is True


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("ERR broken"),
        ValueError("broken"),
        RuntimeError("broken"),
        asyncio.CancelledError(),
        RedisConnectionError("away"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_is_raised_while_sending_reaches_the_callers(
    enqueuer: Enqueuer, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Each gets an EnqueueError, and the next call works."""

    async def broken(*_: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ScriptConnection, "__call__", broken)
        failed = await _all(enqueuer, _request(), _request())

    assert [type(one) for one in failed] == [EnqueueError, EnqueueError]
    assert await _all(enqueuer, _request()) == [True]


async def test_drain_that_is_cancelled_fails_its_callers(enqueuer: Enqueuer) -> None:
    """Before its first step, and while it waits for Redis."""
    for steps in (0, 1, 3):
        calls = [asyncio.ensure_future(enqueuer.put(_request())) for _ in range(3)]
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        drains = [outbox._drain for outbox in enqueuer._outboxes.values()]
        assert drains
        for drain in drains:
            assert drain is not None
            drain.cancel()
        async with asyncio.timeout(PATIENCE_S):
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(answer is True or isinstance(answer, EnqueueError) for answer in answers)

    assert await _all(enqueuer, _request()) == [True]


async def test_middleware_that_raises_fails_its_own_call(redis: QueueClient) -> None:
    """The others go on."""

    async def refuse(request: Enqueue, call_next: Any) -> bool:
        if request.job_id == "no":
            raise LookupError(request.job_id)
        answer: bool = await call_next(request)
        return answer

    one = Enqueuer(redis, [refuse])
    try:
        assert [type(answer) for answer in await _all(one, _request(), _request("no"))] == [
            bool,
            LookupError,
        ]
    finally:
        await one.close()


def test_client_of_a_loop_that_was_closed_works_in_the_next(redis_url: str) -> None:
    """A loop that is closed while a job is on its way leaves nothing that a later one waits for."""
    client = connect(redis_url)
    answers: list[bool] = []

    async def never(*_: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    async def leave() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ScriptConnection, "__call__", never)
            call = asyncio.ensure_future(client.enqueuer.put(_request()))
            await asyncio.wait({call}, timeout=0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # as it is meant here

    async def put() -> None:
        async with asyncio.timeout(PATIENCE_S):
            answers.append(await client.enqueuer.put(_request()))
        await client.aclose()

    def both() -> None:
        for part in (leave, put):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(part())
            loop.close()

    thread = threading.Thread(target=both)
    thread.start()
    thread.join(4 * PATIENCE_S)

    assert answers == [True]
