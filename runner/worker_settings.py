"""
`WorkerSettings`: what every queue's settings class inherits.

    class AnalyticsWorker(WorkerSettings):
        queue = "analytics"
        jobs = (run_analytics, analyze_channel)
        concurrency = 10
        max_retries = 5

`arq settings.AnalyticsWorker` runs it, and so does `runner.processes.fleet`. arq reads a settings
class by its own `__dict__` and knows nothing of inheritance, so each subclass gets everything
written into it here, under arq's names.
"""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from runner import codec
from runner.broker import keys
from runner.broker.location import location
from runner.errors import ConfigurationError
from runner.on_arq import command as arq_command
from runner.on_arq.cron import IntervalCron
from runner.on_arq.job_function import JobFunction
from runner.on_arq.worker import Worker, poll
from runner.options import Resources, WorkerOptions
from runner.retry import Backoff, linear

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arq.connections import RedisSettings
    from arq.cron import CronJob

    from runner.decorator import Job
    from runner.middleware import Middleware
    from runner.offload.offloader import Offloader
    from runner.periodic.schedule import Periodic
    from runner.reporters import Reporter

arq_command.run_our_worker()

_QUEUE_NAME = re.compile(r"/.+|[A-Za-z0-9._-]+")  # `/…` is a whole key
_TAKEN_NAMES = frozenset(suffix[1:] for suffix in (*keys.SUFFIXES, ":health-check"))
"""As queues these would share keys with arq's own queue, `arq:queue`."""

_POLL = "poll"
_ARQ_OPTIONS = frozenset(inspect.signature(Worker).parameters) - {"runner"}
_OUR_WORDS = {
    "queue_name": "queue",
    "redis_settings": "redis",
    "max_jobs": "concurrency",
    "max_tries": "max_retries, which does not count the first attempt",
    "job_timeout": "timeout_s",
    "keep_result": "keep_result_s",
    "keep_result_forever": "keep_result_s = None",
    "poll_delay": "idle_poll_s",
    "health_check_interval": "heartbeat_s",
}


class WorkerSettings:
    """
    One queue's worker: its jobs, its numbers, and the parts that all queues share.

    Everything may be given on a common base class and changed on a subclass. Names and units
    are those of `WorkerOptions`; `concurrency` is the number of jobs that run at a time, and
    `keep_result_s` how long results are kept (None: for ever).

    What has no name here may be said in arq's own words: `on_startup`, `ctx`, `timezone`, plain
    `functions` and `cron_jobs`, which work beside `jobs`.
    """

    queue: ClassVar[str] = ""
    jobs: ClassVar[Sequence[Job[Any, Any]]] = ()
    redis: ClassVar[str | RedisSettings] = "redis://localhost:6379"

    concurrency: ClassVar[int] = 10
    max_retries: ClassVar[int] = 3
    backoff: ClassVar[Backoff] = linear()
    timeout_s: ClassVar[float | None] = 300.0
    keep_result_s: ClassVar[float | None] = 3600.0
    lease_s: ClassVar[float] = 30.0
    heartbeat_s: ClassVar[float] = 5.0
    abort_check_s: ClassVar[float] = 1.0
    grace_s: ClassVar[float] = 20.0
    cancel_wait_s: ClassVar[float] = 5.0
    max_crashes: ClassVar[int] = 3
    unknown_delay_s: ClassVar[float] = 15.0
    idle_poll_s: ClassVar[float] = 0.5
    poll_interval_s: ClassVar[float] = 15.0
    schedule: ClassVar[Sequence[Periodic]] = ()
    polled_queues: ClassVar[Sequence[str]] = ()
    blocked_warn_s: ClassVar[float] = 1.0
    blocked_limit_s: ClassVar[float] = 20.0
    offload_processes: ClassVar[int | None] = None
    offloader: ClassVar[Offloader | None] = None
    dead_max_jobs: ClassVar[int | None] = None
    dead_max_age_s: ClassVar[float | None] = None

    middleware: ClassVar[Sequence[Middleware]] = ()
    resources: ClassVar[Resources | None] = None
    reporters: ClassVar[Sequence[Reporter]] = ()
    statsd: ClassVar[tuple[str, int] | None] = None
    statsd_prefix: ClassVar[str] = ""
    release: ClassVar[str] = ""
    prepare: ClassVar[Callable[[], None] | None] = None

    _in_arqs_words: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Write what arq looks for into the class itself; a base without a queue is left alone."""
        super().__init_subclass__(**kwargs)
        if not cls.queue:
            return
        cls._in_arqs_words = cls._said()
        cls._check()
        for name, value in cls._for_arq().items():
            setattr(cls, name, value)

    @classmethod
    def worker(cls, **options: Any) -> Worker:
        """
        A worker of this class, for running several in one process or in a test.

        options: arq's, or those of `WorkerOptions`, in place of the class's own.
        """
        names = WorkerOptions.__dataclass_fields__
        ours = {name: options.pop(name) for name in list(options) if name in names}
        given = cls._for_arq() | options
        return Worker(**given | {"runner": replace(given["runner"], **ours)})

    @classmethod
    def _said(cls) -> dict[str, Any]:
        """What the class and its bases say in arq's words, before anything is written into it."""
        said: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            if "_in_arqs_words" in base.__dict__:
                said |= base.__dict__["_in_arqs_words"]
            else:
                said |= {name: inherited(base, name) for name in _ARQ_OPTIONS & vars(base).keys()}
        return said

    @classmethod
    def _check(cls) -> None:
        for word, ours in _OUR_WORDS.items():
            if word in cls._in_arqs_words:
                raise ConfigurationError(f"{cls.__name__}: {word} is arq's word; say {ours}")
        if not _QUEUE_NAME.fullmatch(cls.queue) or cls.queue in _TAKEN_NAMES:
            raise ConfigurationError(
                f"{cls.__name__}: {cls.queue!r} cannot be a queue's name: use letters, digits, "
                f"'-', '_' and '.', and none of {', '.join(sorted(_TAKEN_NAMES))}"
            )
        names = [job.name for job in cls.jobs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(f"{cls.__name__}: two jobs are named {twice[0]}")
        schedules = [periodic.name for periodic in cls.schedule]
        for name in schedules:
            # Of two with one name, each would take the other's ticks for its own.
            if name == _POLL or schedules.count(name) > 1:
                raise ConfigurationError(
                    f"{cls.__name__}: the name {name!r} is taken: give each schedule one of its own"
                )
        for name, least in (("concurrency", 1), ("max_retries", 0), ("max_crashes", 1)):
            value = getattr(cls, name)
            if value < least:
                raise ConfigurationError(f"{cls.__name__}: {name} is {value}; give {least} or more")
        if not 0 < cls.heartbeat_s < cls.lease_s:
            raise ConfigurationError(
                f"{cls.__name__}: heartbeat_s is {cls.heartbeat_s:g} and lease_s {cls.lease_s:g}; "
                "a lease must outlive several heartbeats"
            )

    @classmethod
    def _for_arq(cls) -> dict[str, Any]:
        queue_name = keys.queue_key(cls.queue)
        said = dict(cls._in_arqs_words)
        return {
            "functions": [*map(JobFunction.of, cls.jobs), *said.pop("functions", ())],
            "cron_jobs": [*(said.pop("cron_jobs", None) or ()), cls._poller()],
            "queue_name": queue_name,
            "health_check_key": queue_name + ":health-check",
            "health_check_interval": cls.heartbeat_s,
            "redis_settings": location(cls.redis) if isinstance(cls.redis, str) else cls.redis,
            "max_jobs": cls.concurrency,
            "max_tries": cls.max_retries + 1,
            # arq takes the longest timeout, and None cannot be compared.
            "job_timeout": math.inf if cls.timeout_s is None else cls.timeout_s,
            "keep_result": 0 if cls.keep_result_s is None else cls.keep_result_s,
            "keep_result_forever": cls.keep_result_s is None,
            "poll_delay": cls.idle_poll_s,
            "job_serializer": codec.dumps,
            "job_deserializer": codec.loads,
            "allow_abort_jobs": True,
            "runner": cls._options(),
            **said,
        }

    @classmethod
    def _options(cls) -> WorkerOptions:
        # Through the class's own attributes: a plain function on a class is not a method here.
        given = {
            name: inherited(cls, name)
            for name in WorkerOptions.__dataclass_fields__
            if hasattr(cls, name)
        }
        given["polled_queues"] = tuple(cls.polled_queues) or (cls.queue,)
        return WorkerOptions(**given)

    @classmethod
    def _poller(cls) -> CronJob:
        return IntervalCron.of(
            poll,
            interval_s=cls.poll_interval_s,
            name=_POLL,
            timeout_s=max(10.0, cls.poll_interval_s),
        )


def inherited(cls: type, name: str) -> Any:
    """The value of a class attribute as it was written, functions unbound."""
    for base in cls.__mro__:
        if name in base.__dict__:
            value = base.__dict__[name]
            return value.__func__ if isinstance(value, staticmethod) else value
    raise AttributeError(name)
