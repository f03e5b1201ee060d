"""
Which network addresses a source may be fetched from: public ones, unless private ones are allowed.

A source's address comes from outside, and so does every redirect. Followed blindly, they could lead
into the worker's own network: to a database's port, to a cloud's metadata. So each name is looked
up here, the result is checked, and the connection is made to the very address that was checked; a
name that means something else a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.request import getproxies

import httpx

from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64 = ip_network("64:ff9b::/96")
_REMEDY = "Set ALLOW_PRIVATE_ADDRESSES=true if that is intended"


def is_public(address: str) -> bool:
    """Whether an IP address is public; of an IPv6 one that wraps an IPv4 one, whether that is."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        found = _unwrapped(found)
    return found.is_global and not found.is_multicast


def _unwrapped(address: IPv6Address) -> IPv4Address | IPv6Address:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def resolve(host: str, port: int) -> Sequence[str]:
    """Look *host* up as a connection would; an IP address is itself."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class PublicOnly(httpx.AsyncBaseTransport):
    """
    Connects to public addresses only; httpx passes it every hop of a redirect.

    Raises:
        SourceError: The host of a request has no public address.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, resolve: Resolve = resolve) -> None:
        self._inner = inner
        self._resolve = resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the first of the host's public addresses that accepts a connection."""
        addresses = await public_addresses(request.url, self._resolve)
        extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode()}
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_at(request, address, extensions))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_at(request, addresses[-1], extensions))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


async def public_addresses(url: httpx.URL, resolve: Resolve = resolve) -> Sequence[str]:
    """
    Look up the public addresses of *url*'s host.

    Raises:
        SourceError: It has none, though it has others.
        httpx.ConnectError: There is no such host.
    """
    try:
        found = await resolve(
            url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80)
        )
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{url.host}: {error}") from error
    public = [address for address in found if is_public(address)]
    if not public:
        reason = f"leads to {url.host}, which is at a private address ({', '.join(found)})"
        raise SourceError(str(url), reason, _REMEDY)
    return public


def guarded_client(*, allow_private: bool, **options: object) -> httpx.AsyncClient:
    """
    Make a client that keeps to public addresses, or with *allow_private* goes anywhere.

    Behind a proxy it is the proxy that connects; then names are checked by what they mean here.
    """
    arguments: dict[str, object] = dict(options)
    if not allow_private and getproxies():
        arguments["event_hooks"] = {"request": [_refuse_private]}
    elif not allow_private:
        arguments["transport"] = PublicOnly(httpx.AsyncHTTPTransport())
    return httpx.AsyncClient(**arguments)  # type: ignore[arg-type]  # passed on as they came


async def _refuse_private(request: httpx.Request) -> None:
    try:
        await public_addresses(request.url)
    except httpx.ConnectError:
        return  # a name that only the proxy knows


def _at(request: httpx.Request, address: str, extensions: dict[str, object]) -> httpx.Request:
    """The same request to an address; its Host header, and TLS, still name the host."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )
