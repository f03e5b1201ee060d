"""Shell completion: a real bash, and what zsh and fish ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(180)

_BIN = Path(sys.executable).parent

# Bash as it is at a prompt, but that the line and the key are given by the test.
_PRESS_TAB = """
set -e
eval "$(pipeline completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_pipeline_completion pipeline
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("pipeline sched", ["scheduled", "schedules"]),
        ("pipeline queues p", ["pause"]),
        ("pipeline queues pause an", ["analytics"]),
        ("pipeline worker default ", ["analytics", "recommendations", "notifications"]),
        ("pipeline dead list --queue de", ["default"]),
        ("pipeline jobs list --state r", ["ready", "retrying", "running"]),
        ("pipeline jobs move --t", ["--text", "--to"]),
        ("pipeline enqueue sync_c", ["sync_channel"]),
        ("pipeline schedules pause comp", ["compare_channels"]),
        ("pipeline completion z", ["zsh"]),
        ("pipeline queues list -o ", ["table", "wide", "json"]),
        ("pipeline channels ls --w", ["--watch"]),
    ],
)
def test_bash_completes_commands_and_names(
    commands: Commands, line: str, offered: list[str]
) -> None:
    """Tab offers what exists and fits, and nothing that is on the line already."""
    *words, last = line.split(" ")
    asked = subprocess.run(
        ["bash", "--norc", "-c", _PRESS_TAB, "bash", *words, last],
        cwd=commands.folder,
        env={"PATH": f"{_BIN}:{os.environ['PATH']}", "HOME": str(commands.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stderr == ""
    assert asked.stdout.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_asks_the_command_what_fits(commands: Commands, shell: str) -> None:
    """Each script calls the command as click expects it of that shell."""
    script = commands.run("pipeline", "completion", shell)
    assert script.status == 0, script.err
    assert f"_PIPELINE_COMPLETE={shell}_complete" in script.out
    words = {
        "bash": {"COMP_WORDS": "pipeline worker an", "COMP_CWORD": "2"},
        "zsh": {"COMP_WORDS": "pipeline worker an", "COMP_CWORD": "2"},
        "fish": {"COMP_WORDS": "pipeline worker an", "COMP_CWORD": "an"},
    }[shell]
    answered = commands.run("pipeline", _PIPELINE_COMPLETE=f"{shell}_complete", **words)
    assert "analytics" in answered.out
    assert "default" not in answered.out


def test_unknown_shell_is_one_line(commands: Commands) -> None:
    """The line names the shells that are supported."""
    refused = commands.run("pipeline", "completion", "cmd")
    assert (refused.status, len(refused.messages)) == (2, 1)
    assert "'bash', 'zsh', 'fish'" in refused.messages[0]
