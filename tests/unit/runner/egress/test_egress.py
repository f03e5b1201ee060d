"""Requests go where they may: pinned to the address that was checked, whatever proxies exist."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from runner.egress.client import Egress, NotPublicError, egress_client
from runner.egress.networks import is_public

if TYPE_CHECKING:
    from collections.abc import Sequence

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07::1"
NOT_PUBLIC = (  # each network of the table, and each way around it
    """
    127.0.0.1 127.255.255.254 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
    100.64.0.1 100.127.255.255 0.0.0.0 0.1.2.3 192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1
    198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1
    255.255.255.255 168.63.129.16
    ::1 :: ::7f00:1 ::5db8:d70e fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 100::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:100.64.0.1 ::ffff:0:7f00:1 64:ff9b::a9fe:a9fe
    64:ff9b::7f00:1 64:ff9b::6440:1 64:ff9b:1::1 64:ff9b:1:fffe::5db8:d70e
    2002:7f00:1:: 2002:5db8:d70e::
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1 3fff::1
    5f00::1 4000::1
    """.split()  # noqa: SIM905 -- a table reads best as one
)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_known(address: str) -> None:
    """Of this machine, private, link-local, shared, reserved, or IPv6 that leads to one of them."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    f"{PUBLIC} {PUBLIC_6} 64:ff9b::5db8:d70e ::ffff:93.184.215.14 1.1.1.1 100.128.0.1 172.32.0.1 "
    "192.0.1.1 198.20.0.1 2001:4860:4860::8888 2400:cb00::1".split(),
)
def test_public_address_is(address: str) -> None:
    """Addresses of the internet, IPv4 and IPv6, and the ways from the one to the other."""
    assert is_public(address)


class Wire(httpx.AsyncBaseTransport):
    """A fake network: notes where connections go, and answers or refuses."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, object]] = []
        self.proxies: list[str] = []

    def connect(self, proxy: httpx.Proxy | None) -> Wire:
        """Note the proxy, if any."""
        self.proxies.append(str(proxy.url) if proxy else "")
        return self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note host, Host header and the name for TLS."""
        name = request.extensions.get("sni_hostname")
        self.asked.append((request.url.host, request.headers["host"], name))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Names:
    """Says what names mean, the next time something else; without a meaning, nobody knows."""

    def __init__(self, **meanings: Sequence[Sequence[str]]) -> None:
        self.meanings = {name: list(one) for name, one in meanings.items()}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Look *host* up."""
        del port
        if not (found := self.meanings.get(host.partition(".")[0])):
            raise socket.gaierror(-2, "Name or service not known")
        return found.pop(0) if len(found) > 1 else found[0]


def client(wire: Wire, names: Names) -> httpx.AsyncClient:
    """Return a client that keeps to public addresses."""
    transport = Egress(allow_private=False, resolve=names, connect=wire.connect)
    return httpx.AsyncClient(transport=transport, follow_redirects=True)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the proxies of whoever runs the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "proxies",
    [
        {},
        {"HTTP_PROXY": "http://proxy:3128"},
        {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "rebinding.example"},
        {"ALL_PROXY": "http://proxy:3128", "no_proxy": ".example"},
        {"https_proxy": "http://proxy:3128", "no_proxy": "*"},
        {"https_proxy": "http://proxy:3128", "no_proxy": "rebinding.example:443"},
    ],
)
@pytest.mark.usefixtures("no_proxies")
async def test_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str]
) -> None:
    """A name is looked up only once, so it cannot change in between, if no proxy is taken."""
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    wire = Wire(httpx.Response(200))
    async with client(wire, Names(rebinding=[[PUBLIC], ["127.0.0.1"]])) as http:
        await http.get("https://rebinding.example/feed")
        assert wire.asked == [(PUBLIC, "rebinding.example", "rebinding.example")]
        with pytest.raises(NotPublicError, match="private address"):
            await http.get("https://rebinding.example/feed")
    assert len(wire.asked) == 1
    assert wire.proxies == [""]


@pytest.mark.usefixtures("no_proxies")
async def test_every_hop_of_a_redirect_is_checked() -> None:
    """A public page that leads inside is followed no further."""
    wire = Wire(httpx.Response(302, headers={"Location": "http://metadata.internal/"}))
    names = Names(good=[[PUBLIC]], metadata=[["169.254.169.254"]])
    async with client(wire, names) as http:
        with pytest.raises(NotPublicError, match=r"leads to metadata\.internal"):
            await http.get("http://good.example/feed")
    assert len(wire.asked) == 1


@pytest.mark.usefixtures("no_proxies")
async def test_private_ones_among_several_addresses_are_passed_over() -> None:
    """Of a host with many addresses the public ones are tried in turn."""
    wire = Wire(httpx.ConnectError("refused"), httpx.Response(200))
    async with client(wire, Names(many=[["10.0.0.1", PUBLIC, PUBLIC_6]])) as http:
        assert (await http.get("http://many.example/")).status_code == 200
    assert [host for host, *_ in wire.asked] == [PUBLIC, PUBLIC_6]


@pytest.mark.parametrize(
    ("meaning", "reason"),
    [([], "cannot be looked up"), ([["10.0.0.1"]], "private"), ([[PUBLIC, "::1"]], "private")],
)
@pytest.mark.usefixtures("no_proxies")
async def test_a_proxy_is_asked_only_for_what_is_known_to_be_public(
    monkeypatch: pytest.MonkeyPatch, meaning: list[list[str]], reason: str
) -> None:
    """A proxy takes any address of a name; one that cannot be looked up here is refused."""
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    wire = Wire(httpx.Response(200))
    async with client(wire, Names(host=meaning, public=[[PUBLIC]])) as http:
        with pytest.raises(NotPublicError, match=reason):
            await http.get("http://host.example/feed")
        assert not wire.asked
        await http.get("http://public.example/feed")
    assert (wire.asked, wire.proxies) == (
        [("public.example", "public.example", None)],
        ["http://proxy:3128"],
    )


@pytest.mark.usefixtures("no_proxies")
async def test_name_that_nobody_knows_is_refused() -> None:
    """Without an address there is nowhere to go."""
    async with client(Wire(), Names()) as http:
        with pytest.raises(httpx.ConnectError, match=r"nowhere\.example: .*not known"):
            await http.get("http://nowhere.example/")


async def test_allowed_client_follows_no_redirect_unless_told_to() -> None:
    """What the operator addressed is the end of the way."""
    async with egress_client(allow_private=True) as http:
        assert not http.follow_redirects
