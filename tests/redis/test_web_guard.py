"""Who gets to the pages, and from where: login, roles, forged requests, foreign hosts, headers."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runner.errors import ConfigurationError
from runner.operations.catalog import Catalog
from runner.operations.verbs import Role
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard
from runner.web.live import Live
from runner.web.login import LoginSettings, Proxy, hash_password, read_users
from runner.web.peers import Peers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient

PAUSE = "/queues/default/pause"
HASH = hash_password("correct horse")
USERS = read_users(f"ada:operate:{HASH} bob:view:{HASH}")
SAME = {"sec-fetch-site": "same-origin"}
SEAL = "of the test, and of nobody else: 0123456789"
OPERATE, VIEW = "token-of-an-operator", "token-of-a-viewer"


@asynccontextmanager
async def _visit(
    redis: QueueClient,
    login: LoginSettings,
    *,
    client: str = "127.0.0.1",
    base: str = "http://localhost",
    hosts: tuple[str, ...] = ("localhost",),
    secret: str = SEAL,
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that behaves like a browser."""
    dashboard = Dashboard(
        redis=redis,
        queues=("default",),
        catalog=Catalog(),
        schedule=(),
        login=login,
        live=Live(redis, ("default",)),
        secret=secret,
    )
    app = dashboard_app(dashboard, hosts=hosts)
    transport = httpx.ASGITransport(app=app, client=(client, 1234), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base) as browser:
        yield browser
    await dashboard.close()


def _csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


async def _login(browser: httpx.AsyncClient, name: str, password: str) -> httpx.Response:
    return await browser.post("/login", data={"name": name, "password": password}, headers=SAME)


def _flags(cookie: str) -> set[str]:
    return {part.strip().lower() for part in cookie.split(";")}


async def _is_paused(redis: QueueClient) -> bool:
    return bool(await redis.exists("arq:queue:default:paused"))


async def test_every_page_sends_the_headers_that_keep_it_safe(redis: QueueClient) -> None:
    """A strict policy with a nonce for each answer, and no inline script or style."""
    async with _visit(redis, LoginSettings()) as browser:
        pages = [
            await browser.get(path)
            for path in ("/", "/jobs?state=dead", "/nothing-here", "/jobs?id=x")
        ]
    nonces = set()
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        (nonce,) = re.findall(r"script-src 'nonce-([\w-]+)'", policy)
        nonces.add(nonce)
        assert re.findall(r"<script[^>]*>", page.text) == [
            f for f in re.findall(r"<script[^>]*>", page.text) if f'nonce="{nonce}"' in f
        ]
        assert "style=" not in page.text
        assert " onclick" not in page.text
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "private, no-store"
    assert len(nonces) == len(pages)


async def test_foreign_host_is_refused(redis: QueueClient) -> None:
    """Another site cannot reach the pages through a name of its own."""
    async with _visit(
        redis, LoginSettings(), hosts=("localhost", "::1", "*.own.example")
    ) as browser:
        for host in (
            "evil.example",
            "localhost.evil.example",
            "evil.example@localhost",
            "localhost@evil.example",
            "localhost:evil.example",
            "localhost/evil.example",
            "own.example",
            "[::2]:8090",
            "[::1",
            "::1",
            "",
        ):
            page = await browser.get("/", headers={"host": host})
            assert page.status_code == 400, host
        for host in ("localhost:8090", "LOCALHOST", "[::1]:8090", "[::1]", "pages.own.example"):
            assert (await browser.get("/", headers={"host": host})).status_code == 200, host
    async with _visit(redis, LoginSettings(), hosts=("*",)) as browser:
        assert (await browser.get("/", headers={"host": "any.example"})).status_code == 200


async def test_host_pattern_that_fits_nothing_is_refused_at_the_start(redis: QueueClient) -> None:
    """A star stands for all names below one, or for any name."""
    with pytest.raises(ConfigurationError, match=r"host pages\.\*"):
        async with _visit(redis, LoginSettings(), hosts=("pages.*",)):
            pass


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
    ],
)
async def test_forged_request_changes_nothing(redis: QueueClient, headers: dict[str, str]) -> None:
    """Not from another site with the right token, nor from our own pages without it."""
    async with _visit(redis, LoginSettings()) as browser:
        csrf = _csrf(await browser.get("/queues"))
        forged = await browser.post(PAUSE, data={"csrf": csrf}, headers=headers)
        assert forged.status_code == 403
        without = await browser.post(PAUSE, data={"csrf": "guess"}, headers=SAME)
        assert without.status_code == 403
        assert not await _is_paused(redis)
        real = await browser.post(PAUSE, data={"csrf": csrf}, headers=SAME)
        assert real.status_code == 303
        assert await _is_paused(redis)


async def test_nobody_sees_a_page_before_the_login(redis: QueueClient) -> None:
    """No page, no stream, no action; the login then leads to the page that was asked for."""
    async with _visit(redis, LoginSettings(users=USERS)) as browser:
        for path in ("/", "/dead", "/live", "/audit"):
            page = await browser.get(path)
            assert page.status_code == 303
            assert page.headers["location"].startswith("/login")
        assert (await browser.post(PAUSE, headers=SAME)).status_code == 303
        assert not await _is_paused(redis)
        wrong = await _login(browser, "ada", "battery staple")
        assert wrong.status_code == 401
        right = await browser.post(
            "/login",
            data={"name": "ada", "password": "correct horse", "next": "/dead"},
            headers=SAME,
        )
        assert right.headers["location"] == "/dead"
        cookie = right.headers["set-cookie"]
        assert {"httponly", "samesite=strict"} <= _flags(cookie)
        assert "secure" not in _flags(cookie)
        assert (await browser.get("/jobs?state=dead")).status_code == 200


async def test_login_leads_to_no_other_site(redis: QueueClient) -> None:
    """However `next` is written."""
    async with _visit(redis, LoginSettings(users=USERS)) as browser:
        for onward in ("//evil.example", "https://evil.example", "/\\evil.example"):
            answer = await browser.post(
                "/login",
                data={"name": "ada", "password": "correct horse", "next": onward},
                headers=SAME,
            )
            assert answer.headers["location"] == "/"


async def test_who_may_look_may_change_nothing(redis: QueueClient) -> None:
    """Pages have no buttons for them, and what a button would send is refused."""
    async with _visit(redis, LoginSettings(users=USERS)) as browser:
        await _login(browser, "bob", "correct horse")
        page = await browser.get("/queues")
        assert "Pause" not in page.text
        refused = await browser.post(PAUSE, data={"csrf": _csrf(page)}, headers=SAME)
        assert refused.status_code == 403
        assert not await _is_paused(redis)


async def test_logins_are_slowed_down_by_address(redis: QueueClient) -> None:
    """After five wrong passwords even the right one has to wait."""
    async with _visit(redis, LoginSettings(users=USERS)) as browser:
        for _ in range(5):
            assert (await _login(browser, "ada", "guess")).status_code == 401
        assert (await _login(browser, "ada", "correct horse")).status_code == 429


async def test_session_of_a_removed_user_ends(redis: QueueClient) -> None:
    """A session that was tampered with is refused, too."""
    async with _visit(redis, LoginSettings(users=USERS)) as browser:
        await _login(browser, "ada", "correct horse")
        cookies = dict(browser.cookies)
    without_ada = {name: user for name, user in USERS.items() if name != "ada"}
    async with _visit(redis, LoginSettings(users=without_ada)) as browser:
        browser.cookies.update(cookies)
        assert (await browser.get("/")).status_code == 303
    async with _visit(redis, LoginSettings(users=USERS)) as browser:
        browser.cookies.update({name: value[:-2] + "xx" for name, value in cookies.items()})
        assert (await browser.get("/")).status_code == 303


async def test_logout_ends_the_session(redis: QueueClient) -> None:
    """The cookie is gone, and pages ask for a login; another site cannot log anybody out."""
    async with _visit(redis, LoginSettings(users=USERS)) as browser:
        await _login(browser, "bob", "correct horse")
        csrf = _csrf(await browser.get("/queues"))
        forged = {"sec-fetch-site": "cross-site"}
        assert (await browser.post("/logout", data={"csrf": csrf}, headers=forged)).is_error
        assert (await browser.get("/")).status_code == 200
        left = await browser.post("/logout", data={"csrf": csrf}, headers=SAME)
        assert left.headers["location"] == "/login"
        assert dict(browser.cookies) == {}
        assert (await browser.get("/")).status_code == 303


async def test_session_with_another_secret_or_from_open_pages_is_no_login(
    redis: QueueClient,
) -> None:
    """A new secret logs everybody out, and pages without a login give none."""
    async with _visit(redis, LoginSettings(users=USERS), secret=SEAL[::-1]) as browser:
        await _login(browser, "ada", "correct horse")
        of_old_secret = dict(browser.cookies)
    async with _visit(redis, LoginSettings()) as browser:
        await browser.get("/")
        of_open_pages = dict(browser.cookies)
    for cookies in (of_old_secret, of_open_pages):
        assert cookies
        async with _visit(redis, LoginSettings(users=USERS)) as browser:
            browser.cookies.update(cookies)
            assert (await browser.get("/")).status_code == 303


async def test_token_lets_programs_in(redis: QueueClient) -> None:
    """By header, or at the login without a name; each token has its role."""
    login = LoginSettings(tokens={OPERATE: Role.OPERATE, VIEW: Role.VIEW})
    async with _visit(redis, login) as browser:
        bearer = {"authorization": f"Bearer {OPERATE}"}
        assert (await browser.get("/", headers=bearer)).status_code == 200
        assert (await browser.post(PAUSE, headers=bearer)).status_code == 303
        looking = {"authorization": f"Bearer {VIEW}"}
        assert (await browser.post(PAUSE, headers=looking)).status_code == 403
        wrong = {"authorization": "Bearer nope"}
        assert (await browser.get("/", headers=wrong)).status_code == 303
        assert (await _login(browser, "", VIEW)).status_code == 303
        assert (await browser.get("/")).status_code == 200


async def test_proxy_is_believed_from_its_own_address_only(redis: QueueClient) -> None:
    """Anybody could send that header."""
    login = LoginSettings(
        proxy=Proxy("x-user", frozenset({"ada"})), peers=Peers.read("10.0.0.0/31")
    )
    async with _visit(redis, login, client="10.0.0.1") as browser:
        page = await browser.get("/queues", headers={"x-user": "ada"})
        assert "Pause" in page.text
        assert "Pause" not in (await browser.get("/queues", headers={"x-user": "bob"})).text
        assert (await browser.get("/")).status_code == 401
        browser.cookies.clear()
        by_tls = {"x-user": "ada", "x-forwarded-proto": "https"}
        cookie = (await browser.get("/", headers=by_tls)).headers["set-cookie"]
        assert {"httponly", "samesite=strict", "secure"} <= _flags(cookie)
    async with _visit(redis, login, client="10.0.0.2") as browser:
        assert (await browser.get("/", headers={"x-user": "ada"})).status_code == 401


@pytest.mark.parametrize("text", ["ada", "ada:root:$argon2id$x", "ada:view:plain"])
def test_user_in_another_form_is_refused(text: str) -> None:
    """The error shows the form."""
    with pytest.raises(ConfigurationError, match="NAME:ROLE:HASH"):
        read_users(text)


async def test_page_that_fails_reveals_no_reason(
    redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has it; the page points to the log."""

    async def broken(*_: Any, **__: Any) -> None:
        raise KeyError("an inner secret")

    monkeypatch.setattr("runner.web.pages.queues.look_at_queues", broken)
    async with _visit(redis, LoginSettings()) as browser:
        page = await browser.get("/queues")
    assert page.status_code == 500
    assert "inner secret" not in page.text
    assert "the log says why" in page.text


async def test_stream_ends_with_the_server(redis: QueueClient) -> None:
    """An open page does not delay a stop."""
    live = Live(redis, ("default",))

    async def welcome() -> bool:
        return True

    events = live._events(welcome)
    assert (await anext(events)).startswith(b"retry")
    await live.close()
    assert [event async for event in events][:1] in ([], [b"event: change\ndata:\n\n"])
