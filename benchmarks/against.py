"""
`make bench-against REV=…`: is the runner of this checkout slower than that of another revision?

A pair of processes, one with each runner, does the same work on one private Redis, each in its own
database. They take turns of about 20 ms: one works while the other is stopped, so other load on the
machine affects both alike. Ratios are of the time per job, new over old: above 1 is slower. The
check fails if the whole interval of a ratio lies above the bar.

Each figure is measured by three clocks: elapsed time, CPU time of the process, CPU time of Redis.
On a busy machine CPU time is more stable: its intervals reach 1 to 2 % to either side, those of
elapsed time 2 to 3 %. Only elapsed time shows waiting, so all three count.

Exit codes: 0 passed, 1 slower, 2 not measured (`make` returns 2 for both failures).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy import stats

from benchmarks import figures
from benchmarks.measure import MeasurementError, scratch
from benchmarks.peers import HERE
from benchmarks.redis_server import running_redis
from benchmarks.revision import short_commit, unpack
from benchmarks.systems.protocol import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.redis_server import RedisServer

FIGURES = {
    "enqueue": figures.ENQUEUE,
    "bulk": figures.BULK,
    "drain-10": figures.DRAIN_10,
    "drain-32": figures.DRAIN_32,
}
"""By the names used with `--figures`."""

_TURN = 500
"""Jobs in one turn; a turn with bulk calls makes one whole call, of 1,000."""

_STEPS = (
    {"enqueue": Request("enqueue"), "drain-10": Request("drain", concurrency=10)},
    {"bulk": Request("enqueue-bulk"), "drain-32": Request("drain", concurrency=32)},
)
"""How jobs are enqueued and then drained."""

_CLOCKS = ("time", "CPU", "CPU of Redis")
_CONFIDENCE = 0.95
_LIMIT_S = 120.0


@dataclass(frozen=True)
class Ratio:
    """New over old: the mean, and the interval that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Ratio:
        """
        Summarize the ratios of several pairs.

        The mean is the geometric one, the interval Student's t for the mean of the logarithms:
        exp(mean ± t(0.975; n - 1) · s / √n). Source: NIST/SEMATECH e-Handbook of Statistical
        Methods, section 1.3.5.2, "Confidence Limits for the Mean".
        """
        logs = [math.log(ratio) for ratio in ratios]
        mean, error = statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
        reach = float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(logs) - 1)) * error
        return cls(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


@dataclass
class Found:
    """One figure by one clock. ratios: one per pair. new, old: µs per job, one value per turn."""

    ratios: list[float] = field(default_factory=list)
    new: list[float] = field(default_factory=list)
    old: list[float] = field(default_factory=list)

    def add(self, new: Sequence[float], old: Sequence[float]) -> None:
        """Add a pair. Its ratio is the median over its turns, which ignores disturbed ones."""
        self.ratios.append(
            statistics.median(mine / theirs for mine, theirs in zip(new, old, strict=True))
        )
        self.new += new
        self.old += old


def slower(ratios: Mapping[str, Ratio], bar: float) -> list[str]:
    """Return the names of ratios whose whole interval is more than *bar* percent above 1."""
    return [name for name, ratio in ratios.items() if ratio.low > 1 + bar / 100]


class Child:
    """A process that works with the runner in *folder*, one turn at a time."""

    def __init__(self, folder: Path, request: Request, server: RedisServer) -> None:
        self._server = server
        self._out, self._log = Path(request.out), Path(request.out).with_suffix(".log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, HERE / "systems" / "in_turns.py", json.dumps(asdict(request))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # It comes before the installed runner, which is this checkout's.
                env=os.environ | {"PYTHONPATH": str(folder)},
            )
        self._killer = threading.Timer(_LIMIT_S, self._process.kill)
        self._killer.start()

    def file(self) -> Path:
        """Wait until it is ready; return the file that `runner` was imported from."""
        return Path(self._answer()["file"])

    def turn(self) -> tuple[float, ...]:
        """Let it work for one turn; return the µs per job by each of the clocks."""
        before = self._server.usage()
        self._process.send_signal(signal.SIGCONT)
        answer = self._answer()
        used = self._server.usage() - before
        seconds = answer["seconds"], answer["cpu_s"], used.cpu_s
        return tuple(spent * 1e6 / answer["jobs"] for spent in seconds)

    def end(self) -> None:
        """Kill the stopped process."""
        self._killer.cancel()
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            lines = self._log.read_text(errors="replace").splitlines() or ["it printed nothing"]
            raise MeasurementError(f"a process ended, or took {_LIMIT_S:g} s: {lines[-1]}")
        answer: dict[str, Any] = json.loads(self._out.read_text())
        return answer


class Comparison:
    """The measurements of the runners in *folders*: "new" and "old"."""

    def __init__(self, server: RedisServer, folders: Mapping[str, Path], turns: int) -> None:
        self._server = server
        self._folders = folders
        self._turns = turns
        self.found: dict[str, Found] = {}
        """By figure and clock."""

    def pair(self, number: int, wanted: Sequence[str]) -> None:
        """Measure all *wanted* figures once; every other pair starts with the old runner."""
        order = ("old", "new") if number % 2 else ("new", "old")
        for step in _STEPS:
            if not step.keys() & set(wanted):
                continue
            self._server.empty()
            for figure, request in step.items():
                costs = self._take_turns(order, request)
                if figure in wanted:
                    self._add(FIGURES[figure], costs)

    def _take_turns(
        self, order: Sequence[str], request: Request
    ) -> dict[str, list[tuple[float, ...]]]:
        costs: dict[str, list[tuple[float, ...]]] = {name: [] for name in order}
        with self._children(order, request) as children:
            for child in children.values():
                child.turn()  # Imports, connections and caches: not counted.
            for turn in range(self._turns):
                for name in order if turn % 2 else reversed(order):
                    costs[name].append(children[name].turn())
        return costs

    @contextlib.contextmanager
    def _children(self, order: Sequence[str], request: Request) -> Iterator[dict[str, Child]]:
        children: dict[str, Child] = {}
        try:
            for database, name in enumerate(order):
                asked = replace(
                    request,
                    jobs=_TURN,
                    url=f"{self._server.url}/{database}",
                    out=str(self._folders[name] / "answer.json"),
                )
                children[name] = Child(self._folders[name], asked, self._server)
            for name, child in children.items():
                if not (file := child.file()).is_relative_to(self._folders[name]):
                    raise MeasurementError(f"the {name} runner was imported from {file}")
            yield children
        finally:
            for child in children.values():
                child.end()

    def _add(self, figure: str, costs: Mapping[str, Sequence[tuple[float, ...]]]) -> None:
        by_clock = zip(
            _CLOCKS, zip(*costs["new"], strict=True), zip(*costs["old"], strict=True), strict=True
        )
        for clock, new, old in by_clock:
            self.found.setdefault(f"{figure}: {clock}", Found()).add(new, old)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table and the verdict, and return the exit code."""
    options = _options(arguments)
    try:
        with scratch() as directory:
            folders = {name: directory / name for name in ("new", "old")}
            _copy_new(folders["new"])
            commit = short_commit(options.revision)
            unpack(commit, folders["old"], "runner")
            with running_redis(directory) as server:
                comparison = Comparison(server, folders, max(1, options.jobs // _TURN))
                for number in range(options.pairs):
                    comparison.pair(number, options.figures)
                    sys.stderr.write(f"pair {number + 1} of {options.pairs}\n")
    except MeasurementError as error:
        sys.stderr.write(f"make bench-against: {error}\n")
        return 2
    ratios = {name: Ratio.of(found.ratios) for name, found in comparison.found.items()}
    sys.stdout.write(_table(comparison.found, ratios))
    beyond = slower(ratios, options.bar)
    if beyond:
        verdict = f"Slower than {commit} by more than {options.bar:g} %: {'; '.join(beyond)}."
    else:
        verdict = f"Passed: nothing is clearly slower than {commit} by more than {options.bar:g} %."
    sys.stdout.write(f"\n{verdict}\n")
    return 1 if beyond else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-against", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("revision", help="of this repository, such as main or HEAD~10")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of processes per figure (10)")
    parser.add_argument("--bar", type=float, default=3, help="allowed slowdown in percent (3)")
    parser.add_argument("--jobs", type=int, default=20_000, help="per process (20000)")
    parser.add_argument(
        "--figures",
        type=lambda text: text.split(","),
        default=list(FIGURES),
        help=f"some of {','.join(FIGURES)}",
    )
    options = parser.parse_args(arguments)
    if options.pairs < 2:  # noqa: PLR2004 -- one pair has no spread
        parser.error("an interval needs at least two pairs")
    if unknown := set(options.figures) - FIGURES.keys():
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    return options


def _copy_new(folder: Path) -> None:
    """Copy the current runner with its uncommitted changes, in case it is edited meanwhile."""
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HERE.parent / "runner", folder / "runner", ignore=caches)


def _table(found: Mapping[str, Found], ratios: Mapping[str, Ratio]) -> str:
    lines = [f"{'µs per job':<56}{'old':>7}{'new':>7}  new/old  95 % interval"]
    for name, ratio in ratios.items():
        old, new = statistics.median(found[name].old), statistics.median(found[name].new)
        lines.append(
            f"{name:<56}{old:7.1f}{new:7.1f}{ratio.mean:9.3f}  {ratio.low:.3f} to {ratio.high:.3f}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # Stopped processes and the private Redis must not be left behind.
        signal.signal(ending, lambda *_: sys.exit(2))
    sys.exit(main())
