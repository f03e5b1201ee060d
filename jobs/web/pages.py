"""Routes of the channels' pages. Charts are drawn apart, where the heavy libraries are."""

from __future__ import annotations

import asyncio
import html
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from jobs.apart import DRAWING
from jobs.channel.text import cut, unbroken
from jobs.drawn_charts import picture
from jobs.scheduling import write_interval
from jobs.sync_channel import sync_channel
from jobs.web.schedules import ChannelSchedules, schedule_endpoints, schedule_routes
from runner.enqueuer import Enqueuer
from runner.errors import OffloadDiedError
from runner.web.dashboard import Extension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from jobs.apart import Run
    from jobs.channel.records import ChannelRecord
    from jobs.services import Services
    from jobs.store import ChannelStore
    from jobs.store.rows import StoredChart
    from runner.web.dashboard import Dashboard

_log = structlog.get_logger("jobs.web")

_PAGE = 50
_SHOWN_CHARACTERS = 120
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
    return Extension(
        links=(("Channels", "/channels"),),
        title="Analytics",
        icons={"Channels": "play"},
        routes=(
            *_channel_routes(dashboard, services.store),
            *_file_routes(services),
            *schedule_routes(dashboard, schedules),
        ),
        templates=jinja2.PackageLoader("jobs.web", "templates"),
        job_links={"channel_id": "/channels/one?id={}"},
        schedule_links=(("Schedules of channels", "/channels/schedules"),),
        endpoints=schedule_endpoints(schedules),
    )


def _channel_routes(dashboard: Dashboard, store: ChannelStore) -> list[BaseRoute]:
    async def all_channels(request: Request) -> Response:
        text = request.query_params.get("text", "").strip()[:200]
        found = await store.channels.page(
            after=request.query_params.get("after"), text=text, limit=_PAGE + 1
        )
        return dashboard.render(
            request,
            "channels.html.j2",
            channels=found[:_PAGE],
            text=text,
            after=found[_PAGE - 1].channel.id if len(found) > _PAGE else None,
        )

    async def one_channel(request: Request) -> Response:
        channel = await _channel(store, request)
        analysis = await store.analyses.latest(channel.id)
        charts = [] if analysis is None else await store.analyses.charts(analysis.id)
        return dashboard.render(
            request,
            "channel.html.j2",
            channel=channel,
            sources=await store.syncs.sources(channel.id),
            schedule=await store.schedules.find(channel.id),
            every=write_interval,
            analysis=analysis,
            charts=charts,
            advice=[] if analysis is None else await store.analyses.recommendations(analysis.id),
            has_report=await store.renderings.report_path(channel.id) is not None,
            counts=(await store.channels.counts([channel.id])).get(channel.id),
            queues=dashboard.queues,
        )

    async def sync(request: Request) -> Response:
        channel = await _channel(store, request)
        created = await _enqueue_sync(dashboard, channel.id)
        outcome = "enqueued" if created else "was waiting already"
        await dashboard.operator(request).record("sync", channel.id, outcome=outcome)
        return dashboard.back(request, f"/channels/one?{request.query_params}", f"Sync {outcome}.")

    return [
        Route("/channels", all_channels),
        Route("/channels/one", one_channel),
        Route("/channels/sync", sync, methods=["POST"]),
    ]


def _file_routes(services: Services) -> list[BaseRoute]:
    store = services.store

    async def report(request: Request) -> Response:
        channel = await _channel(store, request)
        path = await store.renderings.report_path(channel.id)
        content = None if path is None else await asyncio.to_thread(_read, Path(path))
        if content is None:
            raise HTTPException(404, "there is no report of this channel yet; sync it first")
        return Response(
            content, media_type="text/html", headers={"Content-Security-Policy": _REPORT_POLICY}
        )

    async def chart(request: Request) -> Response:
        channel = await _channel(store, request)
        analysis = await store.analyses.latest(channel.id)
        charts = [] if analysis is None else await store.analyses.charts(analysis.id)
        return await _picture(services.run, charts, request.query_params.get("key", ""))

    return [Route("/channels/report", report), Route("/channels/chart", chart)]


async def _channel(store: ChannelStore, request: Request) -> ChannelRecord:
    found = await store.channels.find(request.query_params.get("id", ""))
    if found is None:
        raise HTTPException(404, "there is no such channel")
    return found


async def _enqueue_sync(dashboard: Dashboard, channel_id: str) -> bool:
    enqueuer = Enqueuer(dashboard.redis)
    try:
        request = sync_channel.options(job_id=f"sync:{channel_id}")
        return await enqueuer.put(request.request((), {"channel_id": channel_id}))
    finally:
        await enqueuer.close()


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
