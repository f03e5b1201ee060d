"""Tests stay on this machine."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests import network_guard

# An address for documentation (RFC 5737), which nobody uses.
ELSEWHERE = "192.0.2.1"


@pytest.mark.parametrize(
    ("family", "address", "expected"),
    [
        (socket.AF_INET, ("127.0.0.1", 1), True),
        (socket.AF_INET, ("127.8.8.8", 1), True),
        (socket.AF_INET, ("localhost", 1), True),
        (socket.AF_INET6, ("::1", 1, 0, 0), True),
        (socket.AF_UNIX, "redis.sock", True),
        (socket.AF_INET, (ELSEWHERE, 1), False),
        (socket.AF_INET, ("example.com", 1), False),
        (socket.AF_INET6, ("2001:db8::1", 1, 0, 0), False),
    ],
)
def test_is_local_knows_this_machine(family: int, address: object, *, expected: bool) -> None:
    """Only loopback addresses and Unix sockets are local."""
    assert network_guard.is_local(family, address) is expected


async def test_connection_elsewhere_is_refused_and_kept() -> None:
    """A connection elsewhere fails at once, and fails the test even if it swallows the error."""
    with pytest.raises(PermissionError, match="tests may not leave this machine"):
        await asyncio.open_connection(ELSEWHERE, 80)

    assert network_guard.violations == [f"('{ELSEWHERE}', 80)"]
    network_guard.violations.clear()


def test_datagram_elsewhere_is_refused() -> None:
    """UDP packets to elsewhere are refused too."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        pytest.raises(PermissionError, match="tests may not leave this machine"),
    ):
        sock.sendto(b"x", (ELSEWHERE, 8125))

    network_guard.violations.clear()
