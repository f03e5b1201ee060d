"""What changes something: forms that lead back to their page, with a message."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.routing import Route

from runner.broker.redis_clock import redis_now
from runner.errors import ConfigurationError
from runner.operations import batches, schedules
from runner.operations.actions import have_ids_back, ids_back, known_queue
from runner.operations.bulk import (
    PATIENCE_S,
    Bulk,
    Selection,
    bulk_progress,
    count,
    refuse_idle,
)
from runner.operations.foresight import TYPED_ABOVE, foresee
from runner.operations.processes import processes
from runner.operations.verbs import (
    BATCH_VERBS,
    JOB_NAME_VERBS,
    JOB_VERBS,
    PROCESS_VERBS,
    QUEUE_VERBS,
    SCHEDULE_VERBS,
)
from runner.web.dashboard import local
from runner.web.reading import action_of, filter_of, read_request, state_of, text_of
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.datastructures import FormData, QueryParams
    from starlette.requests import Request as WebRequest
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.verbs import Verb
    from runner.web.dashboard import Dashboard


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these actions."""
    return [
        *_on_jobs(dashboard),
        *_on_all(dashboard),
        *_on_the_rest(dashboard),
    ]


def _on_jobs(dashboard: Dashboard) -> list[BaseRoute]:
    async def act(request: WebRequest) -> Response:
        """Act on one job, or on those that were selected."""
        form = await request.form()
        asked = read_request(form, dashboard.queues)
        of_queue = text_of(form, "queue")
        chosen = [_of(dashboard, of_queue, str(value)) for value in form.getlist("id")]
        ids = [job_id for _, job_id in chosen]
        back = text_of(form, "back") or "/"
        if not ids:
            return dashboard.back(request, back, "Nothing was selected.")
        operator = dashboard.operator(request)
        try:
            await operator.check_move(asked, chosen)
        except ConfigurationError as error:
            return dashboard.back(request, back, f"Refused: {error}.")
        found = [
            await operator.act(asked, queue, job_id, is_checked=True) for queue, job_id in chosen
        ]
        reaches = asked.verb.reaches
        acted = sum(state in reaches for state in found)
        message = asked.verb.said.format(_jobs(acted))
        if len(ids) == 1 and (now_as := await operator.goes_on_as(asked, found[0], *chosen[0])):
            message = f"{message.rstrip('.')}{now_as}."
        elif also := ids_back(have_ids_back(asked, found, ids)):
            message = f"{message.rstrip('.')}; {also}."
        if acted < len(ids):
            passed = sorted({str(state) for state in found if state not in reaches})
            message += f" {_jobs(len(ids) - acted)} had moved on: {', '.join(passed)}."
        return dashboard.back(request, back, message)

    return [Route("/act", act, methods=["POST"])]


def _of(dashboard: Dashboard, queue: str, chosen: str) -> tuple[str, str]:
    """The queue and the id of a chosen job: lists of several queues name both."""
    if not queue:
        queue, _, chosen = chosen.partition("|")
    return known_queue(dashboard.queues, queue), chosen


def _on_all(dashboard: Dashboard) -> list[BaseRoute]:
    async def confirm(request: WebRequest) -> Response:
        """Ask, with the number of jobs that match."""
        query = request.query_params
        selection = await _selected(dashboard, query)
        verb = JOB_VERBS[action_of(query.get("action", ""))]
        many = await count(dashboard.redis, selection, dashboard.catalog, for_s=PATIENCE_S)
        foreseen = await foresee(dashboard.redis, dashboard.queues, selection, dashboard.catalog)
        return dashboard.render(
            request,
            "confirm.html.j2",
            selection=selection,
            verb=verb,
            count=many,
            foreseen=foreseen,
            typed=many.jobs if many.jobs > TYPED_ABOVE or not many.is_exact else 0,
            queues=[queue for queue in dashboard.queues if queue not in selection.queues],
            back=query.get("back", "/"),
        )

    async def act_on_all(request: WebRequest) -> Response:
        form = await request.form()
        selection = await _selected(dashboard, request.query_params)
        asked = read_request(form, dashboard.queues)
        refuse_idle(asked, [selection.state])
        bulk = Bulk(dashboard.redis, dashboard.operator(request), asked, selection)
        await bulk.check(dashboard.catalog, for_s=PATIENCE_S)
        counted = await count(dashboard.redis, selection, dashboard.catalog, for_s=PATIENCE_S)
        if not _is_typed(form, must=counted.jobs > TYPED_ABOVE):
            raise HTTPException(400, "type the number of jobs to go on: nothing was done")
        await bulk.announce(counted.jobs)
        dashboard.start(bulk.run(dashboard.catalog, total=counted.jobs))
        onward = urlencode({"back": text_of(form, "back") or "/jobs"})
        return dashboard.back(request, f"/bulk/{bulk.id}?{onward}", "Started.")

    async def progress(request: WebRequest) -> Response:
        found = await bulk_progress(dashboard.redis, request.path_params["bulk_id"])
        if found is None:
            raise HTTPException(404, "there is no such action, or it was forgotten after a day")
        back = local(request.query_params.get("back", "/jobs"))
        return dashboard.render(request, "bulk.html.j2", bulk=found, back=back)

    return [
        Route("/all", confirm, methods=["GET"]),
        Route("/all", act_on_all, methods=["POST"]),
        Route("/bulk/{bulk_id}", progress),
    ]


def _on_the_rest(dashboard: Dashboard) -> list[BaseRoute]:
    async def queue_action(request: WebRequest) -> Response:
        form = await request.form()
        queue = known_queue(dashboard.queues, request.path_params["queue"])
        verb = _verb(QUEUE_VERBS, request.path_params["verb"])
        await dashboard.operator(request).act_on_queue(verb, queue)
        back = text_of(form, "back") or "/queues"
        return dashboard.back(request, back, verb.said.format(queue))

    async def name_action(request: WebRequest) -> Response:
        form = await request.form()
        queue = known_queue(dashboard.queues, request.path_params["queue"])
        name, verb = request.path_params["job"], _verb(JOB_NAME_VERBS, request.path_params["verb"])
        await dashboard.operator(request).act_on_job_name(verb, queue, name)
        back = text_of(form, "back") or f"/queues/{queue}"
        return dashboard.back(request, back, verb.said.format(name))

    async def process_action(request: WebRequest) -> Response:
        form = await request.form()
        name, verb = request.path_params["name"], _verb(PROCESS_VERBS, request.path_params["verb"])
        for process in await processes(dashboard.redis, dashboard.queues):
            if process.name == name:
                await dashboard.operator(request).order(process, verb.name)
                back = text_of(form, "back") or "/workers"
                return dashboard.back(request, back, verb.said.format(name))
        return dashboard.back(request, "/workers", f"{name} is gone.")

    async def schedule_action(request: WebRequest) -> Response:
        name, verb = request.path_params["name"], _verb(SCHEDULE_VERBS, request.path_params["verb"])
        operator = dashboard.operator(request)
        job_id = await schedules.act(dashboard.redis, operator, dashboard.schedule, verb, name)
        return dashboard.back(request, "/schedules", verb.said.format(name, job_id))

    async def batch_action(request: WebRequest) -> Response:
        batch_id = request.path_params["batch_id"]
        verb = _verb(BATCH_VERBS, request.path_params["verb"])
        operator = dashboard.operator(request)
        outcome = await batches.act(dashboard.redis, operator, verb, batch_id)
        return dashboard.back(
            request, f"/batches/{quote(batch_id, safe='')}", verb.said.format(batch_id, outcome)
        )

    return [
        Route("/queues/{queue}/{verb:str}", queue_action, methods=["POST"]),
        Route("/queues/{queue}/names/{job:path}/{verb:str}", name_action, methods=["POST"]),
        Route("/processes/{name}/{verb:str}", process_action, methods=["POST"]),
        Route("/schedules/{name}/{verb:str}", schedule_action, methods=["POST"]),
        Route("/batches/{batch_id:path}/{verb:str}", batch_action, methods=["POST"]),
    ]


async def _selected(dashboard: Dashboard, query: QueryParams) -> Selection:
    return _selection(dashboard, query, await redis_now(dashboard.redis))


def _selection(dashboard: Dashboard, query: QueryParams, now: datetime) -> Selection:
    chosen = query.get("queue")
    first, *others = [known_queue(dashboard.queues, chosen)] if chosen else dashboard.queues
    return Selection(first, state_of(query), filter_of(query, now), tuple(others))


def _is_typed(form: FormData, *, must: bool) -> bool:
    """Whether the number that had to be typed was; must: one had to be."""
    wanted = text_of(form, "wanted")
    if not wanted:
        return not must
    return text_of(form, "typed").replace(",", "").replace(" ", "") == wanted


def _verb(verbs: Mapping[str, Verb], name: str) -> Verb:
    if name not in verbs:
        raise HTTPException(404, f"there is no action {name[:50]!r}")
    return verbs[name]


def _jobs(many: int) -> str:
    return counted(many, "job")
