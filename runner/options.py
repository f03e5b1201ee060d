"""Every number and part that shapes a worker, in one place, with units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.retry import Backoff, linear

if TYPE_CHECKING:
    from runner.middleware import Middleware
    from runner.offload.offloader import Offloader
    from runner.periodic.schedule import Periodic
    from runner.reporters import Reporter

Resources = Callable[[], AbstractAsyncContextManager[Mapping[type[Any], Any]]]
"""Opens what jobs get by `ctx.get(kind)`; left when the worker stops."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """
    What a worker has beyond arq's own options.

    max_retries: attempts after the first, for jobs that do not say. backoff: their delays.
    timeout_s: longest run of one attempt, for jobs that do not say. None for no limit.
    lease_s: how long a claim holds without its worker's heartbeat: a dead worker's jobs run
        again within it. heartbeat_s: how often it is extended; at most a third of the lease.
    abort_check_s: how soon a running job learns that somebody asked it to abort.
    grace_s: on SIGTERM, how long running jobs may go on before they are cancelled and given back.
    cancel_wait_s: how long a cancelled job may take to clean up before it is left behind.
    max_crashes: a job lost with its worker for this many times goes to the dead set as poison.
    unknown_delay_s: how long a job whose name is not known here rests before it is offered again.
    poll_interval_s: the cron poller's interval. schedule: the periodic jobs that it enqueues.
    polled_queues: the queues whose gauges it refreshes.
    blocked_warn_s: an event loop blocked for so long is reported, with the stack that blocks it.
    blocked_limit_s: past it the worker gives its other jobs back and its process exits. Together
        with a heartbeat and blocked_warn_s it lies below the lease, so that they go back before
        they are counted as lost.
    offload_processes: processes for `ctx.offload`; None for one for each core.
    offloader: processes shared with other workers, and closed by who shares them; None for own.
    dead_max_jobs, dead_max_age_s: what the poller trims the dead set to; None keeps everything.
    middleware: added inside the default ones, the first outermost.
    resources: opened at start, closed at the end.
    release: what runs here; the first start of a worker with it marks its deploy.
    statsd: host and port. statsd_prefix: before every metric's name.
    """

    queue: str = "default"
    max_retries: int = 3
    backoff: Backoff = field(default_factory=linear)
    timeout_s: float | None = 300.0
    lease_s: float = 30.0
    heartbeat_s: float = 5.0
    abort_check_s: float = 1.0
    grace_s: float = 20.0
    cancel_wait_s: float = 5.0
    max_crashes: int = 3
    unknown_delay_s: float = 15.0
    poll_interval_s: float = 15.0
    schedule: Sequence[Periodic] = ()
    polled_queues: Sequence[str] = ()
    blocked_warn_s: float = 1.0
    blocked_limit_s: float = 20.0
    offload_processes: int | None = None
    offloader: Offloader | None = None
    dead_max_jobs: int | None = None
    dead_max_age_s: float | None = None
    middleware: Sequence[Middleware] = ()
    resources: Resources | None = None
    reporters: Sequence[Reporter] = ()
    statsd: tuple[str, int] | None = None
    statsd_prefix: str = ""
    release: str = ""
    prepare: Callable[[], None] | None = None
    """Called once before the worker connects, such as to configure logging."""
