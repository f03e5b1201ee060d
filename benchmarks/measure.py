"""Take single measurements: start a system's script, wait for its answer, compute the figure."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.peers import HERE
from benchmarks.systems.protocol import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.catalog import System
    from benchmarks.redis_server import RedisServer

_LIMIT_S = 120.0
_LOOK_S = 0.02
_SETTLED_S = 4.0
"""Seconds between a worker's start and the reading of its idle memory."""


class MeasurementError(Exception):
    """A script failed or took too long; the message says which and why."""


@dataclass(frozen=True)
class Drained:
    """
    One drain. rate: jobs/s. log_lines: per job.

    calls: the worker's round trips, if they were counted. cpu_us: the worker's, from the first job
    to the last. redis_cpu_us, redis_reads: Redis's cost per job, including the worker's start.
    """

    jobs: int
    rate: float
    log_lines: float
    calls: float
    cpu_us: float
    redis_cpu_us: float
    redis_reads: float


class Bench:
    """Measures systems on one Redis, each in its own processes, with files in *directory*."""

    def __init__(self, server: RedisServer, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self._numbers = itertools.count()

    # ------------------------------------------------------------------ figures

    def version(self, system: System) -> str:
        """Return the versions that the system's script reports."""
        return str(self._ask(system, "about")["version"])

    def enqueue(self, system: System, jobs: int, *, bulk: bool = False, feature: str = "") -> float:
        """Return jobs/s into an empty Redis."""
        self._server.empty()
        command = "enqueue-bulk" if bulk else "enqueue"
        answer = self._ask(system, command, jobs=jobs, feature=feature)
        return jobs / float(answer["seconds"])

    def flow(self, system: System, jobs: int) -> float:
        """Return jobs/s from the first enqueue to the start of what follows all of them."""
        self._server.empty()
        answer = self._ask(system, "flow", jobs=jobs, concurrency=32)
        return jobs / float(answer["seconds"])

    def drain(self, system: System, **request: Any) -> Drained:
        """Run one worker process over the enqueued jobs."""
        before = self._server.usage()
        answer = self._ask(system, "drain", **request)
        used = self._server.usage() - before
        jobs = int(answer["jobs"])
        return Drained(
            jobs=jobs,
            rate=jobs / answer["seconds"],
            log_lines=answer["log_lines"] / jobs,
            calls=answer.get("calls", 0) / jobs,
            cpu_us=answer["cpu_s"] * 1e6 / jobs,
            redis_cpu_us=used.cpu_s * 1e6 / jobs,
            redis_reads=used.reads / jobs,
        )

    def fill(self, system: System, *, ready: int, scheduled: int) -> None:
        """Replace everything in Redis with a backlog."""
        self._server.empty()
        self._ask(system, "fill", jobs=ready, scheduled=scheduled)

    def pick_up(self, system: System, samples: int) -> tuple[list[float], list[float]]:
        """
        Return how long an idle worker lets each of *samples* jobs wait, in ms.

        First since `enqueue` returned, which may be after the start; then since its call.
        """
        self._server.empty()
        # Seeded, so that all systems and rounds get the same pauses.
        chance = random.Random(samples)  # noqa: S311 -- pauses, not secrets
        pauses_s = [chance.uniform(0.03, 0.12) for _ in range(samples)]
        with self._serving(system, jobs=samples) as worker:
            time.sleep(1.0)
            sent = self._ask(system, "ping", pauses_s=pauses_s)
            started = worker.answer(limit_s=10.0)["started"]
        return (
            [
                (start - sent_at) * 1000
                for start, sent_at in zip(started, sent["returned"], strict=True)
            ],
            [
                (start - sent_at) * 1000
                for start, sent_at in zip(started, sent["called"], strict=True)
            ],
        )

    def idle_memory_mib(self, system: System, command: str = "serve") -> float:
        """Return the resident memory of an idle worker, including its children."""
        self._server.empty()
        with self._serving(system, command, jobs=1) as worker:
            time.sleep(_SETTLED_S)
            return worker.memory_mib()

    # ------------------------------------------------------------------ processes

    def _ask(self, system: System, command: str, **fields: Any) -> dict[str, Any]:
        with self._script(system, command, **fields) as script:
            answer = script.answer(limit_s=_LIMIT_S)
            answer["log_lines"] = script.log_lines()
        return answer

    @contextlib.contextmanager
    def _serving(self, system: System, command: str = "serve", **fields: Any) -> Iterator[_Script]:
        ready = self._directory / f"ready-{next(self._numbers)}"
        with self._script(system, command, ready=str(ready), **fields) as script:
            deadline = time.monotonic() + 20
            while command == "serve" and not ready.exists():
                script.check(deadline)
                time.sleep(_LOOK_S)
            yield script

    @contextlib.contextmanager
    def _script(self, system: System, command: str, **fields: Any) -> Iterator[_Script]:
        number = next(self._numbers)
        out = self._directory / f"{number}.json"
        log = self._directory / f"{number}.log"
        request = Request(
            command, url=self._server.url, out=str(out), variant=system.variant, **fields
        )
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [*system.command, json.dumps(asdict(request))],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=HERE.parent,
                env=self._environment(system),
            )
        try:
            yield _Script(f"{system.title}: {command}", process, out, log)
        finally:
            process.kill()
            process.wait()
            out.unlink(missing_ok=True)
            log.unlink(missing_ok=True)

    def _environment(self, system: System) -> dict[str, str]:
        """Return the variables that scripts need, and none that would configure a system."""
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
        return {name: os.environ[name] for name in kept if name in os.environ} | {
            "PIPELINE_HOME": str(self._directory / "home"),
            **system.environment,
        }


@dataclass(frozen=True)
class _Script:
    name: str
    process: subprocess.Popen[bytes]
    out: Path
    log: Path

    def answer(self, *, limit_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while not self.out.exists():
            self.check(deadline)
            time.sleep(_LOOK_S)
        fields: dict[str, Any] = json.loads(self.out.read_text())
        return fields

    def check(self, deadline: float) -> None:
        """Raise if the script ended without an answer, or is late."""
        if self.process.poll() is not None and not self.out.exists():
            raise MeasurementError(f"{self.name} ended early: {self._last_line()}")
        if time.monotonic() > deadline:
            raise MeasurementError(f"{self.name} took too long: {self._last_line()}")

    def log_lines(self) -> int:
        with self.log.open("rb") as lines:
            return sum(1 for _ in lines)

    def memory_mib(self) -> float:
        worker = psutil.Process(self.process.pid)
        family = [worker, *worker.children(recursive=True)]
        return float(sum(one.memory_info().rss for one in family) / 2**20)

    def _last_line(self) -> str:
        log = self.log.read_text(errors="replace").replace(f"{HERE.parent}/", "")
        lines = [line for line in log.splitlines() if line.strip()]
        return lines[-1].strip()[:300] if lines else "it printed nothing"


def percentile(values: list[float], share: float) -> float:
    """Return the value that *share* of *values* do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def median(values: list[float]) -> float:
    """Return the median of *values*."""
    return statistics.median(values)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a directory that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)
