"""
The simulated Redis answers as real ones do: random calls of every script and every command.

PIPELINE_TEST_EXACT_CALLS is how many script calls each server gets, and six times as many
commands; PIPELINE_TEST_EXACT_SEED draws other ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from runner.broker import scripts
from runner.simulation.redis.server import COMMANDS
from tests.simulation.plain_calls import FORMS, PlainCalls
from tests.simulation.script_calls import ScriptCalls, text_with_time_given

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.compared import Pair

HERE = Path(__file__).parent
CALLS = int(os.environ.get("PIPELINE_TEST_EXACT_CALLS", "1000"))
SEED = os.environ.get("PIPELINE_TEST_EXACT_SEED", "0")
SECONDS = 60 + CALLS // 100

_PLAIN_HISTORY, _SCRIPT_HISTORY = 150, 60


def _play(pair: Pair, calls: int, history: int, play: Callable[[Random], None]) -> None:
    """Play histories until all calls are made; stop after the first that differs."""
    pair.differences.clear()
    for number in range(-(-calls // history)):
        play(Random(f"{SEED}:{number}"))
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

    _play(pair, 6 * CALLS, _PLAIN_HISTORY, play)


def test_lua_is_that_of_redis(pair: Pair) -> None:
    """Numbers and tables both ways, errors and their lines, limits, globals, JSON."""
    pair.differences.clear()
    for text in (HERE / "scripts.txt").read_text("utf-8").splitlines():
        pair.begin()
        pair.run("EVAL", text.replace("⏎", "\n"), 2, "k1", "k2", "a1", "a2")
        pair.compare_contents()
    assert not pair.differences, "\n".join(map(str, pair.differences))


def test_every_command_is_compared() -> None:
    """A command that no history calls may answer anything."""
    assert {name.decode() for name in COMMANDS} == set(FORMS)


def test_commands_are_refused_when_those_of_redis_are(pair: Pair) -> None:
    """Which commands write, and which of them a full server refuses."""
    for name, command in COMMANDS.items():
        [[_, _, flags, *_]] = pair.real.ask(("COMMAND", "INFO", name.decode()))[0]
        assert (command.writes, command.grows) == (b"write" in flags, b"denyoom" in flags), name


def test_every_script_reads_the_time_that_it_is_given() -> None:
    """A script that asks the real server for its time could not be compared."""
    for name, script in scripts.SCRIPTS.items():
        assert "'TIME'" not in text_with_time_given(script).upper(), name
