"""A terminal for tests: tmux, in which a command runs as at a desk."""

from __future__ import annotations

import os
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
_SIZE = ("COLUMNS", "LINES")


class Tmux:
    """One terminal, on a server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)

    def __call__(self, *words: str) -> str:
        """Run a command of tmux, and return its output."""
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        # Readline, once imported, sets these two for all processes that are started then.
        known = {name: os.environ[name] for name in os.environ if name not in _SIZE}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=known)
        return done.stdout

    async def until(self, text: str) -> None:
        """Wait until the terminal shows *text*."""

        async def look() -> bool:
            return text in self("capture-pane", "-p")

        try:
            await eventually(look, within_s=_STARTS_WITHIN_S, every_s=0.05)
        except TimeoutError:
            pytest.fail(f"the terminal does not show {text!r}:\n{self('capture-pane', '-p')}")


@contextmanager
def terminal(
    folder: Path, redis_url: str, command: str = "top", *, size: tuple[int, int] = (100, 30)
) -> Iterator[Tmux]:
    """Open a terminal of *size* in *folder* for the block, and start a command in it."""
    tmux = Tmux(folder / "tmux")
    variables = {"REDIS_URL": redis_url, "PIPELINE_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    pipeline = Path(sys.executable).with_name("pipeline")
    words = [one for pair in variables.items() for one in ("-e", "=".join(pair))]
    shell = f"'{pipeline}' {command}; echo ended with $?; exec cat"
    columns, rows = map(str, size)
    tmux("new-session", "-d", "-x", columns, "-y", rows, "-c", str(folder), *words, shell)
    try:
        yield tmux
    finally:
        tmux("kill-server")
