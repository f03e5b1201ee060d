"""Visits to the operators' pages, served by the real server."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from argon2 import PasswordHasher
from starlette.routing import Route

from runner.operations.catalog import Catalog
from runner.processes.http_server import serve_http
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard
from runner.web.live import Live
from runner.web.login import LoginSettings, read_users

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from runner import Job, Periodic

SECRET = "of the test, and of nobody else: 0123456789"  # noqa: S105
PASSWORD = "correct horse"  # noqa: S105
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""Weak, for the speed of the tests."""

USERS = read_users(f"ada:operate:{HASH} bob:view:{HASH}")
OPERATE, VIEW = "token-of-an-operator", "token-of-a-viewer"
PAUSE = "/queues/default/pause"
SAME = {"sec-fetch-site": "same-origin"}


@asynccontextmanager
async def visiting(
    redis: Redis,
    login: LoginSettings | None = None,
    *,
    hosts: tuple[str, ...] = ("127.0.0.1",),
    secret: str = SECRET,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of pages that are served for the block."""
    dashboard = _dashboard(redis, login, secret)
    app = dashboard_app(dashboard, hosts=hosts)
    async with (
        serve_http(app, "127.0.0.1", 0) as url,
        httpx.AsyncClient(base_url=url, timeout=30, headers=headers) as browser,
    ):
        yield browser
        await dashboard.close()


def _dashboard(
    redis: Redis,
    login: LoginSettings | None,
    secret: str,
    jobs: Sequence[Job[..., Any]] = (),
    schedule: Sequence[Periodic] = (),
) -> Dashboard:
    return Dashboard(
        redis=redis,
        queues=("default",),
        catalog=Catalog.of(jobs),
        schedule=tuple(schedule),
        login=login or LoginSettings(),
        live=Live(redis, ("default",)),
        secret=secret,
    )


@asynccontextmanager
async def visiting_at_once(
    redis: Redis,
    login: LoginSettings,
    jobs: Sequence[Job[..., Any]] = (),
    schedule: Sequence[Periodic] = (),
) -> AsyncIterator[tuple[httpx.AsyncClient, list[Route]]]:
    """Give a client of pages without a server between them, and the routes behind the guard."""
    dashboard = _dashboard(redis, login, SECRET, jobs, schedule)
    app: Any = dashboard_app(dashboard, hosts=("127.0.0.1",))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
        yield browser, [one for one in app._app.routes if isinstance(one, Route)]
    await dashboard.close()


def csrf_of(page: httpx.Response) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


async def log_in(
    browser: httpx.AsyncClient,
    name: str = "ada",
    password: str = PASSWORD,
    *,
    came_from: str | None = None,
) -> httpx.Response:
    """Log in, from the address *came_from* behind a proxy."""
    behind = {} if came_from is None else {"x-forwarded-for": came_from}
    form = {"name": name, "password": password}
    return await browser.post("/login", data=form, headers={**SAME, **behind})


async def is_in(browser: httpx.AsyncClient) -> bool:
    """Whether the browser is logged in."""
    return (await browser.get("/queues")).status_code == httpx.codes.OK


async def is_paused(redis: Redis) -> bool:
    """Whether anybody has paused the queue."""
    return bool(await redis.exists("arq:queue:default:paused"))
