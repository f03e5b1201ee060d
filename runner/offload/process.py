"""
The process side of `offloader.py`: reads calls, makes them and writes the results.

It runs as a script, so that it imports only what the calls need.
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
_MOST_INHERITED = 65_536


def main() -> None:
    """Serve the worker at the other end of standard input and output until it is gone."""
    # systemd, for example, sends SIGTERM to every process of a service. The worker shuts down
    # gracefully and ends this call in time. A handler, because children inherit an ignored signal.
    signal.signal(signal.SIGTERM, _wait_for_the_worker)
    # uvloop lets a process inherit its end of other pipes, which would hide the end of a process.
    os.closerange(3, _MOST_INHERITED)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _keep_to_this_process(requests, answers)
    # What a call prints goes to standard error, like the worker's log lines.
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


def _keep_to_this_process(*pipes: BinaryIO) -> None:
    """
    Give a forked child, such as one of `multiprocessing.Pool`, neither the handler nor the pipes.

    SIGTERM must end it: `Pool.terminate` waits for that. SIGTERM is blocked while the process
    forks, since one that came before the child has its own action would be lost. A pipe that a
    child holds open would hide from the worker that this process has died.
    """

    def block() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def let_go() -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in pipes:
            os.dup2(nothing, pipe.fileno(), inheritable=False)
        os.close(nothing)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=let_go)


def _listen(requests: BinaryIO, calls: queue.SimpleQueue[bytes]) -> None:
    """Read calls, in a thread, so that the worker's exit is noticed during a call."""
    while frame := _read(requests):
        calls.put(frame)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _read(requests: BinaryIO) -> bytes:
    """Read one frame; it is empty when the worker is gone."""
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
    except Exception as error:  # noqa: BLE001 -- and so may its result when pickled
        name = getattr(function, "__qualname__", repr(function))
        problem = f"the result of {name} cannot be pickled: {error}"
        return True, _pack_error(_offload_error(problem))


def _pack_error(error: BaseException) -> bytes:
    """Pickle *error* with its traceback as a note; if it cannot be pickled, an `OffloadError`."""
    formatted = "".join(traceback.format_exception(error))
    error.add_note(f"In the offload process:\n{formatted}")
    try:
        packed = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
        pickle.loads(packed)  # noqa: S301 -- some exceptions can be pickled but not unpickled
    except Exception:  # noqa: BLE001 -- its own pickling may fail in any way
        stand_in = _offload_error(f"{type(error).__qualname__}: {error}")
        stand_in.add_note(f"In the offload process:\n{formatted}")
        return pickle.dumps(stand_in, pickle.HIGHEST_PROTOCOL)
    return packed


def _offload_error(problem: str) -> Exception:
    from runner.errors import OffloadError

    return OffloadError(problem)


def _wait_for_the_worker(_: int, __: FrameType | None) -> Any:
    """Do nothing."""


if __name__ == "__main__":
    main()
