"""`pipeline new`: the project that it writes runs as it is; a folder in the way is named."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(240)


def test_new_project_runs_at_once(commands: Commands) -> None:
    """Its README's commands work: workers and pages come up, its job runs, its test passes."""
    written = commands.run("pipeline", "new", "corner-shop")
    assert written.status == 0, written.err
    *files, _, last = written.out.splitlines()
    assert last == "In corner-shop, run: pipeline up"
    folder = commands.folder / "corner-shop"
    there = {str(one.relative_to(commands.folder)) for one in folder.rglob("*") if one.is_file()}
    assert set(files) == there
    assert not [one for one in there if "$" in (commands.folder / one).read_text()]
    [enqueue] = [
        line.partition("#")[0]
        for line in (folder / "README.md").read_text().splitlines()
        if line.startswith("pipeline enqueue ")
    ]

    commands.folder = folder
    with commands.running("pipeline", "up", HEALTH_PORT="0", WEB__PORT="0") as up:
        up.until("Ctrl-C stops it")
        ran = commands.run(*shlex.split(enqueue))
        assert json.loads(ran.out) == "Hello, Ada! This is attempt 1.", ran.err
        assert up.end(signal.SIGINT).status == 0
    tested = commands.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert (tested.status, tested.out.splitlines()[-1].split()[:2]) == (0, ["1", "passed"])


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("used", "used is not empty: it has letter.txt; name a new folder"),
        ("3d", "'3d' gives no name for a Python package: begin with a letter"),
        ("class", "'class' gives no name for a Python package"),
        ("json", "a package 'json' would stand in the way of one that is there"),
        ("Runner", "a package 'runner' would stand in the way"),
        ("tests", "a package 'tests' would stand in the way"),
    ],
)
def test_folder_that_cannot_be_used_is_named(commands: Commands, folder: str, reason: str) -> None:
    """In one line, and nothing is written."""
    (commands.folder / "used").mkdir()
    (commands.folder / "used" / "letter.txt").touch()
    before = sorted(commands.folder.rglob("*"))
    refused = commands.run("pipeline", "new", folder)
    assert (refused.status, refused.out) == (2, "")
    assert refused.messages == refused.err.splitlines()
    assert refused.err.startswith(f"pipeline: {reason}")
    assert sorted(one for one in commands.folder.rglob("*") if one.suffix != ".txt") == [
        one for one in before if one.suffix != ".txt"
    ]
