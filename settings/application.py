"""What the commands work with, put together from the configuration."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from settings.environment import Settings, SettingsError, current
from settings.queue_names import QUEUE_NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from starlette.types import ASGIApp

    from jobs.services import Services, SourceAccess
    from runner import Fleet, QueueClient
    from runner.commands.completing import Kind
    from runner.commands.desk import Desk
    from runner.offload.offloader import Offloader
    from runner.processes.health import HealthCheck
    from runner.web.dashboard import Dashboard


@dataclass(frozen=True, slots=True)
class Opened:
    """Redis answers, the database has its tables, and the services are open for all workers."""

    settings: Settings
    redis: QueueClient
    services: Services
    offloader: Offloader

    @property
    def redis_is_private(self) -> bool:
        """Whether Redis runs for this state directory alone."""
        return self.settings.redis_url is None

    @property
    def places(self) -> Mapping[str, str]:
        """Where things are, to be shown to a person."""
        from jobs.store.url import parse_url
        from runner.broker.location import location
        from settings.redis_location import redis_url

        shown = location(redis_url(self.settings)).shown
        return {
            "Redis": f"private, {shown}" if self.redis_is_private else shown,
            "Database": parse_url(self.settings.database).where,
            "Reports": str(self.settings.reports_dir),
        }

    @property
    def grace_s(self) -> float:
        """How long running jobs may go on after a worker was told to stop."""
        return self.settings.runner.grace_s

    def fleet(self, queues: Sequence[str] = QUEUE_NAMES) -> Fleet:
        """One worker for each of *queues*; they share services and processes for offloaded work."""
        from jobs.services import Services
        from runner import Fleet
        from settings.reporters import make_reporters
        from settings.workers import WORKERS

        @asynccontextmanager
        async def shared() -> AsyncIterator[Mapping[type, object]]:
            yield {Services: self.services}

        return Fleet(
            [
                kind.worker(
                    resources=shared,
                    offloader=self.offloader,
                    prepare=None,
                    reporters=make_reporters(self.settings),
                    handle_signals=False,
                )
                for kind in WORKERS
                if kind.queue in queues
            ]
        )

    def health_checks(self, queues: Sequence[str]) -> Sequence[HealthCheck]:
        """What must hold for *queues* to be worked."""
        from settings.health import health_checks

        return health_checks(self.settings, self.redis, queues, self.services.store.ping)

    def pages(self, queues: Sequence[str] = QUEUE_NAMES) -> tuple[Dashboard, ASGIApp]:
        """The pages for operators."""
        from settings.pages import pages

        return pages(self.settings, self.redis, self.services, queues)


class Application:
    """The host of all commands. The configuration is read when a command first asks for it."""

    queues: Sequence[str] = QUEUE_NAMES
    _warm: Offloader | None = None

    @property
    def settings(self) -> Settings:
        """The configuration."""
        return current()

    @property
    def health_address(self) -> tuple[str, int | None]:
        """Host and port for health pages."""
        return self.settings.health_host, self.settings.health_port

    @property
    def web_address(self) -> tuple[str, int | None]:
        """Host and port for the operators' pages."""
        return self.settings.web.host, self.settings.web.port

    def check(self) -> None:
        """
        Read the configuration.

        Raises:
            SettingsError: It is wrong.
        """
        _ = self.settings

    @property
    def rejects_dir(self) -> Path:
        """Where rows that could not be used are written down."""
        return self.settings.rejects_dir

    def make_log_file(self) -> Path:
        """
        Make the state directory, and say where in it the log of `pipeline run` belongs.

        Raises:
            SettingsError: The state directory cannot be written.
        """
        from settings.state_directory import make_home

        make_home(self.settings)
        return self.settings.home / "logs" / "run.log"

    def configure_logs(self) -> None:
        """Send log lines to standard error, as configured."""
        from settings.logs import configure_logs

        configure_logs(self.settings)

    def sources(self) -> AbstractAsyncContextManager[SourceAccess]:
        """Give access to sources; nothing is started, and the database opened if a quota asks."""
        from settings.sources import open_sources

        return open_sources(self.settings)

    @asynccontextmanager
    async def warmed_up(self) -> AsyncIterator[None]:
        """
        Let the processes for offloaded work import the mathematics while this one goes on.

        They are those of `open` within.
        """
        from jobs.analyze_channel import load_mathematics

        async with self._processes() as offloader:
            await offloader.warm(load_mathematics)
            self._warm = offloader
            try:
                yield
            finally:
                self._warm = None

    @asynccontextmanager
    async def _processes(self) -> AsyncIterator[Offloader]:
        from runner.offload.offloader import Offloader

        if self._warm is not None:
            yield self._warm
            return
        offloader = Offloader(self.settings.runner.offload_processes)
        try:
            yield offloader
        finally:
            await offloader.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Opened]:
        """
        Start or reach Redis and the database, and open the services.

        Raises:
            SettingsError: The state directory cannot be written, or Redis does not answer.
            StoreError, PrivateRedisError, ConfigurationError: What their names say.
        """
        from runner.client import connect
        from settings.redis_location import running_redis
        from settings.services import open_services
        from settings.state_directory import make_home

        make_home(self.settings)
        async with running_redis(self.settings) as url:
            client = connect(url)
            try:
                await _reach(client, self.settings)
                async with self._processes() as offloader, open_services(self.settings) as services:
                    yield Opened(self.settings, client, services, offloader)
            finally:
                await client.aclose()

    @asynccontextmanager
    async def open_services(self) -> AsyncIterator[Services]:
        """
        Open the store and what else jobs work with; Redis is neither started nor asked.

        Raises:
            SettingsError: The state directory cannot be written.
            StoreError: The database cannot be used.
        """
        from settings.services import open_services

        async with open_services(self.settings) as services:
            yield services

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Sequence[HealthCheck]]:
        """Give the health checks of everything, without starting or making anything."""
        from jobs.store import open_store
        from runner.client import connect
        from settings.health import health_checks
        from settings.redis_location import redis_url

        async def ask_database() -> None:
            async with open_store(self.settings.database) as store:
                await store.ping()

        client = connect(redis_url(self.settings))
        try:
            yield health_checks(self.settings, client, self.queues, ask_database)
        finally:
            await client.aclose()

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """
        Give an operator Redis and what is known of its jobs; nothing is started.

        Raises:
            SettingsError: Redis does not answer.
        """
        from runner.client import connect
        from runner.operations.actions import Operator
        from settings.desk import make_desk
        from settings.redis_location import redis_url

        url = redis_url(self.settings)
        client = connect(url)
        try:
            await _reach(client, self.settings)
            yield make_desk(self.settings, client, Operator(client, f"terminal:{_user()}"))
        finally:
            await client.aclose()

    def names(self, kind: Kind) -> Sequence[str]:
        """
        Give every name of that kind, to be completed by a shell; nothing is started or reached.

        Raises:
            SettingsError: The configuration, which says what is scheduled, is wrong.
        """
        from settings.schedule import make_schedule

        if kind == "queue":
            return self.queues
        if kind == "schedule":
            return [periodic.name for periodic in make_schedule(self.settings)]
        import jobs

        return [getattr(jobs, name).name for name in jobs.__all__]

    def checks_beside_redis(self) -> Sequence[HealthCheck]:
        """The database and its migrations, and where metrics go."""
        from settings.health import checks_beside_redis

        return checks_beside_redis(self.settings)


def _user() -> str:
    """Who the audit log says it was; in a container nobody may have a name."""
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"


async def _reach(client: QueueClient, settings: Settings) -> None:
    """A worker would wait for Redis; a person at a terminal wants to know now."""
    from runner.broker.location import location
    from settings.redis_location import redis_url

    try:
        await client.ping()
    except (RedisError, OSError) as error:
        shown, reason = location(redis_url(settings)).shown, str(error).rstrip(".")
        if settings.redis_url is None:
            raise SettingsError(
                f"no private Redis runs at {shown} ({reason}): `pipeline up`, which also works on "
                "what is queued, starts it and stops it at its end; for another Redis set "
                "REDIS_URL, for another folder PIPELINE_HOME"
            ) from None
        raise SettingsError(
            f"Redis at {shown}: {reason}; "
            "start it, correct REDIS_URL, or unset REDIS_URL for a private one"
        ) from None
