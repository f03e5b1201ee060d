"""What jobs work with: the store, the sources, the targets of notifications, the reports."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from jobs.services import Services
from jobs.sync_pace import Pace
from runner.configuration.state_directory import make_home
from settings.sources import open_sources
from settings.targets import make_targets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jobs.apart import Run
    from settings.environment import Settings


@asynccontextmanager
async def open_services(settings: Settings, run: Run) -> AsyncIterator[Services]:
    """
    Open everything, after the database has been migrated. *run* is where outside data is read.

    Raises:
        SettingsError: The state directory cannot be written.
        StoreError: The database cannot be used.
    """
    from jobs.store import migrate, open_store

    make_home(settings)
    await migrate(settings.database)
    async with (
        open_store(settings.database) as store,
        open_sources(settings, run, store.quotas) as sources,
    ):
        yield Services(
            store=store,
            sources=sources,
            targets=make_targets(settings),
            reports_dir=settings.reports_dir,
            report_paper=settings.report_paper,
            pace=_pace(settings),
            run=run,
        )


def _pace(settings: Settings) -> Pace:
    every = settings.sync_every_minutes
    return Pace(
        shortest_s=settings.sync_min_minutes * 60,
        longest_s=settings.sync_max_minutes * 60,
        every_s=None if every is None else every * 60,
    )
