"""
`docs/your-own-jobs.md`, typed word by word into an empty folder.

A block is a file (`python shop/jobs.py`), commands (`sh`), commands that go on running until the
next such block (`sh running`), or what the commands before it print (`text`). What it installs
(`sh install`) is here already.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(280)

PAGE = Path(__file__).parents[2] / "docs" / "your-own-jobs.md"
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = (
    (re.compile(r"[0-9a-f]{32}"), "ID"),
    (re.compile(r"\d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"\d+\.\d+s"), "SECONDS"),
)
_STARTS_WITHIN_S = 60.0


class Block(NamedTuple):
    """A block of the page: its language, the word behind that, and its text."""

    language: str
    name: str
    text: str


def blocks() -> list[Block]:
    """Return the blocks of the page, in order."""
    return [Block(*found) for found in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


class Reader:
    """Somebody who types what the page shows, in *folder*, with *variables* set."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._folder = folder
        self._variables = variables
        self._running: subprocess.Popen[str] | None = None
        self._log = folder / "running.txt"
        self.output = ""

    def read(self, block: Block) -> None:
        """Do what a block asks for, or compare what it shows."""
        match block:
            case Block("sh", "install", _):
                pass
            case Block("sh", "running", text):
                self.stop()
                self._start(text)
            case Block("sh", "", text):
                self.output = self._run(text)
            case Block("text", "", text):
                self._compare(text)
            case Block(_, name, text) if name:
                path = self._folder / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            case _:
                pytest.fail(f"nobody could know what this block is: {block}")

    def stop(self) -> None:
        """Press Ctrl-C where something runs; it ends in order."""
        if self._running is not None:
            self._running.send_signal(2)
            assert self._running.wait(60) == 0, self._log.read_text()
            self._running = None

    def _start(self, text: str) -> None:
        with self._log.open("w") as log:
            self._running = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {text}"],
                cwd=self._folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while "Ctrl-C stops it." not in (printed := self._log.read_text()):
            assert self._running.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.05)
        self.output = printed

    def _run(self, text: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=self._folder,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def _compare(self, text: str) -> None:
        """Each line is there, in this order; ids and times are of another day."""
        printed = iter([_plain(line) for line in self.output.splitlines()])
        for line in text.splitlines():
            assert _plain(line) in printed, f"{line!r} is not in:\n{self.output}"


def _plain(line: str) -> str:
    for varying, name in _VARYING:
        line = varying.sub(name, line)
    return line.rstrip()


def test_page_works_word_by_word(commands: Commands) -> None:
    """A stranger has queues, workers, retries, pages, metrics and tests, with nothing of ours."""
    for port in ("HEALTH_PORT", "WEB__PORT"):
        commands.variables[port] = "0"  # on this machine others may listen
    commands.variables |= {"RUNNER__HEARTBEAT_S": "1", "SCHEDULED_POLL_INTERVAL_S": "1"}
    environment = commands._environment({})
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    shown = blocks()
    assert {block.name for block in shown} >= {"shop/jobs.py", "shop/background.py", "running"}
    reader = Reader(commands.folder, environment)
    try:
        for block in shown:
            reader.read(block)
    finally:
        reader.stop()
