"""
The channels' pages, and links to them from every job's arguments.

A channel's page is what its report says first; the list has the channels that changed most at the
top. Both read what was stored with the report, and draw nothing.
"""

from __future__ import annotations

import asyncio
import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import jinja2
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from jobs.analysis.wording import day
from jobs.apart import DRAWING
from jobs.channel.text import cut, one_line, unbroken
from jobs.charts.document import FIRST, PLATFORMS
from jobs.charts.gains import bars, span
from jobs.charts.key_figures import Band
from jobs.charts.phrases import lead_and_evidence
from jobs.charts.tile import Tile, plain_title, tile
from jobs.drawn_charts import picture
from jobs.run_analytics import run_analytics
from jobs.scheduling import how_often, write_interval
from jobs.sync_channel import sync_now
from jobs.web.adding import adding_routes
from jobs.web.runs import run_routes
from jobs.web.schedules import ChannelSchedules, schedule_endpoints, schedule_routes
from jobs.web.styles import asset_routes, fingerprint
from runner.enqueuer import Enqueuer
from runner.errors import ConfigurationError, OffloadDiedError
from runner.web.dashboard import Extension

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from jobs.apart import Run
    from jobs.channel.records import ChannelRecord
    from jobs.services import Services
    from jobs.store import ChannelStore, ListedChannel
    from jobs.store.listing import Position
    from jobs.store.rows import ChannelSync, StoredChart
    from runner.web.dashboard import Dashboard

_log = structlog.get_logger("jobs.web")

_PAGE = 50
_UNREADABLE = 20
_MOST_UNUSUAL = 6
_UNUSUAL: Final = 0.25
"""A last week this many widths of its band outside of it has a card of its own."""

_SHOWN_CHARACTERS = 120
_LONGEST_TITLE = 200
_MAIN_CHART = "daily-views"
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_PLACE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="760" height="48">'
    '<text x="8" y="30" font-family="sans-serif" font-size="13" fill="#5f6b7a">'
    "This chart could not be drawn: {}</text></svg>"
)
_CHART_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "private, max-age=300",
}


def channel_pages(dashboard: Dashboard, services: Services) -> Extension:
    """Make the channels' part of the dashboard."""
    schedules = ChannelSchedules(dashboard, services)

    async def sync(channel_id: str) -> bool:
        return await _enqueue(dashboard, "sync", channel_id)

    return Extension(
        links=(("Channels", "/channels"),),
        title="Analytics",
        icons={"Channels": "play"},
        routes=(
            *asset_routes(),
            *_list_routes(dashboard, services.store),
            *_channel_routes(dashboard, services.store),
            *adding_routes(dashboard, services, sync),
            *run_routes(dashboard, services.store),
            *_file_routes(services),
            *schedule_routes(dashboard, schedules),
        ),
        templates=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("jobs.web", "templates"),
                jinja2.PackageLoader("jobs.charts", "templates"),
            ]
        ),
        job_links={"channel_id": "/channels/one?id={}"},
        schedule_links=(("Schedules of channels", "/channels/schedules"),),
        endpoints=schedule_endpoints(schedules),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A channel as the list shows it; *said* is what its report says first, empty without one."""

    channel: ChannelRecord
    title: str
    path: str
    about: str
    tile: Tile
    said: Mapping[str, Any]
    sync: ChannelSync
    bars: Markup | None
    band: Band | None
    first: str
    last: str

    @classmethod
    def of(cls, found: ListedChannel) -> Row:
        """Return *found* as a row."""
        channel, said = found.channel, found.summary or {}
        days = span(said) if said else None
        figures = said.get("key_figures", ())
        bands = [one["band"] for one in figures if one["label"] == "Views a day"]
        about = [
            PLATFORMS.get(channel.platform, ""),
            f"{said['items']:,} {said['thing']}s" if said.get("items") else "",
            "generated sample" if channel.generated else "",
        ]
        return cls(
            channel=channel,
            title=plain_title(channel.title, generated=channel.generated) or channel.id,
            path=f"/channels/one?id={quote(channel.id, safe='')}",
            about=" · ".join(one for one in about if one),
            tile=tile(channel.id, channel.title),
            said=said,
            sync=found.sync,
            bars=bars(said) if days else None,
            band=Band(**bands[0]) if bands and bands[0] else None,
            first=f"{days[0].day} {days[0]:%b}" if days else "",
            last=day(days[1]) if days else "",
        )

    @property
    def is_unusual(self) -> bool:
        """Whether what changed has a card of its own."""
        change: float = self.said.get("change", 0.0)
        return abs(change) >= _UNUSUAL


def _list_routes(dashboard: Dashboard, store: ChannelStore) -> list[BaseRoute]:
    async def all_channels(request: Request) -> Response:
        text = request.query_params.get("text", "").strip()[:200]
        place = _position(request.query_params.get("after"))
        found, after = await store.channels.page(after=place, text=text, limit=_PAGE)
        rows = [Row.of(one) for one in found]
        is_first = place is None and not text
        unusual = [one for one in rows if one.is_unusual][:_MOST_UNUSUAL] if is_first else []
        total, unreadable = await store.channels.unreadable(_UNREADABLE) if is_first else (0, [])
        return dashboard.render(
            request,
            "channels.html.j2",
            unusual=unusual,
            others=[one for one in rows if one not in unusual],
            unreadable=[
                {
                    "channel": one.channel,
                    "path": f"/channels/one?id={quote(one.channel.id, safe='')}",
                    "reason": one.reason,
                    "failures": one.failures,
                    "succeeded_at": one.succeeded_at,
                    "due_at": one.due_at,
                }
                for one in unreadable
            ],
            unreadable_total=total,
            text=text,
            is_further=place is not None,
            after=None if after is None else _as_text(after),
            channel_assets=fingerprint(),
        )

    return [Route("/channels", all_channels)]


def _channel_routes(dashboard: Dashboard, store: ChannelStore) -> list[BaseRoute]:
    async def one_channel(request: Request) -> Response:
        channel = await _channel(store, request)
        analysis = await store.analyses.latest(channel.id)
        charts = [] if analysis is None else await store.analyses.charts(analysis.id)
        summary = await store.renderings.summary(channel.id)
        said, made_at = (None, None) if summary is None else summary
        return dashboard.render(
            request,
            "channel.html.j2",
            channel=channel,
            platform=PLATFORMS.get(channel.platform, ""),
            title=plain_title(channel.title, generated=channel.generated) or channel.id,
            tile=tile(channel.id, channel.title),
            report=None if said is None else said.content,
            series=None if said is None else said.series,
            made_at=made_at,
            first=FIRST,
            in_two=lead_and_evidence,
            sources=await store.syncs.sources(channel.id),
            schedule=await store.schedules.find(channel.id),
            every=write_interval,
            how_often=how_often,
            analysis=analysis,
            runs=await store.analyses.runs(channel.id),
            charts=[one for one in charts if said is None or one.key != _MAIN_CHART],
            advice=[] if analysis is None else await store.analyses.recommendations(analysis.id),
            has_report=await store.renderings.report_path(channel.id) is not None,
            channel_assets=fingerprint(),
        )

    async def sync(request: Request) -> Response:
        return await _start(dashboard, store, request, "sync", "Sync")

    async def make(request: Request) -> Response:
        return await _start(dashboard, store, request, "report", "The report")

    async def rename(request: Request) -> Response:
        channel = await _channel(store, request)
        form = await request.form()
        title = one_line(str(form.get("title", "")))
        if not title or len(title) > _LONGEST_TITLE:
            raise ConfigurationError(f"a title has 1 to {_LONGEST_TITLE} characters")
        await store.channels.rename(channel.id, title)
        await dashboard.operator(request).record("rename", channel.id, title, "done")
        return dashboard.back(
            request, f"/channels/one?id={quote(channel.id, safe='')}", f"It is called {title} now."
        )

    return [
        Route("/channels/one", one_channel),
        Route("/channels/sync", sync, methods=["POST"]),
        Route("/channels/make", make, methods=["POST"]),
        Route("/channels/rename", rename, methods=["POST"]),
    ]


async def _start(
    dashboard: Dashboard, store: ChannelStore, request: Request, what: str, name: str
) -> Response:
    channel = await _channel(store, request)
    form = await request.form()
    created = await _enqueue(dashboard, what, channel.id)
    outcome = "enqueued" if created else "was waiting already"
    await dashboard.operator(request).record(what, channel.id, outcome=outcome)
    where = str(form.get("back") or f"/channels/one?id={quote(channel.id, safe='')}")
    return dashboard.back(request, where, f"{name} {outcome}.")


def _file_routes(services: Services) -> list[BaseRoute]:
    store = services.store

    async def report(request: Request) -> Response:
        channel = await _channel(store, request)
        path = await store.renderings.report_path(channel.id)
        content = None if path is None else await asyncio.to_thread(_read, Path(path))
        if content is None:
            raise HTTPException(404, await _why_no_report(store, channel))
        return Response(
            content, media_type="text/html", headers={"Content-Security-Policy": _REPORT_POLICY}
        )

    async def chart(request: Request) -> Response:
        channel = await _channel(store, request)
        analysis = await store.analyses.latest(channel.id)
        charts = [] if analysis is None else await store.analyses.charts(analysis.id)
        return await _picture(services.run, charts, request.query_params.get("key", ""))

    return [Route("/channels/report", report), Route("/channels/chart", chart)]


async def _why_no_report(store: ChannelStore, channel: ChannelRecord) -> str:
    name = channel.title or channel.id
    if await store.analyses.latest(channel.id) is not None:
        return f"{name} is analysed, and has no report: make one on its page"
    if any(one.succeeded_at for one in await store.syncs.sources(channel.id)):
        return f"{name} was read; its analysis and its report are not made yet"
    return f"{name} was not read yet: sync it on its page"


async def _channel(store: ChannelStore, request: Request) -> ChannelRecord:
    found = await store.channels.find(request.query_params.get("id", ""))
    if found is None:
        raise HTTPException(404, "there is no such channel")
    return found


async def _enqueue(dashboard: Dashboard, what: str, channel_id: str) -> bool:
    """Enqueue a sync or a report of the channel; False if one waits already."""
    make = run_analytics.options(job_id=f"{what}:{channel_id}")
    options = sync_now if what == "sync" else make
    enqueuer = Enqueuer(dashboard.redis)
    try:
        return await enqueuer.put(options.request((), {"channel_id": channel_id}))
    finally:
        await enqueuer.close()


def _as_text(place: Position) -> str:
    change, channel_id = place
    return f"{'' if change is None else repr(change)} {channel_id}"


def _position(text: str | None) -> Position | None:
    if not text:
        return None
    change, _, channel_id = text.partition(" ")
    try:
        return (float(change) if change else None, channel_id)
    except ValueError:
        raise ConfigurationError(
            "`after` is not a position in this list: start from the top"
        ) from None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


async def _picture(run: Run, charts: Sequence[StoredChart], key: str) -> Response:
    for found in charts:
        if found.key == key:
            return await _drawn(run, found)
    raise HTTPException(404, "there is no such chart")


async def _drawn(run: Run, chart: StoredChart) -> Response:
    """Drawing takes tens of milliseconds, apart; the browser caches the picture."""
    try:
        drawn = await run(picture, chart.spec, limits=DRAWING)
    except (OffloadDiedError, ValueError) as error:
        _log.warning("chart not drawn", chart=chart.key, error=str(error))
        return Response(
            _PLACE.format(html.escape(cut(unbroken(str(error)), _SHOWN_CHARACTERS))),
            status_code=422,
            media_type="image/svg+xml",
            headers={**_CHART_HEADERS, "Cache-Control": "no-store"},
        )
    return Response(drawn, media_type="image/svg+xml", headers=_CHART_HEADERS)
