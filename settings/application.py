"""The application: what the commands work with, made from the configuration."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.app import App, fleet_of, health_checks
from runner.errors import SettingsError
from settings.environment import Settings, current
from settings.groups import QUEUE_NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from starlette.types import ASGIApp

    from jobs.services import Services, SourceAccess
    from runner import Fleet, Job, Periodic, QueueClient
    from runner.errors import RunnerError
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

        shown = _shown(self.settings)
        return {
            "Redis": f"private, {shown}" if self.redis_is_private else shown,
            "Database": parse_url(self.settings.database).where,
            "Reports": str(self.settings.reports_dir),
        }

    @property
    def grace_s(self) -> float:
        """How long running jobs may go on when a worker stops, in seconds."""
        return self.settings.runner.grace_s

    @property
    def blocked_limit_s(self) -> float:
        """How long a worker's event loop may be blocked before its process ends, in seconds."""
        return self.settings.runner.blocked_limit_s

    def fleet(self, queues: Sequence[str]) -> Fleet:
        """One worker for each of *queues*; they share services and processes for offloaded work."""
        from jobs.services import Services
        from runner.configuration.reporters import make_reporters
        from settings.workers import WORKERS

        return fleet_of(
            (worker for worker in WORKERS if worker.queue in queues),
            resources={Services: self.services},
            offloader=self.offloader,
            make_reporters=lambda: make_reporters(self.settings),
        )

    def health_checks(self, queues: Sequence[str]) -> Sequence[HealthCheck]:
        """What must hold for *queues* to be worked."""
        from runner.processes.health import Answers

        interval_s = self.settings.scheduled_poll_interval_s
        return [
            *health_checks(self.redis, queues, poll_interval_s=interval_s),
            Answers("database", self.services.store.ping),
        ]

    def pages(self, queues: Sequence[str]) -> tuple[Dashboard, ASGIApp]:
        """The pages for operators."""
        from settings.pages import pages

        return pages(self.settings, self.redis, self.services, queues)


class Application(App):
    """The product. The configuration is read when a command first asks for it."""

    queues: Sequence[str] = QUEUE_NAMES
    _warm: Offloader | None = None

    @property
    def settings(self) -> Settings:
        """The configuration."""
        return current()

    @property
    def jobs(self) -> Sequence[Job[Any, Any]]:
        """Every job."""
        import jobs

        return [getattr(jobs, name) for name in jobs.__all__]

    @property
    def private_places(self) -> Sequence[Path]:
        """The state directory, with the database and the secret of the pages."""
        return (self.settings.home,)

    @property
    def schedule(self) -> Sequence[Periodic]:
        """
        Every periodic job.

        Raises:
            SettingsError: The configuration, which the schedule follows, is wrong.
        """
        from settings.schedule import make_schedule

        return make_schedule(self.settings)

    @property
    def redis_url(self) -> str:
        """The Redis of `REDIS_URL`, or the private one."""
        from runner.configuration.redis_location import redis_url

        return redis_url(self.settings)

    @property
    def poll_interval_s(self) -> float:
        """Time between two polls of the cron poller, in seconds."""
        return self.settings.scheduled_poll_interval_s

    @property
    def call_timeout_s(self) -> float:
        """How long an enqueue waits for Redis in all, in seconds."""
        return self.settings.runner.call_timeout_s

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a job that is enqueued."""
        return self.settings.runner.max_body_bytes

    @property
    def statsd(self) -> tuple[str, int] | None:
        """Host and port that metrics go to."""
        return self.settings.statsd

    @property
    def health_address(self) -> tuple[str, int | None]:
        """Host and port of the health pages."""
        return self.settings.health_host, self.settings.health_port

    @property
    def web_address(self) -> tuple[str, int | None]:
        """Host and port of the pages for operators."""
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
        """Where rows that could not be used are written."""
        return self.settings.rejects_dir

    def make_log_file(self) -> Path:
        """
        Make the state directory, and give the path of the log file of `pipeline run` in it.

        Raises:
            SettingsError: The state directory cannot be written.
        """
        from runner.configuration.state_directory import make_home

        make_home(self.settings)
        return self.settings.home / "logs" / "run.log"

    def configure_logs(self) -> None:
        """Send log lines to standard error, as configured."""
        from runner.configuration.logs import configure_logs

        configure_logs(self.settings)

    def own_checks(self) -> Sequence[HealthCheck]:
        """The database answers, and has the tables of this version."""
        from runner.processes.health import Answers

        with suppress(ImportError):
            # Importing it takes longer than a check may. If it is missing, the check says so.
            import jobs.store  # noqa: F401

        async def ask_database() -> None:
            from jobs.store import open_store

            async with open_store(self.settings.database) as store:
                await store.ping()

        return [Answers("database", ask_database)]

    def expected_errors(self) -> tuple[type[BaseException], ...]:
        """Beside the runner's: a source or the database cannot be used."""
        try:
            from jobs.sources import SourceError
            from jobs.store import StoreError
        except ImportError:
            return super().expected_errors()  # the extra `channels` is not installed
        return (*super().expected_errors(), SourceError, StoreError)

    def unreachable(self, reason: str) -> RunnerError:
        """Name the Redis, and how to start it or choose another."""
        shown = _shown(self.settings)
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

    @asynccontextmanager
    async def sources(self) -> AsyncIterator[SourceAccess]:
        """Give access to sources. Only what reads them is started; a quota opens the database."""
        from settings.sources import open_sources

        async with (
            self._processes() as offloader,
            open_sources(self.settings, offloader.run) as sources,
        ):
            yield sources

    @asynccontextmanager
    async def warmed_up(self) -> AsyncIterator[None]:
        """
        Let the processes for offloaded work import what they need while this one goes on.

        `open` inside the block uses these processes.
        """
        from jobs.analyze_channel import load_libraries
        from jobs.apart import COMPUTING

        async with self._processes() as offloader:
            await offloader.warm(load_libraries, COMPUTING)
            self._warm = offloader
            try:
                yield
            finally:
                self._warm = None

    @asynccontextmanager
    async def _processes(self) -> AsyncIterator[Offloader]:
        from settings.services import opened_offloader

        if self._warm is not None:
            yield self._warm
            return
        async with opened_offloader(self.settings) as offloader:
            yield offloader

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Opened]:
        """
        Start or reach Redis and the database, and open the services.

        Raises:
            SettingsError: The state directory cannot be written, or Redis does not answer.
            StoreError, PrivateRedisError: The database, or the private Redis, cannot be used.
            ConfigurationError: `REDIS_URL` or `DATABASE_URL` is not an address.
        """
        from runner.configuration.redis_location import running_redis
        from runner.configuration.state_directory import make_home
        from settings.services import open_services

        make_home(self.settings)
        async with (
            running_redis(self.settings) as url,
            self.connected(url) as client,
            self._processes() as offloader,
            open_services(self.settings, offloader.run) as services,
        ):
            yield Opened(self.settings, client, services, offloader)

    @asynccontextmanager
    async def open_services(self) -> AsyncIterator[Services]:
        """
        Open the store and everything else that jobs work with. Redis is neither started nor asked.

        Raises:
            SettingsError: The state directory cannot be written.
            StoreError: The database cannot be used.
        """
        from settings.services import open_services

        async with (
            self._processes() as offloader,
            open_services(self.settings, offloader.run) as services,
        ):
            yield services


def _shown(settings: Settings) -> str:
    """The address of Redis without its password."""
    from runner.broker.location import location
    from runner.configuration.redis_location import redis_url

    return location(redis_url(settings)).shown
