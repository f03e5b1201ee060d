"""
Take the network from this process, for good.

On Linux a seccomp filter refuses every way to a socket that leads anywhere, in native code and in
whatever the process starts, too. Where there is none, a network namespace of its own does as much
for addresses. Elsewhere Python's own sockets are refused, which native code can get around.

What could look into other processes of the same user, or lead around the filter, is refused, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import sys
from pathlib import Path

_NO_NEW_PRIVILEGES = 38
_SET_SECCOMP = 22
_FILTER_MODE = 2

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_NOT_BELOW, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _MACHINE_AT, _ADDRESS_AT = 0, 4, 16 + 4 * 8
_ALLOW, _KILL_PROCESS, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EACCES
_OTHER_NUMBERING = 0x40000000  # x32 has the same machine, and numbers of its own

# `socketpair` stays: it leads nowhere, and event loops in native code wake themselves by it.
_CALLS = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41,
            "connect": 42,
            "accept": 43,
            "sendto": 44,
            "sendmsg": 46,
            "bind": 49,
            "listen": 50,
            "accept4": 288,
            "sendmmsg": 307,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198,
            "connect": 203,
            "accept": 202,
            "sendto": 206,
            "sendmsg": 211,
            "bind": 200,
            "listen": 201,
            "accept4": 242,
            "sendmmsg": 269,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
        },
    ),
}

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_REFUSED_EVENTS = frozenset(
    {
        *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
    }
)


def leave_network() -> str:
    """Take the network from this process, which must have one thread; return by which means."""
    if sys.platform == "linux" and _filter_calls():
        return "seccomp"
    sys.addaudithook(_refuse)
    if sys.platform == "linux" and _enter_empty_network():
        return "network namespace"
    return "refused sockets"


def _filter_calls() -> bool:
    """Refuse the calls; False if this machine's are not known, or its kernel has no filters."""
    known = _CALLS.get(os.uname().machine)
    if known is None:
        return False
    program = _program(*known)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    passed = Program(len(program) // 8, program)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.byref(passed), 0, 0) == 0)


def _program(machine: int, calls: dict[str, int]) -> bytes:
    """
    Write the filter: steps of the kernel's BPF, which jump forward over those that do not apply.

    `sendto` without an address is `send`, which needs a socket that is connected already.
    """
    others = [number for name, number in calls.items() if name != "sendto"]
    refuse = _step(_RETURN, _REFUSE)
    return b"".join(
        (
            _step(_LOAD, _MACHINE_AT),
            _step(_JUMP_IF_EQUAL, machine, 1, 0),
            _step(_RETURN, _KILL_PROCESS),
            _step(_LOAD, _NUMBER_AT),
            _step(_JUMP_IF_NOT_BELOW, _OTHER_NUMBERING, 0, 1),
            refuse,
            *(step for one in others for step in (_step(_JUMP_IF_EQUAL, one, 0, 1), refuse)),
            _step(_JUMP_IF_EQUAL, calls["sendto"], 0, 5),
            _step(_LOAD, _ADDRESS_AT),
            _step(_JUMP_IF_EQUAL, 0, 0, 2),
            _step(_LOAD, _ADDRESS_AT + 4),
            _step(_JUMP_IF_EQUAL, 0, 1, 0),
            refuse,
            _step(_RETURN, _ALLOW),
        )
    )


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _enter_empty_network() -> bool:
    """Enter a namespace without any network, as the user that this process has outside."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NETWORK) != 0:
        return False
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        # Without the maps its files are still its own: only names of users would be odd.
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    return True


def _refuse(event: str, _: object) -> None:
    if event in _REFUSED_EVENTS:
        raise PermissionError(errno.EACCES, f"{event}: this process has no network")
