"""
Send the durations and results of attempts to StatsD.

    worker.execution   timing in ms, of every attempt that succeeded or failed
    worker.success     counter
    worker.failure     counter

Each is also sent per job: `worker.execution.<queue>.<job>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import clock
from runner.telemetry.statsd import metric_part

if TYPE_CHECKING:
    from runner.context import Context
    from runner.middleware import Handler
    from runner.telemetry.statsd import StatsD

EXECUTION = "worker.execution"
SUCCESS = "worker.success"
FAILURE = "worker.failure"


class Metrics:
    """
    Times each attempt with a monotonic clock and counts successes and failures.

    A free attempt (cancelled by a shutdown, or ended by `Retry(charge=False)`) counts as neither
    and is not timed.
    """

    def __init__(self, statsd: StatsD) -> None:
        self._statsd = statsd
        self._names: dict[tuple[str, str], _Names] = {}

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """Run the attempt and record its result."""
        started = clock.monotonic()
        try:
            result = await call_next(ctx)
        except BaseException as error:
            if ctx.ended_by(error).counts_as_failure:
                self._record(ctx, started, FAILURE)
            raise
        self._record(ctx, started, SUCCESS)
        return result

    def _record(self, ctx: Context, started: float, ending: str) -> None:
        duration_ms = (clock.monotonic() - started) * 1000
        key = (ctx.queue, ctx.job_name)
        names = self._names.get(key)
        if names is None:
            names = self._names[key] = _Names.of(*key)
        self._statsd.timing(EXECUTION, duration_ms)
        self._statsd.timing(names.execution, duration_ms)
        self._statsd.increment(ending)
        self._statsd.increment(names.success if ending is SUCCESS else names.failure)


@dataclass(frozen=True, slots=True)
class _Names:
    """A job's metric names, cached: formatting three strings costs as much as sending them."""

    execution: str
    success: str
    failure: str

    @classmethod
    def of(cls, queue: str, job_name: str) -> _Names:
        suffix = f"{metric_part(queue)}.{metric_part(job_name)}"
        return cls(f"{EXECUTION}.{suffix}", f"{SUCCESS}.{suffix}", f"{FAILURE}.{suffix}")
