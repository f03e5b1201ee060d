"""What a worker measures and reports with, and the order of the default middleware."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.middleware.log_context import log_context
from runner.middleware.metrics import Metrics
from runner.middleware.reporting import Reporting
from runner.middleware.timeout import Timeout
from runner.middleware.tracing import tracing
from runner.middleware.validation import Validation
from runner.reporters.fan_out import FanOut
from runner.reporters.log import LogReporter
from runner.telemetry.logs import make_defaults_safe
from runner.telemetry.statsd import AioStatsD, NullStatsD, StatsD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner.middleware import Middleware
    from runner.options import WorkerOptions


@dataclass(frozen=True, slots=True)
class Instruments:
    """A worker's StatsD client, and its middleware, the outermost first."""

    statsd: StatsD
    stack: tuple[Middleware, ...]

    @classmethod
    @asynccontextmanager
    async def open(cls, options: WorkerOptions) -> AsyncIterator[Instruments]:
        """Start StatsD and reporters; at the end, send what still waits."""
        make_defaults_safe()
        async with AsyncExitStack() as exits:
            statsd: StatsD = NullStatsD()
            if options.statsd is not None:
                host, port = options.statsd
                statsd = await exits.enter_async_context(
                    AioStatsD(host, port, prefix=options.statsd_prefix)
                )
            reporters = options.reporters or (LogReporter(),)
            fan_out = await exits.enter_async_context(FanOut(reporters))
            yield cls(
                statsd=statsd,
                stack=(
                    log_context,
                    tracing,
                    *((Metrics(statsd),) if options.statsd is not None else ()),
                    Reporting(fan_out),
                    Validation(options.keep_result_s),
                    Timeout(options.timeout_s),
                    *options.middleware,
                ),
            )
