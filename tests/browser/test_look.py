"""What every page has: colours as the reader wants them, its environment, help, and its age."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from runner.web.dashboard import Environment
from tests.browser.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    Camera = Callable[[Page, str], None]


@pytest.fixture
def site(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield the pages of what is in production."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    one = Site(redis_url, environment=Environment.of("production"))
    with one.running(workers=False):
        yield one


def _ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_colours_are_the_readers_choice_and_last(page: Page) -> None:
    """`t` goes from the system's colours to light and dark; the next page has them at once."""
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    dark = _ground(page)
    page.keyboard.press("t")
    light = _ground(page)
    assert light != dark
    expect(page.get_by_role("button", name="Light")).to_have_attribute("aria-pressed", "true")
    page.goto("/queues")
    assert _ground(page) == light
    page.get_by_role("button", name="Dark").click()
    page.emulate_media(color_scheme="light")
    page.goto("/")
    assert _ground(page) == dark
    page.get_by_role("button", name="As the system").click()
    assert _ground(page) == light


def test_production_is_named_and_red_on_every_page(page: Page, picture: Camera) -> None:
    """Its name is beside the logo and in the title, so that nobody takes it for another."""
    page.goto("/queues")
    expect(page.locator(".environment")).to_have_text("production")
    assert page.title() == "Queues · production"
    line = page.evaluate("getComputedStyle(document.body).borderTopColor")
    assert line == page.evaluate("getComputedStyle(document.querySelector('.environment')).color")
    picture(page, "environment")


def test_help_names_the_keys_and_switches_them_off(page: Page, picture: Camera) -> None:
    """`?` opens it, Escape closes it; with letters off, a letter does nothing."""
    page.goto("/")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    picture(page, "help")
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("t")  # rests under a dialog
    expect(page.get_by_role("button", name="As the system")).to_have_attribute(
        "aria-pressed", "true"
    )
    keys.get_by_label("letter keys are on").uncheck()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("t")
    expect(page.get_by_role("button", name="As the system")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_phone_has_its_places_at_the_bottom(browser: Browser, site: Site, picture: Camera) -> None:
    """Four places and More, each big enough for a thumb; More shows the rest, without a script."""
    context = browser.new_context(
        base_url=site.url, viewport={"width": 390, "height": 844}, java_script_enabled=False
    )
    page = context.new_page()
    page.goto("/")
    places = page.get_by_role("navigation", name="Pages")
    box = places.bounding_box()
    assert box is not None
    assert round(box["y"] + box["height"]) == 844
    expect(places.get_by_role("link", name="Audit")).to_be_hidden()
    for link in places.get_by_role("link").all():
        if link.is_visible():
            size = link.bounding_box()
            assert size is not None
            assert min(size["width"], size["height"]) >= 44
    places.get_by_role("link", name="More").click()
    expect(places.get_by_role("link", name="Audit")).to_be_visible()
    picture(page, "more")
    places.get_by_role("link", name="Close").click()
    expect(places.get_by_role("link", name="Audit")).to_be_hidden()
    context.close()


def test_page_without_an_answer_shows_that_and_comes_back(page: Page, picture: Camera) -> None:
    """It says since when; numbers lose their colour, buttons are off; then it goes on by itself."""
    page.goto("/queues")
    expect(page.get_by_role("button", name="Pause").first).to_be_enabled()
    coloured = page.evaluate("getComputedStyle(document.querySelector('main a')).color")
    page.context.set_offline(True)
    page.evaluate("stream.close()")

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("No answer since", timeout=15_000)
    expect(page.locator("#live")).to_have_text("No answer")
    assert page.evaluate("getComputedStyle(document.querySelector('main a')).color") != coloured
    expect(page.get_by_role("button", name="Pause").first).to_be_disabled()
    picture(page, "outage")
    assert Axe().run(page).response["violations"] == []

    page.context.set_offline(False)
    expect(page.locator("#live")).to_have_text("Live", timeout=15_000)
    expect(alert).to_have_count(0)
    expect(page.get_by_role("button", name="Pause").first).to_be_enabled()
    assert page.evaluate("getComputedStyle(document.querySelector('main a')).color") == coloured
