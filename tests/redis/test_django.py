"""Tasks of Django as jobs: when they are enqueued, how they run, and what is known of them."""

from __future__ import annotations

import asyncio
import uuid
import weakref
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.test import TestCase, modify_settings, override_settings
from pydantic import SecretStr  # noqa: TC002 -- the task's signature is read

from runner import Bury, Job, WorkerSettings, current
from runner.admin import Admin
from runner.contrib.django.application import workers
from runner.contrib.django.connections import close_connections
from runner.errors import ArgumentsError, ConfigurationError, EnqueueError
from tests import django_project
from tests.django_project.shop import elsewhere, jobs, tasks
from tests.django_project.shop.models import Order
from tests.django_project.tasks_of_django import (
    InvalidTask,
    InvalidTaskBackend,
    TaskResultDoesNotExist,
    task,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from tests.runner_kit import PATIENCE_S, eventually, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis as blocking_redis

    from runner import QueueClient
    from tests.redis_server import RedisServer

DEFAULT, MAIL = "arq:queue:default", "arq:queue:mail"


@pytest.fixture(scope="session", autouse=True)
def _databases(tmp_path_factory: pytest.TempPathFactory) -> None:
    django_project.make_databases(tmp_path_factory.mktemp("databases"))


@pytest.fixture(autouse=True)
def _project(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be a process that has enqueued nothing yet."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(current, "_process", current._Process())
    monkeypatch.setattr(current, "_by_loop", weakref.WeakKeyDictionary())
    tasks.connections_used.clear()
    tasks.held.clear()
    tasks.let_go.clear()
    yield
    if (client := current._process.client) is not None:
        client.blocking.close()
    connections.close_all()


@pytest.fixture
def look(redis_server: RedisServer) -> Iterator[blocking_redis.Redis]:
    """Give a look into Redis."""
    with redis_server._client() as client:
        yield client


async def _in_thread(call: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.to_thread(call)


def _jobs(queue: str) -> list[Job[..., Any]]:
    [one] = [one for one in workers() if one.queue == queue]
    return one.known_jobs()


@contextmanager
def _transaction(alias: str = "default", *, rolled_back: bool = False) -> Iterator[None]:
    with transaction.atomic(using=alias):
        yield
        if rolled_back:
            transaction.set_rollback(True, using=alias)


def test_task_is_enqueued_at_once_outside_a_transaction(look: blocking_redis.Redis) -> None:
    """Its result has what Django promises, with arguments as JSON."""
    one = uuid.uuid4()
    result = tasks.greet.enqueue("Ada", ids=[one])
    assert look.zcard(MAIL) == 1
    assert (result.status, result.attempts, result.errors) == ("READY", 0, [])
    assert (result.args, result.kwargs) == (["Ada"], {"ids": [str(one)]})
    assert result.enqueued_at is not None
    read = tasks.greet.get_result(result.id)
    assert (read.status, read.args, read.kwargs) == (result.status, result.args, result.kwargs)
    assert read.enqueued_at is not None
    assert abs(read.enqueued_at - result.enqueued_at) < timedelta(seconds=PATIENCE_S)


def test_task_is_enqueued_when_the_transaction_is_committed(look: blocking_redis.Redis) -> None:
    """With the arguments of the call, whatever became of them until then."""
    ids = [uuid.uuid4()]
    with _transaction():
        result = tasks.greet.enqueue("Ada", ids=ids)
        ids.clear()
        assert look.zcard(MAIL) == 0
        assert result.enqueued_at is None
        with pytest.raises(TaskResultDoesNotExist):
            tasks.greet.get_result(result.id)
    assert look.zcard(MAIL) == 1
    assert result.enqueued_at is not None
    assert len(tasks.greet.get_result(result.id).kwargs["ids"]) == 1


def test_task_of_a_transaction_that_is_rolled_back_is_not_enqueued(
    look: blocking_redis.Redis,
) -> None:
    """Nor that of a savepoint."""
    with _transaction(rolled_back=True):
        tasks.greet.enqueue("nobody")
    with _transaction():
        with _transaction(rolled_back=True):
            tasks.greet.enqueue("nobody")
        assert look.zcard(MAIL) == 0
    assert look.zcard(MAIL) == 0


@pytest.mark.parametrize("outer", ["default", "other"])
def test_task_waits_for_the_transactions_of_all_databases(
    outer: str, look: blocking_redis.Redis
) -> None:
    """Whichever commits last; one that is rolled back is enough to forget it."""
    inner = "other" if outer == "default" else "default"
    with _transaction(outer):
        with _transaction(inner):
            tasks.greet.enqueue("Ada")
        assert look.zcard(MAIL) == 0
    assert look.zcard(MAIL) == 1
    with _transaction(outer, rolled_back=True), _transaction(inner):
        tasks.greet.enqueue("nobody")
    with _transaction(outer), _transaction(inner, rolled_back=True):
        tasks.greet.enqueue("nobody")
    assert look.zcard(MAIL) == 1


def test_backend_can_enqueue_before_the_commit(look: blocking_redis.Redis) -> None:
    """If its options say so."""
    with _transaction():
        tasks.count_orders.using(backend="at_once").enqueue()
        assert look.zcard(DEFAULT) == 1


def test_commit_raises_what_the_enqueue_would(
    look: blocking_redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored stays stored."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("RUNNER__CALL_TIMEOUT_S", "0.2")
    before = Order.objects.count()
    with pytest.raises(EnqueueError, match="not enqueued"), _transaction():  # noqa: PT012 -- the end raises
        Order.objects.create(email="a@example.org")
        tasks.greet.enqueue("Ada")
    assert Order.objects.count() == before + 1
    assert look.zcard(MAIL) == 0


async def test_worker_runs_tasks_and_results_are_read(redis_url: str) -> None:
    """A value, a failure with all its attempts, and a success after some."""
    failed = await tasks.fail.aenqueue(times=2)
    late = await tasks.succeed_at.aenqueue(3)
    async with working(redis_url, *_jobs("default"), middleware=(close_connections,)):
        for result in (failed, late):
            await eventually(partial(_is_finished, result))
    await late.arefresh()
    assert (late.status, late.return_value, late.attempts) == ("SUCCESSFUL", [3, 3], 3)
    assert [one.exception_class for one in late.errors] == [TimeoutError] * 2
    assert late.started_at is not None
    assert late.finished_at is not None
    assert late.last_attempted_at is not None
    assert late.started_at < late.last_attempted_at <= late.finished_at
    await failed.arefresh()
    assert (failed.status, failed.attempts, len(set(failed.worker_ids))) == ("FAILED", 2, 1)
    assert [one.exception_class for one in failed.errors] == [LookupError] * 2
    assert "LookupError: 2 times" in failed.errors[-1].traceback
    with pytest.raises(ValueError, match="failed"):
        _ = failed.return_value


async def _is_finished(result: Any) -> bool:
    await result.arefresh()
    return bool(result.is_finished)


async def test_result_says_what_an_operator_did(redis_url: str, redis: QueueClient) -> None:
    """Buried by hand it failed without an attempt; aborted or deleted before it ran, it is gone."""
    buried, aborted, deleted = [await tasks.greet.aenqueue(name) for name in "abc"]
    admin = Admin(redis)
    await admin.bury("mail", buried.id)
    await admin.abort("mail", aborted.id)
    await admin.delete("mail", deleted.id)
    await buried.arefresh()
    assert (buried.status, buried.attempts, buried.started_at) == ("FAILED", 0, None)
    assert [one.exception_class for one in buried.errors] == [Bury]
    assert buried.finished_at is not None
    for gone in (aborted, deleted):
        with pytest.raises(TaskResultDoesNotExist):
            await gone.arefresh()
    await admin.run_now("mail", buried.id)
    async with working(redis_url, *_jobs("mail"), queue="mail"):
        await eventually(lambda: _is_successful(buried))
    assert buried.return_value == "Hello a, 0"


@pytest.mark.parametrize(
    ("key", "value"),
    [("job", "no JSON"), ("job", '{"f": "x", "a": [], "k": {}, "et": 1}'), ("result", "[]")],
)
def test_what_is_no_task_of_the_project_does_not_exist(
    key: str, value: str, look: blocking_redis.Redis
) -> None:
    """Whoever wrote it."""
    look.set(f"arq:{key}:somebody", value)
    with pytest.raises(TaskResultDoesNotExist):
        tasks.greet.get_result("somebody")


async def _is_successful(result: Any) -> bool:
    await result.arefresh()
    return bool(result.status == "SUCCESSFUL")


async def test_coroutine_runs_in_the_loop_and_enqueues_from_it(redis_url: str) -> None:
    """With the ORM's asynchronous calls; its connections are closed with the job."""
    before = await Order.objects.acount()
    result: Any = await tasks.acount_orders.aenqueue()
    async with working(redis_url, *_jobs("default"), middleware=(close_connections,)) as one:
        await eventually(partial(_is_finished, result))
        assert result.return_value == before
        assert await one.pool.zcard(MAIL) == 1
        assert result.worker_ids == [one.id]


@pytest.mark.parametrize("kept_s", [0, 600])
async def test_connections_of_a_thread_are_closed_as_after_a_request(
    kept_s: int, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, unless they may be kept for `CONN_MAX_AGE` seconds."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", kept_s)
    async with working(redis_url, *_jobs("default"), middleware=(close_connections,)):
        result = await tasks.count_orders.aenqueue()
        await eventually(partial(_is_finished, result))
    assert result.status == "SUCCESSFUL", result.errors
    [used] = tasks.connections_used
    used.inc_thread_sharing()
    is_open = used.connection is not None
    await asyncio.to_thread(used.close)
    assert is_open is bool(kept_s)


async def test_connections_of_a_coroutine_are_closed(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long they may be kept: its thread ends with it."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 600)
    async with working(redis_url, *_jobs("default"), middleware=(close_connections,)):
        result = await tasks.acount_orders.aenqueue()
        await eventually(partial(_is_finished, result))
    assert result.status == "SUCCESSFUL", result.errors
    [used] = tasks.connections_used
    assert used.connection is None


async def test_running_and_retrying_tasks_show_their_attempts(
    redis_url: str, redis: QueueClient
) -> None:
    """A running one its worker; one that waits for its next attempt the last error."""
    held = await tasks.hold.aenqueue()
    async with working(redis_url, *_jobs("default")) as one:
        await asyncio.wait_for(asyncio.to_thread(tasks.held.wait, PATIENCE_S), PATIENCE_S)
        await held.arefresh()
        assert (held.status, held.worker_ids) == ("RUNNING", [one.id])
        tasks.let_go.set()
        await eventually(lambda: redis.zcard(f"{DEFAULT}:retrying"))
    await held.arefresh()
    assert (held.status, held.attempts) == ("READY", 1)
    assert [one.exception_class for one in held.errors] == [LookupError]


async def test_aborted_task_has_failed(redis_url: str, redis: QueueClient) -> None:
    """With the attempt that was cancelled."""
    result = await tasks.wait_for_ever.aenqueue()
    async with working(redis_url, *_jobs("default"), middleware=(close_connections,)) as one:
        await asyncio.wait_for(asyncio.to_thread(tasks.held.wait, PATIENCE_S), PATIENCE_S)
        await Admin(redis).abort("default", result.id)
        await eventually(partial(_is_finished, result))
        assert (result.status, result.worker_ids) == ("FAILED", [one.id])
    assert [one.exception_class for one in result.errors] == [asyncio.CancelledError]
    assert result.started_at is not None


def test_task_can_be_enqueued_for_later(look: blocking_redis.Redis) -> None:
    """At an aware time, or without `USE_TZ` at one of the project's zone."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    later = tasks.greet.using(run_after=at).enqueue("Ada")
    assert look.zscore(MAIL, later.id) == at.timestamp() * 1000
    assert tasks.greet.get_result(later.id).status == "READY"
    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo"):
        naive = at.astimezone(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
        later = tasks.greet.using(run_after=naive).enqueue("Ada")
        assert look.zscore(MAIL, later.id) == at.timestamp() * 1000
        read = tasks.greet.get_result(later.id)
        assert read.enqueued_at is not None
        assert read.enqueued_at.tzinfo is None


async def test_signals_tell_how_a_task_goes(redis_url: str) -> None:
    """Once at each end; a listener that raises harms neither the call nor the task."""
    heard: list[tuple[str, str, object]] = []

    def listen(name: str) -> Any:
        def hear(task_result: Any, **_: Any) -> None:
            value = task_result.return_value if task_result.status == "SUCCESSFUL" else None
            heard.append((name, task_result.task.name, value or len(task_result.errors)))
            raise RuntimeError("a listener failed")

        return hear

    signals = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}
    listeners = {name: listen(name) for name in signals}
    for name, signal in signals.items():
        signal.connect(listeners[name])
    try:
        failed, greeted = await tasks.fail.aenqueue(times=1), await tasks.acount_orders.aenqueue()
        async with working(redis_url, *_jobs("default"), concurrency=1):
            for result in (failed, greeted):
                await eventually(partial(_is_finished, result))
    finally:
        for name, signal in signals.items():
            signal.disconnect(listeners[name])
    assert (failed.status, greeted.status) == ("FAILED", "SUCCESSFUL")
    of_failing = [(name, count) for name, task, count in heard if task == "fail"]
    assert of_failing == [("enqueued", 0), ("started", 0), ("started", 0), ("finished", 1)]
    of_other = [name for name, task, _ in heard if task == "acount_orders"]
    assert of_other == ["enqueued", "started", "finished"]


def test_workers_know_the_tasks_of_each_queue_and_plain_jobs() -> None:
    """Every task in each queue of its backend; a class of the project's own gets them, too."""

    class Mail(WorkerSettings):
        queue = "mail"
        concurrency = 3
        middleware = (close_connections,)

    found = {one.queue: one for one in workers(Mail)}
    assert list(found) == ["mail", "default", "bulk"]
    assert issubclass(found["mail"], Mail)
    assert found["mail"].concurrency == 3
    names = {queue: {job.name for job in one.known_jobs()} for queue, one in found.items()}
    shop = "tests.django_project.shop"
    assert names["default"] == names["mail"]
    assert {f"{shop}.tasks.greet", f"{shop}.elsewhere.imported_by_tasks"} <= names["mail"]
    assert f"{shop}.elsewhere.nobody_finds" not in names["mail"]
    assert names["bulk"] == {"count_in_bulk"}
    assert all(close_connections in one.middleware for one in found.values())


async def test_plain_job_uses_the_database_too(redis_url: str) -> None:
    """Found beside the tasks."""
    before = await Order.objects.acount()
    handle = await jobs.count_in_bulk.enqueue()
    async with working(redis_url, *_jobs("bulk"), middleware=(close_connections,)):
        assert await handle.result(timeout_s=PATIENCE_S) == before


def test_what_no_worker_could_run_is_refused() -> None:
    """In a line, where it is written."""
    with pytest.raises(InvalidTask, match="nobody_finds: no worker finds it"):
        elsewhere.nobody_finds.enqueue()
    with pytest.raises(ArgumentsError, match="valid string"):
        tasks.greet.enqueue(7)  # type: ignore[arg-type]
    with pytest.raises(InvalidTask, match="priority"):
        tasks.greet.using(priority=5)
    with pytest.raises(InvalidTask, match="'nowhere' is not valid"):
        tasks.greet.using(queue_name="nowhere")
    with pytest.raises(InvalidTask, match="impossible: "):
        task()(impossible)
    with pytest.raises(InvalidTask, match="max_retries"):
        task(max_retries=-1)(possible)


def impossible(password: SecretStr) -> None:
    """Take what cannot travel."""


def possible() -> None:
    """Take nothing."""


async def test_coroutine_is_told_to_await() -> None:
    """A call that waits would block its event loop."""
    with pytest.raises(SynchronousOnlyOperation, match=r"await task\.aenqueue\(\)"):
        tasks.greet.enqueue("Ada")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"QUEUES": []}, "QUEUES is empty"),
        ({"QUEUES": ["a b"]}, "QUEUES"),
        ({"OPTIONS": {"commit": True}}, "no option 'commit'"),
        ({"OPTIONS": {"enqueue_on_commit": 1}}, "give True or False"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], problem: str) -> None:
    """With their place."""
    with (
        override_settings(TASKS={"default": {"BACKEND": django_project.BACKEND, **given}}),
        pytest.raises(InvalidTaskBackend, match=rf"TASKS\['default'\]: .*{problem}"),
    ):
        _ = task_backends["default"]


def test_project_without_the_app_is_told_to_add_it() -> None:
    """By `manage.py check`, by the first enqueue, and by the worker."""
    with modify_settings(INSTALLED_APPS={"remove": "runner.contrib.django"}):
        [problem] = task_backends["default"].check()
        assert problem.hint == "Add 'runner.contrib.django' to INSTALLED_APPS."
        with pytest.raises(InvalidTaskBackend, match="INSTALLED_APPS"):
            elsewhere.nobody_finds.enqueue()
        with pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
            workers()
    assert task_backends["default"].check() == []


def test_test_case_enqueues_what_it_captures(look: blocking_redis.Redis) -> None:
    """Its own transaction is never committed."""
    with _transaction(rolled_back=True):
        with TestCase.captureOnCommitCallbacks(execute=True):
            tasks.greet.enqueue("Ada")
            assert look.zcard(MAIL) == 0
        assert look.zcard(MAIL) == 1


@pytest.mark.parametrize(("name", "status"), [("Immediate", "SUCCESSFUL"), ("Dummy", "READY")])
def test_backends_for_tests_take_the_options_of_a_job(
    name: str, status: str, look: blocking_redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They run tasks at once, or keep them, and need no Redis."""
    backend = f"runner.contrib.django.testing.{name}Backend"
    with override_settings(TASKS={"default": {"BACKEND": backend}}):
        made = task(max_retries=5, timeout_s=30, backoff=lambda _: 1.0)(possible)
        monkeypatch.setitem(globals(), "possible", made)  # Django copies it by its path
        assert made.enqueue().status == status
        with pytest.raises(InvalidTask, match="max_retries"):
            task(max_retries=-1)(wrong)
    assert look.dbsize() == 0


def wrong() -> None:
    """Have an option that is refused."""
