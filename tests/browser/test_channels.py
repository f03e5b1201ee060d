"""The analyst's home in a browser: the list by what changed, a channel's page, adding one."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from jobs import apart
from jobs.channel.records import SourceRef, SourceResult, SyncOutcome
from jobs.sources import SourceError
from jobs.store import migrate, open_store
from jobs.sync_pace import Pace
from jobs.web import channel_pages
from runner.broker import keys
from tests.browser.site import Site
from tests.reported import channel, with_report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from jobs.services import Services
    from jobs.store import ChannelStore
    from runner import QueueClient

    Camera = Callable[[Page, str], None]

RISING, CALM, FALLING, GONE, BARE = (
    channel(number, title)
    for number, title in enumerate(
        ("Rising Star", "Calm Waters", "Falling Leaves", "Gone Away", "Bare Bones")
    )
)
NEW = channel(9, "Brand New")
FEED = SourceRef("feed", "https://feeds.example/new")


class _Found:
    """A source with one channel."""

    ref = FEED
    rejects = ()

    def describe(self) -> str:
        """Describe it."""
        return "feed, 1 channel, 12 items"

    def channels(self) -> list[Any]:
        """Return the channel."""
        return [NEW]


class _Sources:
    """Knows one address."""

    async def discover(self, location: str, mapping: str | None = None) -> list[Any]:
        """Return what is at *location*."""
        del mapping
        if location == FEED.location:
            return [_Found()]
        return [SourceError(location, "the server says 404", "Is the address right?")]


class _Services:
    """The services that the pages need."""

    pace = Pace()
    run = staticmethod(apart.in_thread)
    sources = _Sources()

    def __init__(self, store: ChannelStore) -> None:
        self.store = store


@asynccontextmanager
async def _filled(folder: Path) -> AsyncIterator[ChannelStore]:
    url = f"sqlite:///{folder}/store.db"
    await migrate(url)
    async with open_store(url) as store:
        for record, last_week in ((CALM, 1.0), (RISING, 3.0), (FALLING, 0.5)):
            file = folder / f"{record.id}.html"
            await with_report(store, record, file, last_week=last_week)
        gone = SourceRef("feed", "https://feeds.example/gone")
        await store.channels.register(GONE, [gone])
        at = datetime.now(UTC)
        failed = SourceResult(gone, at, SyncOutcome.FAILED, "the server says 404: it is gone")
        await store.syncs.save(GONE.id, [failed])
        await store.channels.register(BARE, [])
        yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChannelStore]:
    """Yield a store that runs in another thread, because the browser's loop occupies this one."""
    runner = asyncio.Runner()
    with ThreadPoolExecutor(1) as thread:

        def do(work: Coroutine[Any, Any, Any]) -> Any:
            return thread.submit(runner.run, work).result()

        opened = _filled(tmp_path)
        yield do(opened.__aenter__())
        do(opened.__aexit__(None, None, None))
        thread.submit(runner.close).result()


@pytest.fixture
def site(redis_url: str, store: ChannelStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield the pages of channels."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    services = cast("Services", _Services(store))
    one = Site(redis_url, extend=lambda dashboard: channel_pages(dashboard, services))
    with one.running(workers=False):
        yield one


def test_list_begins_with_what_changed(page: Page, picture: Camera) -> None:
    """The strongest first, each with its sentence and its gains; then the calm and the unread."""
    page.goto("/channels")
    cards = page.locator(".unusual .card")
    expect(cards).to_have_count(2)
    expect(cards.nth(0)).to_contain_text("Rising Star")
    expect(cards.nth(0)).to_contain_text("Views rose to 3,000 a day")
    expect(cards.nth(0).locator(".tag")).to_have_text("well above")
    expect(cards.nth(1).locator(".tag")).to_have_text("well below")
    assert cards.nth(0).locator(".gain.last").count() == 7
    rows = page.locator(".usual-list tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("Calm Waters")
    expect(rows.filter(has_text="Bare Bones").get_by_role("button")).to_have_text("Sync now")
    unread = page.locator("#unreadable")
    expect(unread).to_contain_text("Gone Away")
    expect(unread).to_contain_text("the server says 404: it is gone")
    picture(page, "channels")
    assert _problems(page) == []


def test_channel_page_is_its_report(page: Page, site: Site, picture: Camera) -> None:
    """Headline, figures beside bands, three answers, a chart of single days; and to its runs."""
    page.goto(f"/channels/one?id={RISING.id}")
    expect(page.locator("main h1")).to_contain_text("Views rose to 3,000 a day")
    assert page.locator(".figures .outside").count() == 1
    for words in ("What changed", "Why it matters", "What to do", "Its sources", "Its runs"):
        expect(page.get_by_role("heading", name=words)).to_be_visible()
    chart = page.locator("#main-chart")
    expect(chart.locator("circle.dot").first).to_be_attached()
    shown = chart.locator("circle").count()
    page.get_by_role("button", name="28 d").click()
    expect(chart.locator("circle")).to_have_count(28)
    assert shown == 120
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(chart.locator("output")).to_contain_text("this day")
    page.keyboard.press("Escape")
    expect(chart.locator("output")).to_be_hidden()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    expect(chart.locator("output")).to_contain_text("middle of 7 days")
    picture(page, "channel")
    assert _problems(page) == []

    run = page.locator("#runs").get_by_role("link").first
    run.click()
    expect(page.get_by_text("The jobs of that run are no longer listed.")).to_be_visible()
    site.do(_analysed(site.redis, RISING.id))
    run.click()
    expect(page.locator("main h1")).to_have_text("Run of analyze_channel")
    expect(page.locator("#chosen")).to_contain_text("analysis 8812")


async def _analysed(redis: QueueClient, channel_id: str) -> None:
    """Write the result of the job that would have made the report of just now."""
    now_ms = time.time_ns() // 1_000_000
    result = {
        "t": 1, "f": "analyze_channel", "a": [], "k": {"channel_id": channel_id},
        "et": now_ms - 900, "s": True, "r": "analysis 8812", "st": now_ms - 800, "ft": now_ms,
        "q": keys.ARQ.queue_key("analytics"), "id": "the-analysis", "w": "web-1:1:abc",
        "due": now_ms - 900,
    }  # fmt: skip
    await redis.set(keys.ARQ.result_prefix + "the-analysis", json.dumps(result))
    key = keys.ARQ.queue_key("analytics") + keys.DONE_SUFFIX
    await redis.zadd(key, {"the-analysis": now_ms})


def test_channel_is_renamed_and_its_report_asked_for(page: Page) -> None:
    """Both in its page; what is done stands in the audit log."""
    page.goto(f"/channels/one?id={CALM.id}")
    page.get_by_text("Rename").click()
    page.get_by_label("Title").fill("Still Waters")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("It is called Still Waters now.")).to_be_visible()
    page.get_by_role("button", name="Make the report anew").click()
    expect(page.get_by_text("The report enqueued.")).to_be_visible()
    page.goto("/audit")
    for words in ("rename", "Still Waters", "report"):
        expect(page.locator("tbody")).to_contain_text(words)


def test_channel_is_added_after_a_look(page: Page, picture: Camera) -> None:
    """What is at the address is shown first; nothing is stored by looking, or by a wrong one."""
    page.goto("/channels")
    field = page.get_by_label("Address of a channel or a feed")
    field.fill("https://feeds.example/none")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".warning")).to_contain_text("the server says 404")
    page.get_by_role("link", name="Back").click()
    field.fill(FEED.location)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("feed, 1 channel, 12 items")).to_be_visible()
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    picture(page, "add")
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_text("Brand New")).to_have_count(0)
    field.fill(FEED.location)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Add and read it").click()
    expect(page.get_by_text("Brand New is added, and read now.")).to_be_visible()
    expect(page.locator(".usual-list")).to_contain_text("Brand New")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_channels_fit_a_phone_in_both_themes(
    browser: Browser, site: Site, theme: str, picture: Camera
) -> None:
    """Nothing scrolls sideways, no label touches its value, and a tap reads a day."""
    context = browser.new_context(
        base_url=site.url,
        viewport={"width": 390, "height": 844},
        color_scheme=cast("Any", theme),
        has_touch=True,
    )
    page = context.new_page()
    for name, path in (("list", "/channels"), ("one", f"/channels/one?id={FALLING.id}")):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(_TOUCHING) == []
        picture(page, f"phone-{name}-{theme}")
        assert _problems(page) == []
    page.locator("#main-chart").tap()
    expect(page.locator("#main-chart output")).to_be_visible()
    context.close()


def _problems(page: Page) -> list[tuple[str, list[str]]]:
    """Return what axe complains of, and where."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


_TOUCHING = """() => [...document.querySelectorAll("td, dt, .what, .when, .tag")].filter((one) => {
  const box = one.getBoundingClientRect(), next = one.nextElementSibling;
  if (!next || !one.textContent.trim() || !next.textContent.trim() || !box.width) return false;
  const beside = next.getBoundingClientRect();
  if (!beside.width || beside.top >= box.bottom || beside.bottom <= box.top) return false;
  return beside.left - box.right < 4;
}).map((one) => `${one.className} ${one.textContent.trim()}`)"""
"""Names of what stands in one line with its neighbour, and nearer than four pixels."""
