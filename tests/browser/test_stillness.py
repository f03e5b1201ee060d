"""Nothing moves under a hand, and a search goes on by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.site import Site, notify, sync_channel

if TYPE_CHECKING:
    from playwright.sync_api import Page

_ALL = "[...document.querySelectorAll('tr[data-key], main button, main a')]"
_PLACES = f"""() => Object.fromEntries({_ALL}.filter((one) => one.offsetParent).map((one, number) =>
  [one.dataset.key ?? number, JSON.stringify(one.getBoundingClientRect())]))"""


async def _load(many: int, delay_s: float) -> None:
    for number in range(many):
        await sync_channel.options(delay_s=delay_s + number).enqueue(f"UC{number}")


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


def test_search_goes_on_by_itself_until_all_is_searched(page: Page, site: Site) -> None:
    """Nobody clicks from page to page; it says how many of how many were searched."""
    site.do(_load(120, 5_000))
    site.do(sync_channel.options(delay_s=9_000).enqueue("the one", note="needle"))
    page.goto("/jobs")
    page.keyboard.press("/")
    page.keyboard.type("arg.note:needle state:scheduled")
    page.keyboard.press("Enter")
    page.wait_for_url("**arg.note=needle*")
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    expect(page.locator("#said")).to_contain_text("1 found")
    expect(page.locator("#foot")).to_contain_text("121 of 121 searched")
