"""The channels' pages, over a store with a channel whose every text is markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from jobs.records import ChannelReading, ChannelRecord, Platform, SourceRef
from jobs.store import StoredRecommendation, migrate, open_store
from jobs.web import channel_pages
from runner import connect
from runner.operations.shown import Catalog
from runner.web.access import Doors, Gatekeeper
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard
from runner.web.live import Live

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jobs.services import Services
    from jobs.store import ChannelStore

MARKUP = '"><script>alert(1)</script>'
CHANNEL = ChannelRecord(f"UC/{MARKUP}", f"Title {MARKUP}", Platform.YOUTUBE)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ChannelStore]:
    """Give a store with one channel."""
    url = f"sqlite:///{tmp_path}/store.db"
    await migrate(url)
    async with open_store(url) as opened:
        await opened.register(CHANNEL, [SourceRef("csv", MARKUP)])
        await opened.save_readings([ChannelReading(CHANNEL)])
        analysis = await opened.save_analysis(CHANNEL.id, "f" * 64, {"a": 1})
        advice = StoredRecommendation("k", MARKUP, MARKUP, {}, "moderate evidence")
        await opened.save_recommendations(analysis, [advice])
        report = tmp_path / "report.html"
        report.write_text("<p>the report</p>")
        await opened.save_rendering(analysis, None, "html", str(report))
        yield opened


@pytest.fixture
async def browser(redis_url: str, store: ChannelStore) -> AsyncIterator[httpx.AsyncClient]:
    """Give a browser, more or less."""
    redis = connect(redis_url)
    dashboard = Dashboard(
        redis=redis,
        queues=("default",),
        catalog=Catalog(),
        schedule=(),
        gatekeeper=Gatekeeper(Doors(), "of the test"),
        live=Live(redis, ("default",)),
        secret="of the test",  # noqa: S106 -- nobody else's
    )
    services = cast("Services", _Store(store))
    dashboard.extend(channel_pages(dashboard, services))
    transport = httpx.ASGITransport(app=dashboard_app(dashboard, hosts=("localhost",)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
        yield one
    await dashboard.close()
    await redis.aclose()


class _Store:
    """The pages want the store alone."""

    def __init__(self, store: Any) -> None:
        self.store = store


async def test_pages_of_channels_escape_what_comes_from_outside(browser: httpx.AsyncClient) -> None:
    """Titles, ids, sources and advice are text, whatever is in them."""
    for path, query in (("/channels", {}), ("/channels/one", {"id": CHANNEL.id})):
        page = await browser.get(path, params=query)
        assert page.status_code == 200
        assert "alert(1)" in page.text
        assert "<script>alert" not in page.text


async def test_report_is_shown_where_it_can_do_nothing(browser: httpx.AsyncClient) -> None:
    """Sandboxed, with no script and nothing from elsewhere; a channel without one has none."""
    page = await browser.get("/channels/report", params={"id": CHANNEL.id})
    assert page.text == "<p>the report</p>"
    assert "sandbox" in page.headers["content-security-policy"]
    assert (await browser.get("/channels/report", params={"id": "nobody"})).status_code == 404
    assert (
        await browser.get("/channels/chart", params={"id": CHANNEL.id, "key": "no"})
    ).status_code == 404


async def test_channel_is_synced_once_however_often_it_is_asked_for(
    browser: httpx.AsyncClient,
) -> None:
    """The second time it is waiting already."""
    page = await browser.get("/channels/one", params={"id": CHANNEL.id})
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    told = []
    for _ in range(2):
        answer = await browser.post(
            "/channels/sync",
            params={"id": CHANNEL.id},
            data={"csrf": found[1]},
            headers={"sec-fetch-site": "same-origin"},
        )
        assert answer.status_code == 303
        told.append((await browser.get(answer.headers["location"])).text)
    assert "Sync enqueued." in told[0]
    assert "Sync was waiting already." in told[1]
    listed = await browser.get("/queues/default", params={"text": "alert"})
    assert "sync_channel" in listed.text
