"""Where a request comes from: its peer, or the browser behind a proxy that is believed."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WITH_PORT = re.compile(r"\[(?P<six>[^\]]*)\](?::\d+)?|(?P<four>[\d.]+)(?::\d+)?")
_PREFIX_OF_A_HOME = 64
"""One customer has so long a prefix of IPv6, and can use every address below it."""


@dataclass(frozen=True, slots=True)
class Peers:
    """The proxies that are believed, when they say for whom they speak."""

    networks: tuple[Network, ...] = (
        ipaddress.ip_network("127.0.0.1"),
        ipaddress.ip_network("::1"),
    )

    @classmethod
    def read(cls, text: str) -> Peers:
        """
        Read addresses and networks, with spaces or commas between them.

        Raises:
            ConfigurationError: A word is neither, or is every address.
        """
        return cls(tuple(_network(word) for word in text.replace(",", " ").split()))

    def believes(self, connection: HTTPConnection) -> bool:
        """Whether the request comes straight from one of the proxies."""
        peer = _address(connection.client.host) if connection.client else None
        return peer is not None and self._has(peer)

    def client(self, connection: HTTPConnection) -> str:
        """
        The address of the browser or program.

        It is the last in `X-Forwarded-For` that is no proxy of ours: those before it are what the
        client itself may have sent. Without a proxy that is believed it is the peer.
        """
        peer = connection.client.host if connection.client else "?"
        address = _address(peer)
        if address is None:
            return peer
        if self._has(address):
            words = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")
            for word in reversed(words):
                named = _address(word)
                if named is None:
                    break
                address = named
                if not self._has(named):
                    break
        return str(address)

    def is_https(self, connection: HTTPConnection) -> bool:
        """Whether the browser came by TLS: to this server, or to a proxy that is believed."""
        if connection.scope["scheme"] == "https":
            return True
        said = connection.headers.get("x-forwarded-proto", "").rpartition(",")[2]
        return said.strip().lower() == "https" and self.believes(connection)

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def one_place(address: str) -> str:
    """*address*, or for IPv6 the network of its customer: guesses are counted by it."""
    known = _address(address)
    if known is None or known.version == 4:  # noqa: PLR2004 -- of IP
        return address
    return str(ipaddress.ip_network((known, _PREFIX_OF_A_HOME), strict=False))


def _address(text: str) -> Address | None:
    text = text.strip()
    if found := _WITH_PORT.fullmatch(text):
        text = found["six"] or found["four"] or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(word: str) -> Network:
    try:
        network = ipaddress.ip_network(word)
    except ValueError as error:
        raise ConfigurationError(
            f"WEB__PROXY_PEERS: {error}; write addresses and networks, such as 10.1.0.0/16"
        ) from None
    if network.prefixlen == 0:
        raise ConfigurationError(
            f"WEB__PROXY_PEERS: {word} is every address, so anybody could say who they are; "
            "name the network of the proxies"
        )
    return network
