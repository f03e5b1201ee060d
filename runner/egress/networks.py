"""
Which IP addresses belong to the public internet.

The networks are those of IANA's registries, as of 2026:
https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry and
https://www.iana.org/assignments/ipv6-address-space. Python's `ipaddress` has a table too, which
differs from version to version and takes deprecated ranges for public ones.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

_NOT_PUBLIC = """
    0.0.0.0/8           this network
    10.0.0.0/8          private
    100.64.0.0/10       shared by a provider's customers
    127.0.0.0/8         this machine
    169.254.0.0/16      link-local
    172.16.0.0/12       private
    192.0.0.0/24        protocol assignments
    192.0.2.0/24        documentation
    192.88.99.0/24      6to4 relay
    192.168.0.0/16      private
    198.18.0.0/15       benchmarks
    198.51.100.0/24     documentation
    203.0.113.0/24      documentation
    224.0.0.0/4         multicast
    240.0.0.0/4         reserved
    168.63.129.16/32    Azure's host, which only looks public
    2001::/23           protocol assignments, Teredo among them
    2001:db8::/32       documentation
    2002::/16           6to4
    3fff::/20           documentation
"""
_NETWORKS: list[Network] = [ip_network(line.split()[0]) for line in _NOT_PUBLIC.strip().split("\n")]

_UNICAST = ip_network("2000::/3")
"""Outside of it no IPv6 address is public: not ::/96, 64:ff9b:1::/48, fc00::/7, fec0::/10 …"""

_WRAPPING = (ip_network("64:ff9b::/96"), ip_network("::ffff:0:0/96"))
"""NAT64 and IPv4-mapped: these lead to the IPv4 address in their last 32 bits."""


def is_public(address: str) -> bool:
    """
    Whether an IP address is public; of an IPv6 one that leads to an IPv4 one, whether that is.

    Raises:
        ValueError: It is not an IP address.
    """
    found = _unwrapped(ip_address(address.partition("%")[0]))
    if isinstance(found, IPv6Address) and found not in _UNICAST:
        return False
    return not any(found in network for network in _NETWORKS)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if any(address in network for network in _WRAPPING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
