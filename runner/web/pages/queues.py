"""Queues, and one queue."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse
from starlette.routing import Route

from runner.broker.redis_clock import redis_now
from runner.operations.actions import known_queue
from runner.operations.listing import ORDER
from runner.operations.metrics import all_jobs, deploys, together
from runner.operations.processes import workers_of
from runner.operations.queues import depth, queue
from runner.operations.snapshot import look_at_queues
from runner.operations.verbs import ACTIVE, JOB_NAME_VERBS, PAUSED, offered
from runner.web.reading import state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.processes import WorkerView
    from runner.operations.queues import PausedJob, Queue
    from runner.operations.verbs import Verb
    from runner.web.dashboard import Dashboard

_MOST_NAMES = 300


@dataclass(frozen=True, slots=True)
class _Name:
    """A name of jobs; paused: by whom, if it is."""

    name: str
    paused: PausedJob | None

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to its jobs now."""
        return offered(JOB_NAME_VERBS, PAUSED if self.paused else ACTIVE)


def _names(counted: Queue, workers: Sequence[WorkerView]) -> list[_Name]:
    """Return the names that workers of a queue know, and those that are paused."""
    paused = {one.name: one for one in counted.paused_jobs}
    known = paused.keys() | {name for worker in workers for name in worker.jobs}
    return [_Name(name, paused.get(name)) for name in sorted(known)[:_MOST_NAMES]]


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def all_queues(request: Request) -> Response:
        seen = await look_at_queues(dashboard.redis, dashboard.queues)
        return dashboard.render(request, "queues.html.j2", seen=seen, with_buttons=True)

    async def one_queue(request: Request) -> Response:
        name = known_queue(dashboard.queues, request.path_params["queue"])
        if request.query_params:  # its jobs were here, and are in the one list now
            state_of(request.query_params)
            asked = {**request.query_params, "queue": name}
            return RedirectResponse(f"/jobs?{urlencode(asked)}", status_code=303)
        redis = dashboard.redis
        counted, series, jobs, marks, workers, now = await asyncio.gather(
            queue(redis, name),
            depth(redis, name),
            all_jobs(redis),
            deploys(redis),
            workers_of(redis, name),
            redis_now(redis),
        )
        mine = [one for one in jobs if one.queue == name]
        return dashboard.render(
            request,
            "queue.html.j2",
            queue=counted,
            series=series,
            cells=together(mine),
            jobs=mine,
            deploys=marks,
            workers=workers,
            names=_names(counted, workers),
            polls=[one.at for one in series if one.at],
            states=ORDER,
            now=now,
        )

    return [
        Route("/queues", all_queues),
        Route("/queues/{queue:path}", one_queue, methods=["GET"]),
    ]
