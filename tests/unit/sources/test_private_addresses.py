"""Sources are fetched from public addresses only, unless private ones are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.sources.fetch import fetch
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from tests.unit.sources.local_server import LocalServer


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "127.1", "[::ffff:7f00:1]"],
)
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


@pytest.mark.parametrize(
    "proxies",
    [
        {"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"},
        {"http_proxy": "http://127.0.0.1:1", "no_proxy": "*"},
        {"https_proxy": "http://127.0.0.1:1"},
        {"ALL_PROXY": "http://127.0.0.1:1", "NO_PROXY": "example.org,127.0.0.1"},
    ],
)
async def test_private_host_is_refused_where_another_request_takes_a_proxy(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str]
) -> None:
    """A proxy for another scheme or other hosts does not open this machine."""
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SourceError, match="private address"):
        await fetch(server.set("/feed", b"<rss/>"))
    assert not server.requests


@pytest.mark.parametrize(
    "proxy", ["http://me:PW#1@127.0.0.1:8080", "http://me:PW@[::1", "foo://me:PW@127.0.0.1"]
)
async def test_unreadable_proxy_is_not_quoted(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """The error says that the proxy's address is wrong, and not what it is."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(SourceError) as error:
        await fetch("http://93.184.215.14/feed")
    assert "PW" not in str(error.value)
