"""`pipeline top` in a real terminal: what it shows, and what its keys do to Redis."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs import sync_channel
from runner import JobState
from runner.operations.actions import Operator, Request
from runner.operations.verbs import Action
from tests.runner_kit import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner import QueueClient

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux: it is the terminal here"),
    pytest.mark.timeout(240),
]

_STARTS_WITHIN_S = 60.0


class Tmux:
    """One terminal of 100 × 30 characters, on a server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)

    def __call__(self, *words: str) -> str:
        """Run a command of tmux, and return its output."""
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    async def until(self, text: str) -> None:
        """Wait until the terminal shows *text*."""

        async def look() -> bool:
            return text in self("capture-pane", "-p")

        try:
            await eventually(look, within_s=_STARTS_WITHIN_S, every_s=0.05)
        except TimeoutError:
            pytest.fail(f"the terminal does not show {text!r}:\n{self('capture-pane', '-p')}")


@contextmanager
def terminal(folder: Path, redis_url: str) -> Iterator[Tmux]:
    """Open a terminal for the block, and start the dashboard in it."""
    tmux = Tmux(folder / "tmux")
    variables = {"REDIS_URL": redis_url, "PIPELINE_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    pipeline = Path(sys.executable).with_name("pipeline")
    words = [one for pair in variables.items() for one in ("-e", "=".join(pair))]
    shell = f"'{pipeline}' top; echo ended with $?; exec cat"
    tmux("new-session", "-d", "-x", "100", "-y", "30", *words, shell)
    try:
        yield tmux
    finally:
        tmux("kill-server")


async def test_dead_job_is_retried_in_a_terminal(
    redis: QueueClient, redis_url: str, tmp_path: Path
) -> None:
    """A person sees the dead job, retries it by key, sees it go, and quits."""
    handle = await sync_channel.options(job_id="buried", delay_s=600).enqueue(channel_id="UC1")
    await Operator(redis, "tester").act(Request(Action.BURY), sync_channel.queue, "buried")

    with terminal(tmp_path, redis_url) as tmux:
        await tmux.until("recommendations")
        tmux("send-keys", "5")
        await tmux.until("Buried: buried by")
        tmux("send-keys", "R")
        await tmux.until("Run sync_channel buried~")
        tmux("send-keys", "y")
        await tmux.until(": due now")
        assert await handle.state() is JobState.READY
        tmux("send-keys", "q")
        await tmux.until("ended with 0")
