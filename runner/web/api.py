"""
The JSON API: what the pages show and do, for programs.

One table of endpoints makes both the routes and the OpenAPI document. Errors are
`{"error": "…"}`; the answer to an action says whether it changed anything.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from runner.errors import ConfigurationError
from runner.lanes import MOST
from runner.operations import audit, batches, lanes, metrics, schedules
from runner.operations.actions import Request, known_queue
from runner.operations.bulk import (
    PATIENCE_S,
    Bulk,
    BulkProgress,
    Selection,
    bulk_progress,
    count,
    refuse_idle,
)
from runner.operations.job import JobView, find_queue, job
from runner.operations.jobs import PAGE, Page, list_jobs
from runner.operations.paging import Sort
from runner.operations.processes import Process, processes
from runner.operations.queues import Depth, Queue, depth, queue, queues
from runner.operations.redis_info import Store, store
from runner.operations.snapshot import pace
from runner.operations.usual import Pace
from runner.operations.verbs import BATCH_VERBS, JOB_NAME_VERBS, Action
from runner.operations.why import Why, why
from runner.states import LISTED, Found
from runner.web import api_runs
from runner.web.endpoint import Done, Endpoint
from runner.web.openapi import openapi
from runner.web.reading import (
    ENTRY,
    body_of,
    filter_of,
    sort_of,
    state_of,
    time_of,
    whole_number,
)

if TYPE_CHECKING:
    from starlette.requests import Request as WebRequest
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard

_MOST_ROWS = 500
_MOST_SKIPPED = 1_000_000

_QueueName = Annotated[str, Field(description="Name of the queue.", min_length=1)]
_JobId = Annotated[str, Field(description="Id of the job.", min_length=1)]
_JobName = Annotated[str, Field(description="Name of the job.", min_length=1)]
_BatchId = Annotated[str, Field(description="Id of the batch.", min_length=1)]
_ScheduleName = Annotated[str, Field(description="Name of the schedule.", min_length=1)]
_Hours = Annotated[int, Field(description="Hours to look back.", ge=1, le=metrics.LONGEST_HOURS)]
_SELECTION: dict[str, Any] = {
    "state": Annotated[
        str,
        Field(
            description="State of the jobs; `ready` if not given.",
            json_schema_extra={"enum": [str(state) for state in LISTED]},
        ),
    ],
    "job": Annotated[str, Field(description="Name of the jobs.")],
    "id": Annotated[str, Field(description="Part of the id.")],
    "text": Annotated[str, Field(description="Part of the arguments as they are shown.")],
    "error": Annotated[str, Field(description="Part of the last error or its message.")],
}
"""Parameters that `state_of` and `filter_of` read."""


class ActionBody(BaseModel):
    """An action, and what it needs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    action: Action = Field(description="The action.")
    at: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = Field(
        None,
        description="For `reschedule`: when the job is to be due; in UTC if it names no zone.",
    )
    to: str | None = Field(None, description="For `move`: the queue to move the job to.")


class LimitBody(BaseModel):
    """Another limit of a lane."""

    model_config = ConfigDict(extra="forbid", strict=True)

    limit: int | None = Field(
        description="How many of its jobs run at a time, 0 to pause it; null: as its jobs say.",
        ge=0,
        le=MOST,
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """
    The outcome of another limit.

    Attributes:
        moved: How many jobs came into the queue, or left it.
    """

    moved: int


@dataclass(frozen=True, slots=True)
class ActionDone:
    """
    The outcome of an action on a job.

    Attributes:
        found: Where the action found the job.
        done: Whether the action changed anything.
        job_id: Id of the job after it: a dead job that goes on may have the id back that its
            caller chose.
    """

    found: Found
    done: bool
    job_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What an action did.

    Attributes:
        outcome: Said in words.
    """

    outcome: str


@dataclass(frozen=True, slots=True)
class Enqueued:
    """
    The job that a schedule enqueued.

    Attributes:
        job_id: Id of the job.
    """

    job_id: str


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of the API and of its document."""
    endpoints = [
        *_queues(dashboard),
        *_jobs(dashboard),
        *_bulk(dashboard),
        *_processes(dashboard),
        *_batches(dashboard),
        *_lanes(dashboard),
        *api_runs.endpoints(dashboard),
        *_schedules(dashboard),
        *_metrics(dashboard),
        *_records(dashboard),
        *dashboard.extension.endpoints,
    ]

    @functools.cache
    def document() -> dict[str, Any]:
        return openapi(endpoints, dashboard.version)

    async def describe(_: WebRequest) -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(document))

    return [Route("/api/openapi.json", describe), *[one.route() for one in endpoints]]


def _queues(dashboard: Dashboard) -> list[Endpoint]:
    redis, names = dashboard.redis, dashboard.queues

    async def all_queues(_: WebRequest) -> list[Queue]:
        return await queues(redis, names)

    async def one_queue(request: WebRequest) -> Queue:
        return await queue(redis, _queue(dashboard, request))

    async def depths(request: WebRequest) -> list[Depth]:
        return await depth(redis, _queue(dashboard, request))

    async def pause(request: WebRequest) -> Done:
        await dashboard.operator(request).pause(_queue(dashboard, request))
        return Done(done=True)

    async def resume(request: WebRequest) -> Done:
        await dashboard.operator(request).resume(_queue(dashboard, request))
        return Done(done=True)

    async def on_name(request: WebRequest) -> Done:
        queue, job = _queue(dashboard, request), request.path_params["job"]
        verb = JOB_NAME_VERBS[request.url.path.rpartition("/")[2]]
        await dashboard.operator(request).act_on_job_name(verb, queue, job)
        return Done(done=True)

    path, name = "/api/queues/{queue}", {"queue": _QueueName}
    of_name = {
        "queue": _QueueName,
        "job": Annotated[str, Field(description="Name of the jobs.", min_length=1)],
    }
    return [
        Endpoint("GET", "/api/queues", "List all queues", list[Queue], all_queues),
        Endpoint("GET", path, "Show a queue", Queue, one_queue, name),
        Endpoint(
            "GET", f"{path}/depth", "Show a queue's gauges over time", list[Depth], depths, name
        ),
        Endpoint("POST", f"{path}/pause", "Claim no more jobs of a queue", Done, pause, name),
        Endpoint("POST", f"{path}/resume", "Claim a queue's jobs again", Done, resume, name),
        Endpoint(
            "POST",
            f"{path}/names/{{job:path}}/pause",
            "Start no more jobs of a name",
            Done,
            on_name,
            of_name,
        ),
        Endpoint(
            "POST",
            f"{path}/names/{{job:path}}/resume",
            "Start jobs of a name again",
            Done,
            on_name,
            of_name,
        ),
    ]


def _jobs(dashboard: Dashboard) -> list[Endpoint]:
    redis, catalog, names = dashboard.redis, dashboard.catalog, dashboard.queues

    async def page(request: WebRequest) -> dict[str, Any]:
        found = await list_jobs(
            redis,
            _queue(dashboard, request),
            state_of(request.query_params),
            catalog,
            where=filter_of(request.query_params),
            after=request.query_params.get("after") or None,
            limit=whole_number(request, "limit", PAGE, _MOST_ROWS),
            sort=sort_of(request.query_params),
        )
        shown = asdict(found)
        for row in shown["rows"]:
            del row["key"], row["place"]  # bytes that may be no text
        return shown

    async def one_job(request: WebRequest) -> JobView | None:
        job_id = request.path_params["job_id"]
        found = await find_queue(redis, names, job_id)
        return None if found is None else await job(redis, found, job_id, catalog)

    async def reason(request: WebRequest) -> Why:
        return await why(redis, names, request.path_params["job_id"], catalog)

    async def act(request: WebRequest) -> ActionDone:
        asked = await _action(dashboard, request)
        name, job_id = _queue(dashboard, request), request.path_params["job_id"]
        operator = dashboard.operator(request)
        found = await operator.act(asked, name, job_id)
        now_as = await operator.id_after(asked, found, name, job_id)
        return ActionDone(found, done=found in asked.verb.reaches, job_id=now_as)

    listing = {
        "queue": _QueueName,
        "after": Annotated[str, Field(description="`after` of the page before.")],
        "limit": Annotated[int, Field(description="Jobs on a page.", ge=1, le=_MOST_ROWS)],
        "sort": Annotated[
            str,
            Field(
                description="Which jobs come first, by their time; otherwise those due first, and "
                "those that died or ended last.",
                json_schema_extra={"enum": [str(sort) for sort in Sort]},
            ),
        ],
        **_SELECTION,
    }
    job_id = {"job_id": _JobId}
    return [
        Endpoint("GET", "/api/queues/{queue}/jobs", "List a queue's jobs", Page, page, listing),
        Endpoint("GET", "/api/jobs/{job_id:path}", "Show a job", JobView, one_job, job_id),
        Endpoint(
            "GET", "/api/why/{job_id:path}", "Show why a job is not running", Why, reason, job_id
        ),
        Endpoint(
            "POST",
            "/api/queues/{queue}/jobs/{job_id:path}",
            "Act on a job",
            ActionDone,
            act,
            {"queue": _QueueName, **job_id},
            ActionBody,
        ),
    ]


def _bulk(dashboard: Dashboard) -> list[Endpoint]:
    redis, catalog = dashboard.redis, dashboard.catalog

    async def start(request: WebRequest) -> BulkProgress | None:
        asked = await _action(dashboard, request)
        selection = Selection(
            _queue(dashboard, request),
            state_of(request.query_params),
            filter_of(request.query_params),
        )
        refuse_idle(asked, [selection.state])
        bulk = Bulk(redis, dashboard.operator(request), asked, selection)
        await bulk.check(catalog, for_s=PATIENCE_S)
        counted = await count(redis, selection, catalog, for_s=PATIENCE_S)
        await bulk.announce(counted.jobs)
        dashboard.start(bulk.run(catalog, total=counted.jobs))
        return await bulk_progress(redis, bulk.id)

    async def progress(request: WebRequest) -> BulkProgress | None:
        return await bulk_progress(redis, request.path_params["bulk_id"])

    return [
        Endpoint(
            "POST",
            "/api/queues/{queue}/jobs",
            "Act on all jobs that match",
            BulkProgress,
            start,
            {"queue": _QueueName, **_SELECTION},
            ActionBody,
        ),
        Endpoint(
            "GET",
            "/api/bulk/{bulk_id}",
            "Show how far an action on many jobs has come",
            BulkProgress,
            progress,
            {"bulk_id": Annotated[str, Field(description="Id of the bulk action.", min_length=1)]},
        ),
    ]


def _processes(dashboard: Dashboard) -> list[Endpoint]:
    async def all_processes(_: WebRequest) -> list[Process]:
        return await processes(dashboard.redis, dashboard.queues)

    async def order(request: WebRequest) -> Done | None:
        for process in await all_processes(request):
            if process.name == request.path_params["name"]:
                await dashboard.operator(request).order(process, request.path_params["order"])
                return Done(done=True)
        return None

    return [
        Endpoint("GET", "/api/processes", "List all processes", list[Process], all_processes),
        Endpoint(
            "POST",
            "/api/processes/{name}/{order}",
            "Order a process",
            Done,
            order,
            {
                "name": Annotated[str, Field(description="The process: `host:pid`.", min_length=1)],
                "order": Annotated[
                    str, Field(description="`quiet`, `resume` or `stop`.", min_length=1)
                ],
            },
        ),
    ]


def _batches(dashboard: Dashboard) -> list[Endpoint]:
    redis = dashboard.redis

    async def some_batches(request: WebRequest) -> batches.BatchPage:
        skip = whole_number(request, "skip", 0, _MOST_SKIPPED)
        return await batches.batches(redis, skip=skip)

    async def one_batch(request: WebRequest) -> batches.BatchDetail:
        return await _batch(request)

    async def act(request: WebRequest) -> Outcome:
        detail, verb = await _batch(request), BATCH_VERBS.get(request.path_params["verb"])
        if verb is None:
            raise HTTPException(404, f"an action is one of {', '.join(BATCH_VERBS)}")
        operator = dashboard.operator(request)
        return Outcome(await batches.act(redis, operator, verb, detail.batch.batch_id))

    async def _batch(request: WebRequest) -> batches.BatchDetail:
        try:
            return await batches.batch(redis, request.path_params["batch_id"])
        except ConfigurationError as error:
            raise HTTPException(404, str(error)) from None

    batch_id = {"batch_id": _BatchId}
    verb = Annotated[str, Field(description="`cancel` or `retry-dead`.", min_length=1)]
    return [
        Endpoint(
            "GET",
            "/api/batches",
            "List batches, the latest first",
            batches.BatchPage,
            some_batches,
            {
                "skip": Annotated[
                    int, Field(description="How many to skip.", ge=0, le=_MOST_SKIPPED)
                ]
            },
        ),
        Endpoint(
            "GET",
            "/api/batches/{batch_id}",
            "Show a batch and some of its jobs",
            batches.BatchDetail,
            one_batch,
            batch_id,
        ),
        Endpoint(
            "POST",
            "/api/batches/{batch_id}/{verb}",
            "Cancel a batch, or retry its dead jobs",
            Outcome,
            act,
            {**batch_id, "verb": verb},
        ),
    ]


def _lanes(dashboard: Dashboard) -> list[Endpoint]:
    redis = dashboard.redis

    async def all_lanes(request: WebRequest) -> lanes.LanePage:
        part = request.query_params.get("name", "")
        limit = whole_number(request, "limit", PAGE, _MOST_ROWS)
        return await lanes.lanes(redis, dashboard.queues, limit=limit, part=part)

    async def limit(request: WebRequest) -> Moved:
        body = await body_of(request, LimitBody)
        name, operator = _queue(dashboard, request), dashboard.operator(request)
        lane = request.path_params["lane"]
        return Moved(await lanes.set_limit(redis, operator, name, lane, body.limit))

    return [
        Endpoint(
            "GET",
            "/api/lanes",
            "List lanes, those with the most jobs that wait first",
            lanes.LanePage,
            all_lanes,
            {
                "name": Annotated[str, Field(description="Part of the name.")],
                "limit": Annotated[int, Field(description="How many.", ge=1, le=_MOST_ROWS)],
            },
        ),
        Endpoint(
            "POST",
            "/api/queues/{queue}/lanes/{lane:path}",
            "Give a lane another limit",
            Moved,
            limit,
            {
                "queue": _QueueName,
                "lane": Annotated[str, Field(description="Name of the lane.", min_length=1)],
            },
            LimitBody,
        ),
    ]


def _schedules(dashboard: Dashboard) -> list[Endpoint]:
    redis, schedule = dashboard.redis, dashboard.schedule

    async def all_schedules(_: WebRequest) -> list[schedules.Schedule]:
        return await schedules.schedules(redis, schedule, dashboard.catalog)

    async def run(request: WebRequest) -> Enqueued:
        name, operator = _schedule(dashboard, request), dashboard.operator(request)
        return Enqueued(await schedules.run_now(redis, operator, schedule, name))

    async def pause(request: WebRequest) -> Done:
        name, operator = _schedule(dashboard, request), dashboard.operator(request)
        await schedules.pause(redis, operator, schedule, name)
        return Done(done=True)

    async def resume(request: WebRequest) -> Done:
        name, operator = _schedule(dashboard, request), dashboard.operator(request)
        await schedules.resume(redis, operator, schedule, name)
        return Done(done=True)

    path, name = "/api/schedules", {"name": _ScheduleName}
    return [
        Endpoint("GET", path, "List all schedules", list[schedules.Schedule], all_schedules),
        Endpoint("POST", path + "/{name}/run", "Enqueue its job now", Enqueued, run, name),
        Endpoint("POST", path + "/{name}/pause", "Pause a schedule", Done, pause, name),
        Endpoint("POST", path + "/{name}/resume", "Resume a schedule", Done, resume, name),
    ]


def _metrics(dashboard: Dashboard) -> list[Endpoint]:
    redis = dashboard.redis

    async def all_jobs(request: WebRequest) -> list[metrics.JobMetrics]:
        hours = whole_number(request, "hours", 1, metrics.LONGEST_HOURS)
        return await metrics.all_jobs(redis, hours=hours)

    async def one_job(request: WebRequest) -> metrics.JobMetrics:
        name = request.path_params["name"]
        hours = whole_number(request, "hours", metrics.MINUTES_HOURS, metrics.LONGEST_HOURS)
        return await metrics.one_job(redis, _queue(dashboard, request), name, hours=hours)

    async def now(_: WebRequest) -> Pace:
        return await pace(redis, dashboard.usual)

    return [
        Endpoint(
            "GET",
            "/api/pace",
            "Show the last full minutes of all jobs, and what is usual at this time of day",
            Pace,
            now,
        ),
        Endpoint(
            "GET",
            "/api/metrics",
            "Show throughput, failures and durations of all jobs",
            list[metrics.JobMetrics],
            all_jobs,
            {"hours": _Hours},
        ),
        Endpoint(
            "GET",
            "/api/metrics/{queue}/{name:path}",
            "Show throughput, failures and durations of a job",
            metrics.JobMetrics,
            one_job,
            {"queue": _QueueName, "name": _JobName, "hours": _Hours},
        ),
    ]


def _records(dashboard: Dashboard) -> list[Endpoint]:
    redis = dashboard.redis

    async def server(_: WebRequest) -> Store:
        return await store(redis)

    async def log(request: WebRequest) -> audit.AuditPage:
        before = request.query_params.get("before", "")
        if before and not ENTRY.fullmatch(before):
            raise HTTPException(400, "before must be the id of an entry")
        return await audit.entries(redis, before=before or None)

    return [
        Endpoint("GET", "/api/redis", "Show memory and durability of Redis", Store, server),
        Endpoint(
            "GET",
            "/api/audit",
            "List what operators did",
            audit.AuditPage,
            log,
            {"before": Annotated[str, Field(description="`before` of the page before.")]},
        ),
    ]


def _queue(dashboard: Dashboard, request: WebRequest) -> str:
    try:
        return known_queue(dashboard.queues, request.path_params["queue"])
    except ConfigurationError as error:
        raise HTTPException(404, str(error)) from None


def _schedule(dashboard: Dashboard, request: WebRequest) -> str:
    name: str = request.path_params["name"]
    if name not in {periodic.name for periodic in dashboard.schedule}:
        raise HTTPException(404, f"there is no schedule {name[:100]!r}")
    return name


async def _action(dashboard: Dashboard, request: WebRequest) -> Request:
    body = await body_of(request, ActionBody)
    at = None if body.at is None else time_of(body.at)
    return Request(body.action, at=at, to=body.to and known_queue(dashboard.queues, body.to))
