"""What has ended is in the one list, and leads to what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from runner.broker import keys
from tests.browser.site import Gate, Site, sync_channel

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Camera


async def _done(site: Site) -> None:
    Gate.opened.set()
    one = await sync_channel.enqueue("UC1", note="the first")
    two = await sync_channel.enqueue("UC2", note="its result goes")
    await one.result()
    await two.result()
    await site.redis.delete(keys.ARQ.result_prefix + two.id)


def test_ended_jobs_are_a_state_of_the_one_list(page: Page, site: Site, picture: Camera) -> None:
    """How long each ran, and its result one click away; nothing can be done to it any more."""
    site.do(_done(site))
    page.goto("/jobs")
    page.get_by_label("States").get_by_role("link", name="done").click()
    rows = page.locator("table.jobs tbody tr")
    expect(rows).to_have_count(2)
    expect(page.locator("table.jobs")).to_contain_text("its result is no longer kept")
    expect(rows.filter(has_text="the first")).to_contain_text("ran")
    expect(page.locator("main input[type=checkbox]")).to_have_count(0)
    picture(page, "jobs-done")
    rows.filter(has_text="the first").get_by_role("link", name="sync_channel").click()
    expect(page.locator("#why")).to_contain_text("It is done")
    expect(page.locator("#facts")).to_contain_text("Ended")
    expect(page.locator("#result")).to_contain_text("UC1")


def test_search_finds_what_has_ended(page: Page, site: Site) -> None:
    """By its arguments, as jobs of any state; a job without a result cannot be found so."""
    site.do(_done(site))
    page.goto("/jobs?q=" + "state:done arg.channel_id:UC1")
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
