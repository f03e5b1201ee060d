"""
The plain loop: read, analyse, forecast, recommend; no queue, no store, no Redis.

`python -m benchmarks.channels.plain FILE… --width N`: one process reads, N processes compute, as
in a worker. It prints one JSON object with the number of channels and the CPU time of each step.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from jobs.channel.data import DAILY, ITEM_SNAPSHOTS, ITEMS, ChannelData

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.channel.records import ChannelReading

Cost = tuple[float, float, int]
"""CPU seconds of one channel's analysis and recommendations, and how many of these there are."""

_AHEAD = 4
"""At most this many channels per process wait in memory."""


def main() -> None:
    """Work through all files, and print the costs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--width", type=int, required=True)
    options = parser.parse_args()
    costs: Counter[str] = Counter()
    with ProcessPoolExecutor(options.width, mp_context=get_context("spawn")) as pool:
        for analysed, advised, found in _computed(pool, _channels(options.files, costs), options):
            costs.update(channels=1, recommendations=found)
            costs.update(analysis_s=analysed, recommendations_s=advised)  # type: ignore[call-overload]
    print(json.dumps(costs))  # noqa: T201 -- its result


def _computed(
    pool: ProcessPoolExecutor, channels: Iterator[ChannelData], options: argparse.Namespace
) -> Iterator[Cost]:
    waiting: set[Future[Cost]] = set()
    for data in channels:
        waiting.add(pool.submit(compute, data))
        if len(waiting) >= options.width * _AHEAD:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    yield from (future.result() for future in waiting)


def compute(data: ChannelData) -> Cost:
    """Compute everything that the jobs compute for one channel, including JSON documents."""
    from jobs.analysis import analyze
    from jobs.json_text import to_json
    from jobs.notifications.rules import events
    from jobs.recommendations import advise
    from jobs.recommendations.similar import pack, profile_of

    started = time.process_time()
    analysis = analyze(data)
    to_json(analysis.model_dump(mode="json"))
    events(analysis, datetime.now(UTC))
    between = time.process_time()
    found = advise(data, analysis)
    profile = profile_of(data)
    if profile is not None:
        pack(profile)
    return between - started, time.process_time() - between, len(found.recommendations)


def _channels(files: Sequence[Path], costs: Counter[str]) -> Iterator[ChannelData]:
    from benchmarks.lists import open_list

    for file in files:
        started = time.process_time()
        source = asyncio.run(open_list(file))
        costs.update(open_s=time.process_time() - started)  # type: ignore[call-overload]
        for channel in source.channels():
            started = time.process_time()
            data = as_data(source.read(channel.id))
            costs.update(read_s=time.process_time() - started)  # type: ignore[call-overload]
            yield data


def as_data(reading: ChannelReading) -> ChannelData:
    """Return what the store would return after storing only *reading*."""
    snapshots = pl.DataFrame(map(_row, reading.item_snapshots), ITEM_SNAPSHOTS, orient="row")
    counters = snapshots.sort("observed_at").unique("item_id", keep="last")
    rows = [
        {**asdict(item), "item_id": item.id, "tags": "\n".join(item.tags) or None}
        for item in reading.items
    ]
    of_items = {name: kind for name, kind in ITEMS.items() if name not in ITEM_SNAPSHOTS}
    items = pl.DataFrame(rows, {"item_id": pl.String(), **of_items}, strict=False)
    return ChannelData(
        channel=reading.channel,
        daily=pl.DataFrame(map(_row, reading.channel_snapshots), DAILY, orient="row"),
        items=items.join(counters, on="item_id", how="left")
        .select(ITEMS.names())
        .sort("published_at", "item_id", nulls_last=True),
        item_snapshots=snapshots.sort("item_id", "observed_at"),
    )


def _row(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in record.__slots__)


if __name__ == "__main__":
    main()
