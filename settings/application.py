"""
The product: an application like any other, about channels.

It is an `App`, and its commands ask it for what they need beside that: sources, and the store.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from runner import App
from runner.commands.lazy import LazyCommand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from jobs.services import Services, SourceAccess
    from runner.offload import Offloader
    from runner.processes.health import HealthCheck
    from runner.web.dashboard import Dashboard, Extension
    from settings.environment import Settings

_COMMANDS = (
    LazyCommand(
        "run", "jobs.commands.run.run:run", "Sync, analyse and report every channel of each SOURCE."
    ),
    LazyCommand(
        "channels",
        "jobs.commands.channels.channels:channels",
        "Add, list, show, sync, schedule, rename, set and remove the channels of the store.",
    ),
    LazyCommand(
        "report",
        "jobs.commands.report:report",
        "Make the report of CHANNEL from its latest analysis, and print its path.",
    ),
    LazyCommand(
        "export",
        "jobs.commands.export:export",
        "Write what is stored about each CHANNEL, or about all, to a CSV or Parquet file.",
    ),
    LazyCommand(
        "mapping",
        "jobs.commands.mapping:mapping",
        "Print a mapping file for FILE, a CSV of no known layout, and the command to run with it.",
    ),
    LazyCommand(
        "notifications",
        "jobs.commands.notifications:notifications",
        "List notifications, test targets, and send a notification again.",
    ),
)


class Application(App):
    """The product. What is heavy in it is named, and imported when a command needs it."""

    _warm: Offloader | None = None

    def __init__(self) -> None:
        super().__init__(
            "settings.workers:WORKERS",
            schedule="settings.schedule:make_schedule",
            services=self._open_services,
            pages=_pages,
            checks=self._checks,
            commands=_COMMANDS,
            settings="settings.environment:Settings",
            summary="Sync channels, analyse them, draw their charts, recommend what to do, notify "
            "people.",
        )

    @property
    def settings(self) -> Settings:
        """The configuration, read when it is first asked for."""
        return cast("Settings", super().settings)

    @property
    def places(self) -> Mapping[str, str]:
        """Where the database and the reports are."""
        from jobs.store.url import parse_url

        database = parse_url(self.settings.database).where
        return {"Database": database, "Reports": str(self.settings.reports_dir)}

    def expected_errors(self) -> tuple[type[BaseException], ...]:
        """Beside the runner's: a source or the database cannot be used."""
        # What was never imported has raised nothing, and takes long to import.
        found = [
            getattr(sys.modules[module], name)
            for module, name in (("jobs.sources", "SourceError"), ("jobs.store", "StoreError"))
            if module in sys.modules
        ]
        return (*super().expected_errors(), *found)

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
        from jobs.apart import COMPUTING
        from jobs.computing import load_libraries

        async with self._processes() as offloader:
            await offloader.warm(load_libraries, COMPUTING)
            self._warm = offloader
            try:
                yield
            finally:
                self._warm = None

    @asynccontextmanager
    async def open_services(self) -> AsyncIterator[Services]:
        """
        Open the store and everything else that jobs work with. Redis is neither started nor asked.

        Raises:
            SettingsError: The state directory cannot be written.
            StoreError: The database cannot be used.
        """
        from jobs.services import Services

        async with self.services() as found:
            yield found[Services]

    @asynccontextmanager
    async def _open_services(self) -> AsyncIterator[Mapping[type[Any], Any]]:
        from jobs.services import Services
        from runner.offload import Offloader
        from settings.services import open_services

        async with (
            self._processes() as offloader,
            open_services(self.settings, offloader.run) as services,
        ):
            yield {Services: services, Offloader: offloader}

    @asynccontextmanager
    async def _processes(self) -> AsyncIterator[Offloader]:
        """Processes for what is done apart; each is started when it is first needed."""
        from runner.offload import Offloader

        if self._warm is not None:
            yield self._warm
            return
        offloader = Offloader(self.settings.runner.offload_processes)
        try:
            yield offloader
        finally:
            await offloader.close()

    def _checks(self, services: Mapping[type[Any], Any]) -> Sequence[HealthCheck]:
        """The database answers, and has the tables of this version."""
        from runner.processes.health import Answers

        with suppress(ImportError):
            # Importing it takes longer than a check may. If it is missing, the check says so.
            import jobs.store.channel_store  # noqa: F401

        async def ask_database() -> None:
            from jobs.services import Services
            from jobs.store import open_store

            if Services in services:
                await services[Services].store.ping()
                return
            async with open_store(self.settings.database) as store:
                await store.ping()

        return [Answers("database", ask_database)]


def _pages(dashboard: Dashboard, services: Mapping[type[Any], Any]) -> Extension:
    from jobs.services import Services
    from jobs.web import channel_pages

    return channel_pages(dashboard, services[Services])


app = Application()
