"""Random schedules of faults, each in a world of its own: every promise is kept, and again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutations import found_at
from tests.simulation.play import play
from tests.simulation.schedule import draw

_EACH = 10
_REPEATED = 20
_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", range(0, 300, _EACH))
def test_schedule_breaks_no_promise(first: int) -> None:
    """`make simulate ARGS="--seed N"` repeats one and shows its smallest form."""
    broken = {
        seed: faults for seed in range(first, first + _EACH) if (faults := play(draw(seed)).faults)
    }

    assert broken == {}


def test_history_is_the_same_in_every_process() -> None:
    """The same seeds give the same commands and replies, to the byte, whatever the hash seed."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", "--digests", "--seeds", str(_REPEATED)],
            cwd=_ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(_ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    first, second = (run.communicate()[0] for run in runs)

    assert len(first.splitlines()) == _REPEATED
    assert first == second


@pytest.mark.parametrize(
    "name",
    ["fence-off", "crash-not-counted", "release-loses-its-place", "start-not-told", "claims-early"],
)
def test_planted_fault_is_found(name: str) -> None:
    """The judge sees what it is there to see; `tests.simulation.mutations` plants all of them."""
    assert found_at(name, 60) is not None
