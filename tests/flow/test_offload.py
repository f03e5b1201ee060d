"""`ctx.offload`: CPU-bound work beside the loop, in processes that end when they should."""

from __future__ import annotations

import asyncio
import math
import operator
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runner import Context, JobState, job
from runner.errors import OffloadError
from runner.offload.offloader import Offloader
from tests import offloaded
from tests.runner_kit import PATIENCE_S, eventually, history, soon, working
from tests.switchboard import GONE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from runner import QueueClient
    from tests.switchboard import Switchboard

TOO_LONG_S = 60.0

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


@pytest.fixture
async def offloader() -> AsyncIterator[Offloader]:
    """Return an offloader with two processes at most."""
    offloader = Offloader(2)
    yield offloader
    await offloader.close()


async def test_offload_returns_what_the_function_returns(offloader: Offloader) -> None:
    """Arguments and result are passed by position and by keyword, large ones too."""
    assert await offloader.run(math.factorial, 20) == math.factorial(20)
    long = "ab" * 1_000_000
    assert await offloader.run(offloaded.repeat, long, times=3) == long * 3


async def test_offload_runs_elsewhere_and_uses_a_process_again(offloader: Offloader) -> None:
    """The function runs in another process; the next one in the same."""
    first = await offloader.run(os.getpid)

    assert first != os.getpid()
    assert await offloader.run(os.getpid) == first


async def test_offload_leaves_numeric_libraries_one_thread(
    offloader: Offloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a process for each core; whoever sets the number decides for themselves."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("POLARS_MAX_THREADS", "3")
    assert await offloader.run(os.getenv, "OPENBLAS_NUM_THREADS") == "1"
    assert await offloader.run(os.getenv, "POLARS_MAX_THREADS") == "3"


async def test_offload_raises_what_the_function_raises(offloader: Offloader) -> None:
    """The exception has its own type, and a note on where it came from; the process stays."""
    before = await offloader.run(os.getpid)

    with pytest.raises(LookupError, match="no such channel") as caught:
        await offloader.run(offloaded.fail, "no such channel")

    assert "offloaded.py" in caught.value.__notes__[0]
    assert await offloader.run(os.getpid) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ((offloaded.fail_oddly,), "OddError: 1 and 2"),
        ((offloaded.give_lambda,), "the result of give_lambda cannot be pickled"),
        ((lambda: None,), "cannot be pickled"),
        (
            (offloaded.die, signal.SIGKILL),
            "the process died by SIGKILL: it may have run out of memory",
        ),
        ((offloaded.die, signal.SIGSEGV), "the process died by SIGSEGV"),
        ((os._exit, 3), "the process died with exit status 3"),
        ((offloaded.exit_here,), "SystemExit: 3"),
    ],
)
async def test_offload_says_what_went_wrong_beside_the_function(
    offloader: Offloader, call: tuple[Callable[..., Any], Any], message: str
) -> None:
    """What cannot be pickled, or a process that dies, is an `OffloadError`; the next call works."""
    with pytest.raises(OffloadError, match=message):
        await offloader.run(*call)

    assert await offloader.run(operator.add, 1, 2) == 3


async def test_offload_refuses_a_function_of_the_programs_own_script(
    offloader: Offloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be imported elsewhere, and the error says what to do."""
    monkeypatch.setattr(offloaded.fail, "__module__", "__main__")

    with pytest.raises(OffloadError, match="fail is defined in the program's own script: move it"):
        await offloader.run(offloaded.fail, "x")


async def test_offload_takes_no_more_processes_than_its_limit(
    offloader: Offloader, board: Switchboard
) -> None:
    """Two of three calls are under way, the third starts when one has ended."""
    calls = [
        asyncio.create_task(offloader.run(offloaded.call_and_sleep, board.port, TOO_LONG_S))
        for _ in range(3)
    ]
    await board.received("working")
    second = await board.received("working")
    assert not board.has_received("working")

    os.kill(second, signal.SIGKILL)
    third = await board.received("working")

    assert third != second
    for call in calls:
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(error).__name__ for error in ended) == [
        "CancelledError",
        "CancelledError",
        "OffloadDiedError",
    ]


async def test_offload_ends_the_process_at_its_timeout(
    offloader: Offloader, board: Switchboard
) -> None:
    """After `timeout_s` the process is gone, even one that only computes."""
    with pytest.raises(TimeoutError):
        await offloader.run(offloaded.call_and_compute, board.port, timeout_s=1.0)

    assert not psutil.pid_exists(await board.received(GONE))


async def test_offload_ends_the_process_when_it_is_cancelled(
    offloader: Offloader, board: Switchboard
) -> None:
    """When the cancellation comes back, the process is gone."""
    call = asyncio.create_task(offloader.run(offloaded.call_and_compute, board.port))
    pid = await board.received("working")

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert not psutil.pid_exists(pid)


async def test_offload_ends_what_the_function_started(
    offloader: Offloader, board: Switchboard
) -> None:
    """Processes that the function has started end with it."""
    call = asyncio.create_task(offloader.run(offloaded.call_from_child, board.port))
    pid = await board.received("working")

    call.cancel()

    await board.received(GONE, of=pid)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_offload_cancelled_at_any_moment_leaves_no_process(offloader: Offloader) -> None:
    """Even if it is cancelled while its process is starting."""
    for pause_s in (0.0, 0.001, 0.003, 0.01, 0.03, 0.1):
        call = asyncio.create_task(offloader.run(time.sleep, TOO_LONG_S))
        await asyncio.sleep(pause_s)  # the moment is the point
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    async with asyncio.timeout(PATIENCE_S):
        while _offloaded_to():  # noqa: ASYNC110 -- a killed process is gone when the system says so
            await asyncio.sleep(0.01)
    assert await offloader.run(operator.add, 1, 2) == 3


async def test_offload_ends_a_process_that_has_no_work() -> None:
    """After `idle_s` an idle process ends; `close` ends those that are left."""
    impatient = Offloader(1, idle_s=0.01)
    pid = await impatient.run(os.getpid)
    await eventually(lambda: _is_gone(pid))

    patient = Offloader(1)
    pid = await patient.run(os.getpid)
    await patient.close()

    assert not psutil.pid_exists(pid)
    assert pid != await impatient.run(os.getpid)
    await impatient.close()


async def test_warm_calls_a_function_in_each_process_before_there_is_work() -> None:
    """Calls that come meanwhile wait for their process; a warm-up that fails does no harm."""
    offloader = Offloader(2)
    await offloader.warm(offloaded.warm)

    first, second = await asyncio.gather(
        offloader.run(offloaded.warmed_s_later, 0.3), offloader.run(offloaded.warmed_s_later, 0.3)
    )
    await offloader.warm(offloaded.fail_oddly)

    assert len(first) == len(second) == 1
    assert first != second
    assert await offloader.run(operator.add, 1, 2) == 3
    await offloader.close()


async def test_close_ends_processes_that_are_being_warmed() -> None:
    """Nobody waits for their work."""
    offloader = Offloader(2)
    await offloader.warm(offloaded.warm)
    assert len(_offloaded_to()) == 2

    await offloader.close()

    assert not offloader._idle
    assert not _offloaded_to()


async def test_offload_ignores_signals_for_the_worker(
    offloader: Offloader, board: Switchboard
) -> None:
    """Ctrl-C does not reach the process, and SIGTERM, which systemd sends to all, does nothing."""
    call = asyncio.create_task(offloader.run(offloaded.call_and_sleep, board.port, 0.3))
    pid = await board.received("working")
    assert os.getpgid(pid) != os.getpgrp()

    os.kill(pid, signal.SIGTERM)

    assert await soon(call) == pid


@pytest.mark.parametrize("method", ["fork", "spawn"])
async def test_offload_lets_the_function_use_pools_of_processes(
    offloader: Offloader, method: str
) -> None:
    """SIGTERM ends a child of the function, whenever it comes: a pool waits for that."""
    times = 20 if method == "fork" else 1
    assert await soon(offloader.run(offloaded.use_pools, method, times)) == 3 * times


async def test_offload_notices_that_its_process_died_while_a_child_of_it_lives(
    offloader: Offloader,
) -> None:
    """A forked child does not keep the pipe to the worker open."""
    with pytest.raises(OffloadError, match="exit status 3"):
        await offloader.run(offloaded.die_beside_a_child, TOO_LONG_S, timeout_s=PATIENCE_S)


async def test_offload_is_not_blocked_by_what_the_function_prints(
    offloader: Offloader, capfd: pytest.CaptureFixture[str]
) -> None:
    """Output of any size goes where log lines go; standard input is empty."""
    assert await offloader.run(offloaded.print_much) == 200_000
    assert await offloader.run(offloaded.read_all) == ""

    captured = capfd.readouterr()
    assert (captured.out, len(captured.err)) == ("", 300_001)


async def test_offload_ends_with_its_worker(board: Switchboard) -> None:
    """A process whose worker was killed stops computing."""
    program = (
        "import asyncio\n"
        "from runner.offload.offloader import Offloader\n"
        "from tests.offloaded import call_and_compute\n"
        f"asyncio.run(Offloader().run(call_and_compute, {board.port}))\n"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    pid = await board.received("working")

    worker.kill()

    assert await board.received(GONE) == pid
    await worker.wait()


def _offloaded_to() -> list[psutil.Process]:
    """Return the living processes of offloaded calls."""
    return [
        process
        for process in psutil.Process().children()
        if process.status() != psutil.STATUS_ZOMBIE
        and any(word.endswith("offload/process.py") for word in process.cmdline())
    ]


async def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


# ---------------------------------------------------------------------- as a job


@job(queue="default")
async def compute(ctx: Context, port: int) -> None:
    """Keep a processor busy."""
    await ctx.offload(offloaded.call_and_compute, port)


@job(queue="default")
async def power(ctx: Context, base: int, exponent: int) -> int:
    """Compute a little."""
    return await ctx.offload(pow, base, exponent)


@job(queue="default", timeout_s=0.8, max_retries=0)
async def compute_briefly(ctx: Context, port: int) -> None:
    """Keep a processor busy for longer than the job may take."""
    await ctx.offload(offloaded.call_and_compute, port)


async def test_offload_in_a_job_gives_its_result(redis_url: str, redis: QueueClient) -> None:
    """A job awaits its offloaded work, which ends with its worker."""
    async with working(redis_url, power):
        handle = await power.enqueue(2, exponent=10)
        assert await handle.result(timeout_s=PATIENCE_S) == 1024

    assert _offloaded_to() == []
    assert await redis.zcard("arq:queue:default") == 0


@pytest.mark.usefixtures("redis")
async def test_offload_leaves_the_loop_free(
    redis_url: str, board: Switchboard, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a job computes elsewhere, others run here, and no blockage is logged."""
    async with working(redis_url, compute, power, blocked_warn_s=0.2):
        busy = await compute.enqueue(board.port)
        await board.received("working")
        results = [await (await power.enqueue(n, 2)).result(timeout_s=PATIENCE_S) for n in range(5)]
        assert results == [0, 1, 4, 9, 16]
        await busy.abort()
        await board.received(GONE)

    assert "event loop blocked" not in capsys.readouterr().out


async def test_abort_of_a_job_ends_its_offloaded_work(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """The process is gone, and the job has ended."""
    async with working(redis_url, compute):
        handle = await compute.enqueue(board.port)
        pid = await board.received("working")

        await handle.abort()

        assert await board.received(GONE) == pid
        await eventually(lambda: _is_over(handle))
    assert await redis.zcard("arq:queue:default") == 0


async def test_timeout_of_a_job_ends_its_offloaded_work(
    redis_url: str, redis: QueueClient, board: Switchboard
) -> None:
    """The job's own time limit also ends the process."""
    async with working(redis_url, compute_briefly):
        handle = await compute_briefly.enqueue(board.port)
        await board.received("working")
        await board.received(GONE)
        await eventually(lambda: _is_over(handle))

    [attempt] = await history(redis, handle.id)
    assert attempt["error"] == "TimeoutError"


@pytest.mark.usefixtures("redis")
async def test_stop_of_a_worker_ends_offloaded_work_and_gives_the_job_back(
    redis_url: str, board: Switchboard
) -> None:
    """Stopped at once, the worker leaves no process, and the job is ready for another."""
    async with working(redis_url, compute):
        handle = await compute.enqueue(board.port)
        await board.received("working")

    await board.received(GONE)
    assert await handle.state() is JobState.READY


async def _is_over(handle: Any) -> bool:
    return await handle.state() in {JobState.DONE, JobState.DEAD}


async def test_offload_without_a_worker_leaves_no_process(board: Switchboard) -> None:
    """A job called in a test may offload, too."""
    del board
    ctx: Any = Context.__new__(Context)
    ctx.offloader = None
    assert await ctx.offload(operator.add, 1, 2) == 3
    assert _offloaded_to() == []
