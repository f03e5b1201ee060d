"""The names that the server answers to, and whether a request comes from its own pages."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import HTTPConnection

    from runner.web.peers import Peers

_NAME = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
_HOST = re.compile(
    rf"(?P<name>{_NAME}|\[(?P<six>[0-9a-f:.]+)\])(?::(?P<port>\d{{1,5}}))?", re.IGNORECASE
)
_PATTERN = re.compile(rf"\*|(?:\*\.)?{_NAME}", re.IGNORECASE)
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#]+)")
_PORTS = {"http": 80, "https": 443}
_OURS = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of a form of our own, and of what somebody does by hand."""

_LONGEST = 300


class Hosts:
    """
    Names that the server answers to: another site could reach it through a name of its own.

    `*.example.com` is every name below one, `*` is any.

    Raises:
        ConfigurationError: One is no name, and would match nothing.
    """

    def __init__(self, names: Collection[str]) -> None:
        written = {_pattern(name) for name in names}
        self._any = "*" in written
        self._below = tuple(name[1:] for name in written if name.startswith("*."))
        self._names = written

    def problem(self, connection: HTTPConnection) -> str | None:
        """Why the request is not for this server, in a sentence; None if it is."""
        if not connection.scope["path"].startswith("/"):
            return "the path of a request starts with a slash"
        given = connection.headers.getlist("host")
        if len(given) != 1:
            return "name one host in the Host header"
        host = _read(given[0])
        if host is None:
            return f"{_shown(given[0])} in the Host header is neither a name nor an address"
        if not (self._any or host[0] in self._names or host[0].endswith(self._below)):
            return (
                f"this server does not answer to the name {_shown(host[0])}: "
                "its operator can add it to WEB__ALLOWED_HOSTS"
            )
        return None


def foreign(connection: HTTPConnection, peers: Peers) -> str | None:
    """Why a request that changes something is not from our own pages; None if it may be."""
    if not set(connection.headers.getlist("sec-fetch-site")) <= _OURS:
        return "this request came from another site"
    for origin in connection.headers.getlist("origin"):
        if not _is_ours(origin, connection, peers):
            return (
                f"this request came from another site: its origin is {_shown(origin)}, and this "
                f"server is {_shown(connection.headers.get('host', ''))}; a proxy in between has "
                "to pass the Host header on"
            )
    return None


def _is_ours(origin: str, connection: HTTPConnection, peers: Peers) -> bool:
    parts = _ORIGIN.fullmatch(origin.lower())
    if parts is None or (parts["scheme"] == "http" and peers.is_https(connection)):
        return False
    names = connection.headers.getlist("host")
    if peers.believes(connection):
        names += connection.headers.getlist("x-forwarded-host")
    standard = _PORTS[parts["scheme"]]
    theirs = _read(parts["host"])
    ours = [found for name in names if (found := _read(name))]
    return theirs is not None and (theirs[0], theirs[1] or standard) in {
        (name, port or standard) for name, port in ours
    }


def _read(host: str) -> tuple[str, int | None] | None:
    """Read name and port; an address is written in its one shortest form."""
    found = _HOST.fullmatch(host) if len(host) <= _LONGEST else None
    if found is None:
        return None
    name = found["name"].lower()
    if found["six"]:
        try:
            name = str(ipaddress.IPv6Address(found["six"]))
        except ValueError:
            return None
    return name, int(found["port"]) if found["port"] else None


def _pattern(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if _PATTERN.fullmatch(name):
            return name.lower()
    raise ConfigurationError(
        f"host {name}: write a whole name without scheme and port, *.example.com for all names "
        "below it, or *"
    )


def _shown(text: str) -> str:
    return repr(text[:100])
