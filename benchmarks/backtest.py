"""
`make backtest DATA=FOLDER`: the errors of the forecasts on every channel of a folder of data.

The folder may contain (missing parts are reported and skipped):

- `channel_daily/daily_snapshots.csv.gz`: date_utc, channel_id, subscribers, views;
- `vtuber_daily/daily.csv.gz`: date_taipei, vtuber_id, youtube_subscribers, youtube_total_views;
- `studio_exports/`: a folder for each channel, as YouTube Studio exports it, with views by day;
- `youtube_trending/`: trending lists of any layout in docs/sources.md or `mappings/` that has the
  times at which videos were published, all taken together.

docs/analytics.md describes the protocol.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from benchmarks import forecast_rows
from benchmarks.lists import open_list
from benchmarks.rows import Row, share
from jobs.analysis.backtest import (
    backtest_subscribers,
    backtest_views,
    subscribers_path,
    views_path,
)
from jobs.analysis.item_forecast import next_day_views
from jobs.analysis.platform_days import factors, platform_days
from jobs.analysis.rounding import step_of
from jobs.sources import SourceError, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from benchmarks.forecast_rows import Piece
    from jobs.analysis.backtest import Score
    from jobs.channel.platform_day import PlatformDay

SHOWN_HORIZONS = (1, 2, 3, 5, 7, 10, 14)
_FIRST, _DAY = np.datetime64("2026-01-01", "D"), np.timedelta64(1, "D")
_FIRST_RUNS = (2, 3, 4, 5)
_EARLIER = 0.75
"""The share of a set's days that methods were chosen on, beside the inner half of its channels."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The file and columns that hold counters, and the channels to score."""

    name: str
    path: str
    day: str
    channel: str
    subscribers: str
    views: str
    least_views: float = 0.0


LAYOUTS = (
    Layout(
        "channel_daily",
        "channel_daily/daily_snapshots.csv.gz",
        "date_utc",
        "channel_id",
        "subscribers",
        "views",
    ),
    Layout(
        "vtuber_daily",
        "vtuber_daily/daily.csv.gz",
        "date_taipei",
        "vtuber_id",
        "youtube_subscribers",
        "youtube_total_views",
        least_views=200.0,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the backtest; return 2 if the folder contains none of the data."""
    parser = argparse.ArgumentParser(prog="make backtest DATA=FOLDER ARGS=…", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    parser.add_argument(
        "--split", choices=("all", "inner", "outer"), default="all", help="which half of channels"
    )
    parser.add_argument(
        "--days",
        choices=("all", "earlier", "later"),
        default="all",
        help="which outcomes the rows count: those of the first three quarters, or of the last",
    )
    parser.add_argument(
        "--fit",
        action="store_true",
        help="only print quantiles for jobs/analysis/forecast_intervals",
    )
    options = parser.parse_args(arguments)
    counters = {
        layout.name: Counters.read(options.data, layout, options.split)
        for layout in LAYOUTS
        if (options.data / layout.path).is_file()
    }
    if options.fit:
        sys.stdout.write(_fitted(list(counters.values()), options.days))
        return 0 if counters else 2
    results: dict[str, Any] = {}
    rows: list[Row] = []
    for layout in LAYOUTS:
        if layout.name in counters:
            results[layout.name] = _counters(counters[layout.name], options.split)
            rows += counters[layout.name].rows(options.days)
        else:
            sys.stderr.write(
                f"make backtest: {options.data / layout.path} does not exist: skipped\n"
            )
    exported = asyncio.run(_exported(sorted((options.data / "studio_exports").glob("*/"))))
    rows += _rows_of_exports(exported, options.days)
    lists = sorted((options.data / "youtube_trending").glob("*.csv*"))
    readings = asyncio.run(_readings(lists))
    if readings is not None:
        results["trending"], trending = _trending(_pairs(readings), options.split)
        rows += trending
    else:
        sys.stderr.write("make backtest: no trending list with publication times: skipped\n")
    if not rows:
        return 2
    _heading(f"Rows, {options.split} channels, {options.days} days: value (95 % interval), cases")
    sys.stdout.writelines(f"{row.line()}\n" for row in rows)
    if options.json:
        results["rows"] = [row.as_json() for row in rows]
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def inner_half(n: int) -> NDArray[np.bool_]:
    """
    Return which of the numbers 0 … *n*-1 belong to the half on which constants were chosen.

    Knuth's multiplicative hash scatters the numbers, so that neighbours are separated.
    """
    return np.array([(i * 2_654_435_761 >> 8) % 2 == 0 for i in range(n)], dtype=bool)


def _half(n: int, split: str) -> NDArray[np.bool_]:
    inner = inner_half(n)
    return {"all": np.ones(n, dtype=bool), "inner": inner, "outer": ~inner}[split]


@dataclass(frozen=True, slots=True)
class Counters:
    """
    The counters of one set: *gains* of views and *subscribers* (channels, days).

    *factor* has that of each day, estimated from all channels of the set: a store has them all,
    whichever half is scored. *own* are the days that were the platform's, as a later reader of the
    store sees them.
    """

    name: str
    gains: NDArray[np.float64]
    factor: NDArray[np.float64]
    own: tuple[PlatformDay, ...]
    subscribers: NDArray[np.float64]

    @classmethod
    def read(cls, root: Path, layout: Layout, split: str) -> Self:
        """Read the channels of *split* that have enough views."""
        frame = pl.read_csv(root / layout.path, infer_schema_length=None)
        views = _matrix(frame, layout, layout.views)
        gains = np.diff(views, axis=1)
        gains[gains < 0] = np.nan
        days = _FIRST + np.arange(gains.shape[1]) * _DAY
        own = platform_days(days, gains)
        earlier = platform_days(days, gains, past_only=True)
        known = (~np.isnan(gains)).any(axis=1)
        usual = np.full(gains.shape[0], np.nan)
        usual[known] = np.nanmedian(gains[known], axis=1)
        kept = _half(gains.shape[0], split) & (usual >= layout.least_views)
        counts = _matrix(frame, layout, layout.subscribers)[kept]
        counts[counts == 0] = np.nan
        counts = counts[(~np.isnan(counts)).any(axis=1)]
        return cls(layout.name, gains[kept], factors(earlier, days), own, counts)

    @property
    def steps(self) -> NDArray[np.float64]:
        """The rounding step of each counter of subscribers."""
        return np.array([float(step_of(row[~np.isnan(row)])) for row in self.subscribers])

    def pieces(self, days: str) -> tuple[list[Piece], list[Piece]]:
        """Return the forecasts of views and of subscribers, for outcomes on *days*."""
        return (
            forecast_rows.pieces(self.gains, self.factor, _mask(self.gains.shape[1], days)),
            forecast_rows.pieces_of_counters(
                self.subscribers, self.steps, _mask(self.subscribers.shape[1], days)
            ),
        )

    def rows(self, days: str) -> list[Row]:
        """Return the rows of the set, for outcomes on *days*."""
        views, counts = self.pieces(days)
        return [
            *forecast_rows.next_days(self.name, views[0]),
            *forecast_rows.held(self.name, "views", views),
            *forecast_rows.held(self.name, "subscribers", counts),
            *forecast_rows.milestones(self.name, self.gains),
            *forecast_rows.unusual(self.name, self.gains, self.own, _FIRST),
        ]


def _mask(n: int, days: str) -> NDArray[np.bool_]:
    earlier = np.arange(n) < int(_EARLIER * n)
    return {"all": np.ones(n, dtype=bool), "earlier": earlier, "later": ~earlier}[days]


def _fitted(sets: Sequence[Counters], days: str) -> str:
    """Return the quantiles of each kind of counter, as the source of `forecast_intervals`."""
    lines = []
    for kind in ("views", "subscribers"):
        low, high = forecast_rows.quantiles(
            piece for one in sets for piece in one.pieces(days)[kind == "subscribers"]
        )
        lines.append(f"{kind.upper()}: Final = Quantiles(\n    low={low},\n    high={high},\n)\n")
    return "".join(lines)


def _counters(of: Counters, split: str) -> dict[str, Any]:
    found = backtest_views(views_path(of.gains, of.factor))
    subscribers, still = backtest_subscribers(subscribers_path(of.subscribers, of.steps))
    baseline = next(iter(found.baselines_by_horizon.values()))
    _heading(f"{of.name}, {split}: next day, MAE over mean gain, median over channels")
    for name, one in found.next_day.items():
        _line(name, one)
    _heading(f"{of.name}, {split}: views, days ahead, against the 7-day median")
    for h in SHOWN_HORIZONS:
        _line(f"{h} days ahead", found.by_horizon[h], baseline[h])
    _heading(f"{of.name}, {split}: subscribers, against a counter that stands still")
    for h in SHOWN_HORIZONS:
        _line(f"{h} days ahead", subscribers[h], still[h])
    return {
        "split": split,
        "next_day": _plain(found.next_day),
        "views": _plain(found.by_horizon),
        "views_baseline": _plain(baseline),
        "subscribers": _plain(subscribers),
        "subscribers_still": _plain(still),
    }


async def _exported(folders: Sequence[Path]) -> dict[str, NDArray[np.float64]]:
    """Return the daily views of each channel that was exported; days not exported are NaN."""
    found = {}
    for path in folders:
        try:
            source = await open_source(str(path))
        except SourceError:  # a folder of another kind
            continue
        for channel in source.channels():
            gains = {
                one.day: float(one.views)
                for one in source.read(channel.id).channel_gains
                if one.views is not None
            }
            if not gains:
                continue
            first = min(gains)
            series = np.full((max(gains) - first).days + 1, np.nan)
            for day, views in gains.items():
                series[(day - first).days] = views
            found[path.name] = series
    return found


def _rows_of_exports(exported: dict[str, NDArray[np.float64]], days: str) -> list[Row]:
    return [
        row
        for name, series in exported.items()
        for row in forecast_rows.next_days(
            name, forecast_rows.pieces(series[None], None, _mask(series.size, days))[0]
        )
    ]


def _matrix(frame: pl.DataFrame, layout: Layout, column: str) -> NDArray[np.float64]:
    """Return counters by channel (in order of first appearance among rows with views) and day."""
    known = frame.drop_nulls(layout.views).with_columns(
        pl.col(layout.day).str.slice(0, 10).str.to_date()
    )
    days = known[layout.day].to_numpy().astype("datetime64[D]")
    places = (days - days.min()).astype(int)
    order = {one: i for i, one in enumerate(known[layout.channel].unique(maintain_order=True))}
    rows = np.array([order[one] for one in known[layout.channel]])
    matrix = np.full((len(order), int(places.max()) + 1), np.nan)
    matrix[rows, places] = known[column].cast(pl.Float64).to_numpy()
    return matrix


def _trending(pairs: dict[str, NDArray[Any]], split: str) -> tuple[dict[str, Any], list[Row]]:
    hours = np.floor(pairs["published"] * 24).astype(np.int64)
    scattered = ((hours * 2_654_435_761 >> 8) % 2 == 0) if split != "all" else None
    kept = np.ones(hours.size, bool) if scattered is None else scattered == (split == "inner")
    expected, low, high = next_day_views(pairs["age"][kept], pairs["views"][kept])
    outcome, run = pairs["outcome"][kept], pairs["run"][kept]
    last = pairs["views"][kept][:, 2]
    linear = last + np.maximum(last - pairs["views"][kept][:, 1], 0)
    _heading(
        f"trending, {split}: views of the next day, absolute error in per cent of them "
        "(in brackets: if the last gain continues)"
    )
    results: dict[str, Any] = {"split": split}
    rows: list[Row] = []
    for first in _FIRST_RUNS:
        scored = run >= first
        if not scored.any():
            break
        held = (outcome >= low) & (outcome <= high)
        figures = {
            "pairs": int(np.count_nonzero(scored)),
            "mean_ape": _mean_ape(expected, outcome, scored),
            "median_ape": _median_ape(expected, outcome, scored),
            "mean_ape_unchanged_gain": _mean_ape(linear, outcome, scored),
            "median_ape_unchanged_gain": _median_ape(linear, outcome, scored),
            "coverage": float(held[scored].mean()),
        }
        results[f"after {first} days"] = figures
        sys.stdout.write(
            f"  {first} daily readings or more  mean {figures['mean_ape']:.2f} "
            f"({figures['mean_ape_unchanged_gain']:.2f})  median {figures['median_ape']:.2f} "
            f"({figures['median_ape_unchanged_gain']:.2f})  coverage "
            f"{figures['coverage']:.1%}  {figures['pairs']:,} pairs\n"
        )
        cell, n = f"{first} daily readings or more", int(np.count_nonzero(scored))
        rows.append(Row("mean error in per cent", "trending", cell, figures["mean_ape"], n))
        rows.append(share("held at 80 %", "trending", cell, int(held[scored].sum()), n))
    return results, rows


async def _readings(paths: Sequence[Path]) -> pl.DataFrame | None:
    """Return each reading of a listed video, with its publication time; None if there is none."""
    rows: list[tuple[str, datetime, datetime, int]] = []
    for path in paths:
        try:
            source = await open_list(path)
        except SourceError:  # another kind of file
            continue
        for channel in source.channels():
            if not channel.successes_only:
                continue
            reading = source.read(channel.id)
            published = {item.id: item.published_at for item in reading.items}
            rows.extend(
                (one.item_id, one.observed_at, born, one.views)
                for one in reading.item_snapshots
                if one.views is not None and (born := published[one.item_id]) is not None
            )
    schema = ["video", "at", "published", "views"]
    return pl.DataFrame(rows, schema, orient="row") if rows else None


def _pairs(readings: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """Return each reading with those of up to three days before it."""
    panel = (
        readings.with_columns(pl.col("at").dt.date().alias("day"))
        .sort("video", "day", "views")
        .unique(["video", "day"], keep="last")
        .sort("video", "day")
    )
    day = panel["day"].to_numpy().astype("datetime64[D]")
    views = panel["views"].to_numpy().astype(float)
    published = panel["published"].dt.epoch("s").to_numpy() / 86_400
    video = panel["video"].rank("dense").to_numpy()
    follows = np.append(False, (video[1:] == video[:-1]) & (np.diff(day) == _DAY))
    run = np.zeros(day.size, dtype=int)
    for i in range(day.size):
        run[i] = run[i - 1] + 1 if follows[i] else 1
    at = np.flatnonzero(follows)
    before = np.stack([_back(views, at, back, run) for back in (3, 2, 1)], axis=1)
    return {
        "outcome": views[at],
        "views": before,
        "run": run[at] - 1,
        "age": day[at - 1].astype(float) - published[at],
        "published": published[at],
    }


def _back(
    views: NDArray[np.float64], at: NDArray[np.intp], back: int, run: NDArray[np.intp]
) -> NDArray[np.float64]:
    return np.where(run[at] > back, views[np.maximum(at - back, 0)], np.nan)


def _mean_ape(
    expected: NDArray[np.float64], outcome: NDArray[np.float64], scored: NDArray[np.bool_]
) -> float:
    return float(100 * np.mean(np.abs(expected - outcome)[scored] / outcome[scored]))


def _median_ape(
    expected: NDArray[np.float64], outcome: NDArray[np.float64], scored: NDArray[np.bool_]
) -> float:
    return float(100 * np.median(np.abs(expected - outcome)[scored] / outcome[scored]))


def _heading(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


def _line(name: str, one: Score, other: Score | None = None) -> None:
    against = "" if other is None else f" ({other.error:.3f})"
    held = "" if one.coverage is None else f"  coverage {one.coverage:.1%}"
    rests_on = f"{one.channels:,} channels, {one.days:,} days"
    sys.stdout.write(f"  {name:<42} {one.error:.3f}{against}{held}  {rests_on}\n")


def _plain(scores: dict[Any, Score]) -> dict[str, Any]:
    return {str(name): dict(_finite(asdict(one))) for name, one in scores.items()}


def _finite(figures: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        yield name, None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
