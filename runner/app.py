"""
`App`: an application whose jobs the runner runs, and the host of its commands.

    # shop/background.py
    from runner import App
    from shop.queues import Mail, Reports

    app = App(workers=[Mail, Reports])

    $ pipeline --app shop.background:app up

Importing this module is cheap, and so is making an `App`: each part is looked at when a command
first needs it. A part that is slow to import may be given by name, as `"shop.queues:WORKERS"`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import click

    from runner.broker.servers import Servers
    from runner.client import QueueClient
    from runner.commands.host import Kind
    from runner.commands.lazy import LazyCommand
    from runner.configuration import Settings
    from runner.decorator import Job
    from runner.errors import RunnerError
    from runner.operations.session import OperatorSession
    from runner.options import Resources
    from runner.periodic.schedule import Periodic
    from runner.processes.health import HealthCheck
    from runner.web.dashboard import Dashboard, Extension
    from runner.worker_settings import WorkerSettings
    from runner.workplace import Opened

    Workers = Iterable[type[WorkerSettings] | str] | Callable[[], Iterable[type[WorkerSettings]]]
    Schedule = Iterable[Periodic] | Callable[[Any], Iterable[Periodic]]
    Pages = Callable[[Dashboard, Mapping[type[Any], Any]], Extension]
    Checks = Callable[[Mapping[type[Any], Any]], Sequence[HealthCheck]]


class App:
    """
    An application: its queues' settings classes, and what they share.

    workers: the settings classes, one for each queue. schedule: the periodic jobs, or a function
    that makes them from the settings. services: opens what jobs get by `ctx.get(kind)`, once in
    each process; an `Offloader` among them is used for `ctx.offload`. pages: makes the
    application's own pages from the dashboard and the services. commands: its own commands. prefix:
    what its keys in Redis begin with, such as "shop:", so that it never meets another application
    there; `REDIS_PREFIX` wins over it. strict_queues: refuse to enqueue into a queue that no worker
    has announced; `RUNNER__STRICT_QUEUES` wins over it. checks: makes the health checks of what it
    needs beside Redis from the services, of which there are none where nothing is opened. settings:
    its class of settings, if it has more than every application. summary: its help, in a sentence.

    Each of these but the commands may be given by name, as `"module:name"`.
    """

    def __init__(
        self,
        workers: Workers | str = (),
        *,
        schedule: Schedule | str = (),
        services: Resources | str | None = None,
        pages: Pages | str | None = None,
        commands: Iterable[click.Command | LazyCommand] = (),
        checks: Checks | str | None = None,
        settings: type[Settings] | str | None = None,
        prefix: str = "",
        strict_queues: bool = False,
        summary: str = "Run background jobs, and look after them.",
    ) -> None:
        self._workers = workers
        self._schedule = schedule
        self._services = services
        self._pages = pages
        self._checks = checks
        self._settings = settings
        self._prefix = prefix
        self._strict_queues = strict_queues
        self.commands = tuple(commands)
        self.summary = summary
        self.folder: Path | None = None
        """Its project's, where a command found it; the state directory is there by default."""

    @classmethod
    def discover(
        cls, package: str, *, workers: Iterable[type[WorkerSettings]] = (), **parts: Any
    ) -> App:
        """
        Return an application of every `@job` in *package* and its modules.

        workers: settings classes of some queues, which get the jobs found for them; the others are
        worked with the default options. parts: what else `App` takes. Nothing is imported yet.
        """

        def found() -> Iterable[type[WorkerSettings]]:
            from runner.discovery import discovered

            return discovered(package, workers)

        return cls(found, **parts)

    @property
    def settings(self) -> Settings:
        """
        What the deployment sets, read when it is first asked for.

        Raises:
            SettingsError: A setting is wrong.
        """
        from runner import configuration

        kind: type[Settings] = self._part(self._settings, "settings") or configuration.Settings
        return configuration.current(kind, self.folder)

    @cached_property
    def workers(self) -> Sequence[type[WorkerSettings]]:
        """
        The settings classes.

        Raises:
            AppError: One of them is none, or two of them have one queue, or two jobs one name.
        """
        from runner.parts import checked_workers

        found = self._part(self._workers, "workers")
        if callable(found) and not isinstance(found, type):
            found = found()
        several = [found] if isinstance(found, type) else found
        return checked_workers([self._part(one, "workers") for one in several])

    @property
    def queues(self) -> Sequence[str]:
        """Every queue."""
        return [worker.queue for worker in self.workers]

    @property
    def jobs(self) -> Sequence[Job[Any, Any]]:
        """Every job."""
        return list({id(job): job for one in self.workers for job in one.known_jobs()}.values())

    @property
    def schedule(self) -> Sequence[Periodic]:
        """
        Every periodic job: the application's own, and those of its settings classes.

        Raises:
            AppError: Two have one name.
            SettingsError: A setting, which the schedule follows, is wrong.
        """
        from runner.parts import checked_schedule

        own = self._part(self._schedule, "schedule")
        own = own(self.settings) if callable(own) else own
        return checked_schedule(own, self.workers)

    @property
    def redis_url(self) -> str:
        """The Redis that holds the queues, of `REDIS_URL` or a private one; it may not run yet."""
        from runner.configuration.redis_location import redis_url

        return redis_url(self.settings)

    @property
    def prefix(self) -> str:
        """
        What the application's keys in Redis begin with: that of `REDIS_PREFIX`, or else its own.

        Raises:
            ConfigurationError: It cannot be one.
        """
        from runner.broker import keys

        return keys.with_prefix(self.settings.redis_prefix or self._prefix).prefix

    @property
    def strict_queues(self) -> bool:
        """
        Whether to refuse a queue that no worker has announced: as the deployment says, or else it.

        Raises:
            SettingsError: A setting is wrong.
        """
        limits = self.settings.runner
        is_set = "strict_queues" in limits.model_fields_set
        return limits.strict_queues if is_set else self._strict_queues

    @property
    def servers(self) -> Servers:
        """
        Where the queues are: `REDIS_URLS__<QUEUE>`, else a settings class's `redis`, else as one.

        Raises:
            AppError: The setting names a queue that is none of the application's.
            ConfigurationError: An address is none.
        """
        from runner.parts import checked_servers

        return checked_servers(self.redis_url, self.settings.redis_urls, self.workers)

    @property
    def health_address(self) -> tuple[str, int | None]:
        """Host and port of the health pages."""
        return self.settings.health_host, self.settings.health_port

    @property
    def web_address(self) -> tuple[str, int | None]:
        """Host and port of the pages for operators."""
        return self.settings.web.host, self.settings.web.port

    @property
    def places(self) -> Mapping[str, str]:
        """Where things are beside Redis, as people read it: without passwords."""
        return {}

    @property
    def private_places(self) -> Sequence[Path]:
        """Files and folders that nobody else should be able to read; `pipeline doctor` looks."""
        return (self.settings.home,)

    def configure_logs(self) -> None:
        """Send log lines to standard error, as configured."""
        from runner.configuration.logs import configure_logs

        configure_logs(self.settings)

    def expected_errors(self) -> tuple[type[BaseException], ...]:
        """Errors that a person can mend: their message is printed without a traceback."""
        from redis.exceptions import RedisError

        from runner.errors import RunnerError

        return (RunnerError, RedisError)

    def names(self, kind: Kind) -> Sequence[str]:
        """Every name of *kind*, for a shell to complete. Nothing is started or reached."""
        match kind:
            case "queue":
                return self.queues
            case "schedule":
                return [periodic.name for periodic in self.schedule]
            case "job":
                return [job.name for job in self.jobs]

    def unreachable(self, reason: str) -> RunnerError:
        """The error for a Redis that does not answer: it names it, and says what to do."""
        from runner.configuration.redis_location import shown_redis
        from runner.errors import SettingsError

        shown = shown_redis(self.settings)
        if self.settings.redis_url is None:
            return SettingsError(
                f"no private Redis runs at {shown} ({reason}): `pipeline up`, which also works on "
                "what is queued, starts it and stops it at its end; for another Redis set "
                "REDIS_URL, for another folder PIPELINE_HOME"
            )
        return SettingsError(
            f"Redis at {shown}: {reason}; "
            "start it, correct REDIS_URL, or unset REDIS_URL for a private one"
        )

    def own_checks(self, services: Mapping[type[Any], Any]) -> Sequence[HealthCheck]:
        """Health checks of what the application needs beside Redis, such as a database."""
        make: Checks | None = self._part(self._checks, "checks")
        return () if make is None else make(services)

    def checks_beside_redis(self) -> Sequence[HealthCheck]:
        """The application's own checks, and whether the name of the StatsD host resolves."""
        from runner.processes.health import Answers
        from runner.workplace import resolve

        if (statsd := self.settings.statsd) is None:
            return self.own_checks({})
        return [*self.own_checks({}), Answers("statsd", lambda: resolve(*statsd))]

    def own_pages(self, dashboard: Dashboard, services: Mapping[type[Any], Any]) -> None:
        """Add the application's pages to *dashboard*."""
        make: Pages | None = self._part(self._pages, "pages")
        if make is not None:
            dashboard.extend(make(dashboard, services))

    @asynccontextmanager
    async def services(self) -> AsyncIterator[Mapping[type[Any], Any]]:
        """Open what jobs work with, and close it. Redis is neither started nor asked."""
        opens: Resources | None = self._part(self._services, "services")
        if opens is None:
            yield {}
            return
        async with opens() as found:
            yield found

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Sequence[HealthCheck]]:
        """Give the health checks of everything, without starting or making anything."""
        from runner.client import connect
        from runner.workplace import health_checks

        client = connect(self.redis_url, prefix=self.prefix)
        client.servers = self.servers
        interval_s = self.settings.scheduled_poll_interval_s
        try:
            runner = health_checks(client, self.queues, poll_interval_s=interval_s)
            yield [*runner, *self.own_checks({})]
        finally:
            await client.aclose()

    @asynccontextmanager
    async def operator_session(self) -> AsyncIterator[OperatorSession]:
        """
        Give an operator Redis and what is known of its jobs. Nothing is started.

        Raises:
            RunnerError: Redis does not answer.
        """
        from runner.workplace import session

        async with self.connected() as client:
            yield await session(self, client)

    @asynccontextmanager
    async def connected(self, url: str | None = None) -> AsyncIterator[QueueClient]:
        """
        Give a client of a Redis that answers; what is enqueued in the block goes there.

        A worker would wait for it; a person wants to know.

        Raises:
            RunnerError: It does not answer, or is too old.
        """
        from runner.workplace import connected

        async with connected(self, url or self.redis_url) as client:
            yield client

    def open(self) -> AbstractAsyncContextManager[Opened]:
        """
        Start or reach Redis, and open the services.

        Raises:
            SettingsError: The state directory cannot be written, or Redis does not answer.
            PrivateRedisError: The private Redis cannot be used.
            ConfigurationError: `REDIS_URL` is not an address.
        """
        from runner.workplace import opened

        return opened(self)

    def configured(self, worker: type[WorkerSettings]) -> type[WorkerSettings]:
        """
        Return *worker* with what this application and the deployment say, where it does not.

        The command `arq` takes such a class; `pipeline worker` makes it by itself.

        Raises:
            AppError: It has another prefix.
        """
        from runner.parts import configured

        return configured(self, worker)

    def _part(self, given: Any, name: str) -> Any:
        """What was given for *name*, or what that names."""
        if not isinstance(given, str):
            return given
        from runner.loading import load

        return load(given, f"{name}={given!r} of the application")
