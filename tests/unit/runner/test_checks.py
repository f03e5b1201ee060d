"""Numbers, ids and names are checked where they are given."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from runner import Context, Periodic, Worker, WorkerSettings, exponential, job, linear, polynomial
from runner.checks import LATEST_MS, LONGEST_S
from runner.configuration.groups import RunnerLimits
from runner.errors import ArgumentsError, ConfigurationError
from runner.options import WorkerLimits, WorkerOptions, number_problems

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_NUMBERS = [math.nan, math.inf, -math.inf, True, "5", b"5", [], object(), 1j, uuid4()]
_NO_TIMES = [*_NO_NUMBERS, -1, -0.001, LONGEST_S * 1.01, 10**400]
_NO_COUNTS = [*_NO_NUMBERS, -1, 2.0, 2**31]
_NO_TEXTS = [uuid4(), 5, b"x", "", "\ud800", "x" * 2000, True, ["x"]]
_NO_QUEUES = [*_NO_TEXTS, "a b", "dead", "health-check", "a:b", "ä"]
_NO_MOMENTS = [
    "2026-01-01",
    5,
    datetime(2026, 1, 1),  # noqa: DTZ001 -- the point
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
]


@job(queue="default")
async def tidy(ctx: Context, channel_id: str = "") -> None:
    """Stand for any job."""
    raise NotImplementedError(ctx, channel_id)


@job(queue="other")
async def elsewhere(ctx: Context) -> None:
    """Stand for a job of another queue."""
    raise NotImplementedError(ctx)


def _decorate(**options: Any) -> None:
    async def one(ctx: Context) -> None:
        raise NotImplementedError(ctx)

    job(**{"queue": "default", **options})(one)


def _settings(**values: Any) -> type[WorkerSettings]:
    return type("Mail", (WorkerSettings,), {"queue": "default", **values})


def _periodic(**values: Any) -> None:
    Periodic(**{"name": "n", "job": tidy, "crontab": "* * * * *", **values})


_GIVEN: list[tuple[Callable[..., Any], str, list[Any]]] = [
    (_decorate, "queue", [*_NO_QUEUES, None]),
    (_decorate, "name", _NO_TEXTS),
    (_decorate, "max_retries", _NO_COUNTS),
    (_decorate, "timeout_s", [*_NO_TIMES, 0]),
    (_decorate, "keep_result_s", _NO_TIMES),
    (_decorate, "backoff", [5, "linear"]),
    (_decorate, "redact", ["email"]),
    (tidy.options, "delay_s", _NO_TIMES),
    (tidy.options, "at", _NO_MOMENTS),
    (tidy.options, "job_id", _NO_TEXTS),
    (tidy.options, "queue", _NO_QUEUES),
    (_periodic, "name", [*_NO_TEXTS, None]),
    (_periodic, "jitter_s", [*_NO_TIMES, None]),
    (_periodic, "job", [5, None, tidy.coroutine]),
    (_periodic, "kwargs", [5, None, ["x"]]),
    (_periodic, "catch_up", ["sometimes", None]),
    (_periodic, "crontab", [5, None]),
    (linear, "step_s", [*_NO_TIMES, None]),
    (exponential, "cap_s", [*_NO_TIMES, None]),
    (polynomial, "jitter_s", [*_NO_TIMES, None]),
    (_settings, "concurrency", [*_NO_COUNTS, 0, None]),
    (_settings, "max_retries", [*_NO_COUNTS, None]),
    (_settings, "timeout_s", [*_NO_TIMES, 0]),
    (_settings, "keep_result_s", _NO_TIMES),
    (_settings, "lease_s", [*_NO_TIMES, 0, None]),
    (_settings, "max_crashes", [*_NO_COUNTS, 0]),
    (_settings, "poll_interval_s", [*_NO_TIMES, 0, None]),
    (_settings, "polled_queues", [["a b"], [5]]),
    (_settings, "jobs", [[5], [tidy.coroutine]]),
    (_settings, "schedule", [[5], [tidy]]),
    (WorkerLimits, "keep_result_s", _NO_TIMES),
    (WorkerOptions, "concurrency", [*_NO_COUNTS, 0]),
    (RunnerLimits, "keep_result_s", [math.nan, math.inf, -5, 1e30]),
    (RunnerLimits, "max_crashes", [0, 10**20]),
]


@pytest.mark.parametrize(
    ("give", "name", "value"),
    [(give, name, value) for give, name, values in _GIVEN for value in values],
    ids=itertools.count(),
)
def test_value_that_cannot_be_one_is_refused_where_it_is_given(
    give: Callable[..., Any], name: str, value: Any
) -> None:
    """In one line, which names what was given."""
    with pytest.raises((ConfigurationError, ValueError)) as raised:
        give(**{name: value})

    text = str(raised.value)
    assert name.removeprefix("polled_") in text
    assert give is RunnerLimits or "\n" not in text


@pytest.mark.parametrize("value", [0.001, 1, 300, LONGEST_S, 1.5])
def test_ordinary_time_is_taken(value: float) -> None:
    """Whole or not, up to a hundred years."""
    _decorate(timeout_s=value, keep_result_s=value)
    tidy.options(delay_s=value)
    assert not any(number_problems(WorkerOptions, {"timeout_s": value, "keep_result_s": None}))


async def test_call_that_is_no_mapping_is_refused() -> None:
    """`enqueue_many` says which one."""
    with pytest.raises(ArgumentsError, match="tidy: call 2 is 'x': give a mapping"):
        await tidy.enqueue_many([{}, "x"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("concurency", "concurrency"),
        ("max_retrys", "max_retries"),
        ("time_out_s", "timeout_s"),
        ("on_startupp", "on_startup"),
        ("job", "jobs"),
    ],
)
def test_misspelt_option_is_refused_with_the_right_name(name: str, meant: str) -> None:
    """On the class, on a base of it and on a mixin."""
    mixin = type("Mixin", (), {name: 50})
    for bases, values in (
        ((WorkerSettings,), {name: 50}),
        ((WorkerSettings,), {name: 50, "queue": "default"}),
        ((mixin, WorkerSettings), {"queue": "default"}),
    ):
        with pytest.raises(ConfigurationError, match=f"no option {name}: did you mean {meant}"):
            type("Mail", bases, values)


def test_misspelt_hook_is_refused() -> None:
    """A function is only an option if its name is that of one."""

    async def hook(_: Any) -> None:
        raise NotImplementedError

    with pytest.raises(ConfigurationError, match="did you mean on_startup"):
        _settings(on_startup_=hook)
    assert vars(_settings(helper=hook))["queue_name"] == "arq:queue:default"


def test_unknown_option_without_a_likeness_gets_a_remedy() -> None:
    """A name of one's own starts with an underscore."""
    with pytest.raises(ConfigurationError, match="there is no option region: start a name"):
        _settings(region="eu")
    assert _settings(_region="eu", ctx={}, health_check_interval_=staticmethod(len))


def test_job_of_another_queue_is_refused() -> None:
    """Unless it is listed as one that is enqueued here."""
    with pytest.raises(ConfigurationError, match="elsewhere is a job of the queue other"):
        _settings(jobs=[tidy, elsewhere])

    here = _settings(jobs=[tidy, elsewhere.options(queue="default")])
    assert here.known_jobs() == [tidy, elsewhere]
    with pytest.raises(ConfigurationError, match="two jobs are named tidy"):
        _settings(jobs=[tidy, tidy.options(queue="default")])


@pytest.mark.parametrize("value", [math.inf, math.nan, -5])
def test_arqs_own_option_is_checked_by_the_worker(value: float) -> None:
    """`keep_result` of a plain arq worker would otherwise fail when the first job ends."""
    with pytest.raises((ConfigurationError, ValueError)):
        Worker([tidy.coroutine], queue_name="x", keep_result=value)


def test_time_at_the_end_of_the_calendar_is_taken() -> None:
    """The year 9999 fits."""
    last = datetime.max.replace(tzinfo=UTC)
    assert tidy.options(at=last).request((), {}).due_ms == LATEST_MS
