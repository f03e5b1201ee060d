"""
The other side of `offload.py`: reads calls, makes them, writes what they gave.

It is run as a script, so that it imports nothing but what the calls need.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from types import FrameType

_HEAD = struct.Struct("!?Q")


def main() -> None:
    """Serve the worker at the other end of standard input and output, until it is gone."""
    # systemd, for one, sends SIGTERM to a service's every process. The worker is to stop with
    # grace, and this call with it. A handler, since what is ignored here would be by children too.
    signal.signal(signal.SIGTERM, _wait_for_the_worker)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a call prints is for people: it goes where the worker's log lines go.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    sys.path[:] = pickle.loads(_read(requests))  # noqa: S301 -- from the worker
    threading.Thread(target=_listen, args=(requests, calls), daemon=True).start()
    while True:
        failed, answer = _answer(calls.get())
        answers.write(_HEAD.pack(failed, len(answer)))
        answers.write(answer)
        answers.flush()


def _listen(requests: BinaryIO, calls: queue.SimpleQueue[bytes]) -> None:
    """In a thread, so that the worker's end is noticed in the midst of a call."""
    while frame := _read(requests):
        calls.put(frame)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _read(requests: BinaryIO) -> bytes:
    """One frame; empty when the worker is gone."""
    head = requests.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return b""
    return requests.read(_HEAD.unpack(head)[1])


def _answer(request: bytes) -> tuple[bool, bytes]:
    try:
        function, args, kwargs = pickle.loads(request)  # noqa: S301 -- from the worker
        result = function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 -- a call may raise anything
        return True, _pack_error(error)
    try:
        return False, pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 -- likewise, when it is pickled
        name = getattr(function, "__qualname__", repr(function))
        problem = f"what {name} gave cannot be pickled: {error}"
        return True, _pack_error(_as_ours(problem))


def _pack_error(error: BaseException) -> bytes:
    """With its traceback, which does not travel by itself; as one of ours if it cannot travel."""
    told = "".join(traceback.format_exception(error))
    error.add_note(f"In the process of its own:\n{told}")
    try:
        packed = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
        pickle.loads(packed)  # noqa: S301 -- many an exception can be written and not be read
    except Exception:  # noqa: BLE001 -- whatever its own pickling does
        stand_in = _as_ours(f"{type(error).__qualname__}: {error}")
        stand_in.add_note(f"In the process of its own:\n{told}")
        return pickle.dumps(stand_in, pickle.HIGHEST_PROTOCOL)
    return packed


def _as_ours(problem: str) -> Exception:
    from runner.errors import OffloadError

    return OffloadError(problem)


def _wait_for_the_worker(_: int, __: FrameType | None) -> Any:
    """Do nothing."""


if __name__ == "__main__":
    main()
