"""The one list of jobs: all queues and all states, by badges in the address, alone or by error."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from runner.broker.redis_clock import redis_now
from runner.operations.actions import known_queue
from runner.operations.groups import groups
from runner.operations.job import find_queue
from runner.operations.listing import LOOKED_FOR_S, ORDER, listing
from runner.operations.paging import is_newest_first
from runner.operations.queues import queues
from runner.operations.searching import Asked
from runner.operations.verbs import JOB_VERBS, job_verbs
from runner.operations.words import nothing_anywhere, nothing_here
from runner.states import JobState
from runner.web.dashboard import visitor_of
from runner.web.reading import ARGUMENT, BADGES, badges_of, filter_of, sort_of, states_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.queues import Queue
    from runner.operations.verbs import JobVerb
    from runner.web.dashboard import Dashboard

_GROUPED: Final = (JobState.DEAD, JobState.RETRYING)
"""The states whose jobs have errors, and are grouped by them unless the address says otherwise."""

_PLACE: Final = frozenset({"after", "before", "search", "stop"})
"""What of the address says where in the list one is."""

_OLD = {
    "/running": JobState.RUNNING,
    "/scheduled": JobState.SCHEDULED,
    "/retries": JobState.RETRYING,
    "/dead": JobState.DEAD,
}
"""Where the lists of one state each were."""


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def jobs(request: Request) -> Response:
        query = request.query_params
        if "q" in query:
            return await _typed(dashboard, query)
        now = await redis_now(dashboard.redis)
        states, where, sort = states_of(query), filter_of(query, now), sort_of(query)
        chosen = query.get("queue")
        names = [known_queue(dashboard.queues, chosen)] if chosen else list(dashboard.queues)
        counted = await queues(dashboard.redis, dashboard.queues)
        state = states[0] if len(states) == 1 else None
        by_error = state in _GROUPED and query.get("by", "error") == "error"
        visitor = visitor_of(request)
        verbs = _verbs(state)
        shown: dict[str, Any] = {
            "counted": counted,
            "states": ORDER,
            "state": state,
            "badges": _badges(query),
            "address": lambda **changes: _address(query, changes),
            "where": where,
            "total": _total(counted, names, states),
            "verbs": visitor.role.allowed(verbs) if visitor else [],
            "now": now,
            "by_error": by_error,
            "queue": chosen,
            "nothing": _nothing(counted, chosen, state),
            "everything": _total(counted, list(dashboard.queues), list(ORDER)),
            "names": sorted(dashboard.catalog.jobs),
            "selection": _selection(query),
            "sort": sort,
            "newest_first": state is not None and is_newest_first(state, sort),
        }
        if by_error and state is not None:
            found = await groups(dashboard.redis, names, state, dashboard.catalog, where)
            return dashboard.render(
                request, "job_list.html.j2", found=found, page=None, search=None, **shown
            )
        search = dashboard.searches.find(query.get("search", ""))
        if search is not None:
            if "stop" in query:
                search.stop()
            return dashboard.render(
                request, "job_list.html.j2", found=None, page=search, search=search, **shown
            )
        page = await listing(
            dashboard.redis,
            names,
            states,
            dashboard.catalog,
            where=where,
            after=query.get("after") or None,
            before=query.get("before") or None,
            for_s=LOOKED_FOR_S,
            sort=sort,
        )
        if not where.is_empty and page.after and "before" not in query:
            asked = Asked(names, states, where, sort)
            search = dashboard.searches.begin(asked, page, total=shown["total"])
            where_it_is = _address(query, {"search": search.id, "after": query.get("after")})
            return RedirectResponse(where_it_is, status_code=303)
        return dashboard.render(
            request, "job_list.html.j2", found=None, page=page, search=None, **shown
        )

    async def offers(request: Request) -> Response:
        found = await dashboard.offers.matching(request.query_params.get("typed", "")[:200])
        return JSONResponse([asdict(one) for one in found])

    return [
        Route("/jobs", jobs),
        Route("/jobs/offers", offers),
        *[Route(path, _moved(state)) for path, state in _OLD.items()],
    ]


async def _typed(dashboard: Dashboard, query: QueryParams) -> Response:
    """Lead to a job, if what was typed is the id of one, or to the list with its badges."""
    text = query.get("q", "").strip()
    if text and " " not in text and ":" not in text:
        queue = await find_queue(dashboard.redis, dashboard.queues, text)
        if queue is not None:
            return RedirectResponse(f"/jobs/{queue}/{quote(text)}", status_code=303)
    kept = {name: value for name, value in query.multi_items() if name != "q" and value}
    kept = {name: value for name, value in kept.items() if name not in _PLACE}
    return RedirectResponse(f"/jobs?{urlencode(kept | dict(badges_of(text)))}", status_code=303)


def _moved(state: JobState) -> Callable[[Request], Awaitable[Response]]:
    async def lead(request: Request) -> Response:
        kept = {**request.query_params, "state": str(state)}
        return RedirectResponse(f"/jobs?{urlencode(kept)}", status_code=303)

    return lead


def _badges(query: QueryParams) -> list[tuple[str, str, str]]:
    """Name and value of each badge, and the address without it."""
    return [
        (name, value, _address(query, {name: None}))
        for name, value in query.multi_items()
        if (name in BADGES or name.startswith(ARGUMENT)) and value
    ]


def _address(query: QueryParams, changes: dict[str, object]) -> str:
    """The list's address with *changes*; its place is kept only if it is among them."""
    kept = {
        name: value
        for name, value in query.multi_items()
        if value and name not in {*_PLACE, *changes}
    }
    added = {name: str(value) for name, value in changes.items() if value}
    return f"/jobs?{urlencode(kept | added)}"


def _selection(query: QueryParams) -> str:
    """The badges of the address, for an action on all jobs that fit them."""
    return urlencode([(name, value) for name, value, _ in _badges(query)])


def _verbs(state: JobState | None) -> Sequence[JobVerb]:
    return list(JOB_VERBS.values()) if state is None else job_verbs(state)


def _total(counted: Sequence[Queue], names: Sequence[str], states: Sequence[JobState]) -> int:
    return sum(
        getattr(one, state.value) or 0 for one in counted if one.name in names for state in states
    )


def _nothing(
    counted: Sequence[Queue], chosen: str | None, state: JobState | None
) -> tuple[str, str]:
    if chosen and state:
        return nothing_here(next(one for one in counted if one.name == chosen), state)
    return nothing_anywhere(counted, state)
