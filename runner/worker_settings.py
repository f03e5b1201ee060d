"""
`WorkerSettings`: the base of every queue's settings class.

    class MailWorker(WorkerSettings):
        queue = "mail"
        jobs = (send, send_digest)
        concurrency = 10
        max_retries = 5

`arq shop.MailWorker` runs it, and so does `runner.Fleet`. arq reads a settings class by its own
`__dict__` and ignores its bases, so each subclass gets everything written into it, inherited or
not, under arq's names.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

from runner import codec
from runner.broker import keys
from runner.broker.location import location, slot_of
from runner.broker.servers import declare
from runner.checks import shown
from runner.decorator import BoundJob, Job
from runner.errors import ConfigurationError, refuse
from runner.on_arq.base import SIGNATURE
from runner.on_arq.command import run_our_worker
from runner.on_arq.job_function import JobFunction
from runner.options import WorkerLimits, WorkerOptions, number_problems
from runner.partitions import in_partitions
from runner.periodic.schedule import Periodic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arq.connections import RedisSettings

    from runner.on_arq.worker import Worker

run_our_worker()

_ARQ_OPTIONS = frozenset(SIGNATURE.parameters) - {"runner"}
_OUR_NAMES = {
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


class WorkerSettings(WorkerOptions):
    """
    One queue's worker: its jobs and its options.

    The options are those of `WorkerOptions`, with their defaults. A common base class without a
    queue may set some for all queues, and a subclass may set them again.

    arq's options that have no name here keep arq's: `on_startup`, `ctx`, `timezone`, and plain
    `functions` and `cron_jobs`, which work beside `jobs`.
    """

    queue: str = ""
    jobs: ClassVar[Sequence[Job[Any, Any] | BoundJob[Any, Any]]] = ()
    """The queue's jobs. `job.options(queue=…)`: a job of another queue, enqueued into this one."""

    redis: ClassVar[str | RedisSettings] = "redis://localhost:6379"

    _arq_options: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, *, limits: WorkerLimits | None = None, **kwargs: Any) -> None:
        """
        Write what arq looks for into the class, unless it is a base without a queue.

        limits: sets every option of `WorkerLimits` that the class does not set itself.
        """
        super().__init_subclass__(**kwargs)
        cls._refuse_unknown_names()
        if limits is not None:
            for name in _names(WorkerLimits) - vars(cls).keys():
                setattr(cls, name, getattr(limits, name))
        if not cls.queue:
            return
        cls._arq_options = cls._given_to_arq()
        cls._check()
        for name, value in cls._for_arq(cls.as_options()).items():
            setattr(cls, name, value)
        if cls.redis is not WorkerSettings.redis and cls.servers is None:
            declare(cls)

    @classmethod
    def worker(cls, **options: Any) -> Worker:
        """
        A worker of this class, for running several in one process or in a test.

        options: arq's, or those of `WorkerOptions`, in place of the class's own.
        """
        from runner.on_arq.worker import Worker

        ours = {name: options.pop(name) for name in _names(WorkerOptions) & options.keys()}
        return Worker(**cls._for_arq(replace(cls.as_options(), **ours)) | options)

    @classmethod
    def partitions(cls) -> list[type[WorkerSettings]]:
        """
        Return a settings class for each partition of the queue; of a plain queue, this class.

        Each has its share of the slots, rounded up. The first has the schedule, since that says
        what to enqueue and not where it runs.
        """
        names = in_partitions(cls.queue)
        return [cls] if len(names) == 1 else [cls.partition(name) for name in names]

    @classmethod
    def partition(cls, name: str) -> type[WorkerSettings]:
        """Return a settings class for the partition *name*, which may be a former one."""
        names = in_partitions(cls.queue)
        own = {"queue": name, "concurrency": math.ceil(cls.concurrency / len(names))}
        if name != names[0]:
            own["schedule"] = ()
        return type(cls.__name__, (cls,), {"__module__": cls.__module__, **own})

    @classmethod
    def _given_to_arq(cls) -> dict[str, Any]:
        """What the class and its bases set under arq's names, before anything is added here."""
        given: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            if "_arq_options" in base.__dict__:
                given |= base.__dict__["_arq_options"]
            else:
                given |= {name: inherited(base, name) for name in _ARQ_OPTIONS & vars(base).keys()}
        return given

    @classmethod
    def _check(cls) -> None:
        for name, ours in _OUR_NAMES.items():
            if name in cls._arq_options:
                raise ConfigurationError(f"{cls.__name__}: {name} is arq's name: use {ours}")
        refuse(
            cls.__name__,
            keys.queue_problem("queue", cls.queue),
            keys.prefix_problem("prefix", cls.prefix),
            *number_problems(WorkerOptions, {name: getattr(cls, name) for name in _OPTIONS}),
            *(_problem_with(job, cls.queue) for job in cls.jobs),
            *(keys.queue_problem("polled_queues", queue) for queue in cls.polled_queues),
            *(_problem_with_schedule(one) for one in cls.schedule),
        )
        names = [job.name for job in cls.known_jobs()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(f"{cls.__name__}: two jobs are named {twice[0]}")
        schedules = [periodic.name for periodic in cls.schedule]
        for name in schedules:
            # Of two with one name, each would take the other's ticks for its own.
            if schedules.count(name) > 1:
                raise ConfigurationError(
                    f"{cls.__name__}: the name {name!r} is taken: give each schedule one of its own"
                )
        if not 0 < cls.heartbeat_s < cls.lease_s:
            raise ConfigurationError(
                f"{cls.__name__}: heartbeat_s is {cls.heartbeat_s:g} and lease_s {cls.lease_s:g}; "
                "a lease must outlive several heartbeats"
            )

    @classmethod
    def known_jobs(cls) -> list[Job[Any, Any]]:
        """Return the jobs that the worker knows, without the options that they are listed with."""
        return [one.job if isinstance(one, BoundJob) else one for one in cls.jobs]

    @classmethod
    def _refuse_unknown_names(cls) -> None:
        """Refuse what is set under a name that means nothing: it may be a misspelt option."""
        for base in cls.__mro__:
            if base in WorkerSettings.__mro__:
                continue
            for name, value in vars(base).items():
                if name.startswith("_") or name in _KNOWN:
                    continue
                is_code = callable(value) or isinstance(value, _DESCRIPTORS)
                meant = get_close_matches(name, _HOOKS if is_code else _KNOWN, 1, _LIKENESS)
                if is_code and not meant:
                    continue
                remedy = f"did you mean {meant[0]}?" if meant else "start a name of your own with _"
                raise ConfigurationError(f"{cls.__name__}: there is no option {name}: {remedy}")

    @classmethod
    def as_options(cls) -> WorkerOptions:
        """Return the options of this class as a worker gets them."""
        # Through the class's own attributes: a plain function on a class is not a method here.
        given = {name: inherited(cls, name) for name in _names(WorkerOptions)}
        given["polled_queues"] = tuple(cls.polled_queues) or (cls.queue,)
        return WorkerOptions(**given)

    @classmethod
    def _for_arq(cls, options: WorkerOptions) -> dict[str, Any]:
        where = location(cls.redis) if isinstance(cls.redis, str) else cls.redis
        own = keys.with_prefix(options.prefix, slot=slot_of(where))
        queue_name = own.queue_key(options.queue)
        given = dict(cls._arq_options)
        return {
            "functions": [*map(JobFunction.of, cls.known_jobs()), *given.pop("functions", ())],
            "cron_jobs": given.pop("cron_jobs", None) or (),
            "queue_name": queue_name,
            "health_check_key": queue_name + keys.HEALTH_SUFFIX,
            "health_check_interval": options.heartbeat_s,
            "redis_settings": where,
            "max_jobs": options.concurrency,
            "max_tries": options.max_retries + 1,
            # arq takes the longest timeout, and None cannot be compared.
            "job_timeout": math.inf if options.timeout_s is None else options.timeout_s,
            "keep_result": 0 if options.keep_result_s is None else options.keep_result_s,
            "keep_result_forever": options.keep_result_s is None,
            "poll_delay": options.idle_poll_s,
            "job_serializer": codec.dumps,
            "job_deserializer": codec.loads,
            "allow_abort_jobs": True,
            "runner": options,
            **given,
        }


def _names(options: type[WorkerLimits]) -> set[str]:
    return {field.name for field in fields(options)}


_OPTIONS = _names(WorkerOptions)
_KNOWN = _OPTIONS | _ARQ_OPTIONS | {"as_options", "jobs", "known_jobs", "redis", "worker", "runner"}
_HOOKS = frozenset(
    {"on_startup", "on_shutdown", "on_job_start", "on_job_end", "after_job_end", "prepare"}
    | {"resources", "backoff", "job_serializer", "job_deserializer"}
)
_DESCRIPTORS = (classmethod, staticmethod, property)
_LIKENESS = 0.8


def _problem_with(job: object, queue: str) -> str | None:
    if not isinstance(job, Job | BoundJob):
        return f"jobs holds {shown(job)}: give jobs made by @job, and others as `functions`"
    if keys.is_same_queue(job.queue, queue) or keys.is_same_queue(
        job.queue, keys.whole_queue(queue)
    ):
        return None
    name = job.name if isinstance(job, Job) else job.job.name
    return (
        f"{name} is a job of the queue {job.queue}, and this worker's queue is {queue}: list it "
        f'there, or {name}.options(queue="{queue}") here if it is enqueued so'
    )


def _problem_with_schedule(one: object) -> str | None:
    if isinstance(one, Periodic):
        return None
    return f"schedule holds {shown(one)}: give instances of Periodic"


def inherited(cls: type, name: str) -> Any:
    """The value of a class attribute as it was written, functions unbound."""
    for base in cls.__mro__:
        if name in base.__dict__:
            value = base.__dict__[name]
            return value.__func__ if isinstance(value, staticmethod) else value
    raise AttributeError(name)
