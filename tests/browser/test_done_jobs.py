"""What has ended is in the one list, and leads to what became of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from runner import JobExpiredError, Unique
from runner.admin import Admin
from runner.broker import keys
from tests.browser.site import Gate, Site, sync_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Camera = Callable[[Page, str], None]


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
    expect(page.get_by_role("link", name="What led to it, and what followed")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("main h1")).to_have_text("Run of sync_channel")
    expect(page.locator("#how")).to_contain_text("1 job done in")
    expect(page.locator("#waterfall .bar.ran")).to_have_count(1)
    expect(page.locator("#chosen")).to_contain_text('"channel": "UC1"')


def test_search_finds_what_has_ended(page: Page, site: Site) -> None:
    """By its arguments, as jobs of any state; a job without a result cannot be found so."""
    site.do(_done(site))
    page.goto("/jobs?q=" + "state:done arg.channel_id:UC1")
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)


def test_list_is_turned_round(page: Page, site: Site) -> None:
    """By the head of its time column; the order stays with a search and another state."""
    site.do(_done(site))
    page.goto("/jobs?state=done")
    first = page.locator("table.jobs tbody tr").first.get_attribute("data-key")
    page.get_by_role("link", name="Ended").click()
    page.wait_for_url("**sort=oldest*")
    expect(page.locator("table.jobs tbody tr").last).to_have_attribute("data-key", first or "")
    expect(page.locator("th[aria-sort=ascending]")).to_have_count(1)
    page.locator("#search").fill("sync")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=sync*")
    assert "sort=oldest" in page.url
    page.get_by_label("States").get_by_role("link", name="scheduled").click()
    page.wait_for_url("**state=scheduled*")
    assert "sort=oldest" in page.url


def test_ended_jobs_in_the_dark_and_on_a_phone(page: Page, site: Site, picture: Camera) -> None:
    """No sideways scroll, and the columns of a list without boxes are as those of others."""
    site.do(_done(site))
    page.emulate_media(color_scheme="dark")
    page.goto("/jobs?state=done")
    box = page.locator("th").first.bounding_box()
    assert box is not None
    assert box["width"] < 160
    picture(page, "jobs-done-dark")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/jobs?state=done")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(page, "jobs-done-phone")


async def _late(site: Site) -> str:
    admin, key = Admin(site.redis), keys.ARQ.queue_key("default")
    await admin.pause("default")
    late = await sync_channel.options(start_within_s=5).enqueue("UC2")
    await site.redis.zincrby(key, -60_000, late.id)
    await admin.resume("default")
    with suppress(JobExpiredError):
        await late.result(timeout_s=20)
    return late.id


def test_job_says_who_has_its_unique_key_and_how_late_it_was(
    page: Page, site: Site, picture: Camera
) -> None:
    """The one that runs, the one that waits for it, and one that expired before it could start."""
    only = Unique(by=("channel_id",), on_conflict="after")
    unique = sync_channel.options(unique=only, deadline_s=3600)
    first = site.do(unique.enqueue("UC1"))
    page.goto(f"/jobs/default/{first.id}")
    expect(page.locator("#state")).to_contain_text("running")
    following = site.do(unique.enqueue("UC1", note="comes next"))
    late_id = site.do(_late(site))
    page.goto(f"/jobs/default/{following.id}")
    expect(page.locator("#why")).to_contain_text(f"waits until the job {first.id}")
    expect(page.locator("#facts")).to_contain_text("Deadline")
    picture(page, "job-waiting")
    page.locator("#facts").get_by_role("link", name=first.id).click()
    expect(page.locator("#facts")).to_contain_text("held by this job")
    expect(page.locator("#facts")).to_contain_text("comes next")
    page.goto("/jobs?state=waiting")
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    page.goto(f"/jobs/default/{late_id}")
    expect(page.locator("#state")).to_contain_text("expired")
    expect(page.locator("#why")).to_contain_text("to start within 5 s of when it was due")
    picture(page, "job-expired")
    Gate.opened.set()
    site.do(following.result(timeout_s=20))
