"""An item's views by each age, and whether newer items do better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import noun, period, short, times
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import BLUE, WIDTH, count_axis, finished, rows
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.reach_by_age import AgeBand, ReachByAge
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST: Final = 3
_WEEK: Final = 7
_READ_AGAIN: Final = 1.5


def age_curve(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the median and quartiles of views at each age; None with fewer than three ages."""
    found = analysis.reach
    if not found.present or len(found.bands) < _FEWEST:
        return None
    thing, followed = noun(analysis.platform), _followed(data)
    return finished(
        "age-curve",
        _drawing(found.bands, followed=followed),
        title=_title(found, thing),
        reading=(
            f"The line is the median {thing} at each age, the band the middle half. Each age has "
            "the items that were read then, so the line may fall. Ages are on a logarithmic axis."
            if followed
            else f"The dot is the median {thing} at each age, the bar the middle half. Each was "
            f"read once, so that every age has {thing}s of its own: no line leads from one to the "
            "next. Ages are on a logarithmic axis."
        ),
        description="; ".join(
            f"after {counted(band.age_days, 'day')}: {short(band.median)} views, half of them "
            f"{short(band.lower_quartile)} to {short(band.upper_quartile)}"
            for band in found.bands
        )
        + ".",
        table=Table(
            ["Age", f"{thing.capitalize()}s", "Lower quarter", "Median views", "Upper quarter"],
            [
                [
                    counted(band.age_days, "day"),
                    f"{band.items:,}",
                    short(band.lower_quartile),
                    short(band.median),
                    short(band.upper_quartile),
                ]
                for band in found.bands
            ],
        ),
    )


def _followed(data: ChannelData) -> bool:
    """Return whether items were read repeatedly, so that a line follows the same ones."""
    return data.item_snapshots["item_id"].n_unique() * _READ_AGAIN < data.item_snapshots.height


def _drawing(bands: list[AgeBand], *, followed: bool) -> vl.View:
    points: list[dict[str, Any]] = [band.model_dump() for band in bands]
    ages = [band.age_days for band in bands]
    x = vl.encoded(
        "age_days:Q",
        axis=vl.options(title="age, days", values=ages, format=","),
        scale=vl.options(type="log", domain=[ages[0], ages[-1]], nice=False),
    )
    data = rows(points)
    middle, half = count_axis("median", "views"), count_axis("lower_quartile", "views")
    dots = vl.mark("circle", data, color=BLUE, size=60, opacity=1).encode(x=x, y=middle)
    if followed:
        band = vl.mark("area", data, color=BLUE, opacity=0.16)
        line = vl.mark("line", data, color=BLUE, strokeWidth=2.5).encode(x=x, y=middle)
        layers = [band.encode(x=x, y=half, y2="upper_quartile:Q"), line, dots]
    else:
        bars = vl.mark("rule", data, color=BLUE, strokeWidth=8, opacity=0.25)
        layers = [bars.encode(x=x, y=half, y2="upper_quartile:Q"), dots]
    return vl.layer(*layers).properties(width=WIDTH, height=190)


def _title(found: ReachByAge, thing: str) -> str:
    change = found.change
    if change.present and change.heading != "unclear":
        more = "more" if change.heading == "up" else "less"
        return (
            f"{thing.capitalize()}s of {period(change.newer_from, change.newer_to)} reach {more}: "
            f"{times(change.ratio)} what earlier ones had after "
            f"{counted(change.age_days, 'day')} ({change.level:.0%} interval {times(change.low)} "
            f"to {times(change.high)})"
        )
    band = min(found.bands, key=lambda one: abs(one.age_days - _WEEK))
    return f"A typical {thing} has {short(band.median)} views after {counted(band.age_days, 'day')}"
