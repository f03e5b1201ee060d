"""The operators' pages of the product."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis
    from starlette.types import ASGIApp

    from jobs.services import Services
    from runner.web.dashboard import Dashboard
    from settings.environment import Settings


def pages(
    settings: Settings, redis: Redis, services: Services, queues: Sequence[str]
) -> tuple[Dashboard, ASGIApp]:
    """
    Make the pages of *queues* and of the channels, with the API and `/metrics`.

    Raises:
        SettingsError: The pages would be open to other machines without a login.
        ConfigurationError: A user, proxy or host cannot be read, or a secret can be guessed.
    """
    from importlib.metadata import version

    from jobs.web import channel_pages
    from runner.configuration.login import login_settings, web_secret
    from runner.operations.catalog import Catalog
    from runner.web.app import dashboard_app
    from runner.web.dashboard import Dashboard
    from runner.web.live import Live
    from settings.schedule import make_schedule
    from settings.workers import WORKERS

    dashboard = Dashboard(
        redis=redis,
        queues=queues,
        catalog=Catalog.of(job for worker in WORKERS for job in worker.known_jobs()),
        schedule=make_schedule(settings),
        live=Live(redis, queues),
        secret=web_secret(settings),
        login=login_settings(settings),
        version=version("channel-pipeline"),
    )
    dashboard.extend(channel_pages(dashboard, services))
    hosts = {"localhost", "127.0.0.1", "::1", settings.web.host}
    hosts |= set(settings.web.allowed_hosts.replace(",", " ").split())
    return dashboard, dashboard_app(dashboard, hosts=hosts)
