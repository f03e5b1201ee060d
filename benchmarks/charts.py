"""
`make charts-speed`: measure charts and reports per second.

Other benchmarks can call `measure`, which draws in processes, as workers do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING

from jobs.analysis import analyze
from jobs.charts import build_charts, compose, embedded_svg, render, render_report
from jobs.recommendations import advise
from jobs.sources import open_source
from tests.unit.analysis.channels import of_reading

if TYPE_CHECKING:
    from jobs.charts import Document

KINDS = ("chart svg", "chart png", "chart pdf", "report html", "report pdf", "report png")


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
    return asyncio.run(_document())


async def _document() -> Document:
    source = await open_source("samples:")
    channel = next(one for one in source.channels() if one.id == "sample:video")
    data = of_reading(source.read(channel.id))
    analysis = analyze(data)
    advice = advise(data, analysis)
    charts = build_charts(data, analysis)
    return compose(channel, analysis, charts, advice.recommendations, answers=advice.answers)


if __name__ == "__main__":
    figures = measure(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
    for kind, rate in figures.items():
        sys.stdout.write(f"{kind:12} {rate:7.1f} per second\n")
    sys.stdout.write(json.dumps(figures) + "\n")
