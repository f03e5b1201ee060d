"""Who acts, in a real browser: sessions are listed and revoked, and other sites act for nobody."""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from runner.processes.http_server import serve_http
from runner.web.login import LoginSettings, Proxy
from tests.browser.site import Site
from tests.visit import PASSWORD, USERS, is_paused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from starlette.requests import Request
    from starlette.types import ASGIApp

    Camera = Callable[[Page, str], None]

_FORM = """<!doctype html><title>another site</title>
<form method="post" action="{}/queues/default/pause"><input name="csrf" value="guess"></form>
<script>document.forms[0].submit()</script>"""


@pytest.fixture
def site(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield pages with two users, also reachable through a proxy that names them."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    with Site(redis_url, LoginSettings(users=USERS)).running(workers=False) as one:
        yield one


@pytest.fixture
def behind_proxy(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield pages that believe their proxy."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    login = LoginSettings(proxy=Proxy("X-User", frozenset({"ada"})))
    with Site(redis_url, login).running(workers=False) as one:
        yield one


def _proxy(target: str) -> ASGIApp:
    """A reverse proxy that asks for a password, and passes all headers on."""
    expected = "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()

    async def forward(request: Request) -> Response:
        if request.headers.get("authorization") != expected:
            return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="proxy"'})
        headers = [(name, value) for name, value in request.headers.items() if name != "x-user"]
        async with httpx.AsyncClient() as client:
            answer = await client.request(
                request.method,
                target + request.url.path,
                content=await request.body(),
                headers=[*headers, ("x-user", "ada")],
            )
        passed = {
            name: value
            for name, value in answer.headers.items()
            if name in {"content-type", "location", "set-cookie", "content-security-policy"}
        }
        return Response(answer.content, answer.status_code, passed)

    return Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])])


def test_form_on_another_site_pauses_nothing_behind_a_proxy_with_a_password(
    browser: Browser, behind_proxy: Site
) -> None:
    """The browser sends the proxy's password with it; our own form still works."""
    site, servers = behind_proxy, AsyncExitStack()

    def serve(app: ASGIApp) -> str:
        return site.do(servers.enter_async_context(serve_http(app, "127.0.0.1", 0)))

    proxied = serve(_proxy(site.url))
    other = serve(Starlette(routes=[Route("/", lambda _: HTMLResponse(_FORM.format(proxied)))]))
    context = browser.new_context(http_credentials={"username": "ada", "password": PASSWORD})
    try:
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{proxied}/queues")
        expect(page.get_by_role("button", name="Pause").first).to_be_visible()
        # The same machine by another name is another site for the browser.
        with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            page.goto(other.replace("127.0.0.1", "localhost"))
        assert answered.value.status == 403
        expect(page.get_by_text("this request came from another site")).to_be_visible()
        assert not site.do(is_paused(site.redis))
        page.goto(f"{proxied}/queues")
        page.get_by_role("button", name="Pause").first.click()
        expect(page.get_by_text("paused by ada").first).to_be_visible()
    finally:
        context.close()
        site.do(servers.aclose())


def _log_in(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text(name, exact=False).first).to_be_visible()


def test_session_is_revoked_from_its_page(
    page: Page, browser: Browser, site: Site, picture: Camera
) -> None:
    """Its browser shows the login, without a reload by hand."""
    elsewhere = browser.new_context(base_url=site.url)
    try:
        bobs = elsewhere.new_page()
        _log_in(bobs, "bob")
        bobs.goto("/queues")
        _log_in(page, "ada")
        page.get_by_role("link", name="Sessions").click()
        expect(page.locator("table tbody tr")).to_have_count(2)
        expect(page.get_by_text("this browser")).to_have_count(1)
        assert Axe().run(page).response["violations"] == []
        picture(page, "sessions")
        page.locator("tr", has_text="bob").get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("Revoked 1 session.")).to_be_visible()
        expect(page.locator("table tbody tr")).to_have_count(1)
        bobs.evaluate("refresh()")
        expect(bobs.get_by_role("button", name="Log in")).to_be_visible()
    finally:
        elsewhere.close()
