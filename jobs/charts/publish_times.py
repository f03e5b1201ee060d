"""When items come out: weekday by hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.cadence import recent_publications, weekdays
from jobs.analysis.local_time import are_days, local, zone_of
from jobs.analysis.wording import WEEKDAYS, noun
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import BLUE, WIDTH, finished, rows
from runner.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis import ChannelAnalysis
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 10
_FEWEST_SLOTS = 3


def publish_times(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw items by weekday and hour of the channel's clock; None if there is no pattern to see."""
    counts = _counts(data)
    if counts is None:
        return None
    thing, zone = noun(analysis.platform), zone_of(data.channel)
    items = counted(int(counts.sum()), thing)
    by_day, by_hour = counts.sum(axis=1), counts.sum(axis=0)
    day, hour = int(by_day.argmax()), int(by_hour.argmax())
    day_share, hour_share = by_day[day] / counts.sum(), by_hour[hour] / counts.sum()
    return finished(
        "publish-times",
        _drawing(counts, f"{thing}s", zone).properties(width=WIDTH, height=210),
        title=(
            f"{WEEKDAYS[day]} is the most used day ({day_share:.0%} of {thing}s), "
            f"{hour:02d}:00 {zone} the most used hour ({hour_share:.0%})"
        ),
        reading=(
            f"{items.capitalize()} by the time they came out; larger circles are more. "
            "Which times do better is another question."
        ),
        description=(
            f"Publication times of {items} by weekday: "
            + ", ".join(f"{name} {n}" for name, n in zip(WEEKDAYS, by_day, strict=True))
            + "."
        ),
        table=Table(
            ["Day", f"{thing}s".capitalize(), f"Most used hour ({zone})"],
            [
                [name, f"{of_day.sum():,}", f"{of_day.argmax():02d}:00" if of_day.any() else "–"]
                for name, of_day in zip(WEEKDAYS, counts, strict=True)
            ],
        ),
    )


def _counts(data: ChannelData) -> NDArray[np.int_] | None:
    """Count recent items by weekday and hour; None if they are few, or their times say little."""
    if data.channel.successes_only:
        return None
    published_at = recent_publications(data)
    if published_at.size < _FEWEST or are_days(published_at):
        return None
    clock = local(published_at, data.channel)
    days = weekdays(clock)
    hours = ((clock - clock.astype("datetime64[D]")) // np.timedelta64(1, "h")).astype(int)
    counts = np.zeros((7, 24), dtype=int)
    np.add.at(counts, (days, hours), 1)
    return counts if np.count_nonzero(counts) >= _FEWEST_SLOTS else None


def _drawing(counts: NDArray[np.int_], things: str, zone: str) -> vl.View:
    most = int(counts.max())
    cells = rows(
        [
            {"weekday": WEEKDAYS[day], "hour": hour + 0.5, "items": int(counts[day, hour])}
            for day, hour in np.argwhere(counts).tolist()
        ]
    )
    hours = vl.options(
        title=f"hour of the day ({zone})",
        values=list(range(0, 25, 3)),
        labelExpr="format(datum.value, '02') + ':00'",
        grid=True,
    )
    return vl.mark("circle", cells, color=BLUE, opacity=0.9).encode(
        x=vl.encoded("hour:Q", axis=hours, scale=vl.options(domain=[0, 24], nice=False)),
        y=vl.encoded(
            "weekday:N",
            sort=list(WEEKDAYS),
            axis=vl.options(title=None, grid=True, labelOverlap=False),
            scale=vl.options(domain=list(WEEKDAYS)),
        ),
        size=vl.encoded(
            "items:Q",
            scale=vl.options(domain=[0, most], range=[0, 420]),
            legend=vl.options(title=things, format="d", values=_sizes(most)),
        ),
    )


def _sizes(most: int) -> list[int]:
    return sorted({1, max(1, most // 2), most})
