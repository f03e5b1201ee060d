"""A job that blocks the event loop is named, and past the limit given up with its process."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runner import JobState
from runner.worker import guard_process
from runner.worker.guard import Guard
from runner.worker.watchdog import EXIT_BLOCKED
from tests.program import Program, running
from tests.runner_kit import PATIENCE_S, crashes, dead_ids, eventually, history
from tests.switchboard import GONE
from tests.worker_process import QUEUE, block, block_beside, end, hold_interpreter, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import JobHandle, QueueClient
    from tests.switchboard import Switchboard

HURRY: dict[str, Any] = {"blocked_warn_s": 0.1, "blocked_limit_s": 0.6}
LATER_S = 0.2


@asynccontextmanager
async def working(
    redis_url: str, board: Switchboard, *, what: str = "work", **values: Any
) -> AsyncIterator[Program]:
    """Run a worker process for the block."""
    command = ("-m", "tests.worker_process", what, redis_url, str(board.port))
    async with running(sys.executable, *command, json.dumps(values)) as program:
        await board.received("ready", of=program.pid)
        yield program


@pytest.mark.usefixtures("redis")
async def test_job_that_blocks_the_loop_is_named_with_its_stack(
    redis_url: str, board: Switchboard
) -> None:
    """A warning while it lasts; then it ends as if nothing had happened, and so do the others."""
    async with working(redis_url, board, blocked_warn_s=0.1) as program:
        handle = await block.enqueue("x", 0.5)
        warning = await program.logged("event loop blocked")
        await board.received("ended x")

        assert (warning["level"], warning["job"]) == ("warning", "block")
        assert warning["job_id"] == handle.id
        first, *_, last = [line for line in warning["stack"].splitlines() if "File" in line]
        assert first.endswith("in block")
        assert last.endswith("in _hold")
        free = await program.logged("event loop free again")
        assert free["blocked_s"] >= 0.1
        assert await (await wait.enqueue("y", 0.0)).result(timeout_s=PATIENCE_S) == "y"
        assert await handle.state() is JobState.DONE


@pytest.mark.parametrize("blocker", [block, block_beside])
async def test_job_that_blocks_past_the_limit_ends_the_process_and_not_the_others(
    redis_url: str, redis: QueueClient, board: Switchboard, blocker: Any
) -> None:
    """Exit status 70; the others run elsewhere at once at no cost; the blocker has a crash."""
    async with working(redis_url, board, **HURRY) as first:
        innocent = [await wait.enqueue(f"i{n}", 60.0) for n in range(3)]
        for n in range(3):
            assert await board.received(f"started i{n} 1") == first.pid
        async with working(redis_url, board, jobs=["wait"], blocked_warn_s=5.0) as second:
            guilty = await blocker.enqueue("g", 60.0)
            # The second worker does not know the job, and the first takes it all the same.
            assert await board.received("started g 1") == first.pid

            assert await first.ended() == EXIT_BLOCKED
            line = await first.logged("event loop blocked past the limit, the process ends")
            exit_at = asyncio.get_running_loop().time()

            for n in range(3):
                assert await board.received(f"started i{n} 1") == second.pid
            assert asyncio.get_running_loop().time() - exit_at < 1.0
            assert (line["given_back"], line["exit_status"]) == (3, EXIT_BLOCKED)
            for handle in innocent:
                assert await history(redis, handle.id) == []
                assert await crashes(redis, QUEUE, handle.id) == 0
                assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 0
            await _claimed_again(redis, guilty)
            assert await crashes(redis, QUEUE, guilty.id) == 1


async def _claimed_again(redis: QueueClient, handle: JobHandle[None]) -> None:
    """Wait until a worker finds that the lease has lapsed, and counts the crash."""
    await eventually(lambda: crashes(redis, QUEUE, handle.id))


@pytest.mark.usefixtures("redis")
async def test_job_that_has_ended_is_settled_though_its_worker_is_blocked(
    redis_url: str, board: Switchboard
) -> None:
    """A job that ended right before the blockage does not run again: its outcome is settled."""
    async with working(redis_url, board, **HURRY) as program:
        # Claimed together: the first ends and the second blocks before the loop turns once.
        due = datetime.now(UTC) + timedelta(seconds=LATER_S)
        first = await end.options(at=due, job_id="1").enqueue("e")
        second = await block.options(at=due, job_id="2").enqueue("b", 60.0)
        await board.received("ended e 1")
        await board.received("started b 1")
        assert await program.ended() == EXIT_BLOCKED

    assert await first.state() is JobState.DONE
    assert await second.state() is JobState.RUNNING


@pytest.mark.usefixtures("redis")
async def test_workers_of_one_process_all_give_their_jobs_back(
    redis_url: str, board: Switchboard
) -> None:
    """Whichever job blocks the loop, no worker that shares it loses others."""
    async with working(redis_url, board, workers=3, concurrency=1, **HURRY) as program:
        innocent = [await wait.enqueue(f"i{n}", 60.0) for n in range(2)]
        for n in range(2):
            await board.received(f"started i{n} 1")
        guilty = await block.enqueue("g", 60.0)
        await board.received("started g 1")

        assert await program.ended() == EXIT_BLOCKED

        lines = [line for line in program.log if line["event"] == "event loop blocked"]
        assert [line["job_id"] for line in lines] == [guilty.id]
        assert await guilty.state() is JobState.RUNNING
        for handle in innocent:
            assert await handle.state() is JobState.READY


async def test_third_blockage_makes_the_job_poison(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """It has ended three workers: the fourth buries it without running it."""
    handle = await block.enqueue("g", 60.0)
    quick = HURRY | {"lease_s": 0.9, "heartbeat_s": 0.1, "blocked_limit_s": 0.3}
    for _ in range(3):
        async with working(redis_url, board, **quick) as program:
            await board.received("started g 1")
            assert await program.ended() == EXIT_BLOCKED
            await board.received(GONE)

    async with working(redis_url, board, **quick):
        assert await eventually(lambda: dead_ids(redis, QUEUE)) == [handle.id]

    assert not board.has_received("started g 1")
    [entry] = await history(redis, handle.id)
    assert entry["error"] == "Poison"
    assert int(await redis.get(f"arq:retry:{handle.id}") or 0) == 0


@pytest.mark.parametrize(
    ("what", "natively", "last"),
    [("run", False, " in match"), ("work", False, " in match"), ("work", True, "")],
)
async def test_job_that_holds_the_interpreter_ends_with_its_process(
    redis_url: str,
    redis: QueueClient,
    board: Switchboard,
    *,
    what: str,
    natively: bool,
    last: str,
) -> None:
    """No thread runs, the watchdog neither: the guard logs the stack, and ends the process."""
    quick = HURRY | {"guard_margin_s": 0.4}
    async with working(redis_url, board, what=what, **quick) as program:
        guilty = await hold_interpreter.enqueue("g", natively=natively)
        await board.received("started g 1")
        assert await program.ended() == -signal.SIGABRT

        line = await program.logged("worker process silent past the limit, ended")
        assert (line["level"], line["pid"]) == ("critical", program.pid)
        assert line["function"].startswith("hold_interpreter (worker_process.py:")
        assert f"{last}\n" in line["stack"]
        assert program.other == []
        assert await guilty.state() is JobState.RUNNING

    async with working(redis_url, board, jobs=["wait"]):
        await _claimed_again(redis, guilty)


@pytest.mark.usefixtures("redis")
async def test_stopped_worker_goes_on_when_it_is_continued(
    redis_url: str, board: Switchboard
) -> None:
    """Ctrl-Z, or SIGSTOP, for longer than the limit: nobody takes that for a blockage."""
    async with working(redis_url, board, **HURRY, guard_margin_s=1.9) as program:
        program.send(signal.SIGSTOP)
        await asyncio.sleep(2 * (HURRY["blocked_limit_s"] + 1.9))
        program.send(signal.SIGCONT)

        handle = await wait.enqueue("x", 0.0)
        assert await handle.result(timeout_s=PATIENCE_S) == "x"


@pytest.mark.usefixtures("redis")
async def test_guard_that_is_killed_is_started_again(redis_url: str, board: Switchboard) -> None:
    """The worker notices, and has another one; none is left when the worker has ended."""
    async with working(redis_url, board, **HURRY, guard_margin_s=1.9) as program:
        [guard] = _guards_of(program)
        guard.kill()
        await program.logged("the guard is gone, starting another")
        [guard] = await eventually(lambda: [one for one in _guards_of(program) if one != guard])
        program.send(signal.SIGKILL)
        await program.ended()
        await eventually(lambda: not guard.is_running())


def _guards_of(program: Program) -> list[psutil.Process]:
    children = psutil.Process(program.pid).children()
    return [one for one in children if any("guard_process" in word for word in one.cmdline())]


async def test_guard_leaves_nothing_behind() -> None:
    """No process, no open file; crashes are reported as before."""
    reported = faulthandler.is_enabled()
    process = psutil.Process()
    files, children = process.num_fds(), process.children()
    for _ in range(2):
        async with Guard():
            [guard] = [one for one in process.children() if one not in children]
        assert not guard.is_running()
    assert process.num_fds() == files
    assert faulthandler.is_enabled() == reported


def test_silence_counts_only_time_in_which_its_watcher_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that was away for an hour has seen two ticks of silence at most."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    silence = guard_process.Silence()
    for passed, expected in ((1.0, 1.0), (3600.0, 3.0), (1.5, 4.5)):
        now[0] += passed
        silence.goes_on(1.0)
        assert silence.seconds == expected
    now[0] += 1.0
    silence.goes_on(1.0, counts=False)
    assert silence.seconds == 4.5
    silence.ends()
    assert silence.seconds == 0.0


def test_guard_of_a_worker_that_ends_at_the_same_moment_is_quiet() -> None:
    """There is nobody left to end, and that is no error."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch = guard_process._Watch(ours, {"limit_s": 1.0})
        watch.pid = gone.pid

        watch.end_worker()

    assert not watch.dump
