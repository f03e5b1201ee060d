"""`--processes N`: the supervisor and its workers, in real processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runner import JobState
from runner.start import supervises
from tests.program import Program, running
from tests.runner_kit import PATIENCE_S, eventually
from tests.switchboard import GONE
from tests.worker_process import grow, hold_interpreter, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import JobHandle
    from tests.switchboard import Switchboard

pytestmark = pytest.mark.usefixtures("redis")

QUICK = {"first_pause_s": 0.05, "memory_check_s": 0.1, "stop_within_s": 8.0}


class Supervised:
    """A running supervisor, and the reports of it and of its workers."""

    def __init__(self, program: Program, board: Switchboard, processes: int) -> None:
        self.program = program
        self.board = board
        self.processes = processes

    async def workers_ready(self, count: int | None = None) -> list[int]:
        """Return the ids of the next workers that are ready."""
        return [
            await self.board.received("ready")
            for _ in range(self.processes if count is None else count)
        ]


@asynccontextmanager
async def supervising(
    redis_url: str, board: Switchboard, *, processes: int = 2, **values: Any
) -> AsyncIterator[Supervised]:
    """Run a supervisor for the block; workers that are left at its end stop by themselves."""
    of_supervisor = QUICK | {"processes": processes} | values.pop("supervisor", {})
    async with running(
        sys.executable,
        *("-m", "tests.worker_process", "supervise"),
        *(redis_url, str(board.port), json.dumps(values | {"supervisor": of_supervisor})),
    ) as program:
        await board.received("supervising")
        try:
            yield Supervised(program, board, processes)
        finally:
            with contextlib.suppress(ProcessLookupError):
                program.send(signal.SIGTERM)
                await program.ended()


async def test_supervisor_starts_a_worker_again_that_was_killed(
    redis_url: str, board: Switchboard
) -> None:
    """N workers start; one that is killed is replaced, and the other goes on."""
    async with supervising(redis_url, board) as it:
        first, second = await it.workers_ready()

        os.kill(first, signal.SIGKILL)

        assert await board.received(GONE) == first
        [third] = await it.workers_ready(1)
        assert psutil.pid_exists(second)
        died = await it.program.logged("worker process died")
        assert (died["pid"], died["exit_code"]) == (first, -signal.SIGKILL)
        assert third not in {first, second}


async def test_supervisor_waits_longer_before_each_start_after_early_deaths(
    redis_url: str, board: Switchboard
) -> None:
    """A worker that dies at once is not restarted in a tight loop: pauses double."""
    broken = {"max_crashes": 0}  # such settings are refused
    async with supervising(redis_url, board, processes=1, **broken) as it:
        for pause_s in (0.05, 0.1, 0.2):
            died = await it.program.logged("worker process died", next_in_s=pause_s)
            assert died["exit_code"] == 1

        it.program.send(signal.SIGTERM)
        assert await it.program.ended() == 0


async def test_supervisor_replaces_a_worker_beyond_its_memory_limit(
    redis_url: str, board: Switchboard
) -> None:
    """The successor is ready before the one that has grown is stopped."""
    async with supervising(
        redis_url, board, processes=1, supervisor={"memory_limit_mb": 250}
    ) as it:
        [first] = await it.workers_ready()
        handle = await grow.enqueue(300)
        assert await board.received(f"grown by {handle.id}") == first

        [second] = await it.workers_ready(1)
        assert await board.received("stopped") == first
        assert await board.received(GONE) == first
        assert _fewest_ready(board, once=1) == 1

        line = await it.program.logged("worker process beyond its memory limit", pid=first)
        assert line["used_mb"] >= 250
        assert psutil.pid_exists(second)
        assert not it.program.has_logged("worker process died")


async def test_sighup_replaces_every_worker_one_after_the_other(
    redis_url: str, board: Switchboard
) -> None:
    """Each successor is ready before its predecessor stops, so there are never fewer than N."""
    async with supervising(redis_url, board) as it:
        old = set(await it.workers_ready())

        it.program.send(signal.SIGHUP)

        new = set()
        for _ in range(2):
            [successor] = await it.workers_ready(1)
            predecessor = await board.received("stopped")
            assert predecessor in old
            assert await board.received(GONE) == predecessor
            new.add(successor)
        await it.program.logged("every worker process is replaced")
        assert len(new) == 2
        assert not new & old
        assert all(psutil.pid_exists(pid) for pid in new)
        assert not board.has_received("ready"), "there are more workers than asked for"
        assert _fewest_ready(board, once=2) == 2


def _fewest_ready(board: Switchboard, *, once: int) -> int:
    """Return the smallest number of ready workers since there were *once* that many."""
    changes = [{"ready": 1, "stopped": -1}.get(words, 0) for words, _ in board.history]
    counts = itertools.accumulate(changes)
    return min(itertools.dropwhile(lambda count: count < once, counts))


async def test_sighup_during_a_roll_makes_one_more_roll(redis_url: str, board: Switchboard) -> None:
    """However many come meanwhile, in the end N workers run, all newer than the last of them."""
    async with supervising(redis_url, board) as it:
        old = await it.workers_ready()
        it.program.send(signal.SIGHUP)
        await it.program.logged("replacing every worker process")
        for _ in range(5):
            it.program.send(signal.SIGHUP)

        first_roll = await it.workers_ready(2)
        second_roll = await it.workers_ready(2)

        gone = {await board.received(GONE) for _ in range(4)}
        assert gone == {*old, *first_roll}
        assert all(psutil.pid_exists(pid) for pid in second_roll)
        await eventually(lambda: _rolls(it.program, 2))
        assert not board.has_received("ready")


async def _rolls(program: Program, count: int) -> bool:
    rolls = [line for line in program.log if line["event"] == "every worker process is replaced"]
    return len(rolls) == count


async def test_sighup_keeps_the_old_workers_when_the_new_ones_fail(
    redis_url: str, board: Switchboard, tmp_path: Any
) -> None:
    """Code that does not start replaces nothing; the old workers go on."""
    marker = tmp_path / "broken"
    async with supervising(redis_url, board, refuse_if_exists=str(marker)) as it:
        old = await it.workers_ready()
        marker.touch()

        it.program.send(signal.SIGHUP)

        await it.program.logged("the worker processes that are left stay as they are")
        assert all(psutil.pid_exists(pid) for pid in old)
        handle = await wait.enqueue("x", 0.0)
        assert await handle.result(timeout_s=PATIENCE_S) == "x"
        # Once it is mended, the next roll goes through.
        marker.unlink()
        it.program.send(signal.SIGHUP)
        await it.workers_ready(2)
        assert {await board.received("stopped"), await board.received("stopped")} == set(old)


async def test_sigterm_stops_workers_with_grace(redis_url: str, board: Switchboard) -> None:
    """Running jobs end, then the workers, then the supervisor, with exit status 0."""
    async with supervising(redis_url, board) as it:
        await it.workers_ready()
        handle = await wait.enqueue("x", 0.5)
        await board.received("started x 1")

        it.program.send(signal.SIGTERM)

        assert await it.program.ended() == 0
        await board.received("ended x")
        assert await handle.state() is JobState.DONE
        for _ in range(2):
            await board.received("stopped")


async def test_second_sigterm_stops_workers_at_once(redis_url: str, board: Switchboard) -> None:
    """Jobs are given back, and not waited for."""
    async with supervising(redis_url, board) as it:
        await it.workers_ready()
        handle = await wait.enqueue("x", 60.0)
        await board.received("started x 1")
        it.program.send(signal.SIGTERM)
        await it.program.logged("stopping", at_once=False, signal="SIGTERM")
        it.program.send(signal.SIGTERM)

        assert await it.program.ended() == 0
        await board.received("cancelled x")
        assert await handle.state() is JobState.READY


async def test_supervisor_kills_a_worker_that_does_not_stop(
    redis_url: str, board: Switchboard
) -> None:
    """A worker that hangs, like a stopped process, does not hold up the stop for ever."""
    async with supervising(redis_url, board, supervisor={"stop_within_s": 0.5}) as it:
        first, second = await it.workers_ready()
        os.kill(first, signal.SIGSTOP)

        it.program.send(signal.SIGTERM)

        assert await it.program.ended() == 0
        assert {await board.received(GONE), await board.received(GONE)} == {first, second}
        await it.program.logged("worker process did not stop, killed", pid=first)


async def test_workers_stop_by_themselves_when_their_supervisor_is_killed(
    redis_url: str, board: Switchboard
) -> None:
    """They notice, let their jobs finish, and leave nothing running."""
    async with supervising(redis_url, board) as it:
        workers = await it.workers_ready()
        handle = await wait.enqueue("x", 0.5)
        await board.received("started x 1")

        it.program.send(signal.SIGKILL)

        await board.received("ended x")
        assert {await board.received("stopped"), await board.received("stopped")} == set(workers)
        assert await handle.state() is JobState.DONE


# Asks itself, and not its workers, for a roll at every import from the command's first step on.
_HANGS_UP = """
import os, signal, sys
from runner.start import main

class HangUp:
    def find_spec(self, name, *_):
        if "--supervised" not in sys.argv:
            os.kill(os.getpid(), signal.SIGHUP)

sys.argv[0] = "pipeline"
sys.meta_path.insert(0, HangUp())
main()
"""


async def test_sighup_while_the_supervisor_starts_does_it_no_harm(
    redis_url: str, tmp_path: Path
) -> None:
    """Whatever it imports and opens at that moment, its workers come up, and it ends in order."""
    script = tmp_path / "hangs_up.py"
    script.write_text(_HANGS_UP)
    settings = {"REDIS_URL": redis_url, "LOG_FORMAT": "json", "PIPELINE_HOME": str(tmp_path)}
    async with running(
        *(sys.executable, str(script), "worker", "notifications", "--processes", "2"),
        env=os.environ | settings | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as program:
        for _ in range(2):
            await program.logged("worker process started")
        program.send(signal.SIGTERM)
        assert await program.ended() == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("worker default --processes 2", True),
        ("worker --memory-limit-mb=500 default", True),
        ("--config x.toml worker default --processes=3", True),
        ("worker default", False),
        ("worker default --processes 1", False),
        ("worker default --processes=1", False),
        ("worker default --processes 1 --memory-limit-mb 500", True),
        ("worker default --processes 2 --supervised 7", False),
        ("up", False),
    ],
)
def test_supervisor_is_known_by_its_words(words: str, expected: bool) -> None:  # noqa: FBT001 -- a case
    """As the command reads them, so that no other process ignores its terminal's end."""
    assert supervises(words.split()) is expected


# In a session of its own, with a terminal of its own, then the command.
_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


async def test_ctrl_c_in_a_terminal_reaches_workers_once(
    redis_url: str, board: Switchboard
) -> None:
    """The terminal tells the supervisor, and only it: the workers stop with grace, not at once."""
    ours, terminal = os.openpty()
    values = {"supervisor": QUICK | {"processes": 2}}
    try:
        async with running(
            sys.executable,
            *("-c", _IN_TERMINAL, "-m", "tests.worker_process", "supervise"),
            *(redis_url, str(board.port), json.dumps(values)),
            stdin=terminal,
            start_new_session=True,
        ) as program:
            for _ in range(2):
                await board.received("ready")
            await wait.enqueue("x", 0.5)
            await board.received("started x 1")

            os.write(ours, b"\x03")

            assert await program.ended() == 0
            await board.received("ended x")
            assert not board.has_received("cancelled x")
            stops = [line for line in program.log if line["event"] == "stopping"]
            assert [line["signal"] for line in stops] == ["SIGINT", "SIGTERM", "SIGTERM"]
    finally:
        os.close(ours)
        os.close(terminal)


async def test_supervisor_stops_while_it_is_still_starting_workers(
    redis_url: str, board: Switchboard
) -> None:
    """A signal that comes before the workers are up leaves none behind."""
    async with supervising(redis_url, board, processes=3) as it:
        await it.program.logged("worker process started")
        it.program.send(signal.SIGTERM)
        assert await it.program.ended() == 0
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(str(board.port) in command for command in commands)


async def test_worker_that_dies_during_a_roll_is_started_again_as_ever(
    redis_url: str, board: Switchboard
) -> None:
    """A successor on its way takes nobody else's place: N workers come up beside it."""
    async with supervising(redis_url, board, processes=2) as it:
        old = await it.workers_ready()
        it.program.send(signal.SIGHUP)
        await it.program.logged("replacing every worker process")
        os.kill(old[0], signal.SIGKILL)
        os.kill(old[1], signal.SIGKILL)

        await it.program.logged("every worker process is replaced")
        assert {await board.received(GONE), await board.received(GONE)} == set(old)
        await it.workers_ready(2)
        handle = await wait.enqueue("x", 0.0)
        assert await handle.result(timeout_s=PATIENCE_S) == "x"
        await eventually(lambda: _at_work(it, 2))
        it.program.send(signal.SIGTERM)
        assert await it.program.ended() == 0
        lines = [line for line in it.program.log if line["event"] == "stopping"]
        [of_supervisor] = [line for line in lines if line["logger"] == "runner.supervisor"]
        assert of_supervisor["processes"] == 2


async def _at_work(it: Supervised, count: int) -> bool:
    """Whether exactly this many workers are ready."""
    there = {child.pid for child in psutil.Process(it.program.pid).children()}
    ready = {pid for words, pid in it.board.history if words == "ready"}
    return there <= ready and len(there) == count


LIVELY: dict[str, Any] = {
    "blocked_warn_s": 0.1,
    "blocked_limit_s": 0.6,
    "guard_margin_s": 0.4,
    "supervisor": {"silent_limit_s": 4.0},
}


async def _runs(handle: JobHandle[Any]) -> bool:
    return await handle.state() is JobState.RUNNING


async def test_workers_that_hold_their_interpreters_are_replaced(
    redis_url: str, board: Switchboard
) -> None:
    """Each logs the function that holds it, and a new worker goes on with the queue."""
    async with supervising(redis_url, board, **LIVELY) as it:
        blocked = await it.workers_ready()
        for name in "ab":
            # One after the other, or one worker might take both.
            handle = await hold_interpreter.enqueue(name)
            await eventually(partial(_runs, handle))
        assert {await board.received(GONE), await board.received(GONE)} == set(blocked)

        for pid in blocked:
            line = await it.program.logged("worker process silent past the limit, ended", pid=pid)
            assert line["function"].startswith("hold_interpreter (")
            await it.program.logged("worker process died", pid=pid, exit_code=-signal.SIGABRT)
        await it.workers_ready()


async def test_supervisor_replaces_a_worker_that_gives_no_sign_of_life(
    redis_url: str, board: Switchboard
) -> None:
    """A stopped worker does nothing and says nothing: it is killed, the other one is not."""
    async with supervising(redis_url, board, supervisor={"silent_limit_s": 3.0}) as it:
        first, second = await it.workers_ready()
        os.kill(first, signal.SIGSTOP)

        line = await it.program.logged("worker process gives no sign of life, killed")
        assert (line["pid"], line["state"], line["was_ready"]) == (first, "stopped", True)
        assert await board.received(GONE) == first
        [third] = await it.workers_ready(1)
        assert psutil.pid_exists(second)
        assert third not in {first, second}


async def test_supervisor_that_was_stopped_kills_nobody(redis_url: str, board: Switchboard) -> None:
    """Nor does one whose workers were stopped with it, as on a laptop that sleeps."""
    async with supervising(redis_url, board, supervisor={"silent_limit_s": 3.0}) as it:
        everyone = [it.program.pid, *await it.workers_ready()]
        for stopped in ([it.program.pid], everyone):
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(4.0)  # longer than the limit
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            handle = await wait.enqueue("x", 0.5)
            assert await handle.result(timeout_s=PATIENCE_S) == "x"

        assert not it.program.has_logged("worker process gives no sign of life, killed")
        assert not board.has_received(GONE)


async def test_supervisor_replaces_a_worker_that_never_gets_to_its_event_loop(
    redis_url: str, board: Switchboard, tmp_path: Path
) -> None:
    """It has as long as a start may take."""
    block = tmp_path / "block"
    block.touch()
    of_supervisor = {"ready_within_s": 5.0}
    async with supervising(
        redis_url, board, processes=1, deaf_if_exists=str(block), supervisor=of_supervisor
    ) as it:
        line = await it.program.logged("worker process gives no sign of life, killed")
        assert line["was_ready"] is False
        block.unlink()
        await it.workers_ready()


async def test_worker_that_holds_its_interpreter_ends_though_its_supervisor_was_killed(
    redis_url: str, board: Switchboard
) -> None:
    """Nothing is left of either."""
    async with supervising(redis_url, board, processes=1, **LIVELY) as it:
        [worker] = await it.workers_ready()
        await hold_interpreter.enqueue("a")
        await board.received("started a 1")
        it.program.send(signal.SIGKILL)
        await board.received(GONE, of=worker)
        await it.program.logged("worker process silent past the limit, ended", pid=worker)
