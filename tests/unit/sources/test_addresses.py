"""Sources are fetched from public addresses only, unless private ones are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from jobs.sources.addresses import PublicOnly, is_public
from jobs.sources.fetch import fetch
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.sources.local_server import LocalServer

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 -- it is compared, not listened on
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:0001::",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_private_address_is_none_of_the_internet(address: str) -> None:
    """Loopback, private, link-local, shared, multicast, and IPv6 that wraps one of them."""
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e"])
def test_public_address_is(address: str) -> None:
    """Addresses of the internet, IPv4 and IPv6."""
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433"])
async def test_private_host_is_refused_in_every_spelling(host: str) -> None:
    """A number, a name, an address: what counts is where it leads, not how it is written."""
    with pytest.raises(SourceError, match="ALLOW_PRIVATE_ADDRESSES=true") as error:
        await fetch(f"http://{host}:1/feed.xml")
    assert "private address" in str(error.value)
    assert not error.value.transient


async def test_allowed_private_host_is_fetched(server: LocalServer) -> None:
    """With the setting, this machine is a host like any other."""
    address = server.set("/feed", b"<rss/>")
    assert (await fetch(address, allow_private=True)).content == b"<rss/>"
    with pytest.raises(SourceError, match="private address"):
        await fetch(address)
    assert len(server.requests) == 1


class Wire(httpx.AsyncBaseTransport):
    """A fake network: notes where connections go, and answers or refuses."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, object]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note host, Host header and the name for TLS."""
        name = request.extensions.get("sni_hostname")
        self.asked.append((request.url.host, request.headers["host"], name))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_connection_goes_to_the_address_that_was_checked() -> None:
    """A name is looked up only once, so it cannot change in between (DNS rebinding)."""
    meanings = [[PUBLIC], ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("rebinding.example", 443)
        return meanings.pop(0)

    wire = Wire(httpx.Response(200))
    async with httpx.AsyncClient(transport=PublicOnly(wire, resolve)) as client:
        await client.get("https://rebinding.example/feed")
        assert wire.asked == [(PUBLIC, "rebinding.example", "rebinding.example")]
        with pytest.raises(SourceError, match="private address"):
            await client.get("https://rebinding.example/feed")
    assert len(wire.asked) == 1


async def test_every_hop_of_a_redirect_is_checked() -> None:
    """A public page that leads inside is followed no further."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        del port
        return [PUBLIC] if host == "good.example" else ["169.254.169.254"]

    hop = httpx.Response(302, headers={"Location": "http://metadata.internal/"})
    wire = Wire(hop)
    transport = PublicOnly(wire, resolve)
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
        with pytest.raises(SourceError, match=r"leads to metadata\.internal"):
            await client.get("http://good.example/feed")
    assert len(wire.asked) == 1


async def test_private_ones_among_several_addresses_are_passed_over() -> None:
    """Of a host with many addresses the public ones are tried in turn."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return ["10.0.0.1", PUBLIC, "2606:2800:21f:cb07::1"]

    wire = Wire(httpx.ConnectError("refused"), httpx.Response(200))
    async with httpx.AsyncClient(transport=PublicOnly(wire, resolve)) as client:
        assert (await client.get("http://many.example/")).status_code == 200
    assert [host for host, *_ in wire.asked] == [PUBLIC, "2606:2800:21f:cb07::1"]


async def test_behind_a_proxy_private_hosts_are_refused_too(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy connects, so hosts are checked before it is asked; it may itself be private."""
    monkeypatch.setenv("http_proxy", server.url("").rstrip("/"))
    monkeypatch.setenv("no_proxy", "")
    address = "http://93.184.215.14/feed"
    server.set(address.removeprefix(server.url("")), b"<rss/>")
    assert (await fetch(address)).content == b"<rss/>"
    with pytest.raises(SourceError, match="private address"):
        await fetch("http://10.0.0.1/feed")
    assert server.requests == [address]
