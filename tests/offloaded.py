"""What tests offload: functions that can be imported in a process that knows no tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any, NoReturn

from tests.switchboard import Line


def call_and_sleep(port: int, seconds: float) -> int:
    """Call the test, then hold the processor, or at least this process."""
    line = Line(port)
    line.say("working")
    time.sleep(seconds)
    return os.getpid()


_warmed: list[int] = []


def warm() -> None:
    """Note that this process was warmed."""
    _warmed.append(os.getpid())


def warmed_s_later(seconds: float) -> list[int]:
    """Hold this process for a moment, then tell what `warm` noted in it."""
    time.sleep(seconds)
    return _warmed


def call_and_compute(port: int) -> None:
    """Call the test, then compute without end."""
    line = Line(port)
    line.say("working")
    number = 0
    while True:
        number += 1


def call_from_child(port: int) -> None:
    """Start a process of its own that calls the test, and wait for it."""
    program = f"from tests.offloaded import call_and_sleep; call_and_sleep({port}, 60)"
    subprocess.run([sys.executable, "-c", program], check=True)


def fail(message: str) -> NoReturn:
    """Raise."""
    raise LookupError(message)


class OddError(Exception):
    """One that can be pickled and not be read again: its arguments are not those it was made of."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} and {right}")


def fail_oddly() -> NoReturn:
    """Raise what cannot travel."""
    raise OddError(1, 2)


def give_lambda() -> Any:
    """Give what cannot travel."""
    return lambda: None


def print_much() -> int:
    """Write more to both outputs than a pipe holds, by Python and beneath it."""
    text = "x" * 100_000
    print(text, flush=True)  # noqa: T201 -- the point of it
    return os.write(1, text.encode()) + os.write(2, text.encode())


def read_all() -> str:
    """Read what there is to read."""
    return sys.stdin.read()


def die(number: int) -> None:
    """End this process by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def repeat(text: str, times: int) -> str:
    """Give *text* so many times."""
    return text * times
