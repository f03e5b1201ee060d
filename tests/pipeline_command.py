"""The installed commands, run as a person would: real processes, in a folder of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.configuration import CONFIG_VARIABLE
from settings.environment import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_BIN = Path(sys.executable).parent
_LIMIT_S = 420.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def messages(self) -> list[str]:
        """The program's own lines on standard error."""
        return [line for line in self.err.splitlines() if line.startswith("pipeline: ")]


@dataclass
class Commands:
    """
    Runs commands in *folder* with only *variables* set, each for *limit_s* at most.

    programs: where the commands are; those beside this Python, unless others are installed.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    limit_s: float = _LIMIT_S
    programs: Path = _BIN

    def run(self, *words: str, **variables: str) -> Ended:
        """Run a command to its end; *variables* are set for it alone."""
        done = subprocess.run(
            self._command(words),
            cwd=self.folder,
            env=self._environment(variables),
            capture_output=True,
            text=True,
            timeout=self.limit_s,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def running(self, *words: str, **variables: str) -> Iterator[Running]:
        """Start a command; end it after the block if it still runs."""
        out = (self.folder / f"out-{time.monotonic_ns()}.txt").open("w+")
        err = (self.folder / f"err-{time.monotonic_ns()}.txt").open("w+")
        process = subprocess.Popen(
            self._command(words),
            cwd=self.folder,
            env=self._environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
        )
        running = Running(process, Path(out.name), Path(err.name))
        try:
            with out, err:
                yield running
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [str(self.programs / words[0]), *words[1:]]

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        settings = {name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.partition("__")[0] not in settings
        }
        return kept | {"HOME": str(self.folder)} | self.variables | variables


@dataclass(frozen=True, slots=True)
class Running:
    """A command that runs."""

    process: subprocess.Popen[str]
    out_path: Path
    err_path: Path

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self.out_path.read_text()

    @property
    def err(self) -> str:
        """What it has written to standard error so far."""
        return self.err_path.read_text()

    def until(self, text: str, limit_s: float = 180.0) -> str:
        """Wait until the output has *text*, and return all of it by then."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            output = self.out + self.err
            if text in output:
                return output
            if self.process.poll() is not None:
                raise AssertionError(f"it ended before it printed {text!r}: {self.out}{self.err}")
            time.sleep(0.05)
        raise AssertionError(f"it did not print {text!r} in {limit_s:g} s: {self.out}{self.err}")

    def end(self, number: signal.Signals = signal.SIGINT, limit_s: float = 90.0) -> Ended:
        """Send it a signal, and wait for its end."""
        self.process.send_signal(number)
        return self.ended(limit_s)

    def ended(self, limit_s: float = _LIMIT_S) -> Ended:
        """Wait for its end."""
        return Ended(self.process.wait(limit_s), self.out, self.err)
