"""The seed's metrics: what each ending records."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runner.errors import Bury
from runner.middleware.metrics import Metrics
from runner.retry import Retry

if TYPE_CHECKING:
    from runner.context import Context
    from tests.unit.runner.middleware.conftest import MakeContext


class _Recorder:
    """A StatsD client that keeps what it is given."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def timing(self, name: str, duration_ms: float, /) -> None:
        self.timings[name] = duration_ms

    def increment(self, name: str, count: int = 1, /) -> None:
        self.counts[name] = self.counts.get(name, 0) + count

    def gauge(self, name: str, value: float, /) -> None:
        raise NotImplementedError(name, value)


async def test_metrics_of_a_success(make_context: MakeContext) -> None:
    """It is timed and counted under the plain names, and by queue and job."""
    statsd = _Recorder()

    async def handler(_: Context) -> str:
        await asyncio.sleep(0)
        return "result"

    assert await Metrics(statsd)(make_context(), handler) == "result"

    assert statsd.counts == {"worker.success": 1, "worker.success.analytics.analyze_channel": 1}
    assert set(statsd.timings) == {"worker.execution", "worker.execution.analytics.analyze_channel"}
    assert 0 < statsd.timings["worker.execution"] < 1000


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError(), Bury("no"), Retry(5)])
async def test_metrics_of_a_failure(error: Exception, make_context: MakeContext) -> None:
    """Whatever costs an attempt is a failure, and is raised unchanged."""
    statsd = _Recorder()

    async def handler(_: Context) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await Metrics(statsd)(make_context(queue="a.b"), handler)

    assert raised.value is error
    assert statsd.counts == {"worker.failure": 1, "worker.failure.a_b.analyze_channel": 1}
    assert "worker.execution" in statsd.timings


@pytest.mark.parametrize("ending", [asyncio.CancelledError(), Retry(5, charge=False)])
async def test_metrics_of_an_attempt_that_costs_nothing(
    ending: BaseException, make_context: MakeContext
) -> None:
    """A shutdown, or a job that parks itself, is neither success nor failure."""
    statsd = _Recorder()

    async def handler(_: Context) -> None:
        raise ending

    with pytest.raises(type(ending)):
        await Metrics(statsd)(make_context(), handler)
    assert (statsd.counts, statsd.timings) == ({}, {})


@pytest.mark.parametrize(
    "ending", [SystemExit(), KeyboardInterrupt(), BaseExceptionGroup("exit", [SystemExit()])]
)
async def test_metrics_of_an_exit(ending: BaseException, make_context: MakeContext) -> None:
    """A job that calls `sys.exit` has failed."""
    statsd = _Recorder()

    async def handler(_: Context) -> None:
        raise ending

    with pytest.raises(type(ending)):
        await Metrics(statsd)(make_context(), handler)
    assert statsd.counts["worker.failure"] == 1
