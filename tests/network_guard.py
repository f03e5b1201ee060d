"""Keeps tests at home: no connection leaves this machine, not even one whose failure is caught."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

violations: list[str] = []


def install() -> None:
    """
    Refuse, from now on, every connection of this process that is not to itself.

    It sees what goes through Python's sockets: asyncio, redis, httpx, StatsD; not what a
    subprocess or native code does. Each refusal is kept in `violations`.
    """
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def is_local(family: int, address: object) -> bool:
    """Tell whether *address* is on this machine: a loopback address or no IP address at all."""
    if family not in {socket.AF_INET, socket.AF_INET6}:
        return True
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _guarded(original: Callable[..., R]) -> Callable[..., R]:
    def call(sock: socket.socket, *args: Any) -> R:
        # In each of the guarded methods the address comes last.
        if not is_local(sock.family, args[-1]):
            violations.append(f"{args[-1]!r}")
            raise PermissionError(f"tests may not leave this machine, and one went to {args[-1]!r}")
        return original(sock, *args)

    return call
