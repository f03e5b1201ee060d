"""Fetching: one document within its limits, or one clear line; against a real server."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from jobs.sources.fetch import FetchLimits, NotModified
from jobs.sources.fetch import fetch as fetch_publicly
from jobs.sources.open_source import open_source as open_publicly
from jobs.sources.source import SourceError, shown

if TYPE_CHECKING:
    from tests.unit.sources.local_server import LocalServer

fetch = partial(fetch_publicly, allow_private=True)
open_source = partial(open_publicly, fetch=fetch)
RSS = b'<rss version="2.0"><channel><title>Show</title></channel></rss>'


async def failure(address: str, limits: FetchLimits | None = None) -> SourceError:
    """Fetch what cannot be fetched, and return the error, which must be one line."""
    with pytest.raises(SourceError) as error:
        await fetch(address, limits)
    assert "\n" not in str(error.value)
    return error.value


async def test_fetch_gives_content_name_and_the_servers_time(server: LocalServer) -> None:
    """A document comes with its file name and the time by the server's clock."""
    headers = "Date: Thu, 08 Apr 2021 12:22:23 GMT\r\n"
    address = server.set("/shows/feed.xml?page=1", RSS, headers=headers)
    document = await fetch(address)
    assert document.content == RSS
    assert document.name == "feed.xml"
    assert document.location == address
    assert document.fetched_at == datetime(2021, 4, 8, 12, 22, 23, tzinfo=UTC)


@pytest.mark.parametrize("headers", ["", "Date: soon\r\n"])
async def test_fetch_takes_our_time_where_the_server_has_none(
    server: LocalServer, headers: str
) -> None:
    """Without a readable date the time of fetching is ours."""
    before = datetime.now(UTC)
    document = await fetch(server.set("/", RSS, headers=headers))
    assert document.fetched_at is not None
    assert before <= document.fetched_at <= datetime.now(UTC)


async def test_fetch_unpacks_what_is_packed(server: LocalServer) -> None:
    """A .gz file and a compressed transfer both give the document."""
    packed = gzip.compress(RSS)
    pieces = gzip.compress(RSS[:9]) + gzip.compress(RSS[9:])
    file = await fetch(server.set("/feed.xml.gz", packed))
    assert file.content == RSS
    for body in (packed, pieces):
        transfer = await fetch(server.set("/feed", body, headers="Content-Encoding: gzip\r\n"))
        assert transfer.content == RSS


async def test_fetch_follows_a_redirect(server: LocalServer) -> None:
    """A moved document is found, and keeps the address that it was asked for by."""
    server.set("/new.xml", RSS)
    address = server.set("/old.xml", status="301 Moved", headers="Location: /new.xml\r\n")
    document = await fetch(address)
    assert (document.content, document.location) == (RSS, address)


async def test_fetch_gives_up_on_a_redirect_loop(server: LocalServer) -> None:
    """A document that moves for ever is an error after the allowed number of requests."""
    address = server.set("/loop", status="302 Found", headers="Location: /loop\r\n")
    error = await failure(address, FetchLimits(max_redirects=3))
    assert str(error) == f"{address}: redirects more than 3 times. Check the address"
    assert not error.transient
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"]
)
async def test_fetch_never_leaves_http(server: LocalServer, target: str) -> None:
    """A redirect to anything but http(s) is refused."""
    address = server.set("/away", status="302 Found", headers=f"Location: {target}\r\n")
    error = await failure(address)
    assert "something other than an http(s) address" in str(error)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://"])
async def test_fetch_takes_http_addresses_only(address: str) -> None:
    """An address of another scheme, or none at all, is refused."""
    error = await failure(address)
    assert "something other than an http(s) address" in str(error)
    assert not error.transient


async def test_fetch_stops_at_the_size_limit(server: LocalServer) -> None:
    """A document that is too large is refused, packed or not."""
    limits = FetchLimits(max_bytes=2**20)
    large = b"<" + b" " * 2**20
    for address in (
        server.set("/plain", large),
        server.set("/file.gz", gzip.compress(large)),
        server.set("/transfer", gzip.compress(large), headers="Content-Encoding: gzip\r\n"),
    ):
        assert "is larger than 1 MiB" in str(await failure(address, limits))


async def test_fetch_gives_up_on_a_server_that_never_answers(server: LocalServer) -> None:
    """A server that takes the request and stays silent costs the timeout, and may be retried."""
    address = server.hang("/silent")
    error = await failure(address, FetchLimits(timeout_s=0.05))
    assert str(error) == f"{address}: did not answer within 0.05 s. Try again later"
    assert error.transient


async def test_fetch_gives_up_on_a_server_that_drips(server: LocalServer) -> None:
    """The whole fetch has a limit too, even if no single wait is long."""
    address = server.hang("/drip")
    error = await failure(address, FetchLimits(timeout_s=60, total_s=0.05))
    assert "did not answer within 0.05 s" in str(error)
    assert error.transient


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        ("404 Not Found", False),
        ("410 Gone", False),
        ("429 Too Many Requests", True),
        ("503 Busy", True),
    ],
)
async def test_fetch_names_the_servers_answer(
    server: LocalServer, status: str, *, transient: bool
) -> None:
    """A refusal is an error with its status, whatever page comes with it; some are transient."""
    error = await failure(server.set("/x", b"<html><title>No</title></html>", status=status))
    assert f"answered {status[:3]}" in str(error)
    assert error.transient is transient


async def test_fetch_from_a_closed_port_is_transient(unused_tcp_port: int) -> None:
    """A refused connection may be retried."""
    error = await failure(f"http://127.0.0.1:{unused_tcp_port}/feed.xml")
    assert "cannot be fetched" in str(error)
    assert error.transient


async def test_fetch_from_an_impossible_port_is_an_error() -> None:
    """A port that the transport refuses is an error like others."""
    assert "cannot be fetched" in str(await failure("http://127.0.0.1:99999/"))


async def test_fetch_of_half_an_answer_is_an_error(server: LocalServer) -> None:
    """Half an answer is no document."""
    server.answers["/half"] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<rss"
    error = await failure(server.url("/half"))
    assert "cannot be fetched" in str(error)
    assert error.transient


async def test_an_empty_answer_is_an_error(server: LocalServer) -> None:
    """An empty answer is no document either."""
    assert "is empty" in str(await failure(server.set("/empty")))


async def test_errors_keep_the_password_to_themselves(server: LocalServer) -> None:
    """The message leaves out a password in the address."""
    address = server.set("/x", status="404 Not Found").replace("//", "//me:secret@")
    message = str(await failure(address))
    assert "secret" not in message
    assert "//me:…@127.0.0.1" in message


@pytest.mark.parametrize(
    ("address", "as_shown"),
    [
        ("https://me:PW@h/x", "https://me:…@h/x"),
        ("https://me@corp.example:PW@h/x", "https://me@corp.example:…@h/x"),
        ("https://me:P#PW@h/x", "https://me:…@h/x"),
        ("https://me:P/PW@h/x", "https://me:…@h/x"),
        ("https://PW@h/x", "https://…@h/x"),
        ("https://h/x?token=PW&a=1", "https://h/x?token=…&a=1"),
        ("https://me:PW@[::1", "https://me:…@[::1"),
        ("https:/me:PW@h/x", "https:/[redacted]@h/x"),
        ("https://h:8080/@handle", "https://h:8080/@handle"),
        ("https://www.youtube.com/@handle", "https://www.youtube.com/@handle"),
        ("/data/a@2x.csv", "/data/a@2x.csv"),
    ],
)
def test_address_is_shown_without_its_secrets(address: str, as_shown: str) -> None:
    """Wherever they stand, and however they were written."""
    assert shown(address) == as_shown
    assert "PW" not in str(SourceError(address, "is gone"))


async def test_rejects_keep_the_password_to_themselves(server: LocalServer) -> None:
    """Rejects name their address without the password; the source keeps it."""
    table = b"date_utc,channel_id,views\n2026-01-17,c,5\n2026-01-18,c,-5\n2026-01-19\n"
    entry = RSS.replace(b"</channel>", b"<item><author>a</author></item></channel>")
    for path, content, count in (("/table", table, 2), ("/feed", entry, 1)):
        address = server.set(path, content).replace("//", "//me:secret@")
        source = await open_source(address)
        assert source.ref.location == address
        shown = {reject.location for reject in source.rejects}
        assert len(source.rejects) == count
        assert shown == {address.replace("secret", "…")}


async def test_a_feed_at_an_address_is_fetched_anew_each_time(server: LocalServer) -> None:
    """An address opens as a source; each time it is fetched, and may have changed."""
    address = server.set("/feed", RSS, headers="Date: Thu, 08 Apr 2021 12:22:23 GMT\r\n")
    first = await open_source(address, "feed")
    server.set("/feed", RSS, headers="Date: Fri, 09 Apr 2021 12:22:23 GMT\r\n")
    second = await open_source(address, "feed")
    assert [first.observed_at, second.observed_at] == [
        datetime(2021, 4, day, 12, 22, 23, tzinfo=UTC) for day in (8, 9)
    ]
    assert first.ref.location == address


async def test_a_web_page_at_an_address_is_no_feed(server: LocalServer) -> None:
    """A page in place of a feed, with status 200, is an error that says so."""
    address = server.set("/feed", b"<!DOCTYPE html><html><title>Log in</title></html>")
    with pytest.raises(SourceError, match="is an HTML page titled 'Log in', not a feed"):
        await open_source(address)


async def test_a_cancelled_fetch_stays_cancelled(server: LocalServer) -> None:
    """A cancelled fetch raises the cancellation, and no source error."""
    task = asyncio.create_task(fetch(server.hang("/silent")))
    await server.requested.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_known_is_not_sent_again(server: LocalServer) -> None:
    """The validators of an answer go out with the next request, and 304 is understood."""
    dated = "Sun, 01 Feb 2026 12:00:00 GMT"
    headers = f'ETag: W/"one"\r\nLast-Modified: {dated}\r\n'
    document = await fetch(server.set("/feed", RSS, headers=headers))
    assert document.validators == {"ETag": 'W/"one"', "Last-Modified": dated}
    address = server.set("/feed", status="304 Not Modified")
    with pytest.raises(NotModified):
        await fetch(address, validators=document.validators)
    assert 'if-none-match: w/"one"' in server.heads[-1].lower()
    assert f"if-modified-since: {dated}".lower() in server.heads[-1].lower()


async def test_unasked_304_is_an_error(server: LocalServer) -> None:
    """A 304 to a request without validators is an error."""
    assert "answered 304" in str(await failure(server.set("/x", status="304 Not Modified")))


async def test_fetch_asks_for_one_packing_and_takes_no_other(server: LocalServer) -> None:
    """Anything packed twice, or otherwise, could unpack without bound before it is counted."""
    bomb = gzip.compress(gzip.compress(b"<" + b" " * 2**20))
    for encoding in ("gzip, gzip", "br", "deflate", "zstd"):
        address = server.set("/x", bomb, headers=f"Content-Encoding: {encoding}\r\n")
        assert f"is packed as '{encoding}', which was not asked for" in str(await failure(address))
    assert "accept-encoding: gzip\r\n" in server.heads[-1].lower()


async def test_damaged_packing_may_be_better_next_time(server: LocalServer) -> None:
    """A transfer that was cut or garbled is a transient error."""
    packed = gzip.compress(RSS)
    for body, reason in ((packed[:-9], "cut off on its way"), (b"no gzip", "damaged on its way")):
        address = server.set("/x", body, headers="Content-Encoding: gzip\r\n")
        error = await failure(address)
        assert reason in str(error)
        assert error.transient


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Thu, 08 Apr 2021 12:23:23 GMT", 60.0),
        ("Thu, 08 Apr 2021 12:22:22 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1e9", None),
        ("inf", None),
        ("Thu, 08 Apr 2021 12:23:23 +99999999999999", None),
        ("999999999", 86_400.0),
        ("9" * 400, 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)
async def test_server_that_is_busy_may_say_until_when(
    server: LocalServer, header: str, seconds: float | None
) -> None:
    """Retry-After is read as seconds or a date by the server's own clock, and is a day at most."""
    headers = f"Date: Thu, 08 Apr 2021 12:22:23 GMT\r\nRetry-After: {header}\r\n"
    error = await failure(server.set("/x", status="503 Busy", headers=headers))
    assert error.retry_after_s == seconds
