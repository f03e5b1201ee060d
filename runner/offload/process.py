"""
The process side of `offloader.py`: reads calls, makes them and writes the results.

It runs as a script, so that it imports only what the calls need. With the argument `confined` it
leaves the network before it reads its first call.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import queue
import resource
import runpy
import signal
import struct
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from types import FrameType

    _Call = tuple[float, bytes]

_REQUEST_HEAD = struct.Struct("!dQ")
"""The most seconds of computing, or 0 for any; the length of the call that follows."""

_ANSWER_HEAD = struct.Struct("!?Q")
"""Whether the call failed; the length of its result or error, which follows."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""There is one process for each core: what numeric libraries spread over all cores takes longer."""

_CONFINEMENT = str(Path(__file__).with_name("confinement.py"))
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
    _be_the_first_to_go()
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    if sys.argv[1:] == ["confined"]:
        runpy.run_path(_CONFINEMENT)["leave_network"]()
    calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
    first = _read(requests)
    if first is None:
        return
    sys.path[:] = pickle.loads(first[1])  # noqa: S301 -- from the worker
    threading.Thread(target=_listen, args=(requests, calls), daemon=True).start()
    while True:
        cpu_s, request = calls.get()
        _limit_computing(cpu_s)
        failed, answer = _answer(request)
        _limit_computing(0.0)
        answers.write(_ANSWER_HEAD.pack(failed, len(answer)))
        answers.write(answer)
        answers.flush()


def _be_the_first_to_go() -> None:
    """Out of memory, the kernel takes this process and not its worker; a crash leaves no core."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _limit_computing(cpu_s: float) -> None:
    """Let the kernel end this process after *cpu_s* more seconds of computing; 0 for no limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(time.process_time() + cpu_s) if cpu_s else hard
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )


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


def _listen(requests: BinaryIO, calls: queue.SimpleQueue[_Call]) -> None:
    """Read calls, in a thread, so that the worker's exit is noticed during a call."""
    while (call := _read(requests)) is not None:
        calls.put(call)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _read(requests: BinaryIO) -> _Call | None:
    """Read one call; None when the worker is gone."""
    head = requests.read(_REQUEST_HEAD.size)
    if len(head) < _REQUEST_HEAD.size:
        return None
    cpu_s, length = _REQUEST_HEAD.unpack(head)
    return cpu_s, requests.read(length)


def _answer(request: bytes) -> tuple[bool, bytes]:
    try:
        function, args, kwargs = pickle.loads(request)  # noqa: S301 -- from the worker
        result = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 -- a call may raise anything
        return True, _pack_error(error)
    except BaseException as error:  # noqa: BLE001 -- raised there, it would end the worker
        return True, _pack_error(_offload_error(f"{type(error).__qualname__}: {error}"))
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
