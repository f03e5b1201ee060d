"""How the parts of an `App` fit together: its settings classes, its schedule, the deployment."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

from runner.broker import keys
from runner.broker.location import is_same
from runner.broker.servers import servers_of
from runner.errors import AppError
from runner.options import WorkerLimits
from runner.worker_settings import WorkerSettings, inherited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from runner.broker.servers import Servers
    from runner.configuration import Settings
    from runner.decorator import Job
    from runner.errors import RunnerError
    from runner.options import Resources
    from runner.periodic.schedule import Periodic
    from runner.processes.health import HealthCheck
    from runner.web.dashboard import Dashboard


class Parts(Protocol):
    """An application, as that sees it which is made of its parts; `App` explains them."""

    @property
    def settings(self) -> Settings:
        """What the deployment sets."""
        ...

    @property
    def workers(self) -> Sequence[type[WorkerSettings]]:
        """The settings classes."""
        ...

    @property
    def queues(self) -> Sequence[str]:
        """Their queues."""
        ...

    @property
    def jobs(self) -> Sequence[Job[Any, Any]]:
        """Their jobs."""
        ...

    @property
    def schedule(self) -> Sequence[Periodic]:
        """The periodic jobs."""
        ...

    @property
    def redis_url(self) -> str:
        """Where Redis is, or will be."""
        ...

    @property
    def prefix(self) -> str:
        """What its keys begin with there."""
        ...

    @property
    def strict_queues(self) -> bool:
        """Whether a queue that no worker has announced is refused."""
        ...

    @property
    def servers(self) -> Servers:
        """Where its queues are."""
        ...

    @property
    def places(self) -> Mapping[str, str]:
        """Where other things are."""
        ...

    def services(self) -> AbstractAsyncContextManager[Mapping[type[Any], Any]]:
        """Open what jobs work with."""
        ...

    def own_checks(self, services: Mapping[type[Any], Any]) -> Sequence[HealthCheck]:
        """Make the checks of what is not Redis."""
        ...

    def own_pages(self, dashboard: Dashboard, services: Mapping[type[Any], Any]) -> None:
        """Add its pages."""
        ...

    def configure_logs(self) -> None:
        """Send log lines where they go."""
        ...

    def unreachable(self, reason: str) -> RunnerError:
        """Make the error for a Redis that does not answer."""
        ...


def checked_workers(given: Iterable[Any]) -> Sequence[type[WorkerSettings]]:
    """
    Return the settings classes in *given*, in which a list of them may stand for one.

    Of a queue in partitions there is one for each.

    Raises:
        AppError: One is none or has no queue, or two have one queue, or two jobs one name.
    """
    found = [one for part in given for one in (part if isinstance(part, (list, tuple)) else [part])]
    queues: dict[str, type[WorkerSettings]] = {}
    jobs: dict[str, Job[Any, Any]] = {}
    for one in found:
        if not (isinstance(one, type) and issubclass(one, WorkerSettings) and one.queue):
            raise AppError(
                f"workers holds {one!r}: give subclasses of runner.WorkerSettings, each with its "
                "queue"
            )
        other = queues.setdefault(keys.own_name(one.queue), one)
        if other is not one:
            raise AppError(
                f"{_name(other)} and {_name(one)} both work the queue {one.queue!r}: "
                "give one settings class for each queue"
            )
        for job in one.known_jobs():
            if (first := jobs.setdefault(job.name, job)) is not job:
                raise AppError(
                    f"{_name(first.coroutine)} and {_name(job.coroutine)} are both named "
                    f"{job.name!r}: give one another name, by @job(name=…)"
                )
    return [part for one in queues.values() for part in one.partitions()]


def checked_schedule(
    own: Iterable[Periodic], workers: Iterable[type[WorkerSettings]]
) -> Sequence[Periodic]:
    """
    Return *own* periodic jobs of an application with those of its settings classes.

    Raises:
        AppError: Two have one name.
    """
    by_name: dict[str, Periodic] = {}
    for one in (*own, *(one for worker in workers for one in worker.schedule)):
        # A common base class gives the same ones to several settings classes.
        if by_name.setdefault(one.name, one) is not one:
            raise AppError(f"two schedules are named {one.name!r}: give each a name of its own")
    return list(by_name.values())


def configured(app: Parts, worker: type[WorkerSettings]) -> type[WorkerSettings]:
    """
    Return *worker* with what *app* and its settings say where the class itself says nothing.

    Resources and reporters of the class come on top of theirs.

    Of the queues and schedules it gets those of the server where its own queue is.

    Raises:
        AppError: The class has another prefix.
    """
    from runner.configuration.reporters import make_reporters

    settings, own, servers = app.settings, own_names(worker), app.servers
    names = {keys.own_name(worker.queue), keys.whole_queue(worker.queue)}
    if "redis" in own and not names & servers.own.keys():
        servers = servers_of(servers.default, {**servers.own, worker.queue: worker.redis})
    here = servers.of(worker.queue)

    def is_here(queue: str) -> bool:
        return is_same(servers.of(queue), here)

    if "prefix" in own and worker.prefix != app.prefix:
        raise AppError(
            f"{_name(worker)}: its prefix is {worker.prefix!r}, and that of the application "
            f"{app.prefix!r}: delete `prefix` there, and give App(prefix=…) or set REDIS_PREFIX"
        )
    given = {
        "redis": here,
        "servers": servers,
        "prefix": app.prefix,
        "prepare": _prepare(app, worker),
        "resources": _resources(app, worker),
        "schedule": [one for one in app.schedule if is_here(one.job.queue)],
        "reporters": (*make_reporters(settings), *worker.reporters),
        "polled_queues": tuple(filter(is_here, app.queues)),
        "statsd": settings.statsd,
        "statsd_prefix": settings.statsd_prefix,
        "poll_interval_s": settings.scheduled_poll_interval_s,
        "release": settings.release,
        **{field.name: getattr(settings.runner, field.name) for field in fields(WorkerLimits)},
        "strict_queues": app.strict_queues,
    }
    merged = {"prepare", "resources", "schedule", "reporters", "redis", "servers"}
    values = {name: value for name, value in given.items() if name in merged or name not in own}
    return type(worker.__name__, (worker,), {"__module__": worker.__module__, **values})


def checked_servers(
    default: str, given: Mapping[str, str], workers: Iterable[type[WorkerSettings]]
) -> Servers:
    """
    Return where the queues of *workers* are: by *given*, else as they say, else at *default*.

    Raises:
        AppError: *given* has a queue that is none of theirs.
        ConfigurationError: An address is none.
    """
    queues = {keys.own_name(one.queue): one for one in workers}
    # A former partition may still have jobs on its server.
    if unknown := [name for name in given if keys.whole_queue(name) not in queues]:
        raise AppError(
            f"REDIS_URLS names the queue {unknown[0]!r}, which is none of the application's: "
            f"choose from {', '.join(queues)}"
        )
    own: dict[str, Any] = {
        name: one.redis
        for name, one in queues.items()
        if "redis" in own_names(one) and keys.whole_queue(name) == name
    }
    return servers_of(default, own | {keys.own_name(name): url for name, url in given.items()})


def own_names(worker: type[WorkerSettings]) -> set[str]:
    """What the class and its bases say, down to `WorkerSettings`."""
    own = [base for base in worker.__mro__ if base not in WorkerSettings.__mro__]
    return {name for base in own for name in vars(base)}


def _prepare(app: Parts, worker: type[WorkerSettings]) -> staticmethod[[], None]:
    """Under the `arq` command nothing else configures logs or starts the private Redis."""
    own: Callable[[], None] | None = inherited(worker, "prepare")

    def prepare() -> None:
        from runner.configuration.redis_location import hold_redis
        from runner.sealing import use_keys

        app.configure_logs()
        use_keys(app.settings.secret_keys)
        hold_redis(app.settings)
        if own is not None:
            own()

    return staticmethod(prepare)


def _resources(app: Parts, worker: type[WorkerSettings]) -> staticmethod[[], Any]:
    return staticmethod(with_own_resources(app.services, worker))


def with_own_resources(shared: Resources, worker: type[WorkerSettings]) -> Resources:
    """Return what opens *shared* and then the resources of the class."""
    own: Resources | None = inherited(worker, "resources")
    if own is None:
        return shared

    @asynccontextmanager
    async def both() -> AsyncIterator[Mapping[type[Any], Any]]:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(shared())
            yield {**first, **await stack.enter_async_context(own())}

    return both


def _name(made: Any) -> str:
    return f"{made.__module__}.{made.__qualname__}"
