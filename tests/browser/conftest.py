"""A real browser, and the pages with real workers behind them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from playwright.sync_api import sync_playwright

from tests.browser.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE_MS = 20_000
PICTURES = Path(__file__).parents[2] / ".ci" / "output" / "pages"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """
    Yield a headless Chromium; without one the tests are skipped.

    As long as it exists, an event loop runs in this thread and no other can, so it must be closed
    before tests of other folders run in the same process.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no {' or '.join(_NAMES)} on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def site(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield the pages of an empty Redis, with workers."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    with Site(redis_url).running() as one:
        yield one
    structlog.reset_defaults()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """Yield an open page; errors in its console fail the test."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    context = browser.new_context(base_url=site.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(_PATIENCE_MS)
    one = context.new_page()
    one.on("console", note)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.on("dialog", lambda dialog: dialog.accept())
    yield one
    one.goto("about:blank")  # Chromium has hung while it closed a page that was still loading
    context.close()
    assert complaints == []


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Return a camera that keeps pictures with the CI run's artifacts."""

    def take(page: Page, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        test = re.sub(r"\W+", "-", request.node.name)
        page.screenshot(path=PICTURES / f"{test}-{name}.png", full_page=True)

    return take
