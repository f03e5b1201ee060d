"""The page of lanes: who is inside, who waits, and another limit by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from runner import Lane
from tests.browser.site import sync_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.site import Site

    Camera = Callable[[Page, str], None]

LANE = Lane(by="channel_id", limit=1)


def test_lane_gets_another_limit_is_paused_and_resumed(
    page: Page, site: Site, picture: Camera
) -> None:
    """Each with a message, and in the table at once; a job's page leads to its lane."""

    async def enqueue() -> list[str]:
        bound = sync_channel.options(lane=LANE)
        calls = [{"channel_id": f"UC{number % 3}"} for number in range(10)]
        return [one.id for one in await bound.enqueue_many(calls)]

    ids = site.do(enqueue())
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("l")
    row = page.locator("tr[data-key='default/sync_channel:UC0']")
    expect(row).to_contain_text("1 of 1")
    expect(row.locator("[data-label=Waiting]")).to_have_text("3")
    row.get_by_role("spinbutton").fill("2")
    row.get_by_role("button", name="Set").click()
    expect(page.get_by_text("sync_channel:UC0 runs 2 at a time.")).to_be_visible()
    expect(row).to_contain_text("2 of 2")
    expect(row).to_contain_text("by hand; its jobs say 1")
    row.get_by_role("button", name="Pause").click()
    expect(row.locator(".tag")).to_have_text("paused")
    picture(page, "lanes")
    row.get_by_role("button", name="Resume").click()
    expect(row.locator(".tag")).to_have_count(0)
    page.goto(f"/jobs/default/{ids[9]}")
    expect(page.locator("#facts")).to_contain_text("1 comes before this job")
    picture(page, "job")
    page.locator("#facts").get_by_role("link", name="sync_channel:UC0").click()
    expect(page.locator("#lanes tbody tr")).to_have_count(1)
