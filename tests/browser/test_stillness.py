"""Nothing moves under a hand, and a search goes on by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from runner.web.pages import job_list
from tests.browser.site import Site, notify, sync_channel

if TYPE_CHECKING:
    import pytest
    from playwright.sync_api import Page

_ALL = "[...document.querySelectorAll('tr[data-key], main button, main a')]"
_PLACES = f"""() => Object.fromEntries({_ALL}.filter((one) => one.offsetParent).map((one, number) =>
  [one.dataset.key ?? number, JSON.stringify(one.getBoundingClientRect())]))"""


async def _load(many: int, delay_s: float) -> None:
    await asyncio.gather(
        *[
            sync_channel.options(delay_s=delay_s + number).enqueue(f"UC{number}")
            for number in range(many)
        ]
    )


def test_row_under_a_pointer_is_the_same_while_jobs_come_and_go(page: Page, site: Site) -> None:
    """Jobs come before and after it, and others die: no row and no control moves by a pixel."""
    site.do(_load(12, 5_000))
    page.goto("/jobs")
    row = page.locator("table.jobs tbody tr").nth(5)
    row.hover()
    key = row.get_attribute("data-key")
    before = page.evaluate(_PLACES)
    for _ in range(4):
        site.do(_load(5, 1_000))
        site.do(notify.enqueue("UC1"))
        page.evaluate("refresh()")
        page.wait_for_timeout(700)
    expect(page.get_by_role("button", name="new above")).to_be_visible()
    assert row.get_attribute("data-key") == key
    after = page.evaluate(_PLACES)
    assert {place: after[place] for place in before if "|" in place} == {
        place: box for place, box in before.items() if "|" in place
    }


def test_search_goes_on_by_itself_whatever_page_is_open(
    page: Page, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values are offered as one types; it goes on in the background, and its address leads back."""
    monkeypatch.setattr(job_list, "LOOKED_FOR_S", 0.0)
    site.do(_load(1_200, 5_000))
    site.do(sync_channel.options(delay_s=1_000).enqueue("the one", note="needle"))
    page.goto("/jobs")
    page.keyboard.press("/")
    page.keyboard.type("arg.note:nee")
    offered = page.get_by_role("option", name="arg.note:needle")
    expect(offered).to_have_text("arg.note:needle1")
    page.keyboard.press("ArrowDown")
    expect(offered).to_have_attribute("aria-selected", "true")
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("Enter")
    page.wait_for_url("**arg.note=needle*search=*")
    page.goto("/workers")
    page.go_back()
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    expect(page.locator("#said")).to_contain_text("1 found")
    expect(page.locator("#foot")).to_contain_text("1,201 of 1,201 searched")
    page.locator("#search").focus()
    page.keyboard.press("Backspace")
    page.wait_for_url("**/jobs?")
    expect(page.locator("#foot")).to_contain_text("50 of 1,201")


def test_list_goes_on_and_back(page: Page, site: Site) -> None:
    """Page by page, each with the same jobs as before."""
    site.do(_load(120, 5_000))
    page.goto("/jobs?state=scheduled")
    rows = page.locator("table.jobs tbody tr")
    seen = []
    for _ in range(2):
        seen.append([row.get_attribute("data-key") for row in rows.all()])
        page.get_by_role("link", name="Further").click()
        page.wait_for_load_state()
    expect(rows).to_have_count(20)
    for keys in reversed(seen):
        page.get_by_role("link", name="Back").click()
        expect(rows.first).to_have_attribute("data-key", keys[0] or "")
        assert [row.get_attribute("data-key") for row in rows.all()] == keys
    expect(page.get_by_role("link", name="Back")).to_have_count(0)
