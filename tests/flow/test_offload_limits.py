"""Offloaded calls with limits: what passes one costs that call alone, and nothing gets out."""

from __future__ import annotations

import asyncio
import operator
import os
import pickle
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import runner.offload
from runner.errors import OffloadDiedError, OffloadError
from runner.offload import Limits, Offloader
from tests import offloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MIB = 1024 * 1024
AMPLE = Limits(cpu_s=60, memory_bytes=1024 * MIB, wall_s=60)

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


@pytest.fixture
async def offloader() -> AsyncIterator[Offloader]:
    """Return an offloader with two processes at most."""
    offloader = Offloader(2)
    yield offloader
    await offloader.close()


@pytest.mark.parametrize(
    ("limits", "call", "reason"),
    [
        (Limits(1, 1024 * MIB, 60), (offloaded.compute_forever,), "more than 1 s of computing"),
        (Limits(60, 100 * MIB, 60), (offloaded.take_memory, 1000), "more than 100 MiB of memory"),
        (Limits(60, 1024 * MIB, 0.2), (offloaded.compute_forever,), "more than 0.2 s"),
        (AMPLE, (offloaded.die, signal.SIGABRT), "the process died by SIGABRT"),
        (AMPLE, (offloaded.die, signal.SIGSEGV), "the process died by SIGSEGV"),
    ],
    ids=["computing", "memory", "time", "abort", "fault"],
)
async def test_a_call_past_a_limit_fails_with_its_reason_and_costs_no_other(
    offloader: Offloader, limits: Limits, call: tuple[Callable[..., Any], Any], reason: str
) -> None:
    """A call beside it goes on in its process, and the next one works."""
    beside = asyncio.create_task(offloader.run(offloaded.warmed_s_later, 1.5, limits=AMPLE))

    with pytest.raises(OffloadDiedError, match=reason):
        await offloader.run(*call, limits=limits)

    assert await offloader.run(operator.add, 1, 2, limits=AMPLE) == 3
    assert await beside == []


async def test_limits_of_computing_are_of_each_call(offloader: Offloader) -> None:
    """What earlier calls computed in the same process does not count; nor does it after a call."""
    brief = Limits(cpu_s=1, memory_bytes=1024 * MIB, wall_s=60)
    pids = {await offloader.run(offloaded.compute_for, 0.4, limits=brief) for _ in range(5)}
    assert len(pids) == 1


async def test_a_process_that_holds_much_memory_is_not_used_again(offloader: Offloader) -> None:
    """The next call has its whole share."""
    small = Limits(cpu_s=60, memory_bytes=200 * MIB, wall_s=60)
    first = await offloader.run(offloaded.keep_memory, 120, limits=small)
    second = await offloader.run(os.getpid, limits=small)
    third = await offloader.run(os.getpid, limits=small)
    assert first != second == third


async def test_a_call_with_limits_has_no_network(offloader: Offloader, tmp_path: Path) -> None:
    """No way out is open: not Python's, not native code's, not a child's, not through a file."""
    path = str(tmp_path / "s")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        listener.bind(path)
        port = server.getsockname()[1]
        # Without limits they are open, so the test would notice.
        openly = await offloader.run(offloaded.ways_out, port, path)
        confined = await offloader.run(offloaded.ways_out, port, path, limits=AMPLE)
    assert {name for name, how in openly.items() if how == "open"} >= {
        *("tcp", "udp", "native", "datagram pair", "child"),
    }
    assert "open" not in confined.values(), confined


async def test_a_call_with_limits_may_talk_to_itself(offloader: Offloader) -> None:
    """A pair of sockets leads nowhere, and event loops wake themselves by one."""
    assert await offloader.run(offloaded.talk_to_itself, limits=AMPLE) == b"x"


class _Runs:
    """Its pickle runs a command where it is read."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self._command,)


@pytest.mark.parametrize("failed", [False, True])
async def test_no_answer_of_a_call_with_limits_is_executed(
    offloader: Offloader, tmp_path: Path, *, failed: bool
) -> None:
    """Hostile code in the process sends the worker a pickle, and has only ended its own call."""
    mark = tmp_path / "executed"
    bomb = pickle.dumps(_Runs(f"touch {mark}"))

    with pytest.raises(OffloadError, match="the call's result cannot be read: it is damaged"):
        await offloader.run(
            offloaded.answer_in_place_of_the_call, failed, len(bomb), bomb, limits=AMPLE
        )

    assert not mark.exists()
    pickle.loads(bomb)  # noqa: S301 -- it would have been
    assert mark.exists()


async def test_answer_of_a_call_with_limits_takes_no_more_memory_than_its_share(
    offloader: Offloader,
) -> None:
    """A process that announces more is ended; what it sends is not waited for."""
    with pytest.raises(OffloadDiedError, match="its result has more than 256 MiB"):
        await offloader.run(offloaded.answer_in_place_of_the_call, 0, 2**60, b"x", limits=AMPLE)


async def test_call_with_limits_gives_back_the_classes_that_its_caller_names(
    offloader: Offloader,
) -> None:
    """Data comes out equal; another class is named, with where to put it."""
    [first, _] = await offloader.run(
        offloaded.parsed, "a b", limits=AMPLE, returns=(offloaded.Parsed,)
    )
    assert first == offloaded.parsed("a")[0]
    many = " ".join(map(str, range(20_000)))
    found = await offloader.run(offloaded.parsed, many, limits=AMPLE, returns=(offloaded.Parsed,))
    assert found == offloaded.parsed(many)
    with pytest.raises(OffloadError, match=r"tests\.offloaded:Parsed, which the caller does not"):
        await offloader.run(offloaded.parsed, "a", limits=AMPLE)
    with pytest.raises(OffloadError, match="the result of give_lambda cannot be passed on"):
        await offloader.run(offloaded.give_lambda, limits=AMPLE)


async def test_call_with_limits_raises_what_the_function_raises(offloader: Offloader) -> None:
    """The exception has its type, its arguments, and a note on where it came from."""
    with pytest.raises(FileNotFoundError) as caught:
        await offloader.run(offloaded.fail_as_a_parser, "/a/b", limits=AMPLE)

    assert caught.value.filename == "/a/b"
    assert "fail_as_a_parser" in caught.value.__notes__[0]
    with pytest.raises(OffloadError, match=r"^SystemExit: 3"):
        await offloader.run(offloaded.exit_here, limits=AMPLE)


_ELSEWHERE = """
import runpy, socket, sys
names = runpy.run_path(sys.argv[1])
names["leave_network"].__globals__["_filter_calls"] = lambda: False
if sys.argv[2] == "refused sockets":
    names["leave_network"].__globals__["_enter_empty_network"] = lambda: False
print(names["leave_network"]())
for way in (
    lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3]))),
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
):
    try:
        way()
        print("open")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize("means", ["network namespace", "refused sockets"])
async def test_where_calls_cannot_be_filtered_sockets_are_refused(means: str) -> None:
    """The other means work by themselves; a system may refuse the namespace, too."""
    confinement = Path(runner.offload.__file__).with_name("confinement.py")
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _ELSEWHERE, str(confinement), means),
            str(server.getsockname()[1]),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    taken, *ways = out.decode().splitlines()
    assert taken in {means, "refused sockets"}
    assert ways == ["PermissionError"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters calls")
async def test_this_linux_filters_calls() -> None:
    """On the machines that we know the strongest of the means is taken."""
    confinement = Path(runner.offload.__file__).with_name("confinement.py")
    program = f"import runpy; print(runpy.run_path({str(confinement)!r})['leave_network']())"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == "seccomp"


async def test_the_filter_knows_both_machines_alike() -> None:
    """Each refuses the same calls."""
    confinement = Path(runner.offload.__file__).with_name("confinement.py")
    calls = runpy.run_path(str(confinement))["_CALLS"]
    assert set(calls["x86_64"][1]) == set(calls["aarch64"][1])
