"""The watchdog: what it notices of a loop, and when it ends the process."""

from __future__ import annotations

import asyncio
import inspect
import queue
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog.testing

from runner.worker.watchdog import EXIT_BLOCKED, Watchdog, Watched, format_stack, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WARN_S = 0.02


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Return what is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


class Ends:
    """Stands in for `os._exit`."""

    def __init__(self) -> None:
        self.statuses: queue.SimpleQueue[int] = queue.SimpleQueue()

    def __call__(self, status: int) -> None:
        """Record the status."""
        self.statuses.put(status)


def _watched(
    *,
    warn_s: float = WARN_S,
    limit_s: float = 60.0,
    name: str = "",
    give_up: Callable[[asyncio.Task[object] | None], int] = lambda _: 0,
) -> Watched:
    return Watched(
        warn_s=warn_s,
        limit_s=limit_s,
        describe=lambda task: {name: task.get_name()} if name and task else {},
        give_up=give_up,
    )


def block_the_loop(until: Callable[[], object]) -> None:
    """Block until a condition holds, which only another thread can bring about."""
    deadline = time.monotonic() + 10
    while not until() and time.monotonic() < deadline:
        time.sleep(0.001)


def block_the_loop_for(seconds: float) -> None:
    """Block for a time."""
    time.sleep(seconds)


async def test_watchdog_names_what_blocks_the_loop(lines: list[Any]) -> None:
    """One warning for each blockage: how long, which task, and its stack."""
    task = asyncio.current_task()
    assert task is not None
    task.set_name("the blocker")
    with watching(asyncio.get_running_loop(), _watched(name="task")):
        block_the_loop(lambda: lines)
        block_the_loop_for(WARN_S * 3)
        await asyncio.to_thread(block_the_loop, lambda: len(lines) > 1)

    warning, free = lines
    assert (warning["event"], warning["log_level"]) == ("event loop blocked", "warning")
    assert warning["task"] == "the blocker"
    assert "in block_the_loop\n    time.sleep(0.001)" in warning["stack"]
    assert (free["event"], free["log_level"]) == ("event loop free again", "info")


async def test_watchdog_is_silent_while_the_loop_answers(lines: list[Any]) -> None:
    """Many coroutines that give the loop back in time are fine."""

    async def well_behaved() -> None:
        for _ in range(25):
            time.sleep(0.005)  # noqa: ASYNC251 -- a little work
            await asyncio.sleep(0)

    with watching(asyncio.get_running_loop(), _watched(warn_s=0.3)):
        await asyncio.gather(*(well_behaved() for _ in range(5)))

    assert lines == []


async def test_watchdog_gives_up_past_the_limit(lines: list[Any]) -> None:
    """Every worker of the loop gives its jobs back, then the process ends, once."""
    ends = Ends()
    blockers: list[asyncio.Task[object] | None] = []

    def give_up(task: asyncio.Task[object] | None) -> int:
        blockers.append(task)
        return 2

    watchdog = Watchdog(asyncio.get_running_loop(), end=ends)
    workers = [_watched(limit_s=WARN_S * 2, give_up=give_up) for _ in range(3)]
    for worker in workers:
        watchdog.add(worker)

    block_the_loop(lambda: not ends.statuses.empty())

    for worker in workers:
        watchdog.remove(worker)
    assert ends.statuses.get_nowait() == EXIT_BLOCKED
    assert ends.statuses.empty()
    assert blockers == [asyncio.current_task()] * 3
    last = next(line for line in lines if line["log_level"] == "critical")
    assert (last["given_back"], last["exit_status"]) == (6, EXIT_BLOCKED)


async def test_watchdog_ends_the_process_even_if_jobs_cannot_be_given_back(
    lines: list[Any],
) -> None:
    """With Redis away it logs that, and still asks the other workers."""
    ends = Ends()
    asked = []

    def fail(_: asyncio.Task[object] | None) -> int:
        asked.append(1)
        raise ConnectionError("no route to host")

    watchdog = Watchdog(asyncio.get_running_loop(), end=ends)
    workers = [_watched(limit_s=WARN_S, give_up=fail) for _ in range(2)]
    for worker in workers:
        watchdog.add(worker)

    block_the_loop(lambda: not ends.statuses.empty())

    for worker in workers:
        watchdog.remove(worker)
    assert len(asked) == 2
    errors = [line["error"] for line in lines if line["log_level"] == "error"]
    assert errors == ["ConnectionError: no route to host"] * 2


async def test_watchdog_leaves_a_loop_that_is_free_again_in_time(lines: list[Any]) -> None:
    """Each blockage below the limit is logged, and nothing else happens."""
    ends = Ends()
    watchdog = Watchdog(asyncio.get_running_loop(), end=ends)
    worker = _watched(limit_s=30.0)
    watchdog.add(worker)
    for times in (1, 2):
        block_the_loop(lambda: len(lines) == 2 * times - 1)  # noqa: B023 -- called here and now
        await asyncio.to_thread(block_the_loop, lambda: len(lines) == 2 * times)  # noqa: B023
    watchdog.remove(worker)

    assert [line["log_level"] for line in lines] == ["warning", "info"] * 2
    assert ends.statuses.empty()


async def test_watchdog_ends_with_its_last_worker(lines: list[Any]) -> None:
    """Then nothing is watched, and a new worker in the same loop starts another."""
    loop = asyncio.get_running_loop()
    with watching(loop, _watched()), watching(loop, _watched()):
        pass
    block_the_loop_for(WARN_S * 4)
    assert lines == []

    with watching(loop, _watched()):
        block_the_loop(lambda: lines)
        await asyncio.to_thread(block_the_loop, lambda: len(lines) > 1)
    assert len(lines) == 2


def _recurse(depth: int) -> str:
    frame = inspect.currentframe()
    assert frame is not None
    return _recurse(depth - 1) if depth else format_stack(frame)


def _to_and_fro(depth: int) -> str:
    return _fro(depth - 1) if depth else _recurse(0)


def _fro(depth: int) -> str:
    return _to_and_fro(depth - 1)


def test_long_stack_is_shown_at_both_ends() -> None:
    """Its start and its end, without the middle."""
    shown = _to_and_fro(100)

    assert shown.count("\n  File ") < 45
    assert " frames)\n" in shown
    assert shown.splitlines()[-2].endswith("in _recurse")
