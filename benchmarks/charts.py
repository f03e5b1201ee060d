"""
`make charts-speed`: measure charts and reports per second, and what one of each costs.

It fails if a specification or a picture takes more than twice its target of CPU time, or a picture
makes more than twice its target of system calls: rates hide what the kernel does, and how busy the
machine is. Other benchmarks can call `measure`, which draws in processes, as workers do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from jobs.analysis import analyze
from jobs.charts import build_charts, compose, embedded_svg, render, render_report
from jobs.recommendations import advise
from jobs.sources import open_source
from tests.unit.analysis.channels import of_reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.analysis import ChannelAnalysis
    from jobs.channel.data import ChannelData
    from jobs.channel.records import ChannelRecord
    from jobs.charts import Document

KINDS = ("chart svg", "chart png", "chart pdf", "report html", "report pdf", "report png")

TARGETS: Final = {
    "specification, CPU ms": 1.0,
    "SVG, CPU ms": 25.0,
    "SVG, files opened": 1.0,
}
"""More than twice as much fails."""

_OPENED: Final = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+openat$", re.MULTILINE)


def measure(seconds: float = 5.0, processes: int | None = None) -> dict[str, float]:
    """
    Return the files of each kind per second, by *processes* (default: one per core) together.

    Each kind is drawn for *seconds* from the generated video channel; one-time loading is not
    counted.
    """
    processes = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return {
            kind: sum(pool.map(_rate, [kind] * processes, [seconds] * processes)) for kind in KINDS
        }


def costs(rounds: int = 10) -> dict[str, float]:
    """
    Return what one specification and one picture cost, over all charts of the video channel.

    Files opened are counted by strace, and left out where there is none.
    """
    data, analysis, _ = sample()
    charts = build_charts(data, analysis)
    _draw(1)
    built = _cpu_ms(lambda: [build_charts(data, analysis) for _ in range(rounds)])
    user, kernel = _cpu_ms(lambda: _draw(rounds))
    many = rounds * len(charts)
    found = {
        "specification, CPU ms": sum(built) / many,
        "SVG, CPU ms": (user + kernel) / many,
        "SVG, of these in the kernel": kernel / many,
    }
    if shutil.which("strace"):
        found["SVG, files opened"] = (_files_opened(3) - _files_opened(1)) / (2 * len(charts))
    return found


def _cpu_ms(work: Callable[[], object]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return 1000 * (after.ru_utime - before.ru_utime), 1000 * (after.ru_stime - before.ru_stime)


def _files_opened(rounds: int) -> int:
    words = ["strace", "-f", "-c", "-e", "trace=openat", sys.executable, "-m", "benchmarks.charts"]
    done = subprocess.run(
        [*words, "--draw", str(rounds)], capture_output=True, text=True, check=True
    )
    counted = _OPENED.search(done.stderr)
    return int(counted[1]) if counted else 0


def _draw(rounds: int) -> None:
    data, analysis, _ = sample()
    for chart in build_charts(data, analysis) * rounds:
        embedded_svg(chart.spec, chart.key)


def _rate(kind: str, seconds: float) -> float:
    _make(kind)
    started, made = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        _make(kind)
        made += 1
    return made / (time.perf_counter() - started)


def _make(kind: str) -> object:
    document = sample_document()
    spec = document.figures[0].spec
    match kind.split():
        case ["chart", "svg"]:
            return embedded_svg(spec, "k")
        case ["chart", "png" | "pdf" as file_format]:
            return render(spec, file_format)
        case ["report", "html" | "pdf" | "png" as file_format]:
            return render_report(document, file_format)
        case _:
            raise ValueError(f"no such kind: {kind!r}")


@cache
def sample_document() -> Document:
    """Return the report of the generated video channel."""
    data, analysis, channel = sample()
    advice = advise(data, analysis)
    charts = build_charts(data, analysis)
    return compose(channel, analysis, charts, advice.recommendations, answers=advice.answers)


@cache
def sample() -> tuple[ChannelData, ChannelAnalysis, ChannelRecord]:
    """Return the generated video channel, with its analysis."""
    source = asyncio.run(open_source("samples:"))
    channel = next(one for one in source.channels() if one.id == "sample:video")
    data = of_reading(source.read(channel.id))
    return data, analyze(data), channel


def main() -> None:
    """Print rates and costs; exit with 1 if a cost is more than twice its target."""
    parser = argparse.ArgumentParser(prog="make charts-speed")
    parser.add_argument("seconds", type=float, nargs="?", default=5.0)
    parser.add_argument("--draw", type=int, metavar="ROUNDS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.draw is not None:
        _draw(options.draw)
        return
    spent = costs()
    rates = measure(options.seconds)
    for kind, rate in rates.items():
        sys.stdout.write(f"{kind:28} {rate:7.1f} per second\n")
    for name, cost in spent.items():
        target = f"   target {TARGETS[name]:g}" if name in TARGETS else ""
        sys.stdout.write(f"{name:28} {cost:7.2f}{target}\n")
    sys.stdout.write(json.dumps(rates | spent) + "\n")
    beyond = [name for name, most in TARGETS.items() if spent.get(name, 0.0) > 2 * most]
    if beyond:
        sys.exit(f"more than twice the target: {'; '.join(beyond)}")


if __name__ == "__main__":
    main()
