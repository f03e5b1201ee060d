"""
Measure how many charts one process draws per second.

`python -m benchmarks.channels.charts FILE… --channels N` prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from pathlib import Path

from benchmarks.channels.plain import as_data
from benchmarks.lists import open_list
from jobs.analysis import analyze
from jobs.charts import build_charts
from jobs.charts.chart_file import render


def main() -> None:
    """Draw the charts of N channels spread over each file, and print the times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--channels", type=int, default=20)
    options = parser.parse_args()
    found: Counter[str] = Counter()
    for file in options.files:
        source = asyncio.run(open_list(file))
        channels = source.channels()
        for channel in channels[:: max(1, len(channels) // options.channels)][: options.channels]:
            data = as_data(source.read(channel.id))
            analysis = analyze(data)
            started = time.perf_counter()
            charts = build_charts(data, analysis)
            built = time.perf_counter()
            for chart in charts:
                render(chart.spec, "svg")
            found.update(charts=len(charts))
            found.update(build_s=built - started, render_s=time.perf_counter() - built)  # type: ignore[call-overload]
    print(json.dumps(found))  # noqa: T201 -- its result


if __name__ == "__main__":
    main()
