"""The overview says what is wrong, its chart shows values, and failed jobs stand by their error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.site import Gate, Site, hostile, notify, sync_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Camera = Callable[[Page, str], None]


def _until(page: Page, path: str, text: str) -> None:
    for _ in range(60):
        page.goto(path)
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(100)
    expect(page.get_by_text(text).first).to_be_visible()


def test_overview_names_what_is_wrong_with_a_button_that_mends_it(
    page: Page, site: Site, picture: Camera
) -> None:
    """Jobs of one cause are one finding, whose button asks and retries exactly them."""
    for number in range(4):
        site.do(notify.enqueue(f"UC{number}"))
    site.do(hostile.enqueue("apart"))
    _until(page, "/", "4 jobs of notify died of one error")
    expect(page.locator("#findings h2")).to_contain_text("wrong")
    picture(page, "wrong")
    Gate.failing = False
    page.get_by_role("link", name="Retry 4…").click()
    expect(page.get_by_role("heading", name="Retry 4 jobs?")).to_be_visible()
    expect(page.locator(".examples li")).to_have_count(3)
    expect(page.get_by_text("1 worker with 4 slots take them")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    picture(page, "confirm")
    page.get_by_role("button", name="Retry 4 jobs").click()
    expect(page.get_by_text("4 of 4 done. It is over.")).to_be_visible()
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_text("4 jobs of notify died of one error")).to_have_count(0)


def test_chart_shows_a_minute_by_pointer_and_by_keys_and_leads_to_its_jobs(
    page: Page, site: Site, picture: Camera
) -> None:
    """The balloon has the values and waits of that minute; Enter or a click lists its jobs."""
    Gate.failing = False
    for number in range(7):
        site.do(notify.enqueue(f"UC{number}"))
    chart = page.locator("[data-strips] svg.plot-svg")
    for _ in range(60):
        page.goto("/")
        if page.locator("[data-done='7'], [data-done='6']").count():
            break
        page.wait_for_timeout(100)
    chart.focus()
    page.keyboard.press("ArrowLeft")
    balloon = page.locator(".balloon")
    expect(balloon).to_be_visible()
    expect(balloon).to_contain_text("95 % below")
    picture(page, "balloon")
    page.keyboard.press("ArrowLeft")
    expect(balloon).to_be_visible()
    page.locator(".minute").nth(-1).hover()
    expect(balloon).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs?since=*")
    page.go_back()
    page.locator(".minute:not([data-done='0'])").last.click()
    page.wait_for_url("**/jobs?since=*")
    expect(page.locator("table.jobs tbody tr").first).to_contain_text("notify")
    expect(page.locator(".badge time")).to_have_count(2)
    expect(page.locator("#foot")).to_contain_text("of that time searched")


def test_failed_jobs_stand_by_their_error_and_fold(page: Page, site: Site, picture: Camera) -> None:
    """The largest group is open; selecting it selects its rows; keys fold and unfold."""
    for number in range(3):
        site.do(notify.enqueue(f"UC{number}"))
    site.do(hostile.enqueue("apart"))
    _until(page, "/jobs?state=dead", "4 dead in 2 groups")
    groups = page.locator("tbody.group")
    expect(groups.first).to_contain_text("3 × ConnectionError in notify")
    expect(groups.nth(1).locator("tr.inner")).to_be_hidden()
    picture(page, "groups")
    assert Axe().run(page).response["violations"] == []
    page.get_by_label("Select all 3 of notify").check()
    expect(page.locator("[data-count]")).to_have_text("3 selected")
    page.get_by_role("button", name="Unfold ValueError in hostile").click()
    expect(groups.nth(1).locator("tr.inner")).to_be_visible()
    page.get_by_role("link", name="One by one").click()
    expect(page.locator("table.jobs tbody tr")).to_have_count(4)
    page.go_back()
    expect(groups).to_have_count(2)


def test_move_to_workers_that_do_not_know_the_job_is_refused(page: Page, site: Site) -> None:
    """It says who does, and the job stays where it is."""
    handle = site.do(sync_channel.options(delay_s=3600).enqueue("UC1"))
    page.goto(f"/jobs/default/{handle.id}")
    page.get_by_label("To queue").select_option("analytics")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("workers of analytics do not know sync_channel")).to_be_visible()
    page.goto(f"/jobs/default/{handle.id}")
    expect(page.locator("#state")).to_have_text("scheduled")
