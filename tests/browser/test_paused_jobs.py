"""A queue's page: the names of its jobs, each of which can be paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.site import Site

    Camera = Callable[[Page, str], None]


def test_jobs_of_one_name_are_paused_and_resumed(page: Page, site: Site, picture: Camera) -> None:
    """With a message; the overview says so meanwhile."""
    page.goto(f"{site.url}/queues/default")
    row = page.locator("#names tr[data-key='sync_channel']")
    row.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Jobs named sync_channel are paused")).to_be_visible()
    expect(row.locator(".tag")).to_contain_text("paused by")
    picture(page, "queue")
    page.goto(f"{site.url}/")
    expect(page.get_by_text("jobs named sync_channel of default are paused")).to_be_visible()
    picture(page, "overview")
    page.goto(f"{site.url}/queues/default")
    row.get_by_role("button", name="Resume").click()
    expect(row.locator(".tag")).to_have_count(0)
