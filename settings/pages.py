"""The operators' pages: what they show, and who may log in."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
        ConfigurationError: A user, proxy or host cannot be read, or a secret can be guessed.
    """
    from importlib.metadata import version

    from jobs.web import channel_pages
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


def login_settings(settings: Settings) -> LoginSettings:
    """
    Read who may log in.

    Raises:
        SettingsError: The pages would be open to other machines without a login.
        ConfigurationError: A user or a proxy cannot be read, or a token can be guessed.
    """
    from runner.operations.verbs import Role
    from runner.web.login import LEAST_TOKEN, LoginSettings, Proxy, check_secret, read_users
    from runner.web.peers import Peers
    from runner.web.sessions import SessionLimits
    from settings.environment import SettingsError

    web = settings.web
    if web.token and web.token == web.view_token:
        raise SettingsError("WEB__TOKEN and WEB__VIEW_TOKEN are the same: give each role its own")
    tokens = {web.token: Role.OPERATE, web.view_token: Role.VIEW}
    proxy = None
    if web.proxy_header:
        operators = frozenset(web.proxy_operators.replace(",", " ").split())
        proxy = Proxy(web.proxy_header, operators)
    for name, token in (("WEB__TOKEN", web.token), ("WEB__VIEW_TOKEN", web.view_token)):
        if token:
            check_secret(name, token, LEAST_TOKEN)
    found = LoginSettings(
        users=read_users(web.users),
        tokens={token: role for token, role in tokens.items() if token},
        proxy=proxy,
        peers=Peers.read(web.proxy_peers),
        sessions=SessionLimits(idle_s=web.session_idle_s, longest_s=web.session_s),
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


def web_secret(settings: Settings) -> str:
    """
    Return the secret that signs sessions: `WEB__SECRET`, or one that is made and kept.

    It is made once, so that a restart logs nobody out.

    Raises:
        SettingsError: It cannot be read or kept.
        ConfigurationError: It can be guessed.
    """
    from runner.web.login import LEAST_SECRET, check_secret
    from settings.environment import SettingsError

    path = settings.home / "web-secret"
    secret = settings.web.secret
    try:
        if not secret:
            _make_secret(path)
            secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; mend it, or set WEB__SECRET") from None
    what = "WEB__SECRET" if settings.web.secret else f"{path} (delete it, and it is made anew)"
    check_secret(what, secret, LEAST_SECRET)
    return secret


def _make_secret(path: Path) -> None:
    """Make the file, whole and synced to disk, unless there is one: no reader finds a part."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".web-secret-") as draft:
        draft.write(secrets.token_urlsafe(32).encode())
        draft.flush()
        os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster: its secret holds
            os.link(draft.name, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
