"""What changes something: forms that answer with the page that they came from, and a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from runner.operations import schedules
from runner.operations.actions import Action, known_queue
from runner.operations.bulk import PATIENCE_S, Bulk, Selection, bulk_progress, count
from runner.operations.processes import processes
from runner.web.reading import action_of, filter_of, read_request, state_of, text_of
from runner.wording import counted

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request as WebRequest
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard

WORDS = {
    Action.RUN: ("run", "Made ready"),
    Action.DELETE: ("delete", "Deleted"),
    Action.BURY: ("bury", "Buried"),
    Action.RESCHEDULE: ("reschedule", "Rescheduled"),
    Action.MOVE: ("move", "Moved"),
    Action.ABORT: ("abort", "Asked to stop"),
}


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these actions."""
    return [
        *_on_jobs(dashboard),
        *_on_all(dashboard),
        *_on_the_rest(dashboard),
    ]


def _on_jobs(dashboard: Dashboard) -> list[BaseRoute]:
    async def act(request: WebRequest) -> Response:
        """One job, or those that were selected."""
        form = await request.form()
        queue = known_queue(dashboard.queues, text_of(form, "queue"))
        asked = read_request(form, dashboard.queues)
        ids = [str(value) for value in form.getlist("id")]
        back = text_of(form, "back") or "/"
        if not ids:
            return dashboard.back(request, back, "Nothing was selected.")
        operator = dashboard.operator(request)
        found = [await operator.act(asked, queue, job_id) for job_id in ids]
        acted = sum(state in asked.action.reaches for state in found)
        message = f"{WORDS[asked.action][1]} {_jobs(acted)}."
        if acted < len(ids):
            passed = sorted({str(state) for state in found if state not in asked.action.reaches})
            message += f" {_jobs(len(ids) - acted)} had moved on: {', '.join(passed)}."
        return dashboard.back(request, back, message)

    return [Route("/act", act, methods=["POST"])]


def _on_all(dashboard: Dashboard) -> list[BaseRoute]:
    async def confirm(request: WebRequest) -> Response:
        """How many match, before anything is done."""
        query = request.query_params
        selection = _selection(dashboard, query)
        action = action_of(query.get("action", ""))
        return dashboard.render(
            request,
            "confirm.html.j2",
            selection=selection,
            action=action,
            count=await count(dashboard.redis, selection, dashboard.catalog, for_s=PATIENCE_S),
            queues=[queue for queue in dashboard.queues if queue != selection.queue],
            back=query.get("back", "/"),
        )

    async def act_on_all(request: WebRequest) -> Response:
        form = await request.form()
        selection = _selection(dashboard, request.query_params)
        asked = read_request(form, dashboard.queues)
        bulk = Bulk(dashboard.redis, dashboard.operator(request), asked, selection)
        counted = await count(dashboard.redis, selection, dashboard.catalog, for_s=PATIENCE_S)
        await bulk.announce(counted.jobs)
        dashboard.start(bulk.run(dashboard.catalog, total=counted.jobs))
        return dashboard.back(request, f"/bulk/{bulk.id}", "Started.")

    async def progress(request: WebRequest) -> Response:
        found = await bulk_progress(dashboard.redis, request.path_params["bulk_id"])
        if found is None:
            raise HTTPException(404, "there is no such action, or it was forgotten after a day")
        return dashboard.render(request, "bulk.html.j2", bulk=found)

    return [
        Route("/all", confirm, methods=["GET"]),
        Route("/all", act_on_all, methods=["POST"]),
        Route("/bulk/{bulk_id}", progress),
    ]


def _on_the_rest(dashboard: Dashboard) -> list[BaseRoute]:
    async def queue_action(request: WebRequest) -> Response:
        form = await request.form()
        queue = known_queue(dashboard.queues, request.path_params["queue"])
        operator = dashboard.operator(request)
        if request.path_params["action"] == "pause":
            await operator.pause(queue)
            message = f"{queue} is paused: no job of it is claimed."
        else:
            await operator.resume(queue)
            message = f"{queue} goes on."
        return dashboard.back(request, text_of(form, "back") or "/queues", message)

    async def process_action(request: WebRequest) -> Response:
        form = await request.form()
        name, order = request.path_params["name"], request.path_params["order"]
        for process in await processes(dashboard.redis, dashboard.queues):
            if process.name == name:
                await dashboard.operator(request).order(process, order)
                message = f"{name} was asked to {order.replace('quiet', 'take no more jobs')}."
                return dashboard.back(request, text_of(form, "back") or "/running", message)
        return dashboard.back(request, "/running", f"{name} is gone.")

    async def schedule_action(request: WebRequest) -> Response:
        name, action = request.path_params["name"], request.path_params["action"]
        operator = dashboard.operator(request)
        if action == "run":
            job_id = await schedules.run_now(dashboard.redis, operator, dashboard.schedule, name)
            return dashboard.back(request, "/schedules", f"{name} enqueued as {job_id}.")
        change = schedules.pause if action == "pause" else schedules.resume
        await change(dashboard.redis, operator, dashboard.schedule, name)
        state = "is paused" if action == "pause" else "goes on"
        return dashboard.back(request, "/schedules", f"{name} {state}.")

    return [
        Route("/queues/{queue}/{action:str}", queue_action, methods=["POST"]),
        Route("/processes/{name}/{order:str}", process_action, methods=["POST"]),
        Route("/schedules/{name}/{action:str}", schedule_action, methods=["POST"]),
    ]


def _selection(dashboard: Dashboard, query: QueryParams) -> Selection:
    queue = known_queue(dashboard.queues, query.get("queue", ""))
    return Selection(queue, state_of(query), filter_of(query))


def _jobs(many: int) -> str:
    return counted(many, "job")
