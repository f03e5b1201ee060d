"""What a client may hold open of a real server: connections, slow requests, unread answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import stat
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runner.processes.http_connection import ConnectionLimits
from runner.processes.http_server import serve_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

LONG = 64 * 1024 * 1024
PATIENCE_S = 30
_MOST_DESCRIPTORS = 4096


async def _length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _long(_: Request) -> Response:
    return Response(b"x" * LONG)


async def _early(_: Request) -> Response:
    return PlainTextResponse("too long", status_code=413)


APP = Starlette(
    routes=[
        Route("/length", _length, methods=["GET", "POST"]),
        Route("/long", _long),
        Route("/early", _early, methods=["POST"]),
    ]
)


@contextlib.asynccontextmanager
async def _serving(**limits: Any) -> AsyncIterator[tuple[str, int]]:
    async with serve_http(APP, "127.0.0.1", 0, limits=ConnectionLimits(**limits)) as url:
        yield url, int(url.rpartition(":")[2])


async def _ended(reader: asyncio.StreamReader) -> bytes:
    """All that is sent until the server closes the connection."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"GET /length HT",
        b"GET /length HTTP/1.1\r\nHost: a\r\nX-More: ",
        b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        # A second request that stays a part, after an answered one and behind one in the pipeline.
        b"GET /length HTTP/1.1\r\nHost: a\r\n\r\nGET /len",
        b"GET /length HTTP/1.1\r\nHost: a\r\n\r\nPOST /length HTTP/1.1\r\nHost: a\r\nContent-Le",
        # The answer does not wait for the body, which never ends.
        b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET",
    ],
)
async def test_request_that_stays_a_part_ends_its_connection(part: bytes) -> None:
    """Whichever part it is."""
    async with _serving(request_s=0.2) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(part)
        await _ended(reader)
        writer.close()


async def test_request_that_trickles_in_ends_its_connection() -> None:
    """Each byte counts from the first one on, not from the last."""
    async with _serving(request_s=0.3) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /length HTTP/1.1\r\nX: ")

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(trickle())
        assert await _ended(reader) == b""
        task.cancel()
        writer.close()


async def test_answer_that_is_not_read_ends_its_connection() -> None:
    """One that is read late is complete."""
    async with _serving(answer_s=0.3) as (url, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await reader.read(1) == b"H"
        await asyncio.sleep(1)
        assert len(await _ended(reader)) < LONG
        writer.close()
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
            assert len((await client.get("/long")).content) == LONG


async def test_slow_job_of_the_server_is_waited_for() -> None:
    """Only the client is held to the time."""

    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.5)
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", slow)])
    limits = ConnectionLimits(request_s=0.1, answer_s=0.1)
    async with serve_http(app, "127.0.0.1", 0, limits=limits) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "done"


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if wanted < 3000:
        pytest.skip(f"only {wanted} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_files")
async def test_half_open_connections_are_closed_and_keep_nobody_out() -> None:
    """Of 1,200 that send a part of a request none is left, and a page is served meanwhile."""
    async with _serving(request_s=2) as (url, port):
        opened = []
        for _ in range(1200):
            opened.append(await asyncio.open_connection("127.0.0.1", port))
            opened[-1][1].write(b"GET /length HTTP/1.1\r\nX: ")
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
            assert (await client.get("/length")).text == "0"
        await asyncio.gather(*(_ended(reader) for reader, _ in opened))
        for _, writer in opened:
            writer.close()


async def test_connection_that_is_answered_is_not_closed_for_a_new_one() -> None:
    """The new one is closed instead."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        asked.set()
        await go_on.wait()
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", slow)])
    limits = ConnectionLimits(connections=1)
    async with serve_http(app, "127.0.0.1", 0, limits=limits) as url, httpx.AsyncClient() as client:
        first = asyncio.create_task(client.get(url, timeout=PATIENCE_S))
        await asked.wait()
        async with httpx.AsyncClient() as other:
            with pytest.raises(httpx.TransportError):
                await other.get(url)
        go_on.set()
        assert (await first).text == "done"


async def test_answers_do_not_wait_for_what_the_client_acknowledges() -> None:
    """Headers and body are two writes; with Nagle's algorithm the second would be 40 ms late."""
    async with _serving() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /length HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readline()
        [ours] = _sockets_to(writer.get_extra_info("sockname"))
        with ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()


def _sockets_to(peer: tuple[str, int]) -> list[socket.socket]:
    """Those of this process that are connected to *peer*."""
    found = []
    for number in [one for one in range(_MOST_DESCRIPTORS) if _is_socket(one)]:
        one = socket.socket(fileno=os.dup(number))
        with contextlib.suppress(OSError):  # it is not connected
            if one.getpeername() == peer:
                found.append(one)
                continue
        one.close()
    return found


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:  # it is not open
        return False
