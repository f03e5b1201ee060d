"""Functions for tests to offload: a process that has not loaded the tests can import them."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from tests.switchboard import Line

if TYPE_CHECKING:
    from collections.abc import Callable


def call_and_sleep(port: int, seconds: float) -> int:
    """Report to the test, then block this process."""
    line = Line(port)
    line.report("working")
    time.sleep(seconds)
    return os.getpid()


_warmed: list[int] = []


def warm() -> None:
    """Note that this process was warmed."""
    _warmed.append(os.getpid())


def warmed_s_later(seconds: float) -> list[int]:
    """Block this process for a moment, then return what `warm` noted in it."""
    time.sleep(seconds)
    return _warmed


def call_and_compute(port: int) -> None:
    """Report to the test, then compute without end."""
    line = Line(port)
    line.report("working")
    number = 0
    while True:
        number += 1


def call_from_child(port: int) -> None:
    """Start a child that reports to the test, and wait for it."""
    program = f"from tests.offloaded import call_and_sleep; call_and_sleep({port}, 60)"
    subprocess.run([sys.executable, "-c", program], check=True)


def fail(message: str) -> NoReturn:
    """Raise."""
    raise LookupError(message)


class OddError(Exception):
    """An error that can be pickled but not unpickled: its arguments are not those of `__init__`."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} and {right}")


def fail_oddly() -> NoReturn:
    """Raise what cannot be unpickled."""
    raise OddError(1, 2)


def give_lambda() -> Any:
    """Return what cannot be pickled."""
    return lambda: None


def print_much() -> int:
    """Write more than a pipe holds to both outputs, by Python and by the system."""
    text = "x" * 100_000
    print(text, flush=True)  # noqa: T201 -- the point of it
    return os.write(1, text.encode()) + os.write(2, text.encode())


def read_all() -> str:
    """Read all of standard input."""
    return sys.stdin.read()


def die(number: int) -> None:
    """End this process by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def use_pools(method: str, times: int) -> int:
    """Compute in pools of processes, and terminate each at once, as `with` does."""
    total = 0
    for _ in range(times):
        with multiprocessing.get_context(method).Pool(2) as pool:
            total += sum(pool.map(abs, (-1, -2)))
        with multiprocessing.get_context(method).Pool(2):
            pass  # terminated while its processes start
    return total


def die_beside_a_child(seconds: float) -> None:
    """Die while a forked child lives on."""
    if os.fork():
        os._exit(3)
    time.sleep(seconds)
    os._exit(0)


def repeat(text: str, times: int) -> str:
    """Return *text*, repeated."""
    return text * times


def compute_forever() -> None:
    """Compute without end, in native code that Python's signal handlers cannot interrupt."""
    while True:
        sum(range(10_000_000))


def take_memory(megabytes: int) -> int:
    """Fill so much memory, a little at a time, and then wait."""
    held = []
    for _ in range(megabytes):
        held.append(b"x" * 1024 * 1024)
        time.sleep(0.001)
    time.sleep(60)
    return len(held)


def exit_here() -> None:
    """Leave, as a program does."""
    sys.exit(3)


def ways_out(port: int, path: str) -> dict[str, str]:
    """Try every way out of this process, and return how each ended: `open` or why it failed."""
    libc = ctypes.CDLL(None, use_errno=True)

    def natively() -> None:
        if libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def by_datagram_pair() -> None:
        first, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        first.sendto(b"x", path)

    def by_ring() -> None:
        if libc.syscall(425, 1, ctypes.create_string_buffer(256)) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def by_child() -> None:
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

    ways: dict[str, Callable[[], object]] = {
        "tcp": lambda: socket.create_connection(("127.0.0.1", port)),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix": lambda: socket.socket(socket.AF_UNIX).connect(path),
        "native": natively,
        "datagram pair": by_datagram_pair,
        "ring": by_ring,
        "child": by_child,
    }
    return {name: _outcome(way) for name, way in ways.items()}


def _outcome(way: Callable[[], object]) -> str:
    try:
        way()
    except (OSError, subprocess.CalledProcessError) as error:
        return type(error).__name__
    return "open"


def talk_to_itself() -> bytes:
    """Pass bytes from one end of a pair of sockets to the other, and run an event loop."""
    near, far = socket.socketpair()
    with near, far:
        near.send(b"x")
        asyncio.run(asyncio.sleep(0))
        return far.recv(1)


def compute_for(seconds: float) -> int:
    """Compute for so long, by this process's own clock of computing; return its id."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return os.getpid()


_kept: list[bytes] = []


def keep_memory(megabytes: int) -> int:
    """Keep so much memory after the call; return this process's id."""
    _kept.append(b"x" * megabytes * 1024 * 1024)
    return os.getpid()


def answer_in_place_of_the_call(failed: bool, length: int, answer: bytes) -> None:  # noqa: FBT001
    """Do what hostile code in this process may: write to the worker past the process's own code."""
    frame = sys._getframe()
    while "answers" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    pipe = frame.f_locals["answers"]
    pipe.write(struct.pack("!?Q", failed, length) + answer)
    pipe.flush()
    time.sleep(60)


@dataclass(frozen=True)
class Parsed:
    """What a parser found."""

    names: tuple[str, ...]
    found_at: datetime


def parsed(names: str) -> list[Parsed]:
    """Parse."""
    return [Parsed((name,), datetime(2026, 1, 1, tzinfo=UTC)) for name in names.split()]


def fail_as_a_parser(name: str) -> NoReturn:
    """Raise what says which file it is."""
    raise FileNotFoundError(2, "No such file", name)
