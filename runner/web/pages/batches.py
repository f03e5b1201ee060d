"""Batches, and one of them with its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from runner.errors import ConfigurationError
from runner.operations.batches import batch, batches

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard

_DIGITS = 9


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def all_batches(request: Request) -> Response:
        skip = request.query_params.get("skip", "")
        page = await batches(dashboard.redis, skip=int(skip) if _is_count(skip) else 0)
        return dashboard.render(request, "batches.html.j2", page=page)

    async def one_batch(request: Request) -> Response:
        try:
            detail = await batch(dashboard.redis, request.path_params["batch_id"])
        except ConfigurationError as error:
            raise HTTPException(404, str(error)) from None
        return dashboard.render(request, "batch.html.j2", detail=detail)

    return [
        Route("/batches", all_batches, methods=["GET"]),
        Route("/batches/{batch_id:path}", one_batch, methods=["GET"]),
    ]


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
