"""
`make calibration`: count the findings in channels where nothing matters.

These are made-up channels whose views are independent of everything else; with --data FOLDER also
the real lists of FOLDER/channel_daily, each three times, with views shuffled among items of similar
age, and with what each item reached for its age shifted to another. At most 5 % of the channels may
have any finding; 7 % where made-up topics come in series. It compares advice from one half of a
list of FOLDER with the half that follows, and counts how often an effect of a half is found. Then
it counts how often 95 % statements hold the truth, on made-up days whose neighbours resemble each
other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from polars import selectors

from benchmarks.channels.plain import as_data
from benchmarks.lists import open_list
from benchmarks.rows import Row, share
from jobs.analysis import analyze
from jobs.analysis.daily_gains import DailyGains
from jobs.analysis.growth import week_change
from jobs.analysis.item_arrays import item_arrays
from jobs.analysis.reach import reach
from jobs.analysis.trends import subscribers_trend, views_trend
from jobs.channel.data import DAILY, ITEM_SNAPSHOTS, ITEMS, ChannelData
from jobs.channel.records import ChannelRecord, Platform
from jobs.recommendations.advice import SMALLEST_EFFECT, findings, recommend
from jobs.recommendations.questions import rounds
from jobs.recommendations.sample import BLOCK
from jobs.recommendations.strength import SIGNIFICANT
from jobs.sources import SourceError, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

_WORDS = ("cake", "bread", "soup", "pasta", "pizza", "salad", "curry", "rice", "stew", "pie")
_START = np.datetime64("2026-01-05T06:00", "us")
_DAY = np.timedelta64(1, "D")
_ITEMS = 60
_SHUFFLES = 3
_FOLLOWED = 50


def main() -> None:
    """Print the shares of channels and of questions with a finding."""
    parser = argparse.ArgumentParser(prog="make calibration")
    parser.add_argument("--channels", type=int, default=400, metavar="N")
    parser.add_argument(
        "--days", type=int, default=1_000, metavar="N", help="series of made-up days"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    found = {"made-up channels": _survivors(made_up(seed) for seed in range(options.channels))}
    for memory in (0.3, 0.8):
        series = (in_series(seed, 100, memory) for seed in range(options.channels))
        found[f"made-up channels, topics with memory {memory}"] = _survivors(series)
    if options.data:
        found["real lists, shuffled"] = _survivors(_real(options.data, shuffled))
        found["real lists, shifted"] = _survivors(_real(options.data, shifted))
    held = [*statements(options.days), *power(options.channels // 4)]
    if options.data:
        held += kept(options.data)
    if options.json:
        rows = [row.as_json() for row in held]
        sys.stdout.write(json.dumps(found | {"rows": rows}, indent=1) + "\n")
    else:
        for name, shares in found.items():
            sys.stdout.write(name + "\n")
            for what, found_share in shares.items():
                sys.stdout.write(f"  {what:<48}{found_share}\n")
        sys.stdout.write("rows: value (95 % interval), cases\n")
        sys.stdout.writelines(f"{row.line()}\n" for row in held)


def made_up(seed: int, count: int = _ITEMS) -> ChannelData:
    """
    Make a channel whose views are pure chance.

    Its items differ in day, hour, length, format and topic, and half of them were followed daily.
    """
    rng = np.random.default_rng(seed)
    # Some weeks are busy, others not.
    gaps = rng.uniform(0.2, 3, count) * np.repeat(rng.choice([0.4, 1.6], count // 5), 5)
    published = _START + (np.cumsum(gaps) * 86_400e6).astype("m8[us]")
    read = published[-1] + 100 * _DAY
    items: dict[str, Any] = {
        "item_id": [f"v{i:03}" for i in range(count)],
        "title": [" ".join(rng.choice(_WORDS, 3, replace=False)) for _ in range(count)],
        "published_at": published,
        "duration_s": rng.choice([45, 150, 500, 900, 2_000], count),
        "live": rng.random(count) < 0.3,  # noqa: PLR2004 -- about a third
        "views": rng.lognormal(9, 0.8, count).astype(int),
        "observed_at": np.full(count, read),
    }
    gains = rng.lognormal(4, 0.4, (count // 2, _FOLLOWED))
    gains[:, 1:] *= gains[:, :-1] ** 0.4  # neighbouring days are correlated
    views = (1_000 + np.cumsum(gains, axis=1)).astype(int)
    days = read - np.arange(_FOLLOWED)[::-1] * _DAY
    snapshots = {
        "item_id": np.repeat(items["item_id"][: count // 2], _FOLLOWED),
        "observed_at": np.tile(days, count // 2),
        "views": views.ravel(),
    }
    return ChannelData(
        ChannelRecord(f"made-up:{seed}", "Made up", Platform.YOUTUBE),
        pl.DataFrame(schema=DAILY),
        _filled(items, ITEMS),
        _filled(snapshots, ITEM_SNAPSHOTS),
    )


def statements(series: int) -> Iterator[Row]:
    """Yield how often trends, paces and ratios of weeks hold the truth, by memory of days."""
    for memory in (0.0, 0.2, 0.3, 0.5):
        rng = np.random.default_rng(1_000 + int(100 * memory))
        for name, days, holds in _STATEMENTS:
            held = [holds(_days(rng, days, memory)) for _ in range(series)]
            known = [one for one in held if one is not None]
            yield share(
                "held at 95 %", "made-up days", f"{name}, memory {memory}", sum(known), len(known)
            )


def _days(rng: np.random.Generator, days: int, memory: float) -> NDArray[np.float64]:
    """Return log-normal days about one, whose logarithms are a first-order autoregression."""
    return np.exp(_SPREAD * _remembering(rng, days, memory) - _SPREAD**2 / 2)


def _remembering(rng: np.random.Generator, n: int, memory: float) -> NDArray[np.float64]:
    """Return *n* values of a first-order autoregression, of variance 1."""
    noise = rng.normal(size=n + 50)
    for i in range(1, noise.size):
        noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
    return noise[50:]


def _trend_holds(days: NDArray[np.float64]) -> bool | None:
    found = views_trend(_FIRST + np.arange(days.size), 1_000 * days)
    return found.low <= 0 <= found.high if found.present else None


def _pace_holds(days: NDArray[np.float64], step: int = 1) -> bool | None:
    counts = step * np.floor((50 * step + np.cumsum(50 * days)) / step)
    found = subscribers_trend(_FIRST + np.arange(days.size), counts)
    return found.low <= _WEEK * 50 <= found.high if found.present else None


def _weeks_hold(days: NDArray[np.float64]) -> bool | None:
    found = week_change(DailyGains(_FIRST + np.arange(days.size), 1_000 * days))
    return found.low <= 1 <= found.high if found.present else None


_FIRST, _WEEK, _SPREAD = np.datetime64("2026-01-05", "D"), 7, 0.4
_STATEMENTS: Final[tuple[tuple[str, int, Callable[[NDArray[np.float64]], bool | None]], ...]] = (
    ("trend of views, 28 days", 28, _trend_holds),
    ("subscribers, 28 days", 28, _pace_holds),
    ("subscribers by hundreds", 28, partial(_pace_holds, step=100)),
    ("ratio of weeks, 14 days", 14, _weeks_hold),
    ("ratio of weeks, 28 days", 28, _weeks_hold),
    ("ratio of weeks, 56 days", 56, _weeks_hold),
)


def _filled(columns: dict[str, Any], schema: pl.Schema) -> pl.DataFrame:
    given = pl.DataFrame(columns).with_columns(selectors.datetime().dt.replace_time_zone("UTC"))
    missing = [pl.lit(None).alias(name) for name in schema.names() if name not in columns]
    return given.with_columns(missing).select(schema.names()).cast(schema)


def _real(
    folder: Path, changed: Callable[[ChannelData, int], ChannelData]
) -> Iterator[ChannelData]:
    path = folder / "channel_daily" / "videos_2026-02.csv.gz"
    source = asyncio.run(open_source(str(path)))
    for number, channel in enumerate(source.channels()):
        data = as_data(source.read(channel.id))
        for shuffle in range(_SHUFFLES):
            yield changed(data, number * _SHUFFLES + shuffle)


def shuffled(data: ChannelData, seed: int) -> ChannelData:
    """Shuffle the views among neighbours in age, and change nothing else."""
    rng = np.random.default_rng(seed)
    views = data.items["views"].to_list()
    for block in np.array_split(np.arange(len(views)), max(1, len(views) // BLOCK)):
        own = [views[i] for i in rng.permutation(block)]
        for i, value in zip(block, own, strict=True):
            views[i] = value
    items = data.items.with_columns(views=pl.Series(views, dtype=pl.Int64))
    return ChannelData(data.channel, data.daily, items, data.item_snapshots.clear())


def shifted(data: ChannelData, seed: int) -> ChannelData:
    """
    Give each item the luck of another, all so many places away, and change nothing else.

    Luck is its views over those of items of like age. Neighbours keep what they have in common.
    """
    items = data.items.drop_nulls("published_at")
    found = item_arrays(items)
    ratio = reach(found.age_days, found.views).ratio
    known = np.flatnonzero(ratio > 0)
    n, views = known.size, items["views"].to_list()
    if n:
        away = int(np.random.default_rng(seed).integers(max(n // 4, 1), max(n - n // 4, 2)))
        luck = np.roll(ratio[known], away) / ratio[known]
        for i, times in zip(known, luck, strict=True):
            views[i] = max(round(views[i] * times), 1)
    items = items.with_columns(views=pl.Series(views, dtype=pl.Int64))
    return ChannelData(data.channel, data.daily, items, data.item_snapshots.clear())


def in_series(seed: int, count: int, memory: float) -> ChannelData:
    """Make a channel of chance whose views, and topics, resemble those of the item before."""
    rng = np.random.default_rng(seed)
    views = _remembering(rng, count, 0.3)
    wanted = np.array([_remembering(rng, count, memory) for _ in _WORDS]).T.argsort(axis=1)
    data = made_up(seed, count)
    items = data.items.with_columns(
        views=pl.Series(np.exp(9 + 0.8 * views).astype(int)),
        title=pl.Series([" ".join(_WORDS[word] for word in row[-3:]) for row in wanted]),
    )
    return replace(data, items=items, item_snapshots=data.item_snapshots.clear())


def power(channels: int) -> Iterator[Row]:
    """Yield how often a topic that brings half as much again is found, by the number of items."""
    for items in (100, 300, 1_000):
        found = 0
        for seed in range(channels):
            data = made_up(10_000 + seed, items)
            better = data.items["title"].str.contains(_WORDS[0])
            views = pl.when(better).then(pl.col("views") * 3 // 2).otherwise(pl.col("views"))
            data = replace(data, items=data.items.with_columns(views=views))
            keys = {one.key for one in recommend(data, analyze(data))}
            found += f"topic:{_WORDS[0]}" in keys
        yield share("found, log sd 0.8, × 1.5", "made-up", f"{items} items", found, channels)


def kept(folder: Path) -> Iterator[Row]:
    """
    Yield how much of the effects that advice promises the following items show, by subject.

    Each list is cut into pieces; advice from the older half of one is compared with the newer half.
    """
    promised: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for data in _pieces_of(folder):
        half = data.items.height // 2
        earlier, later = _part(data, 0, half), _part(data, half, data.items.height)
        after = {
            question.key: each.sample.score[question.belongs].mean()
            - each.sample.score[~question.belongs].mean()
            for each in rounds(later)
            for question in each.questions
        }
        for one in recommend(earlier, analyze(earlier)):
            if one.key in after:
                effect = float(np.log(one.evidence["effect"]))
                subject = one.key.split(":")[0]
                promised[subject].append((effect, float(after[one.key])))
    for subject, pairs in [*sorted(promised.items()), ("all", list(chain(*promised.values())))]:
        expected, came = np.array(pairs).T
        ratio = float((np.sign(expected) * came).sum() / np.abs(expected).sum())
        reversed_ = int(np.count_nonzero(np.sign(expected) * came < -np.log(SMALLEST_EFFECT)))
        yield Row("of what was promised", "next half", subject, ratio, len(pairs))
        yield share("reversed by a tenth", "next half", subject, reversed_, len(pairs))


_PIECES: Final = (800, 400)


def _pieces_of(folder: Path) -> Iterator[ChannelData]:
    for path in sorted((folder / "channel_video_lists").glob("*videos.csv*")):
        try:
            source = asyncio.run(open_list(path))
        except SourceError:  # described by no mapping
            continue
        for channel in source.channels():
            data = as_data(source.read(channel.id))
            dated = data.items.drop_nulls("published_at").height
            for piece in _PIECES:
                for end in range(dated, min(dated, piece) - 1, -piece // 2):
                    yield _part(data, max(end - piece, 0), end)


def _part(data: ChannelData, first: int, end: int) -> ChannelData:
    items = data.items.drop_nulls("published_at")[first:end]
    return replace(data, items=items, item_snapshots=data.item_snapshots.clear())


def _survivors(channels: Iterable[ChannelData]) -> dict[str, Any]:
    asked: Counter[str] = Counter()
    below: Counter[str] = Counter()
    survived = with_any = advised = total = n = 0
    for data in channels:
        found = findings(data)
        n += 1
        advised += bool(recommend(data, analyze(data)))
        for one in found.splits:
            asked[one.question.subject] += 1
            below[one.question.subject] += one.p <= SIGNIFICANT
        adjusted = [one.p_adjusted for one in found.splits] + [
            one.p_adjusted for one in found.rises
        ]
        own = [p <= SIGNIFICANT for p in adjusted]
        asked["rising"] += len(found.rises)
        below["rising"] += sum(one.pace.p <= SIGNIFICANT for one in found.rises)
        survived, with_any, total = survived + sum(own), with_any + any(own), total + len(own)
    return {
        "channels": n,
        "questions": total,
        "channels with any finding": f"{with_any / n:.1%}",
        "channels with any advice": f"{advised / n:.1%}",
        "questions that survive the correction": f"{survived / total:.2%}",
    } | {
        f"uncorrected p at most 0.05: {subject}": f"{below[subject] / count:.1%} of {count:,}"
        for subject, count in sorted(asked.items())
        if count
    }


if __name__ == "__main__":
    main()
