"""
The JSON API: what the pages show and do, for programs.

One table of endpoints makes both the routes and the OpenAPI document, so neither can say what the
other does not. Errors are `{"error": …}`; what changes something answers how it found things.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from runner.errors import ConfigurationError
from runner.handle import JobState
from runner.operations import audit, metrics, schedules
from runner.operations.actions import Action, Request, known_queue
from runner.operations.bulk import PATIENCE_S, Bulk, Selection, bulk_progress, count
from runner.operations.job import find_queue, job
from runner.operations.jobs import LISTED, PAGE, list_jobs
from runner.operations.processes import processes
from runner.operations.queues import depth, queue, queues
from runner.operations.redis_info import store
from runner.operations.why import why
from runner.web.pages.queues import filter_of, state_of
from runner.web.pages.records import ENTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from collections.abc import Set as AbstractSet

    from starlette.requests import Request as WebRequest
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard

_MOST_ROWS = 500
_TEXT = {"type": "string"}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer"}
_FLAG = {"type": "boolean"}
_ANY: dict[str, Any] = {}


def shape(**properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object: all properties named are there; others may come."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_QUEUE = shape(
    name=_TEXT,
    ready=_COUNT,
    running=_COUNT,
    scheduled=_COUNT,
    retrying=_COUNT,
    dead=_COUNT,
    unknown=_COUNT,
    oldest_wait_s=_NUMBER,
    paused={"type": ["object", "null"]},
    workers=_COUNT,
)
_STATE = {"type": "string", "enum": [str(state) for state in JobState]}
_ROW = shape(
    job_id=_TEXT,
    queue=_TEXT,
    state=_STATE,
    name={"type": ["string", "null"]},
    arguments={"type": "object"},
    enqueued_at=_TIME,
    at=_TIME,
    attempts=_COUNT,
    error=_TEXT,
    message=_TEXT,
)
_PAGE = shape(rows=_list(_ROW), total=_COUNT, searched=_COUNT, after={"type": ["string", "null"]})
_JOB = shape(
    job_id=_TEXT,
    queue=_TEXT,
    state=_STATE,
    name={"type": ["string", "null"]},
    arguments={"type": "object"},
    attempts=_list(shape(number={"type": ["integer", "null"]}, error=_TEXT, worker=_TEXT)),
    holder={"type": ["string", "null"]},
    lease_until=_TIME,
    result=_ANY,
)
_CELL = shape(at=_TIME, done=_COUNT, failed=_COUNT, ran_ms=_COUNT, wait_ms=_COUNT)
_METRICS = shape(queue=_TEXT, name=_TEXT, step_s=_COUNT, total=_CELL, cells=_list(_CELL))
_DONE = shape(done=_FLAG)
_BULK = shape(bulk_id=_TEXT, action=_TEXT, total=_COUNT, acted=_COUNT, passed=_COUNT, is_over=_FLAG)
_ASKED = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": [str(action) for action in Action]},
        "at": {"type": "string", "format": "date-time", "description": "for reschedule"},
        "to": {"type": "string", "description": "the queue, for move"},
    },
    "required": ["action"],
    "additionalProperties": False,
}
_LISTED = {"type": "string", "enum": [str(state) for state in LISTED]}
_HOURS = {"type": "integer", "minimum": 1, "maximum": metrics.LONGEST_HOURS}
_FILTER = {"job": _TEXT, "id": _TEXT, "text": _TEXT, "error": _TEXT}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that a program may ask for. query: parameters by name with their schemas."""

    method: str
    path: str
    summary: str
    answer: dict[str, Any]
    handler: Callable[[WebRequest], Awaitable[Any]]
    query: dict[str, dict[str, Any]] = field(default_factory=dict)
    body: dict[str, Any] | None = None

    @property
    def parameters(self) -> list[str]:
        """Names in the path."""
        return [part[1:-1].partition(":")[0] for part in self.path.split("/") if part[:1] == "{"]

    @property
    def shown_path(self) -> str:
        """As OpenAPI has it."""
        return self.path.replace(":path}", "}")


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of the API, its own description among them."""
    endpoints = [
        *_to_look(dashboard),
        *_to_change(dashboard),
        *_on_schedules(dashboard),
        *dashboard.extension.endpoints,
    ]
    document = openapi(endpoints, dashboard.version)

    async def describe(_: WebRequest) -> JSONResponse:
        return JSONResponse(document)

    return [
        Route("/api/openapi.json", describe),
        *[Route(one.path, _answering(one), methods=[one.method]) for one in endpoints],
    ]


def openapi(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The OpenAPI document of *endpoints*."""
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(one.shown_path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pipeline", "version": version or "0"},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}, {}],
    }


def _operation(one: Endpoint) -> dict[str, Any]:
    error = {"application/json": {"schema": shape(error=_TEXT)}}
    operation: dict[str, Any] = {
        "summary": one.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}
            for name in one.parameters
        ]
        + [{"name": name, "in": "query", "schema": schema} for name, schema in one.query.items()],
        "responses": {
            "200": {
                "description": "It is so.",
                "content": {"application/json": {"schema": one.answer}},
            },
            **{
                status: {"description": reason, "content": error}
                for status, reason in _ERRORS.items()
            },
        },
    }
    if one.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": one.body}},
        }
    return operation


_ERRORS = {
    "400": "What was asked makes no sense.",
    "401": "Who asks?",
    "403": "They may not.",
    "404": "There is no such thing.",
    "503": "Redis does not answer.",
}


def _answering(one: Endpoint) -> Callable[[WebRequest], Awaitable[JSONResponse]]:
    async def answer(request: WebRequest) -> JSONResponse:
        found = await one.handler(request)
        if found is None:
            raise HTTPException(404, "there is no such thing, or it is gone")
        return JSONResponse(to_jsonable_python(found, fallback=str))

    return answer


def _post(path: str, summary: str, answer: dict[str, Any], handler: Any, **more: Any) -> Endpoint:
    return Endpoint("POST", path, summary, answer, handler, **more)


def _to_look(dashboard: Dashboard) -> list[Endpoint]:
    redis, catalog, names = dashboard.redis, dashboard.catalog, dashboard.queues

    async def list_of(request: WebRequest) -> Any:
        page = await list_jobs(
            redis,
            _queue(dashboard, request),
            state_of(request.query_params),
            catalog,
            where=filter_of(request.query_params),
            after=request.query_params.get("after") or None,
            limit=whole_number(request, "limit", PAGE, _MOST_ROWS),
        )
        shown = asdict(page)
        for row in shown["rows"]:
            del row["key"]  # bytes of any kind
        return shown

    async def one_job(request: WebRequest) -> Any:
        job_id = request.path_params["job_id"]
        found = await find_queue(redis, names, job_id)
        return None if found is None else await job(redis, found, job_id, catalog)

    async def one_metric(request: WebRequest) -> Any:
        name = request.path_params["name"]
        hours = whole_number(request, "hours", metrics.MINUTES_HOURS, metrics.LONGEST_HOURS)
        return await metrics.one_job(redis, _queue(dashboard, request), name, hours=hours)

    async def log(request: WebRequest) -> Any:
        before = request.query_params.get("before", "")
        if before and not ENTRY.fullmatch(before):
            raise HTTPException(400, "before is none of an entry")
        entries, more = await audit.entries(redis, before=before or None)
        return {"entries": entries, "before": more}

    def get(
        path: str, summary: str, answer: dict[str, Any], handler: Any, **query: Any
    ) -> Endpoint:
        return Endpoint("GET", path, summary, answer, handler, query)

    return [
        get("/api/queues", "All queues", _list(_QUEUE), lambda _: queues(redis, names)),
        get(
            "/api/queues/{queue}",
            "One queue",
            _QUEUE,
            lambda request: queue(redis, _queue(dashboard, request)),
        ),
        get(
            "/api/queues/{queue}/depth",
            "Its gauges over the last hours",
            _list(shape(at=_TIME, ready=_COUNT, dead=_COUNT)),
            lambda request: depth(redis, _queue(dashboard, request)),
        ),
        get(
            "/api/queues/{queue}/jobs",
            "Its jobs in one state, page by page",
            _PAGE,
            list_of,
            state=_LISTED,
            after=_TEXT,
            limit={"type": "integer", "minimum": 1, "maximum": _MOST_ROWS},
            **_FILTER,
        ),
        get("/api/jobs/{job_id:path}", "One job in full", _JOB, one_job),
        get(
            "/api/why/{job_id:path}",
            "Why a job is not running yet",
            shape(cause=_TEXT, sentence=_TEXT, remedy=_TEXT),
            lambda request: why(redis, names, request.path_params["job_id"], catalog),
        ),
        get(
            "/api/processes",
            "Who works, on what",
            _list(shape(host=_TEXT, pid=_COUNT, rss=_COUNT, workers=_list(shape()))),
            lambda _: processes(redis, names),
        ),
        get(
            "/api/schedules",
            "Periodic jobs",
            _list(shape(name=_TEXT, crontab=_TEXT, words=_TEXT, next_at=_TIME)),
            lambda _: schedules.schedules(redis, dashboard.schedule, catalog),
        ),
        get(
            "/api/metrics",
            "Each job's throughput, failures and durations",
            _list(_METRICS),
            lambda request: metrics.all_jobs(
                redis, hours=whole_number(request, "hours", 1, metrics.LONGEST_HOURS)
            ),
            hours=_HOURS,
        ),
        get(
            "/api/metrics/{queue}/{name:path}",
            "One job's likewise",
            _METRICS,
            one_metric,
            hours=_HOURS,
        ),
        get(
            "/api/redis",
            "Memory and durability of Redis",
            shape(version=_TEXT, memory=_COUNT, risks=_list(_TEXT)),
            lambda _: store(redis),
        ),
        get(
            "/api/audit",
            "Who did what when, the latest first",
            shape(entries=_list(shape(who=_TEXT, action=_TEXT, target=_TEXT))),
            log,
            before=_TEXT,
        ),
        get(
            "/api/bulk/{bulk_id}",
            "How far an action on many jobs has come",
            _BULK,
            lambda request: bulk_progress(redis, request.path_params["bulk_id"]),
        ),
    ]


def _to_change(dashboard: Dashboard) -> list[Endpoint]:
    redis, catalog = dashboard.redis, dashboard.catalog

    async def act(request: WebRequest) -> Any:
        asked = await _asked(dashboard, request)
        name, job_id = _queue(dashboard, request), request.path_params["job_id"]
        found = await dashboard.operator(request).act(asked, name, job_id)
        return {"found": found, "done": found in asked.action.reaches}

    async def act_on_all(request: WebRequest) -> Any:
        asked = await _asked(dashboard, request)
        selection = Selection(
            _queue(dashboard, request),
            state_of(request.query_params),
            filter_of(request.query_params),
        )
        bulk = Bulk(redis, dashboard.operator(request), asked, selection)
        counted = await count(redis, selection, catalog, for_s=PATIENCE_S)
        await bulk.announce(counted.jobs)
        dashboard.start(bulk.run(catalog, total=counted.jobs))
        return await bulk_progress(redis, bulk.id)

    async def pause(request: WebRequest) -> Any:
        await dashboard.operator(request).pause(_queue(dashboard, request))
        return {"done": True}

    async def resume(request: WebRequest) -> Any:
        await dashboard.operator(request).resume(_queue(dashboard, request))
        return {"done": True}

    async def order(request: WebRequest) -> Any:
        for process in await processes(redis, dashboard.queues):
            if process.name == request.path_params["name"]:
                await dashboard.operator(request).order(process, request.path_params["order"])
                return {"done": True}
        return None

    return [
        _post("/api/queues/{queue}/pause", "Claim none of its jobs", _DONE, pause),
        _post("/api/queues/{queue}/resume", "Claim its jobs again", _DONE, resume),
        _post(
            "/api/queues/{queue}/jobs",
            "Do something to all of its jobs that match",
            _BULK,
            act_on_all,
            query={"state": _LISTED, **_FILTER},
            body=_ASKED,
        ),
        _post(
            "/api/queues/{queue}/jobs/{job_id:path}",
            "Do something to one job",
            shape(found=_TEXT, done=_FLAG),
            act,
            body=_ASKED,
        ),
        _post("/api/processes/{name}/{order}", "Ask it to be quiet, resume or stop", _DONE, order),
    ]


def _on_schedules(dashboard: Dashboard) -> list[Endpoint]:
    redis = dashboard.redis

    async def run_schedule(request: WebRequest) -> Any:
        name, operator = _schedule(dashboard, request), dashboard.operator(request)
        return {"job_id": await schedules.run_now(redis, operator, dashboard.schedule, name)}

    async def pause_schedule(request: WebRequest) -> Any:
        name, operator = _schedule(dashboard, request), dashboard.operator(request)
        await schedules.pause(redis, operator, dashboard.schedule, name)
        return {"done": True}

    async def resume_schedule(request: WebRequest) -> Any:
        name, operator = _schedule(dashboard, request), dashboard.operator(request)
        await schedules.resume(redis, operator, dashboard.schedule, name)
        return {"done": True}

    return [
        _post(
            "/api/schedules/{name}/run", "Enqueue its job now", shape(job_id=_TEXT), run_schedule
        ),
        _post("/api/schedules/{name}/pause", "Let its ticks pass", _DONE, pause_schedule),
        _post("/api/schedules/{name}/resume", "Let its ticks count again", _DONE, resume_schedule),
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


def whole_number(request: WebRequest, name: str, default: int, most: int) -> int:
    """
    A number of the query, from 1 to *most*; *default* where it is not given.

    Raises:
        HTTPException: It is none.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= most):
        raise HTTPException(400, f"{name} is a whole number from 1 to {most}")
    return int(text)


async def json_object(request: WebRequest, names: AbstractSet[str]) -> dict[str, Any]:
    """
    The body, an object of *names*, not all of which need be there.

    Raises:
        HTTPException: It is something else.
    """
    try:
        fields = from_json(await request.body())
    except ValueError:
        raise HTTPException(400, "the body is no JSON") from None
    if not isinstance(fields, dict) or not fields.keys() <= names:
        raise HTTPException(400, f"the body is an object of {', '.join(sorted(names))}")
    return fields


async def _asked(dashboard: Dashboard, request: WebRequest) -> Request:
    fields = await json_object(request, {"action", "at", "to"})
    action, at, to = fields.get("action"), fields.get("at"), fields.get("to")
    if action not in {str(one) for one in Action}:
        raise HTTPException(400, f"action is one of {', '.join(Action)}")
    if not isinstance(to, str | None) or not isinstance(at, str | None):
        raise HTTPException(400, "at and to are text")
    try:
        moment = None if at is None else datetime.fromisoformat(at)
        if moment is not None:
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise HTTPException(400, "at is a time such as 2030-01-31T12:00:00Z") from None
    return Request(Action(action), at=moment, to=to and known_queue(dashboard.queues, to))
