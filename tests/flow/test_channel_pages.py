"""The channels' pages, over a store with a channel whose every text is markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import pytest

from jobs import apart
from jobs.channel.records import (
    ChannelReading,
    ChannelRecord,
    Platform,
    SourceRef,
    SourceResult,
    SyncOutcome,
)
from jobs.store import StoredChart, StoredRecommendation, migrate, open_store
from jobs.sync_pace import Pace
from jobs.web import channel_pages
from runner import connect
from runner.operations.catalog import Catalog
from runner.operations.verbs import Role
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard
from runner.web.live import Live
from runner.web.login import LoginSettings
from tests.api_document import ApiDocument
from tests.browser.site import OPERATE, VIEW, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
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
        await opened.channels.register(CHANNEL, [SourceRef("csv", MARKUP)])
        await opened.readings.save([ChannelReading(CHANNEL)])
        analysis = await opened.analyses.save(CHANNEL.id, "f" * 64, {"a": 1})
        advice = StoredRecommendation("k", MARKUP, MARKUP, {}, "moderate evidence")
        await opened.analyses.save_recommendations(analysis, [advice])
        report = tmp_path / "report.html"
        report.write_text("<p>the report</p>")
        await opened.renderings.save(analysis, None, "html", str(report))
        yield opened


@pytest.fixture
async def browser(redis_url: str, store: ChannelStore) -> AsyncIterator[httpx.AsyncClient]:
    """Give a browser, more or less."""
    redis = connect(redis_url)
    dashboard = Dashboard(
        redis=redis,
        queues=("default", "analytics"),
        catalog=Catalog(),
        schedule=(),
        live=Live(redis, ("default",)),
        secret="of the test, and of nobody else: 0123456789",  # noqa: S106 -- nobody else's
    )
    services = cast("Services", _Store(store))
    dashboard.extend(channel_pages(dashboard, services))
    transport = httpx.ASGITransport(app=dashboard_app(dashboard, hosts=("localhost",)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
        yield one
    await dashboard.close()
    await redis.aclose()


class _Store:
    """The pages want the store, how often channels are synced, and where charts are drawn."""

    run = staticmethod(apart.in_thread)

    def __init__(self, store: Any) -> None:
        self.store = store
        self.pace = Pace()


async def _sent(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """The form at *path* of the channel, as its page has it."""
    page = await browser.get("/channels/one", params={"id": CHANNEL.id})
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return await browser.post(
        path,
        params={"id": CHANNEL.id},
        data={"csrf": found[1], **fields},
        headers={"sec-fetch-site": "same-origin"},
    )


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


async def test_why_there_is_no_report_is_what_is_missing(
    browser: httpx.AsyncClient, store: ChannelStore
) -> None:
    """Nothing was read, nothing was made of it yet, or only the report is missing."""

    async def reason(channel_id: str) -> str:
        return (await browser.get("/channels/report", params={"id": channel_id})).text

    new = ChannelRecord("new", "A new one", Platform.PODCAST)
    source = SourceRef("feed", "https://feeds.example/new")
    await store.channels.register(new, [source])
    assert "A new one was not read yet: sync it on its page" in await reason("new")
    read = SourceResult(source, datetime.now(UTC), SyncOutcome.READ, reading=ChannelReading(new))
    await store.syncs.save("new", [read])
    assert "its analysis and its report are not made yet" in await reason("new")
    await store.analyses.save("new", "f", {"a": 1})
    assert "is analysed, and has no report: make one on its page" in await reason("new")


async def test_channel_is_renamed_and_its_report_made_from_the_page(
    browser: httpx.AsyncClient, store: ChannelStore
) -> None:
    """A title is text of one line and of some length; a report is asked for once."""
    assert (await _sent(browser, "/channels/rename", title="  ")).status_code == 400
    assert (await _sent(browser, "/channels/rename", title="x" * 201)).status_code == 400
    assert (await _sent(browser, "/channels/rename", title=f"New\n{MARKUP}")).status_code == 303
    found = await store.channels.find(CHANNEL.id)
    assert found is not None
    assert found.title == f"New {MARKUP}"
    await _sent(browser, "/channels/make")
    await _sent(browser, "/channels/make")
    page = await browser.get("/channels/one", params={"id": CHANNEL.id})
    link = re.search(r'href="(/jobs\?arg[^"]+)"', page.text)
    assert link is not None
    listed = await browser.get(link[1])
    assert listed.text.count(">run_analytics<") == 1


async def test_only_addresses_are_looked_at(browser: httpx.AsyncClient) -> None:
    """A path, a scheme of no web, and a form that nobody was given are refused."""
    for location in ("/etc/passwd", "file:///etc/passwd", "samples:", "ftp://x", "", "h" * 3000):
        answer = await _sent(browser, "/channels/look", location=location)
        assert answer.status_code == 400, location
        assert "no address of a feed or a channel" in answer.text
    assert (await browser.get("/channels/look")).status_code == 405
    assert (await browser.post("/channels/look", data={"location": "https://x"})).status_code == 403


async def test_a_position_that_is_none_is_refused(browser: httpx.AsyncClient) -> None:
    """The list is paged by what it gives itself."""
    assert (await browser.get("/channels", params={"after": "odd x"})).status_code == 400
    assert (await browser.get("/channels", params={"after": "0.5 UC1"})).status_code == 200
    assert (await browser.get("/channels", params={"after": " UC1"})).status_code == 200


async def test_channel_is_synced_once_however_often_it_is_asked_for(
    browser: httpx.AsyncClient,
) -> None:
    """The second time it is waiting already."""
    messages = []
    for _ in range(2):
        answer = await _sent(browser, "/channels/sync")
        assert answer.status_code == 303
        messages.append((await browser.get(answer.headers["location"])).text)
    assert "Sync enqueued." in messages[0]
    assert "Sync was waiting already." in messages[1]
    listed = await browser.get(
        "/jobs", params={"queue": "default", "state": "ready", "text": "alert"}
    )
    assert "sync_channel" in listed.text


async def test_schedule_is_made_changed_and_taken_off_from_the_page(
    browser: httpx.AsyncClient, store: ChannelStore
) -> None:
    """As asked for, or as it publishes; what is done stands in the audit log."""
    answer = await _sent(browser, "/channels/schedule", every="12h", back="/channels/schedules")
    assert answer.headers["location"] == "/channels/schedules"
    page = (await browser.get("/channels/schedules")).text
    assert "is synced by itself, every 12 hours." in page
    assert 'value="12h"' in page
    assert "<script>alert" not in page
    first = await store.schedules.find(CHANNEL.id)
    assert first is not None
    assert (first.every_s, first.interval_s) == (43_200, 43_200)

    await _sent(browser, "/channels/schedule", every="auto")
    changed = await store.schedules.find(CHANNEL.id)
    assert changed is not None
    assert (changed.every_s, changed.due_at) == (None, first.due_at)
    assert (
        "as often as it publishes"
        in (await browser.get("/channels/one", params={"id": CHANNEL.id})).text
    )

    await _sent(browser, "/channels/schedule", off="1")
    assert await store.schedules.find(CHANNEL.id) is None
    assert "No channel is on a schedule" in (await browser.get("/channels/schedules")).text
    log = (await browser.get("/audit")).text
    assert all(word in log for word in ("unschedule", "as often as it publishes", "every 12 hours"))
    assert "/channels/schedules" in (await browser.get("/schedules")).text


@pytest.mark.parametrize("every", ["", "soon", "59s", "infm", "2000d"])
async def test_interval_that_is_none_is_told(
    browser: httpx.AsyncClient, store: ChannelStore, every: str
) -> None:
    """One line says what to write, and nothing is changed."""
    answer = await _sent(browser, "/channels/schedule", every=every)
    assert answer.status_code == 400
    assert "is not a time: write 60m" in answer.text or "a channel is synced" in answer.text
    assert await store.schedules.find(CHANNEL.id) is None


async def test_schedule_is_changed_from_our_own_pages_only(
    browser: httpx.AsyncClient, store: ChannelStore
) -> None:
    """Another site's form, or one without the session's token, changes nothing."""
    await browser.get("/channels")
    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-origin"}):
        answer = await browser.post(
            "/channels/schedule",
            params={"id": CHANNEL.id},
            data={"every": "1h", "csrf": "guessed"},
            headers=headers,
        )
        assert answer.status_code == 403
    assert await store.schedules.find(CHANNEL.id) is None


@pytest.fixture
def site(redis_url: str, store: ChannelStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give the pages of channels, served behind tokens."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    services = cast("Services", _Store(store))
    login = LoginSettings(tokens={OPERATE: Role.OPERATE, VIEW: Role.VIEW})
    one = Site(redis_url, login, extend=lambda dashboard: channel_pages(dashboard, services))
    with one.running(workers=False):
        yield one


def test_program_changes_schedules(site: Site) -> None:
    """The id is whatever it is; who may only look changes nothing; what is odd is reported."""
    path = f"/api/channel-schedules/{quote(CHANNEL.id, safe='')}"
    look, may = ({"authorization": f"Bearer {token}"} for token in (VIEW, OPERATE))
    with httpx.Client(base_url=site.url, headers=may) as api:
        assert api.get(path).status_code == 404
        made = api.post(path, json={"every_s": 7200}).json()
        assert (made["channel_id"], made["every_s"]) == (CHANNEL.id, 7200)
        assert api.get("/api/channel-schedules").json() == {"schedules": [made], "after": None}
        assert api.get(path).json() == made
        assert api.post(path, json={"every_s": None}).json()["every_s"] is None
        for odd in ({}, {"every_s": True}, {"every_s": "1h"}, {"every_s": 59}, {"every": 60}):
            assert api.post(path, json=odd).status_code == 400
        assert api.post("/api/channel-schedules/none", json={"every_s": 60}).status_code == 404
        assert api.post(path, json={"every_s": 60}, headers=look).status_code == 403
        assert api.delete(path, headers=look).status_code == 403
        assert [api.delete(path).json() for _ in range(2)] == [{"done": True}, {"done": False}]
        entries = api.get("/api/audit").json()["entries"]
        assert [one["action"] for one in entries] == [*["unschedule"] * 2, *["schedule"] * 2]


@pytest.mark.timeout(300)
def test_api_of_schedules_keeps_to_its_document(site: Site) -> None:
    """Every field is described, and whatever is sent, the answers fit the document."""
    document = ApiDocument(site.url, OPERATE)
    assert list(document.undescribed()) == []
    base, path = "/api/channel-schedules", "/api/channel-schedules/{channel_id}"
    own = f"{base}/{quote(CHANNEL.id, safe='')}"
    with httpx.Client(base_url=site.url, headers={"authorization": f"Bearer {OPERATE}"}) as api:
        document.check(api.post(own, json={"every_s": 7200}), path)
        document.check(api.get(own), path)
        document.check(api.get(base), base)
    assert len(document.check_all(only="channel-schedules")) == 4


@pytest.mark.parametrize(
    ("spec", "status", "words"),
    [
        (
            {
                "mark": "bar",
                "title": "a\ufffeb",
                "data": {"values": [{"a": "𝕱\uffff"}]},
                "encoding": {"y": {"field": "a", "type": "nominal"}},
            },
            200,
            ">ab<",
        ),
        ({"mark": "no such mark"}, 422, "This chart could not be drawn: "),
        ({"usermeta": {"undrawn": MARKUP}}, 422, "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ],
    ids=["hostile", "broken", "never made"],
)
async def test_a_chart_is_drawn_or_says_why_not(
    browser: httpx.AsyncClient, store: ChannelStore, spec: dict[str, Any], status: int, words: str
) -> None:
    """Whatever is stored, the answer is a picture; a failed one is not kept by the browser."""
    analysis = await store.analyses.latest(CHANNEL.id)
    assert analysis is not None
    await store.analyses.save_charts(analysis.id, [StoredChart("k", "T", spec, "A")])
    answer = await browser.get(f"/channels/chart?id={quote(CHANNEL.id)}&key=k")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "image/svg+xml")
    assert words in answer.text
    assert ("no-store" in answer.headers["cache-control"]) is (status == 422)
