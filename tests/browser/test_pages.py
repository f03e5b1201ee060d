"""The pages, driven as a person would."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from runner import Batch, machine
from runner.operations import audit
from runner.operations.actions import Operator, Request
from runner.operations.verbs import Action
from tests.browser.site import MARKUP, QUEUES, Gate, Site, hostile, notify, sync_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    Camera = Callable[[Page, str], None]

PATHS = (
    "/",
    "/queues",
    "/queues/default",
    "/jobs",
    "/jobs?state=running",
    "/jobs?state=scheduled&queue=default",
    "/jobs?state=retrying",
    "/jobs?state=dead",
    "/jobs?state=dead&by=each&error=mail",
    "/workers",
    f"/workers/{machine.this().host}:{machine.this().pid}",
    "/runs/runs-now?job=default%7Cruns-now",
    "/metrics/jobs",
    "/metrics/jobs/default/notify",
    "/batches",
    "/schedules",
    "/audit",
    "/all?action=delete&queue=default&state=dead",
)


async def _fill() -> None:
    """Enqueue jobs in every state, and a batch."""
    await _batch()
    for number in range(4):
        await notify.enqueue(f"UC{number}", api_token="s3cret-s3cret")  # noqa: S106
    await sync_channel.options(job_id="runs-now").enqueue("UC0", note=MARKUP)
    await sync_channel.enqueue("UC1", note=MARKUP)  # two slots stay free
    await hostile.enqueue(MARKUP)
    await sync_channel.options(delay_s=3600).enqueue("UClater")


async def _batch() -> str:
    """Open a batch of two jobs that are due later."""
    callback = sync_channel.call("all")
    async with Batch(MARKUP, success=callback, complete=callback) as batch:
        await sync_channel.options(delay_s=3600).enqueue("UCnext")
        await sync_channel.options(delay_s=3600).enqueue("UClater")
    return batch.id


def _wait_for_dead(page: Page, many: int) -> None:
    for _ in range(40):
        page.goto("/jobs?state=dead&by=each&queue=default")
        if page.locator("table.jobs tbody tr").count() == many:
            break
        page.wait_for_timeout(100)
    expect(page.locator("table.jobs tbody tr")).to_have_count(many)


def test_dead_job_is_looked_at_and_retried_from_its_page(
    page: Page, site: Site, picture: Camera
) -> None:
    """A job dies; once the cause is fixed and it is retried, it is done, and shows its attempts."""
    site.do(notify.enqueue("UC1", api_token="s3cret-s3cret"))  # noqa: S106
    _wait_for_dead(page, 1)
    page.get_by_role("link", name="notify").click()
    expect(page.get_by_text("Attempt 2 failed", exact=True)).to_be_visible()
    trace = page.locator("#trace-2")
    expect(trace.locator(".raising")).to_contain_text("raise ConnectionError")
    expect(trace.locator(".message")).to_have_text("ConnectionError: mail.example refused UC1 True")
    expect(trace.locator(".fold pre")).to_be_hidden()
    expect(page.locator("#trace-1 .trace")).to_be_hidden()
    page.keyboard.press("o")
    expect(page.locator("#trace-1 .trace")).to_be_visible()
    assert "s3cret" not in page.content()
    picture(page, "dead")

    Gate.failing = False
    page.get_by_role("button", name="Retry").click()

    expect(page.get_by_text("Made ready 1 job")).to_be_visible()
    expect(page.locator("#state")).to_have_text("done")
    expect(page.get_by_text('"notified in attempt 1"')).to_be_visible()
    attempts = page.locator("#timeline li > b")
    expect(attempts).to_have_text(["Attempt 1 done", "Attempt 2 failed", "Attempt 1 failed"])
    page.goto("/audit")
    expect(page.locator("tbody tr").first).to_contain_text("run")


def test_selected_jobs_are_deleted_and_others_stay(page: Page, site: Site) -> None:
    """Only the selected jobs are deleted."""
    for number in range(3):
        site.do(notify.enqueue(f"UC{number}"))
    _wait_for_dead(page, 3)
    page.get_by_label("Select notify").nth(1).check()
    page.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("Deleted 1 job")).to_be_visible()
    expect(page.locator("table.jobs tbody tr")).to_have_count(2)


def test_all_that_match_are_retried_after_a_page_that_says_how_many(
    page: Page, site: Site, picture: Camera
) -> None:
    """The action applies to the filter."""
    for number in range(4):
        site.do(notify.enqueue(f"UC{number % 2}"))
    _wait_for_dead(page, 4)
    page.keyboard.press("/")
    page.keyboard.type("arg.channel_id:UC1")
    page.keyboard.press("Enter")
    page.wait_for_url("**arg.channel_id=UC1*")
    expect(page.locator("table.jobs tbody tr")).to_have_count(2)
    Gate.failing = False
    page.get_by_role("link", name="Retry…").click()
    expect(page.get_by_role("heading", name="Retry 2 jobs?")).to_be_visible()
    picture(page, "confirm")
    page.get_by_role("button", name="Retry 2 jobs").click()

    expect(page.get_by_text("2 of 2 done. It is over.")).to_be_visible()
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Without arg.channel_id UC1").click()
    expect(page.locator("table.jobs tbody tr")).to_have_count(2)
    entries = site.do(audit.entries(site.redis)).entries
    assert entries[0].outcome == "2 done, 0 had moved on"


def test_page_shows_what_changes_without_a_reload(page: Page, site: Site) -> None:
    """What is new waits behind a pill; rows stay where they are, and selected ones selected."""
    site.do(sync_channel.options(delay_s=7200, job_id="later").enqueue("UC1"))
    page.goto("/jobs?state=scheduled")
    page.evaluate("window.stays = true")
    box = page.get_by_label("Select sync_channel later")
    box.check()
    place = box.bounding_box()
    site.do(sync_channel.options(delay_s=3600, job_id="sooner").enqueue("UC2"))

    expect(page.get_by_role("button", name="1 new above")).to_be_visible()
    assert box.bounding_box() == place
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("n")
    rows = page.locator("table.jobs tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("sooner")
    expect(box).to_be_checked()
    expect(page.get_by_role("button", name="1 new above")).to_be_hidden()

    page.get_by_role("link", name="sync_channel").last.hover()
    site.do(Operator(site.redis, "tester").act(Request(Action.DELETE), "default", "sooner"))
    expect(page.locator("tr.gone")).to_contain_text("sooner")
    expect(rows).to_have_count(2)
    assert page.evaluate("window.stays") is True


def test_running_job_shows_its_progress_and_is_aborted(
    page: Page, site: Site, picture: Camera
) -> None:
    """A running job leads to its worker, and is aborted; its process is quieted and resumed."""
    site.do(sync_channel.enqueue("UC1"))
    page.goto("/workers")
    picture(page, "workers")
    page.get_by_role("button", name="Quiet").click()
    expect(page.get_by_text("quiet", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("quiet", exact=True)).to_have_count(0)
    page.get_by_role("link", name="What they run").click()
    expect(page.get_by_text("3 of 12")).to_be_visible()
    picture(page, "running")
    page.locator("td.args").get_by_role("link").click()
    expect(page.locator("#how")).to_contain_text("It works: 1 of 8 slots are busy.")
    expect(page.locator("#running")).to_contain_text("3 of 12 pages")
    expect(page.locator("#slots svg")).to_have_attribute("aria-label", re.compile("^1 jobs? since"))
    page.go_back()
    page.get_by_label("Select sync_channel").check()
    page.get_by_role("button", name="Abort").click()

    expect(page.get_by_text("Asked to stop 1 job")).to_be_visible()
    for _ in range(40):
        page.goto("/jobs?state=running")
        if page.get_by_text("Nothing runs").count():
            break
        page.wait_for_timeout(100)
    expect(page.get_by_text("Nothing runs")).to_be_visible()


def test_paused_queue_says_why_its_job_waits(page: Page, site: Site) -> None:
    """A queue is paused on its page, the job's page explains it, and the queue is resumed."""
    page.goto("/queues/default")
    page.locator("#does").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("default is paused")).to_be_visible()
    handle = site.do(sync_channel.enqueue("UC1"))
    page.goto(f"/jobs/default/{handle.id}")
    expect(page.get_by_text("was paused by local")).to_be_visible()
    page.goto("/queues/default")
    page.locator("#does").get_by_role("button", name="Resume").click()
    expect(page.get_by_text("default goes on")).to_be_visible()
    page.goto(f"/jobs/default/{handle.id}")
    expect(page.locator("#state")).to_have_text("running")


def test_schedule_is_described_run_and_paused(page: Page, picture: Camera) -> None:
    """A crontab is shown as a sentence, without secret arguments."""
    page.goto("/schedules")
    row = page.locator("tr", has_text="nightly-sync")
    expect(row).to_contain_text("At 03:00")
    assert "s3cret" not in page.content()
    row.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("nightly-sync enqueued as")).to_be_visible()
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("paused by local")
    picture(page, "paused")


def test_keys_lead_through_the_pages(page: Page, site: Site) -> None:
    """Keys go to a page, select a row and open it."""
    handle = site.do(sync_channel.options(delay_s=3600).enqueue("UC1"))
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/schedules")
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url("**/workers")
    keyed = [one.get_attribute("data-go") for one in page.locator("[aria-label=Pages] li a").all()]
    assert len(set(keyed)) == len(keyed) >= 7
    page.goto("/jobs?state=scheduled")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-count]")).to_have_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.locator("[data-count]")).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/default/{handle.id}")
    page.keyboard.press("/")
    expect(page.get_by_label("Search or jump")).to_be_focused()
    page.keyboard.type(handle.id)
    with page.expect_navigation(url=f"**/jobs/default/{handle.id}"):  # of the page that it is on
        page.keyboard.press("Enter")


@pytest.mark.timeout(180)
def test_pages_escape_everything_and_are_accessible(
    page: Page, site: Site, picture: Camera
) -> None:
    """Markup in arguments and errors stays text; axe finds no serious problem, light or dark."""
    site.do(_fill())
    _wait_for_dead(page, 4)
    found: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for number, path in enumerate((*PATHS, "/jobs?state=dead&queue=analytics")):
            page.goto(path)
            assert page.locator("main b").filter(has_text="&amp;").count() == 0
            picture(page, f"{scheme}-{number:02d}")
            serious = [
                f"{one['id']}: {one['nodes'][0]['html'][:200]}"
                for one in Axe().run(page).response["violations"]
                if one["impact"] in {"serious", "critical"}
            ]
            if serious:
                found[f"{scheme} {path}"] = serious
    assert found == {}


def test_pages_fit_a_phone(browser: Browser, site: Site, picture: Camera) -> None:
    """Nothing is wider than the screen."""
    site.do(_fill())
    context = browser.new_context(base_url=site.url, viewport={"width": 390, "height": 844})
    page = context.new_page()
    for number, path in enumerate(PATHS):
        page.goto(path)
        picture(page, f"{number:02d}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, path
    context.close()


def test_pages_work_without_scripts(browser: Browser, site: Site) -> None:
    """Links and forms are enough."""
    site.do(sync_channel.options(delay_s=3600, job_id="one").enqueue("UC1"))
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/jobs?state=scheduled&queue=default")
    page.get_by_label("Select sync_channel one").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted 1 job")).to_be_visible()
    expect(page.get_by_text("Nothing is scheduled")).to_be_visible()
    context.close()


def test_every_queue_has_a_page(page: Page) -> None:
    """Every queue has a page, and an unknown one gets a clear error page."""
    for queue in QUEUES:
        page.goto(f"/queues/{queue}")
        expect(page.get_by_role("heading", name=queue)).to_be_visible()


def test_batch_is_followed_and_cancelled_from_its_page(
    page: Page, site: Site, picture: Camera
) -> None:
    """Its counts, its jobs and what is still to come; cancelled, it ends."""
    batch_id = site.do(_batch())
    page.goto("/batches")
    picture(page, "batches")
    page.get_by_role("link", name=MARKUP).click()
    expect(page.locator("main h1")).to_have_text(MARKUP)
    expect(page.locator("p.id")).to_have_text(batch_id)
    expect(page.get_by_text("Still to come: complete, success.")).to_be_visible()
    picture(page, "batch")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(f"Cancelled {batch_id}: done.")).to_be_visible()
    expect(page.locator("#batch")).to_contain_text("cancelled")
