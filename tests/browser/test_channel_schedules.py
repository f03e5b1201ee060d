"""Change sync schedules in a browser, as a person would."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from jobs import apart
from jobs.channel.records import ChannelRecord, Platform
from jobs.store import ChannelSchedule, migrate, open_store
from jobs.sync_pace import Pace
from jobs.web import channel_pages
from tests.browser.site import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from jobs.services import Services
    from jobs.store import ChannelStore

    Camera = Callable[[Page, str], None]


class _Services:
    """The services that the pages need."""

    pace = Pace()
    run = staticmethod(apart.in_thread)

    def __init__(self, store: ChannelStore) -> None:
        self.store = store


@asynccontextmanager
async def _filled(url: str) -> AsyncIterator[ChannelStore]:
    await migrate(url)
    async with open_store(url) as store:
        for number, title in enumerate(("Alpha", "Beta", "Gamma")):
            await store.channels.register(ChannelRecord(f"UC{number}", title, Platform.PODCAST), [])
        due_at = datetime.now(UTC) + timedelta(hours=2)
        await store.schedules.set(ChannelSchedule("UC0", 43_200, 43_200, due_at))
        await store.schedules.set(ChannelSchedule("UC1", None, 21_600, due_at))
        yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChannelStore]:
    """Yield a store that runs in another thread, because the browser's loop occupies this one."""
    runner = asyncio.Runner()
    with ThreadPoolExecutor(1) as thread:

        def do(work: Coroutine[Any, Any, Any]) -> Any:
            return thread.submit(runner.run, work).result()

        opened = _filled(f"sqlite:///{tmp_path}/store.db")
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


def test_schedule_is_found_changed_and_made(page: Page, picture: Camera) -> None:
    """The schedules page leads to channels; a schedule is changed, and one is added."""
    page.goto("/schedules")
    page.get_by_role("link", name="Schedules of channels").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    field = page.get_by_label("Alpha: every")
    expect(field).to_have_value("12h")
    field.fill("30m")
    rows.filter(has_text="Alpha").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Alpha is synced by itself, every 30 minutes.")).to_be_visible()
    expect(page.get_by_label("Alpha: every")).to_have_value("30m")
    rows.filter(has_text="Beta").get_by_role("button", name="Take off").click()
    expect(rows).to_have_count(1)
    picture(page, "all")
    assert Axe().run(page).response["violations"] == []

    page.goto("/channels/one?id=UC2")
    expect(page.get_by_text("Synced when asked to")).to_be_visible()
    page.get_by_label("Gamma: every").fill("auto")
    page.get_by_role("button", name="Schedule", exact=True).click()
    expect(page.get_by_text("Gamma is synced by itself, as often as it publishes.")).to_be_visible()
    expect(page.get_by_text("as often as it publishes: every")).to_be_visible()
    picture(page, "one")
    page.goto("/audit")
    expect(page.locator("tbody tr").first).to_contain_text("as often as it publishes")
