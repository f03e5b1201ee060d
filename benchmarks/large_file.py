"""
Read a CSV file that is several times larger than the memory used.

    python -m benchmarks.large_file [--days 400] [--channels 60000]

Writes daily counters for that many channels and days into a temporary folder, opens them as a
source, reads some of the channels, and prints sizes and times. The peak is that of the whole
process, including libraries.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from jobs.sources.csv.csv_source import open_csv
from jobs.sources.csv.fact_cache import FactCache
from jobs.sources.csv.layout import Layout
from jobs.sources.document import text_file
from jobs.sources.recognise import recognise

_FIRST = date(2024, 1, 1)
_READ = 200
_MIB = 2**20


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--channels", type=int, default=60_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "daily.csv")
        _write(path, asked.days, asked.channels)
        _measure(path, FactCache(Path(folder, "fact_cache")))


def _write(path: Path, days: int, channels: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("date_utc,channel_id,channel_title,subscribers,views,videos\n")
        for day in range(days):
            on = _FIRST + timedelta(days=day)
            file.writelines(
                f"{on},UC{n:022},Channel number {n},{1000 + n},{10**6 + 7 * n + 31 * day},"
                f"{10 + day // 7}\n"
                for n in range(channels)
            )


def _measure(path: Path, fact_cache: FactCache) -> None:
    started, worked = time.monotonic(), time.process_time()
    found = recognise(text_file(str(path)))
    if not isinstance(found.layout, Layout):
        raise TypeError("the file with daily counters was not recognised")
    source = open_csv(found.text, found.layout, fact_cache)
    _print(f"file                {path.stat().st_size / _MIB:8,.0f} MiB")
    _print(f"opened in           {time.monotonic() - started:8,.1f} s")
    _print(f"                    {time.process_time() - worked:8,.1f} s of CPU")
    channels = source.channels()
    picked = random.Random(1).sample(channels, min(_READ, len(channels)))  # noqa: S311 -- not for secrets
    worked = time.process_time()
    for channel in picked:
        source.read(channel.id)
    _print(
        f"a channel read in   {(time.process_time() - worked) / len(picked) * 1e3:8,.2f} ms of CPU"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _print(
        f"peak memory         {peak * (1 if sys.platform == 'darwin' else 1024) / _MIB:8,.0f} MiB"
    )
    _print(source.describe())


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
