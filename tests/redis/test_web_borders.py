"""What reaches the pages from outside: forged requests, hosts, bodies, odd bytes, all by HTTP."""

from __future__ import annotations

import asyncio
import re
import tempfile
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runner import Batch, connect
from runner.errors import ConfigurationError
from runner.operations.verbs import Role
from runner.web.dashboard import local
from runner.web.guard import _LONGEST_BODY, _LONGEST_LOGIN
from runner.web.hosts import Hosts
from runner.web.login import LoginSettings, Proxy
from runner.web.peers import Peers
from tests.visit import OPERATE, PAUSE, SAME, USERS, VIEW, csrf_of, is_paused, log_in, visiting

if TYPE_CHECKING:
    from runner import QueueClient

BEARER = {"authorization": f"Bearer {OPERATE}"}
BY_PROXY = LoginSettings(
    proxy=Proxy("X-User", frozenset({"ada"})), tokens={OPERATE: Role.OPERATE, VIEW: Role.VIEW}
)
FROM_ELSEWHERE: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "odd"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://[::1"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "ftp://HOST"},
    {"origin": "http://HOST.evil.example"},
    {"origin": "http://HOST@evil.example"},
    {"origin": "http://evil.example/HOST"},
    {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
    {"sec-fetch-site": "cross-site", "origin": "http://HOST"},
    {"origin": "http://evil.example", "x-forwarded-host": "other.example"},
    {"origin": "http://HOST", "x-forwarded-proto": "https"},
]
OUR_OWN: list[dict[str, str]] = [
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": "http://HOST"},
    {"sec-fetch-site": "same-origin", "origin": "HTTP://HOST"},
    {"origin": "https://pages.example", "x-forwarded-host": "pages.example"},
    {"origin": "https://pages.example", "x-forwarded-host": "pages.example:443"},
    {"origin": "https://HOST", "x-forwarded-proto": "https"},
]


def _of(browser: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, str]:
    host = browser.base_url.netloc.decode()
    return {name: value.replace("HOST", host) for name, value in headers.items()}


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer nothing-of-ours", "Digest x"])
async def test_only_a_valid_token_makes_up_for_the_token_of_a_form(
    redis: QueueClient, authorization: str
) -> None:
    """A browser sends any other header with forms of other sites, too, once it has a password."""
    sent = {"x-user": "ada", "authorization": authorization}
    async with visiting(redis, BY_PROXY) as browser:
        assert (await browser.post(PAUSE, headers=sent)).status_code == 403
        assert (await browser.post(PAUSE, data={"csrf": ""}, headers=sent)).status_code == 403
        for elsewhere in FROM_ELSEWHERE[:4]:
            assert (await browser.post(PAUSE, headers={**sent, **elsewhere})).status_code == 403
        assert not await is_paused(redis)
        page = await browser.get("/queues", headers=sent)
        form = {"csrf": csrf_of(page)}
        assert (await browser.post(PAUSE, data=form, headers={**sent, **SAME})).status_code == 303
        assert await is_paused(redis)


async def test_wrong_token_beside_a_session_makes_up_for_nothing(redis: QueueClient) -> None:
    """The session's form has to carry its own token."""
    login = LoginSettings(users=USERS, tokens={OPERATE: Role.OPERATE})
    async with visiting(redis, login) as browser:
        await log_in(browser)
        wrong = {"authorization": "Bearer wrong"}
        assert (await browser.post(PAUSE, headers=wrong)).status_code == 403
        assert not await is_paused(redis)
        assert (await browser.post(PAUSE, headers=BEARER)).status_code == 303


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
async def test_what_comes_from_another_site_changes_nothing(
    redis: QueueClient, headers: dict[str, str]
) -> None:
    """With everything that it needs beside, in whatever way it is authenticated, login included."""
    async with visiting(redis, BY_PROXY) as browser:
        form = {"csrf": csrf_of(await browser.get("/queues", headers={"x-user": "ada"}))}
        forged = _of(browser, headers)
        for by in ({"x-user": "ada"}, BEARER, {"x-csrf-token": form["csrf"], "x-user": "ada"}):
            answer = await browser.post(PAUSE, data=form, headers={**by, **forged})
            assert answer.status_code == 403, answer.text
            assert "another site" in answer.text
        api = await browser.post("/api/queues/default/pause", headers={**BEARER, **forged})
        assert api.status_code == 403
        login = {"name": "", "password": OPERATE}
        assert (await browser.post("/login", data=login, headers=forged)).status_code == 403
        assert not await is_paused(redis)


@pytest.mark.parametrize("headers", OUR_OWN)
async def test_what_comes_from_our_own_pages_is_let_through(
    redis: QueueClient, headers: dict[str, str]
) -> None:
    """Also behind a proxy that passes on which host and scheme the browser used."""
    async with visiting(redis, BY_PROXY) as browser:
        sent = {"x-user": "ada", **_of(browser, headers)}
        page = await browser.get("/queues", headers=sent)
        cookie = page.headers["set-cookie"].partition(";")[0]
        form = {"csrf": csrf_of(page)}
        answer = await browser.post(PAUSE, data=form, headers={**sent, "cookie": cookie})
        assert answer.status_code == 303, answer.text


async def test_form_of_another_visitor_or_browser_is_refused(redis: QueueClient) -> None:
    """The token fits one name and one cookie."""
    async with visiting(redis, BY_PROXY) as ada, visiting(redis, BY_PROXY) as eve:
        of_eve = csrf_of(await eve.get("/queues", headers={"x-user": "eve"}))
        await ada.get("/queues", headers={"x-user": "ada"})
        ada.cookies.update(dict(eve.cookies))
        for form in ({"csrf": of_eve}, {"csrf": of_eve[::-1]}, {"csrf": ""}, {}):
            refused = await ada.post(PAUSE, data=form, headers={"x-user": "ada", **SAME})
            assert refused.status_code == 403
    assert not await is_paused(redis)


async def test_header_of_the_proxy_that_is_there_twice_is_not_believed(redis: QueueClient) -> None:
    """One of them may be the browser's own."""
    async with visiting(redis, BY_PROXY) as browser:
        twice = [("x-user", "ada"), ("x-user", "eve")]
        assert (await browser.get("/", headers=twice)).status_code == 303
        assert (await browser.get("/", headers=[("x-user", "")])).status_code == 303


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (b"[::1", "neither a name nor an address"),
        (b"[::g]", "neither a name nor an address"),
        (b"[127.0.0.1]", "neither a name nor an address"),
        (b"::1", "neither a name nor an address"),
        (b"", "neither a name nor an address"),
        (b"a b", "neither a name nor an address"),
        (b"a:b", "neither a name nor an address"),
        (b"a:123456", "neither a name nor an address"),
        (b"user@127.0.0.1", "neither a name nor an address"),
        (b"127.0.0.1/x", "neither a name nor an address"),
        (b"-.example", "neither a name nor an address"),
        (b"a..example", "neither a name nor an address"),
        (b"\xff\xfe", "neither a name nor an address"),
        (b"x" * 5000, "neither a name nor an address"),
        (b"evil.example", "does not answer to the name 'evil.example'"),
        (b"own.example.evil", "does not answer to the name"),
        (b"own.example", "does not answer to the name"),
    ],
)
async def test_host_that_is_none_is_refused_in_a_sentence(
    redis: QueueClient, host: bytes, reason: str
) -> None:
    """With the headers of every answer."""
    async with visiting(redis, hosts=("127.0.0.1", "::1", "*.own.example")) as browser:
        answer = await browser.get("/", headers={b"host": host})
        assert answer.status_code == 400
        assert reason in answer.text
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    async with visiting(redis, hosts=("*",)) as browser:
        answer = await browser.get("/", headers={b"host": host})
        assert answer.status_code == (400 if "neither" in reason else 200)


async def test_host_is_recognised_however_it_is_written(redis: QueueClient) -> None:
    """In capitals, with a port, and an IPv6 address in any of its forms."""
    async with visiting(redis, hosts=("localhost", "::1", "*.Own.example")) as browser:
        for host in ("LOCALHOST", "localhost:80", "[::1]:8090", "[0:0::1]", "a.b.own.EXAMPLE"):
            assert (await browser.get("/", headers={"host": host})).status_code == 200, host


@pytest.mark.parametrize(
    "name", ["pages.*", "https://pages.example", "pages.example:8090", "a,b", "", "*x", "**", "é"]
)
def test_name_that_would_match_nothing_is_refused_at_the_start(name: str) -> None:
    """In a sentence that says how to write it."""
    with pytest.raises(ConfigurationError, match="write a whole name without scheme and port"):
        Hosts([name])


_HOST = b"HTTP/1.1\r\nHost: HOST\r\n"
_PAUSE = b"POST /queues/default/pause " + _HOST + b"X-User: ada\r\n"
_MULTIPART = b"Content-Type: multipart/form-data"
_X = b"Content-Length: 1\r\n\r\nx"
ODD_REQUESTS = [
    b"GET @[::1 " + _HOST + b"\r\n",
    b"GET x " + _HOST + b"\r\n",
    b"GET http://[::1/ " + _HOST + b"\r\n",
    b"GET /\xff " + _HOST + b"\r\n",
    b"GET /%ff%00%0a " + _HOST + b"\r\n",
    b"GET //[::1 " + _HOST + b"\r\n",
    b"GET /?%5b::1=%ff " + _HOST + b"\r\n",
    b"GET /queues?x=\xb2 " + _HOST + b"\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / " + _HOST + b"Host: HOST\r\n\r\n",
    b"GET / " + _HOST + b"Cookie: pipeline_session=\xff; a; =; pipeline_message=x\r\n\r\n",
    b"GET / " + _HOST + b"X-Forwarded-For: [::1, ,\xff\r\nX-User: \xff\r\n\r\n",
    b"OPTIONS * " + _HOST + b"\r\n",
    b"CONNECT HOST " + _HOST + b"\r\n",
    b"get / " + _HOST + b"\r\n",
    b"POST /login " + _HOST + _MULTIPART + b"\r\n" + _X,
    b"POST /login " + _HOST + _MULTIPART + b"; boundary=x\r\n" + _X,
    _PAUSE + _MULTIPART + b"\r\n" + _X,
    _PAUSE + b"Content-Type: \xff\r\n" + _X,
    _PAUSE + b"X-CSRF-Token: \xff\r\n\r\n",
    _PAUSE + b"Content-Length: 99999999999999999999999\r\n\r\n",
    _PAUSE
    + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000\r\n\r\n"
    + b"a&" * 4500,
]


@pytest.mark.parametrize("request_", ODD_REQUESTS, ids=range(len(ODD_REQUESTS)))
@pytest.mark.parametrize("hosts", [("127.0.0.1",), ("*",)])
async def test_odd_request_is_no_server_error(
    redis: QueueClient, request_: bytes, hosts: tuple[str, ...]
) -> None:
    """It is answered as what it is: wrong, not found, or as if the odd part were not there."""
    async with visiting(redis, BY_PROXY, hosts=hosts) as browser:
        host, port = browser.base_url.host, browser.base_url.port
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request_.replace(b"HOST", f"{host}:{port}".encode()))
        status = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
    assert 200 <= int(status.split()[1]) < 500, status


async def _chunks(of: bytes, times: int) -> Any:
    for _ in range(times):
        yield of


async def test_nobody_fills_the_disk_before_the_login(
    redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that is too long is refused, with its length or without, and never written down."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    login = LoginSettings(users=USERS)
    kind = {"content-type": "multipart/form-data; boundary=x", **SAME}
    head = b'--x\r\nContent-Disposition: form-data; name="name"; filename="a"\r\n\r\n'
    async with visiting(redis, login) as browser:
        for content in (head + b"x" * 3_000_000, _chunks(head + b"x" * 60_000, 50)):
            try:
                answer = await browser.post("/login", content=content, headers=kind)
                assert answer.status_code == 413
                assert f"at most {_LONGEST_LOGIN:,} bytes" in answer.text
            except httpx.WriteError:
                pass  # the server has closed the connection already
        whole = head + b"x" * 9000 + b"\r\n--x--\r\n"
        assert (await browser.post("/login", content=whole, headers=kind)).status_code == 415
        # Elsewhere the body of somebody who is not logged in is not even read.
        answer = await browser.post(PAUSE, content=b"x" * 3_000_000, headers=SAME)
        assert answer.status_code == 303


async def test_body_is_limited_after_the_login_too(redis: QueueClient) -> None:
    """For pages and the JSON API; what is short enough is read whole."""
    async with visiting(redis, BY_PROXY) as browser:
        for path in (PAUSE, "/api/queues/default/jobs", "/logout"):
            answer = await browser.post(path, content=b"x" * (_LONGEST_BODY + 1), headers=BEARER)
            assert answer.status_code == 413
        page = await browser.get("/queues", headers={"x-user": "ada"})
        form = {"more": "x" * (_LONGEST_BODY - 1000), "csrf": csrf_of(page)}
        answer = await browser.post(PAUSE, data=form, headers={"x-user": "ada", **SAME})
        assert answer.status_code == 303


async def test_every_answer_has_the_headers_that_keep_it_apart(redis: QueueClient) -> None:
    """Pages, refusals and files alike: no other site reads, frames or shares them."""
    async with visiting(redis, LoginSettings(users=USERS)) as browser:
        answers = [
            await browser.get("/login"),
            await browser.get("/"),
            await browser.get("/api/queues"),
            await browser.get("/static/style.css"),
            await browser.get("/login", headers={"host": "evil.example"}),
            await browser.post("/login", headers={"origin": "null"}),
            await browser.post("/login", content=b"x" * 99_999, headers=SAME),
            await log_in(browser),
            await browser.get("/nothing"),
            await browser.get("/queues"),
        ]
    for answer in answers:
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


async def test_redis_that_is_away_is_said_so(redis: QueueClient) -> None:
    """Who a visitor is cannot be known without it; nobody is let in, and nobody logged out."""
    away = connect("redis://127.0.0.1:1/0", call_timeout_s=1)
    async with visiting(redis, LoginSettings(users=USERS)) as browser:
        await log_in(browser)
        cookies = dict(browser.cookies)
    async with visiting(away, LoginSettings(users=USERS)) as browser:
        browser.cookies.update(cookies)
        answer = await browser.get("/queues")
        assert answer.status_code == 503
        assert "Redis does not answer" in answer.text
        assert "set-cookie" not in answer.headers
    await away.aclose()


def test_proxies_are_networks_and_addresses() -> None:
    """With spaces or commas, of either version, also in the form of IPv4 within IPv6."""
    peers = Peers.read("10.0.0.0/8, 192.0.2.7 2001:db8::/32")
    for address in ("10.255.0.1", "192.0.2.7", "2001:db8::9", "::ffff:10.0.0.1"):
        assert peers.believes(_connection(address)), address
    for address in ("11.0.0.1", "192.0.2.8", "2001:db9::9", "::ffff:11.0.0.1", "localhost"):
        assert not peers.believes(_connection(address)), address


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1/8", "10.0.0", "localhost", "proxy.internal", "10.0.0.0/33", "0.0.0.0/0", "::/0"],
)
def test_proxies_that_would_match_nobody_or_anybody_are_refused(text: str) -> None:
    """In a sentence."""
    with pytest.raises(ConfigurationError, match="WEB__PROXY_PEERS: "):
        Peers.read(f"127.0.0.1 {text}")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1:5678", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:5678", "2001:db8::1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, , 10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_client_is_the_last_address_that_is_no_proxy(
    peer: str, forwarded: str, client: str
) -> None:
    """What stands before it is the client's own claim; what is unreadable ends the search."""
    peers = Peers.read("10.0.0.0/8")
    assert peers.client(_connection(peer, ("x-forwarded-for", forwarded))) == client


def _connection(peer: str, *headers: tuple[str, str]) -> Any:
    from starlette.requests import HTTPConnection

    raw = [(name.encode(), value.encode()) for name, value in headers if value]
    return HTTPConnection({"type": "http", "client": (peer, 1), "headers": raw, "scheme": "http"})


NAME = "draw token=c4n4ry \x1b]0;title\x07\x9b31m \u200f שלום <script>"


async def test_name_of_a_batch_brings_no_secret_and_no_control_into_a_page(
    redis: QueueClient,
) -> None:
    """Who names a batch may write anything; directions of writing stay, as their languages need."""
    batch = Batch(NAME)
    async with batch, visiting(redis) as browser:
        pages = [await browser.get(path) for path in ("/batches", f"/batches/{batch.id}")]
        answers = [
            await browser.get(f"/api{path}") for path in ("/batches", f"/batches/{batch.id}")
        ]
    for page in pages:
        assert "draw token=[redacted] \\u001b]0;title\\u0007\\u009b31m \u200f שלום" in page.text
        assert "<script>" not in page.text.partition("draw token")[2][:200]
    for answer in (*pages, *answers):
        assert answer.status_code == 200
        assert "c4n4ry" not in answer.text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", answer.text)


@pytest.mark.parametrize(
    "elsewhere",
    [
        *("//evil.example", "/\\evil.example", "/\t/evil.example", "/\n/evil.example"),
        *("/\r\n\\evil.example", "\t//evil.example", "https://evil.example", "javascript:x", ""),
    ],
)
def test_no_form_leads_to_another_site(elsewhere: str) -> None:
    """Browsers drop tabs and line breaks in an address, and read a backslash as a slash."""
    assert local(elsewhere) == "/"
    assert local("/jobs?q=a b&after=ä") == "/jobs?q=a b&after=ä"
