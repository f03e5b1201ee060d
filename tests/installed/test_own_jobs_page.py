"""
`docs/your-own-jobs.md`, typed word by word into an empty folder, with the wheel installed there.

A block is a file (`python shop/jobs.py`), commands (`sh`), commands that go on running until the
next such block (`sh running`) or run beside those (`sh beside`), or what the commands before it
print (`text`), perhaps after some time (`sh again`). Of what it installs (`sh install`), the wheel
stands for what the index would give.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.installed.test_environments import Environment, empty
from tests.redis_server import free_port

__all__ = ["empty"]

pytestmark = pytest.mark.timeout(480)

PAGE = Path(__file__).parents[2] / "docs" / "your-own-jobs.md"
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = (
    (re.compile(r"[0-9a-f]{32}"), "ID"),
    (re.compile(r"(\d{4}-\d\d-\d\d |\d{1,2} [A-Z][a-z]{2} )?\d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"\(UTC[-+:\d]*\)"), "(ZONE)"),
    (re.compile(r"59 min \d+ s"), "AN HOUR"),
    (re.compile(r"\d+\.\d+s"), "SECONDS"),
    (re.compile(r" {2,}"), "  "),
)
_STARTS_WITHIN_S = 60.0
_MAKE_ENVIRONMENT = ("python3 -m venv .venv", ". .venv/bin/activate")
"""Made by the fixture, as these lines would: to put pip into it takes a second longer."""


class Block(NamedTuple):
    """A block of the page: its language, the word behind that, and its text."""

    language: str
    name: str
    text: str


def blocks() -> list[Block]:
    """Return the blocks of the page, in order."""
    return [Block(*found) for found in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


class Reader:
    """Somebody who types what the page shows into a folder of *place*, with *variables* set."""

    def __init__(self, place: Environment, wheel: Path, variables: dict[str, str]) -> None:
        self._place = place
        self._wheel = wheel
        self._folder = place.folder / "typed"
        self._folder.mkdir()
        self._variables = variables | {
            "HOME": str(place.folder),
            "PATH": f"{place.programs}:{os.environ['PATH']}",
        }
        self._running: list[tuple[subprocess.Popen[str], Path]] = []
        self._again = ""
        self.output = ""

    def read(self, block: Block) -> None:
        """Do what a block asks for, or compare what it shows."""
        match block:
            case Block("sh", "install", text):
                for line in text.splitlines():
                    if line not in _MAKE_ENVIRONMENT:
                        self._place.install(line, self._wheel)
            case Block("sh", "running", text):
                self.stop()
                self.output = self._start(text)
            case Block("sh", "beside", text):
                self.output = self._start(text)
            case Block("sh", "" | "again" as times, text):
                self.output, self._again = self._run(text), text if times else ""
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
        while self._running:
            process, log = self._running.pop()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, log.read_text()

    def _start(self, text: str) -> str:
        path = self._place.folder / f"running-{time.monotonic_ns()}.txt"
        with path.open("w") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {text}"],
                cwd=self._folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        self._running.append((process, path))
        while "Ctrl-C stops it." not in (printed := path.read_text()):
            assert process.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.05)
        return printed

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
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while (missing := _missing(text, self.output)) and self._again:
            assert time.monotonic() < deadline, self.output
            self.output = self._run(self._again)
        assert not missing, f"{missing!r} is not in:\n{self.output}"


def _missing(text: str, output: str) -> str | None:
    """The first line of *text* that *output* has not, in this order; ids and times may differ."""
    printed = iter([_plain(line) for line in output.splitlines()])
    return next((line for line in text.splitlines() if _plain(line) not in printed), None)


def _plain(line: str) -> str:
    for varying, name in _VARYING:
        line = varying.sub(name, line)
    return line.rstrip()


def test_page_works_word_by_word(empty: Environment, wheel_file: Path) -> None:
    """A stranger has queues, workers, retries, pages, metrics and tests, with nothing of ours."""
    shown = blocks()
    assert {block.name for block in shown} >= {"shop/jobs.py", "shop/background.py", "running"}
    port = str(free_port())  # on this machine others may listen
    ports = {"HEALTH_PORT": "0", "WEB__PORT": port}
    quick = {"RUNNER__HEARTBEAT_S": "1", "SCHEDULED_POLL_INTERVAL_S": "1"}
    reader = Reader(empty, wheel_file, ports | quick)
    try:
        for block in shown:
            text = block.text.replace("localhost:8090", f"localhost:{port}")
            reader.read(block._replace(text=text))
    finally:
        reader.stop()
