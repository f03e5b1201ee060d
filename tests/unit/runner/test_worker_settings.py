"""`WorkerSettings`: one class for each queue, everything inherited, run by arq's command."""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import arq.worker
import pytest
from arq import cron
from arq.connections import RedisSettings

from runner import CatchUp, Context, Periodic, WorkerSettings, codec, job
from runner.errors import ConfigurationError
from runner.on_arq.command_worker import CommandWorker
from runner.on_arq.job_function import JobFunction
from runner.options import WorkerLimits, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from runner import Job
    from runner.decorator import BoundJob
    from runner.middleware import Handler


@job(queue="analytics", max_retries=1, timeout_s=7, keep_result_s=0)
async def analyze(ctx: Context, channel_id: str) -> None:
    """Have options of its own."""
    raise NotImplementedError(ctx, channel_id)


@job(queue="analytics")
async def draw(ctx: Context) -> None:
    """Have none."""
    raise NotImplementedError(ctx)


async def _pass_on(ctx: Context, call_next: Handler) -> Any:
    return await call_next(ctx)


@asynccontextmanager
async def _resources() -> AsyncIterator[Mapping[type[Any], Any]]:
    yield {}


async def _greet(_: dict[Any, Any]) -> None:
    raise NotImplementedError


async def _plain(ctx: dict[Any, Any]) -> None:
    raise NotImplementedError(ctx)


class Base(WorkerSettings):
    """What all queues here share."""

    redis = "redis://cache:6380/2"
    lease_s = 12.0
    heartbeat_s = 2.0
    middleware = (_pass_on,)
    resources = _resources
    max_retries = 4
    backoff = staticmethod(lambda count: count + 0.5)
    on_startup = _greet
    schedule = (Periodic("draw", draw, "@daily", catch_up=CatchUp.ALL),)


class Analytics(Base):
    """One queue."""

    queue = "analytics"
    jobs: ClassVar[Sequence[Job[Any, Any] | BoundJob[Any, Any]]] = (analyze, draw)
    concurrency = 6


class Slow(Analytics):
    """A queue that differs from another in few things."""

    queue = "slow"
    jobs = (draw.options(queue="slow"),)
    max_retries = 9


def test_settings_of_a_base_class_reach_arq() -> None:
    """arq reads a class's own `__dict__`; everything inherited is written into it."""
    given: Any = arq.worker.get_kwargs(Analytics)  # type: ignore[arg-type]  # a class, as its command has it
    ours: Any = given["runner"]

    assert given["queue_name"] == "arq:queue:analytics"
    assert given["health_check_key"] == "arq:queue:analytics:health-check"
    assert given["max_jobs"] == 6
    assert given["max_tries"] == 5
    assert given["on_startup"] is _greet
    assert isinstance(given["redis_settings"], RedisSettings)
    assert (given["redis_settings"].host, given["redis_settings"].database) == ("cache", 2)
    assert isinstance(ours, WorkerOptions)
    assert (ours.queue, ours.lease_s, ours.max_retries) == ("analytics", 12.0, 4)
    assert ours.middleware == (_pass_on,)
    assert ours.resources is _resources
    assert ours.backoff(1) == 1.5


def test_settings_of_a_subclass_go_before_those_of_its_base() -> None:
    """A subclass of a queue's class is a queue of its own: nothing is left of the first one's."""
    given: Any = arq.worker.get_kwargs(Slow)  # type: ignore[arg-type]  # likewise

    assert given["queue_name"] == "arq:queue:slow"
    assert given["max_tries"] == 10
    assert given["runner"].max_retries == 9
    assert given["max_jobs"] == 6
    assert given["on_startup"] is _greet
    assert [function.name for function in given["functions"]] == ["draw"]


def test_settings_of_every_option_have_a_name_on_the_class() -> None:
    """A settings class has every option of a worker, with its default, and can set it."""
    for name, option in WorkerOptions.__dataclass_fields__.items():
        if name != "queue":
            assert inspect.getattr_static(WorkerSettings, name) is option.default, name


def test_settings_without_a_queue_are_a_base_and_left_alone() -> None:
    """A common base class is not a worker, and arq gets nothing from it."""
    assert "queue_name" not in Base.__dict__


def test_settings_make_a_worker_of_ours() -> None:
    """`arq some.Settings` builds `arq.worker.Worker` by name: it is ours."""
    worker = arq.worker.create_worker(Analytics, burst=True)  # type: ignore[arg-type]  # likewise

    assert type(worker) is CommandWorker
    assert isinstance(worker, arq.worker.Worker)
    assert worker.burst
    assert worker.options.lease_s == 12.0


def test_settings_give_a_worker_for_one_process_too() -> None:
    """`.worker()` takes arq's options and ours in place of the class's own."""
    worker = Analytics.worker(burst=True, lease_s=3.0, max_jobs=2)

    assert (worker.burst, worker.max_jobs) == (True, 2)
    assert (worker.options.lease_s, worker.options.heartbeat_s) == (3.0, 2.0)
    assert worker.on_startup is _greet


def test_settings_give_a_worker_its_own_number_of_slots() -> None:
    """An option that arq has too reaches its part of the worker under arq's name."""
    worker = Analytics.worker(concurrency=3, idle_poll_s=0.25, keep_result_s=None)

    assert (worker.max_jobs, worker.poll_delay_s) == (3, 0.25)
    assert worker.keep_result_forever


def test_settings_take_limits_from_a_configuration() -> None:
    """`limits` sets all of them at once; a value that the class itself sets wins."""

    class Configured(Base, limits=WorkerLimits(lease_s=9.0, grace_s=1.0)):
        grace_s = 2.0

    class Queue(Configured):
        queue = "analytics"
        jobs = (draw,)

    given: Any = arq.worker.get_kwargs(Queue)  # type: ignore[arg-type]  # likewise
    assert (given["runner"].lease_s, given["runner"].grace_s) == (9.0, 2.0)
    assert given["runner"].heartbeat_s == WorkerLimits.heartbeat_s


def test_settings_carry_each_jobs_own_options() -> None:
    """A job's retries, timeout and result time go before its queue's."""
    given: Any = arq.worker.get_kwargs(Analytics)  # type: ignore[arg-type]  # likewise
    first, second = given["functions"]

    assert isinstance(first, JobFunction)
    assert (first.name, first.max_tries, first.timeout_s, first.keep_result_s) == (
        "analyze",
        2,
        7,
        0,
    )
    assert (second.name, second.max_tries, second.timeout_s) == ("draw", None, None)


def test_settings_write_json_and_never_pickle() -> None:
    """arq's own client and worker pickle; ours write JSON."""
    given: Any = arq.worker.get_kwargs(Analytics)  # type: ignore[arg-type]  # likewise

    assert given["job_serializer"] is codec.dumps
    assert given["job_deserializer"] is codec.loads


def test_settings_take_plain_arq_functions_beside_jobs() -> None:
    """A queue may move from arq function by function: everything that a class lists runs."""

    class Mixed(Base):
        queue = "analytics"
        jobs: ClassVar[Sequence[Job[Any, Any]]] = (draw,)
        functions = (_plain,)
        cron_jobs = (cron(_plain, minute=0),)

    class Later(Mixed):
        jobs = (analyze,)

    for settings, names in ((Mixed, ["draw", "_plain"]), (Later, ["analyze", "_plain"])):
        given: Any = arq.worker.get_kwargs(settings)  # type: ignore[arg-type]  # likewise
        assert [arq.worker.func(function).name for function in given["functions"]] == names
        assert [one.name for one in given["cron_jobs"]] == ["cron:_plain"]
        assert {*names, "cron:_plain"} == set(settings.worker().functions)


@pytest.mark.parametrize(
    ("option", "remedy"),
    [("max_jobs", "concurrency"), ("max_tries", "max_retries"), ("queue_name", "queue")],
)
def test_settings_under_arqs_names_are_not_ignored(option: str, remedy: str) -> None:
    """An option that has a name of ours is refused under arq's, with the name to use."""
    with pytest.raises(ConfigurationError, match=f"Odd: {option} is arq's name: use {remedy}"):
        type("Odd", (WorkerSettings,), {"queue": "analytics", "jobs": (draw,), option: 5})


def test_settings_keep_results_for_ever_where_asked() -> None:
    """`keep_result_s = None` means for ever."""

    class Keeping(Base):
        queue = "analytics"
        jobs = (draw,)
        keep_result_s = None

    given: Any = arq.worker.get_kwargs(Keeping)  # type: ignore[arg-type]  # likewise
    assert given["keep_result_forever"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"jobs": (draw, draw)}, "two jobs are named draw"),
        ({"concurrency": 0}, "concurrency is 0: give 1 or more"),
        ({"max_retries": -1}, "max_retries is -1: give 0 or more"),
        ({"max_crashes": 0}, "max_crashes is 0: give 1 or more"),
        ({"lease_s": 1.0, "heartbeat_s": 1.0}, "a lease must outlive several heartbeats"),
        ({"heartbeat_s": 0}, "heartbeat_s is 0: give seconds, more than 0"),
        ({"redis": "http://cache"}, "is not a Redis address"),
        ({"schedule": (Periodic("x", draw, "@daily"),) * 2}, "the name 'x' is taken"),
    ],
)
def test_settings_that_make_no_sense_fail_at_import(settings: dict[str, Any], problem: str) -> None:
    """A class whose worker could not work is refused where it is defined, by name."""
    plain = {"queue": "analytics", "jobs": (draw,)}
    with pytest.raises(ConfigurationError, match=problem):
        type("Odd", (WorkerSettings,), plain | settings)


def test_settings_have_the_numbers_of_the_design_by_default() -> None:
    """Lease 30 s, poll every 15 s, third crash is poison, retries after 10, 20, 30 s."""
    options = WorkerOptions()

    assert (options.lease_s, options.poll_interval_s, options.max_crashes) == (30, 15, 3)
    assert [options.backoff(count) for count in range(3)] == [10, 20, 30]
