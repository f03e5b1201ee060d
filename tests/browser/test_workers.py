"""Two hundred workers on one page: the silent one is seen first, and the page stays short."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from runner.broker import keys
from tests.browser.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from runner import QueueClient

    Camera = Callable[[Page, str], None]

WORKERS = 200


@pytest.fixture
def site(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield the pages of a fleet that is there by its heartbeats alone."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    one = Site(redis_url)
    with one.running(workers=False):
        one.do(_beat(one.redis))
        yield one


async def _beat(redis: QueueClient) -> None:
    """Write heartbeats: number 7 blocks its loop, number 9 runs an old release, 21 is silent."""
    now_ms = time.time_ns() // 1_000_000
    register = keys.ARQ.queue_key("default") + keys.WORKERS_SUFFIX
    for number in range(1, WORKERS + 1):
        worker_id = f"web-{number:03}:1:abc"
        await redis.zadd(register, {worker_id: now_ms - (41_000 if number == 21 else 0)})
        if number == 21:
            continue
        beat = {
            "id": worker_id,
            "queue": "default",
            "host": f"web-{number:03}",
            "pid": 1,
            "slots": 10,
            "busy": number % 11,
            "jobs": ["sync_channel"],
            "started_at": "2026-01-01T00:00:00+00:00",
            "release": "0.4.1" if number == 9 else "0.4.2",
            "beat_ms": now_ms,
            "rss": 200_000_000,
            "lag_ms": 840.0 if number == 7 else 2.0,
        }
        await redis.set(keys.ARQ.worker_prefix + worker_id, json.dumps(beat), ex=600)


def test_two_hundred_workers_make_a_short_page_with_the_silent_one_first(
    page: Page, picture: Camera
) -> None:
    """A square each, three to look at first, fifty others, and the rest page by page."""
    page.goto("/workers")
    expect(page.locator(".square")).to_have_count(WORKERS)
    expect(page.locator(".square.silent")).to_have_count(1)
    first = page.locator("tbody").first
    expect(first).to_contain_text("Look here first")
    expect(first.locator("tr[id]")).to_have_count(3)
    expect(first.locator("tr[id]").first).to_contain_text("silent since")
    expect(first).to_contain_text("loop blocked")
    expect(first).to_contain_text("most run 0.4.2")
    expect(page.locator("tbody").nth(1).locator("tr[id]")).to_have_count(50)
    assert page.evaluate("document.documentElement.scrollHeight") < 5_000
    picture(page, "fleet")
    assert Axe().run(page).response["violations"] == []

    page.get_by_role("link", name="Further").click()
    expect(page.get_by_text("51 to 100 of 197")).to_be_visible()
    page.goto("/workers")
    page.get_by_label("Host, queue, release or state").fill("silent")
    page.keyboard.press("Enter")
    expect(page.locator("tr[id]")).to_have_count(1)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/workers")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(page, "phone")
