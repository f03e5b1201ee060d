"""Every option of a worker, stated once: its type, its default, its unit and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

# At run time, since a pydantic model may inherit `WorkerLimits`.
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt  # noqa: TC002

from runner.checks import optional, seconds, whole
from runner.enqueue import MAX_BODY_BYTES, ClientMiddleware
from runner.errors import refuse
from runner.retry import Backoff, linear

if TYPE_CHECKING:
    from runner.broker.servers import Servers
    from runner.middleware import Middleware
    from runner.offload.offloader import Offloader
    from runner.periodic.schedule import Periodic
    from runner.reporters import Reporter

Resources = Callable[[], AbstractAsyncContextManager[Mapping[type[Any], Any]]]
"""Opens what jobs get by `ctx.get(kind)`; closed when the worker stops."""

_DEFAULT_BACKOFF = linear()


@dataclass(frozen=True)
class WorkerLimits:
    """The options that a deployment may change without touching code. `*_s` is in seconds."""

    timeout_s: PositiveFloat | None = 300.0
    """Longest run of one attempt, for jobs that set no timeout. None: no limit."""
    keep_result_s: NonNegativeFloat | None = 3600.0
    """How long a result is kept, for jobs that set no time. 0: not at all. None: for ever."""
    lease_s: PositiveFloat = 30.0
    """
    How long a claim holds without its worker's heartbeat.

    A dead worker's jobs run again within it.
    """
    heartbeat_s: PositiveFloat = 5.0
    """Time between two heartbeats, which renew the leases. At most a third of the lease."""
    grace_s: NonNegativeFloat = 20.0
    """On SIGTERM, how long running jobs may go on before they are cancelled and given back."""
    abort_check_s: PositiveFloat = 1.0
    """How soon a running job learns that it is to be aborted."""
    idle_poll_s: PositiveFloat = 0.5
    """Longest wait for a job that a stock arq client enqueued. Ours wake the worker at once."""
    blocked_warn_s: PositiveFloat = 1.0
    """An event loop blocked for this long is reported, with the stack that blocks it."""
    blocked_limit_s: PositiveFloat = 20.0
    """
    A worker whose event loop is blocked for this long gives its other jobs back and exits. If its
    interpreter is held, so that no thread runs, another process ends it a little later.

    Together with a heartbeat and `blocked_warn_s` it is below the lease, so that the jobs go back
    before they count as lost.
    """
    max_crashes: PositiveInt = 3
    """A job lost with its worker this many times within 72 hours goes to the dead set as poison."""
    offload_processes: PositiveInt | None = None
    """Processes for `ctx.offload`. None: one for each core."""
    call_timeout_s: PositiveFloat = 10.0
    """How long an enqueue, or a question to Redis about a job, waits for Redis in all."""
    dead_max_jobs: NonNegativeInt | None = 10_000
    """Dead jobs to keep in each queue. The oldest go first. None: all."""
    dead_max_age_s: PositiveFloat | None = 180 * 86_400
    """How long to keep a dead job. None: for ever."""
    keep_done: NonNegativeInt = 10_000
    """Jobs that have ended to list in each queue, by their ids: the last ones. 0: none."""
    keep_done_s: PositiveFloat | None = 7 * 86_400
    """How long to list them. Results are kept for `keep_result_s`. None: until others follow."""
    max_body_bytes: PositiveInt = MAX_BODY_BYTES
    """The largest job, its arguments as JSON, that is enqueued; a larger one is refused."""
    max_result_bytes: PositiveInt = 10 * 1024 * 1024
    """The largest result that is kept. Of a larger one only size and digest are."""
    strict_queues: bool = False
    """Refuse to enqueue into a queue that no worker has announced; otherwise it is logged, once."""

    def __post_init__(self) -> None:
        """
        Check the numbers.

        Raises:
            ConfigurationError: One is no number, not finite, or out of its range.
        """
        refuse("worker options", *number_problems(type(self), vars(self)))


@dataclass(frozen=True)
class WorkerOptions(WorkerLimits):
    """The options of one worker."""

    queue: str = "default"
    """The queue whose jobs the worker runs."""
    prefix: str = ""
    """
    What every key of the application begins with, such as `shop:`; "": stock arq's `arq:`.

    Applications with prefixes of their own share a Redis and never meet.
    """
    servers: Servers | None = None
    """Which queues are on other servers than this worker's. None: what settings classes say."""
    concurrency: PositiveInt = 10
    """Jobs that run at a time."""
    max_retries: NonNegativeInt = 3
    """Attempts after the first, for jobs that set no number."""
    backoff: Backoff = _DEFAULT_BACKOFF
    """Delays before these attempts."""
    cancel_wait_s: NonNegativeFloat = 5.0
    """How long a cancelled job may take to clean up before the worker goes on without it."""
    poll_interval_s: PositiveFloat = 15.0
    """Time between two polls of the cron poller."""
    schedule: Sequence[Periodic] = ()
    """The periodic jobs that the poller enqueues."""
    polled_queues: Sequence[str] = ()
    """The queues whose gauges the poller refreshes. A settings class that names none: its own."""
    offloader: Offloader | None = None
    """Offload processes shared with other workers, and closed by their owner. None: own ones."""
    middleware: Sequence[Middleware] = ()
    """Added inside the default middleware, the first outermost."""
    client_middleware: Sequence[ClientMiddleware] = ()
    """Wraps each enqueue of the jobs that run here, the first outermost."""
    resources: Resources | None = None
    """Opened when the worker starts, closed when it stops."""
    reporters: Sequence[Reporter] = ()
    """They get the error of every failed attempt."""
    statsd: tuple[str, int] | None = None
    """Host and port of a StatsD server. None: no metrics are sent."""
    statsd_prefix: str = ""
    """Put before every metric's name, with its dot."""
    release: str = ""
    """What runs here, such as a commit. The first worker that starts with it marks its deploy."""
    prepare: Callable[[], None] | None = None
    """Called once before the worker connects, such as to configure logging."""


_CHECKS: dict[str, Callable[[str, Any], str | None]] = {
    "PositiveFloat": partial(seconds, above=0.0),
    "NonNegativeFloat": seconds,
    "PositiveInt": partial(whole, least=1),
    "NonNegativeInt": whole,
}


def number_problems(options: type[WorkerLimits], values: Mapping[str, Any]) -> list[str | None]:
    """Return what is wrong with the numbers in *values*, by what the fields of *options* allow."""
    problems = []
    for field in fields(options):
        kind, _, none = str(field.type).partition(" | ")
        if kind in _CHECKS and field.name in values:
            problem = _CHECKS[kind](field.name, values[field.name])
            problems.append(optional(problem, values[field.name]) if none else problem)
    return problems
