"""A job leaves its queue by one exit: so nothing waits for a job that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "runner" / "broker" / "scripts"
_TAKES_OUT = re.compile(
    r"'(?:ZREM|ZPOPMIN|ZREMRANGEBYSCORE|ZREMRANGEBYRANK)', "
    r"(queue|suspects|(?:queue|held\.next_at) \.\. ':(?:suspects|parked|dead|waiting)')[,)]"
)
_FUNCTION = re.compile(r"^(?:local )?function ([\w.]+)\(", re.MULTILINE)

MOVES = {
    ("admin.lua", "leave_dead"): "the job is retried or moved, or `delete` follows",
    (
        "admin.lua",
        "leave_queue",
    ): "it is put back, or the action calls `gone`",
    ("places.lua", "unpark_one"): "it is put back, or the action calls `gone`",
    ("unique.lua", "pass_key_on"): "it comes into its queue",
    ("lane.lua", "take_out"): "it waits in its lane",
    ("lanes.lua", "change_lane"): "it comes into another lane, or into its queue",
    ("lanes.lua", "seat_all"): "it comes into its queue",
    ("unseated.lua", "clear_unseated"): "it waits in its lane",
    ("lane_full.lua", "drop"): "it stands in its queue, and whoever claims it ends it",
    ("lanes.lua", "step_back"): "it comes into its lane again",
    ("lanes.lua", "wait_anew"): "it comes into its lane again",
    ("claim.lua", "leave_parked"): "the job is claimed, or waits among the suspects",
    ("claim.lua", ""): "the suspect is claimed",
    ("crashes.lua", "take_crash_back"): "from the suspects back into the queue",
    ("recover.lua", "put_back"): "among the suspects",
    ("settle.lua", "back"): "among the suspects",
    ("settle.lua", ""): "the jobs that `gone` was called for, or among the parked",
}
"""Where a job is taken out of a set of its queue: by file and function, and why that loses none."""


def _places(path: Path) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    function = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if started := _FUNCTION.match(line):
            function = started[1]
        if not line.startswith("--") and _TAKES_OUT.search(line):
            found.add((path.name, function))
        if line == "end":
            function = ""
    return found


def test_each_place_that_takes_a_job_out_of_a_set_is_known() -> None:
    """A new one is named here, with the reason why nothing waits for its jobs for ever."""
    found = set().union(*map(_places, sorted(SCRIPTS.glob("*.lua"))))
    assert found == set(MOVES)


@pytest.mark.parametrize(
    ("script", "endings"),
    [
        ("settle.lua", {"done", "abort", "fail", "dead"}),
        ("admin.lua", {"bury", "delete", "move", "abort"}),
    ],
)
def test_each_ending_passes_the_exit(script: str, endings: set[str]) -> None:
    """In the branch or function of each outcome and action that ends a job, `gone` is called."""
    text = (SCRIPTS / script).read_text(encoding="utf-8")
    for ending in endings:
        branch = re.search(
            rf"kind == '{ending}'[^\n]* then\n(.*?)\n    elseif"
            rf"|function act\.{ending}\(.*?\n(.*?)\nend",
            text,
            re.DOTALL,
        )
        assert branch is not None, ending
        assert re.search(r"\bgone\(", branch[1] or branch[2]), ending
