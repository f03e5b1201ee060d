"""Failures to report, and an HTTP server to report them to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 -- Starlette looks at the annotation
from starlette.responses import Response
from starlette.routing import Route

from runner.processes.http_server import serve_http
from runner.reporters import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Endpoint:
    """A real HTTP server that keeps what it receives, and answers with *status*."""

    url: str = ""
    status: int = 200
    requests: asyncio.Queue[tuple[Request, bytes]] = field(default_factory=asyncio.Queue)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        """Keep the request; answer it once `open` is set."""
        await self.requests.put((request, await request.body()))
        await self.open.wait()
        return Response("{}", status_code=self.status, media_type="application/json")


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    """Return a server that answers at once, until the test clears its `open`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    endpoint = Endpoint()
    endpoint.open.set()
    app = Starlette(routes=[Route("/{path:path}", endpoint.take, methods=["POST"])])
    async with serve_http(app, "127.0.0.1", 0) as endpoint.url:
        yield endpoint
        endpoint.open.set()


@pytest.fixture
def failure() -> Failure:
    """Return a failure with a traceback."""
    return Failure(
        exception=_raised(),
        job_name="analyze_channel",
        job_id="j1",
        queue="analytics",
        attempt=6,
        final=True,
        arguments={"channel_id": "UC1"},
    )


def _raised() -> Exception:
    local = "".join(reversed("2retnuh"))  # not as it stands in the source, which is sent
    with pytest.raises(LookupError) as raised:
        raise LookupError("no such channel") from ValueError(len(local))
    return raised.value
