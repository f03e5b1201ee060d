"""From a channel to the runs of its jobs: the page of a run is the runner's own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Route

from jobs.analyze_channel import analyze_channel
from runner import JobState
from runner.broker.reading import NEVER
from runner.operations.jobs import list_jobs
from runner.operations.search import Filter

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from jobs.store import ChannelStore
    from runner.web.dashboard import Dashboard

_AROUND: Final = timedelta(minutes=15)
"""The job that stored an analysis ended within so much time: it notifies people before its end."""

_MOST: Final = 20
_SEARCHED_FOR_S: Final = 0.2


def run_routes(dashboard: Dashboard, store: ChannelStore) -> list[BaseRoute]:
    """Return the route that leads from an analysis to the run that made it."""

    async def run(request: Request) -> Response:
        channel = await store.channels.find(request.query_params.get("id", ""))
        if channel is None:
            raise HTTPException(404, "there is no such channel")
        wanted = request.query_params.get("analysis", "")
        made = [one for one in await store.analyses.runs(channel.id) if one.id == wanted]
        job_id = await _analysed_by(dashboard, channel.id, made[0].analysed_at) if made else None
        if job_id is None:
            page = f"/channels/one?id={quote(channel.id, safe='')}"
            return dashboard.back(request, page, "The jobs of that run are no longer listed.")
        chosen = urlencode({"job": f"{analyze_channel.queue}|{job_id}"})
        return RedirectResponse(f"/runs/{quote(job_id, safe='')}?{chosen}", status_code=303)

    return [Route("/channels/run", run)]


async def _analysed_by(dashboard: Dashboard, channel_id: str, at: datetime) -> str | None:
    """Return the id of the job that stored an analysis at that time; None if nobody knows."""
    where = Filter(
        name=analyze_channel.name,
        arguments=(("channel_id", channel_id),),
        since=at - _AROUND,
        until=at + _AROUND,
    )
    page = await list_jobs(
        dashboard.redis,
        analyze_channel.queue,
        JobState.DONE,
        dashboard.catalog,
        where=where,
        limit=_MOST,
        for_s=_SEARCHED_FOR_S,
    )
    nearest = min(page.rows, key=lambda row: abs((row.at or NEVER) - at), default=None)
    return None if nearest is None else nearest.job_id
