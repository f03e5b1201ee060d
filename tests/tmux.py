"""A terminal for tests: tmux, in which `pipeline top` runs as at a desk."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runner_kit import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Open a terminal in *folder* for the block, and start the dashboard in it."""
    tmux = Tmux(folder / "tmux")
    variables = {"REDIS_URL": redis_url, "PIPELINE_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    pipeline = Path(sys.executable).with_name("pipeline")
    words = [one for pair in variables.items() for one in ("-e", "=".join(pair))]
    shell = f"'{pipeline}' top; echo ended with $?; exec cat"
    tmux("new-session", "-d", "-x", "100", "-y", "30", "-c", str(folder), *words, shell)
    try:
        yield tmux
    finally:
        tmux("kill-server")
