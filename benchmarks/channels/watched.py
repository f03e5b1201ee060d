"""Run a command and measure its time, and the CPU and memory of all processes it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Ended:
    """
    What a command used, and the JSON object that it printed.

    peak_mib: the peak of all of its processes together, counting shared memory once (PSS).
    largest_mib: the peak of the largest one (RSS).
    """

    seconds: float
    cpu_s: float
    peak_mib: float
    largest_mib: float
    printed: dict[str, Any]


def run(words: Sequence[str], home: Path) -> Ended:
    """
    Run a Python module with *words*, with its state under *home*.

    Raises:
        SystemExit: It failed; with its error output.
    """
    home.mkdir(parents=True)
    environment = {**os.environ, "PIPELINE_HOME": str(home), "TMPDIR": str(home)}
    for variable in ("REDIS_URL", "DATABASE_URL"):
        environment.pop(variable, None)
    started = time.perf_counter()
    with (home / "log.txt").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=log, env=environment
        )
        watcher = _Watcher(process.pid, str(home))
        watcher.start()
        printed, _ = process.communicate()
        seconds = time.perf_counter() - started
        watcher.stop()
        log.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} failed: {log.read()}")
    return Ended(
        seconds=seconds,
        cpu_s=sum(watcher.cpu_s.values()),
        peak_mib=watcher.peak / 2**20,
        largest_mib=watcher.largest / 2**20,
        printed=json.loads(printed),
    )


class _Watcher(threading.Thread):
    """Samples the processes below *pid*, and the Redis of *home*, which is not one of them."""

    def __init__(self, pid: int, home: str) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._home = home
        self._stopped = threading.Event()
        self.cpu_s: dict[int, float] = {}
        self.peak = 0
        self.largest = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self._stopped.wait(_EVERY_S):
            held = 0
            for process in self._processes():
                try:
                    memory, cpu = process.memory_full_info(), process.cpu_times()
                except psutil.Error:
                    continue
                held += getattr(memory, "pss", memory.uss)
                self.largest = max(self.largest, memory.rss)
                self.cpu_s[process.pid] = cpu.user + cpu.system
            self.peak = max(self.peak, held)

    def stop(self) -> None:
        """Stop sampling."""
        self._stopped.set()
        self.join()

    def _processes(self) -> Iterator[psutil.Process]:
        ours: set[int] = set()
        for process in psutil.process_iter(["pid", "ppid", "cmdline"]):
            # Parents come before children, as pids grow.
            words = " ".join(process.info["cmdline"] or ())
            if (
                process.pid == self._pid
                or process.info["ppid"] in ours
                or f"redis-server unixsocket:{self._home}" in words
            ):
                ours.add(process.pid)
                yield process
