"""The style and the script of the channels' pages: the report's own, on the pages' colours."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from jobs.charts.templates import template
from jobs.charts.theme import DARK, LIGHT

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

_KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}


@cache
def style() -> str:
    """Return the style sheet; colours of drawings are the charts', all others the pages'."""
    return template("dashboard.css.j2").render(light=asdict(LIGHT), dark=asdict(DARK))


@cache
def script() -> str:
    """Return the script that draws a channel's main chart."""
    return (files("jobs.web") / "static" / "chart.js").read_text("utf-8")


@cache
def fingerprint() -> str:
    """Return a hash of both: browsers keep them until it changes."""
    return hashlib.sha256((style() + script()).encode()).hexdigest()[:12]


def asset_routes() -> list[BaseRoute]:
    """Return the routes of both."""

    async def css(_: Request) -> Response:
        return Response(style(), media_type="text/css", headers=_KEPT)

    async def javascript(_: Request) -> Response:
        return Response(script(), media_type="text/javascript", headers=_KEPT)

    return [Route("/channels/style.css", css), Route("/channels/chart.js", javascript)]
