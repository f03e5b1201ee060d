"""
The one way out by HTTP: for sources, webhooks and services.

An address that comes from outside, and so every redirect, could lead into the worker's own network:
to a database's port, to a cloud's metadata. So each name is looked up here, the result is checked,
and the connection is made to the very address that was checked; a name that means something else a
moment later (DNS rebinding) gains nothing. That holds for every request that takes no proxy, also
where other requests do.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from runner.egress.networks import is_public

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
    Connect = Callable[[httpx.Proxy | None], httpx.AsyncBaseTransport]

_PORTS = {"http": 80, "https": 443}


def web_address(text: str) -> httpx.URL | None:
    """Return *text* read as an http(s) address; None if it cannot be: then it is not quoted."""
    try:
        address = httpx.URL(text)
        _ = urlsplit(text).port  # stricter about brackets
    except (httpx.InvalidURL, ValueError):
        return None
    is_web = address.scheme in _PORTS and address.host and "%" not in address.host
    return address if is_web else None


class NotPublicError(httpx.ConnectError):
    """The host of a request is not on the public internet, or nobody here can tell."""


def egress_client(*, allow_private: bool, **options: Any) -> httpx.AsyncClient:
    """
    Make a client that keeps to public addresses, or with *allow_private* goes anywhere.

    allow_private: also for addresses that the operator chose, such as a webhook's.
    options: as for `httpx.AsyncClient`. It follows no redirect unless told to.
    """
    return httpx.AsyncClient(transport=Egress(allow_private=allow_private), **options)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Look *host* up as a connection would; an IP address is itself."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Egress(httpx.AsyncBaseTransport):
    """
    Sends each request by its proxy, if the environment names one for it, or else directly.

    httpx passes it every hop of a redirect. A direct request goes to the first public address of
    its host that accepts a connection. Behind a proxy it is the proxy that looks the name up and
    connects; so all that the name means here has to be public.

    Raises:
        NotPublicError: A host has no public address, or what a proxy will make of it is unknown.
    """

    def __init__(
        self, *, allow_private: bool, resolve: Resolve = resolve, connect: Connect | None = None
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._connect = connect or self._transport
        self._proxies = getproxies()
        self._ways: dict[tuple[str, str, int | None], httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* to where it may go."""
        url = request.url
        proxy = self._proxy_of(url)
        if proxy is not None:
            if not self._allow_private:
                await self._check_for_proxy(request)
            return await self._way(("proxy", proxy, None), proxy).handle_async_request(request)
        # A way for each host: kept connections are found by their address, and two hosts at one
        # address have each their certificate.
        way = self._way((url.scheme, url.host, url.port), None)
        if self._allow_private:
            return await way.handle_async_request(request)
        addresses = await self._public_addresses(request)
        extensions = {**request.extensions, "sni_hostname": url.raw_host.decode()}
        for address in addresses[:-1]:
            try:
                return await way.handle_async_request(_at(request, address, extensions))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await way.handle_async_request(_at(request, addresses[-1], extensions))

    async def aclose(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            await way.aclose()

    def _proxy_of(self, url: httpx.URL) -> str | None:
        """Return the proxy that the environment names for *url*, if any."""
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        if proxy is None:
            return None
        host = url.host if ":" in url.host else f"{url.host}:{url.port or _PORTS.get(url.scheme)}"
        return None if proxy_bypass(host) else proxy

    def _way(self, key: tuple[str, str, int | None], proxy: str | None) -> httpx.AsyncBaseTransport:
        if key not in self._ways:
            self._ways[key] = self._connect(None if proxy is None else _proxy(proxy))
        return self._ways[key]

    def _transport(self, proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=self._context, proxy=proxy)

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    async def _public_addresses(self, request: httpx.Request) -> Sequence[str]:
        found = await self._look_up(request)
        public = [address for address in found if is_public(address)]
        if not public:
            raise _not_public(request, found)
        return public

    async def _check_for_proxy(self, request: httpx.Request) -> None:
        try:
            found = await self._look_up(request)
        except httpx.ConnectError as error:
            raise NotPublicError(
                f"leads to {request.url.host}, which cannot be looked up here, so that nobody can "
                "tell where the proxy would go"
            ) from error
        if private := [address for address in found if not is_public(address)]:
            raise _not_public(request, private)

    async def _look_up(self, request: httpx.Request) -> Sequence[str]:
        url = request.url
        port = url.port or _PORTS.get(url.scheme, 0)
        limit_s = request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(limit_s):
                return await self._resolve(url.raw_host.decode(), port)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"{url.host}: nobody knows its address yet") from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{url.host}: {error}") from error


def _not_public(request: httpx.Request, addresses: Sequence[str]) -> NotPublicError:
    shown = ", ".join(addresses)
    return NotPublicError(f"leads to {request.url.host}, which is at a private address ({shown})")


def _proxy(address: str) -> httpx.Proxy:
    try:
        return httpx.Proxy(address if "://" in address else f"http://{address}")
    except (httpx.InvalidURL, ValueError):
        # The address is not quoted, and its error is: it may hold a password.
        reason = "the proxy that the environment names is not an address: write http://HOST:PORT"
        raise httpx.ProxyError(reason) from None


def _at(request: httpx.Request, address: str, extensions: dict[str, object]) -> httpx.Request:
    """The same request to an address; its Host header, and TLS, still name the host."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )
