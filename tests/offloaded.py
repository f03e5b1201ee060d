"""Functions for tests to offload: a process that has not loaded the tests can import them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from typing import Any, NoReturn

from tests.switchboard import Line


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
