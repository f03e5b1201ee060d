"""What the jobs get from outside: the store, the sources, the notifier, the reports' folder."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from jobs.services import Services
from settings.environment import current
from settings.state_directory import make_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from jobs.notifications.notifier import Notifier
    from settings.environment import Settings


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """
    Open everything; the database's tables are brought up to date first.

    Raises:
        SettingsError: The state directory cannot be written.
        StoreError: The database cannot be used.
    """
    from jobs.sources import open_source
    from jobs.store import migrate, open_store

    make_home(settings)
    await migrate(settings.database)
    async with open_store(settings.database) as store:
        yield Services(
            store=store,
            open_source=open_source,
            notifier=_notifier(settings),
            reports_dir=settings.reports_dir,
        )


@asynccontextmanager
async def resources() -> AsyncIterator[Mapping[type[Any], Any]]:
    """One worker's services, by the kind that its jobs ask for."""
    async with open_services(current()) as services:
        yield {Services: services}


def _notifier(settings: Settings) -> Notifier:
    from jobs.notifications.log_notifier import LogNotifier
    from jobs.notifications.webhook_notifier import WebhookNotifier

    if settings.notify_webhook_url:
        return WebhookNotifier(settings.notify_webhook_url)
    return LogNotifier()
