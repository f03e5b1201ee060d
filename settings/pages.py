"""The operators' pages: what they show, and who may log in."""

from __future__ import annotations

import ipaddress
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis
    from starlette.types import ASGIApp

    from jobs.services import Services
    from runner.web.dashboard import Dashboard
    from runner.web.login import LoginSettings
    from settings.environment import Settings


def pages(
    settings: Settings, redis: Redis, services: Services, queues: Sequence[str]
) -> tuple[Dashboard, ASGIApp]:
    """
    Make the pages of *queues* and of the channels, with the API and `/metrics`.

    Raises:
        SettingsError: The pages would be open to other machines without a login.
        ConfigurationError: A user or a host name cannot be read.
    """
    from importlib.metadata import version

    from jobs.web import channel_pages
    from runner.operations.catalog import Catalog
    from runner.web.app import dashboard_app
    from runner.web.dashboard import Dashboard
    from runner.web.live import Live
    from runner.web.login import Authenticator
    from settings.schedule import make_schedule
    from settings.workers import WORKERS

    secret = settings.web.secret or _kept_secret(settings)
    dashboard = Dashboard(
        redis=redis,
        queues=queues,
        catalog=Catalog.of(job for worker in WORKERS for job in worker.known_jobs()),
        schedule=make_schedule(settings),
        authenticator=Authenticator(login_settings(settings)),
        live=Live(redis, queues),
        secret=secret,
        version=version("channel-pipeline"),
    )
    dashboard.extend(channel_pages(dashboard, services))
    hosts = {"localhost", "127.0.0.1", "::1", settings.web.host}
    hosts |= set(settings.web.allowed_hosts.lower().split())
    return dashboard, dashboard_app(dashboard, hosts=hosts)


def login_settings(settings: Settings) -> LoginSettings:
    """
    Read who may log in.

    Raises:
        SettingsError: The pages would be open to other machines without a login.
        ConfigurationError: A user cannot be read.
    """
    from runner.operations.verbs import Role
    from runner.web.login import LoginSettings, Proxy, read_users
    from settings.environment import SettingsError

    web = settings.web
    tokens = {web.token: Role.OPERATE, web.view_token: Role.VIEW}
    proxy = None
    if web.proxy_header:
        peers = frozenset(web.proxy_peers.split())
        proxy = Proxy(web.proxy_header, peers, frozenset(web.proxy_operators.split()))
    found = LoginSettings(
        users=read_users(web.users),
        tokens={token: role for token, role in tokens.items() if token},
        proxy=proxy,
    )
    if found.is_open and not _is_loopback(web.host):
        raise SettingsError(
            f"WEB__HOST is {web.host}, and the pages would be open to anybody there: set "
            "WEB__USERS, WEB__TOKEN or WEB__PROXY_HEADER, or serve on 127.0.0.1"
        )
    return found


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _kept_secret(settings: Settings) -> str:
    """Made once, so that a restart logs nobody out."""
    path = settings.home / "web-secret"
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        secret = secrets.token_urlsafe(32)
        path.touch(mode=0o600)
        path.write_text(secret, encoding="ascii")
        return secret
