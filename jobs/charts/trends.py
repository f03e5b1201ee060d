"""Trends of views, subscribers and likes: each with its line, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.analysis.columns import aware
from jobs.analysis.trends import like_points, subscriber_points, view_points
from jobs.analysis.wording import listed, noun, period, short, step, steps
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    SHORT_LABELS,
    SKY,
    WIDTH,
    finished,
    rows,
    stamp,
    time_axis,
)
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.trends import Points, Trend
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_HEIGHT: Final = 150
_SPACING: Final = 28
_LABELS: Final = 44
"""The width of the numbers beside a panel."""

_DATES: Final = 6
_AROUND: Final = 0.12
_MOST: Final = 400
_WEEK: Final = 7
_DAY: Final = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class _Panel:
    """One trend: its subject, in one word and in full, and the values it was fitted to."""

    word: str
    about: str
    trend: Trend
    points: Points


def trends(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw each trend through the days or items it was fitted to; None without a trend."""
    # A counter that never moved has no shape to draw, and is reported elsewhere.
    panels = [one for one in _panels(data, analysis) if np.ptp(one.points.values) > 0]
    if not panels:
        return None
    thing = noun(analysis.platform)
    level = panels[0].trend.level
    dots = f"{thing}s by publication" if panels[-1].word == "likes" else "days"
    dots = f"days, of likes {dots}" if len(panels) > 1 and dots != "days" else dots
    return finished(
        "trends",
        vl.side_by_side(*(_drawn(one, len(panels)) for one in panels), spacing=_SPACING),
        title=_title(panels),
        reading=(
            f"Dots are {dots}; the line is the median of the slopes between any two of them "
            "(of subscribers, their mean pace), the "
            f"band its {level:.0%} interval: where a level line fits in, there is no clear trend. "
            "The axes need not start at zero."
        ),
        description="; ".join(f"{one.about}: {_slope(one.trend)}" for one in panels) + ".",
        table=Table(
            ["Trend", "Over", "Through", "Change a week", f"{level:.0%} interval"],
            [
                [
                    one.about,
                    period(one.trend.first_day, one.trend.last_day),
                    counted(one.trend.points, thing if one.word == "likes" else "day"),
                    step(one.trend.per_week),
                    steps(one.trend.low, one.trend.high),
                ]
                for one in panels
            ],
        ),
    )


def _panels(data: ChannelData, analysis: ChannelAnalysis) -> Iterator[_Panel]:
    found = analysis.trends
    if not found.present:
        return
    if found.views.present:
        yield _Panel("views", "Views a day", found.views, view_points(data))
    if found.subscribers.present:
        # An owner's export has gains and no count: the unit says since when.
        unit = found.subscribers.unit
        about = f"{unit[:1].upper()}{unit[1:]}"
        yield _Panel("subscribers", about, found.subscribers, subscriber_points(data))
    if found.likes.present:
        yield _Panel("likes", "Likes per 1,000 views", found.likes, like_points(data))


def _drawn(panel: _Panel, panels: int) -> vl.View:
    days, values = panel.points.days[-_MOST:], panel.points.values[-_MOST:]
    x = (days - days[0]) / _DAY
    first, last = aware(days[0]), aware(days[-1])
    width = (WIDTH - _SPACING * (panels - 1)) / panels - _LABELS
    across = time_axis("day", first, last, ticks=max(2, round(_DATES / panels)))
    axis = vl.options(title=None, format="~s", labelExpr=SHORT_LABELS, tickCount=4)
    scale = vl.options(domain=_span(values), nice=False)
    up = vl.encoded("value:Q", axis=axis, scale=scale)
    instants = [stamp(first), stamp(first + (last - first) / 2), stamp(last)]
    line = rows(list(_line(panel.trend, x, values, instants)))
    dots = rows(
        [
            {"day": stamp(aware(day)), "value": value}
            for day, value in zip(days, values.tolist(), strict=True)
        ]
    )
    clear = panel.trend.heading != "unclear"
    layers = (
        vl.mark("area", line, color=ORANGE, opacity=0.22, clip=True).encode(
            x=across, y=vl.encoded("low:Q", axis=axis, scale=scale), y2="high:Q"
        ),
        vl.mark("circle", dots, color=SKY, size=30, opacity=0.9).encode(x=across, y=up),
        vl.mark(
            "line",
            line,
            color=BLUE,
            strokeWidth=2.5,
            strokeDash=[1, 0] if clear else [5, 3],
            clip=True,
        ).encode(x=across, y=up),
    )
    return vl.layer(*layers).properties(width=width, height=_HEIGHT, title=_heading(panel))


def _heading(panel: _Panel) -> vl.Options:
    look = vl.options(
        subtitle=_slope(panel.trend),
        frame="group",
        fontSize=12,
        lineHeight=15,
        color=INK,
        subtitleColor=MUTED,
        subtitleFontSize=11,
        subtitlePadding=3,
        offset=10,
    )
    return {"text": panel.about, **look}


def _line(
    trend: Trend, x: NDArray[np.float64], values: NDArray[np.float64], days: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield both ends and the middle of the line that has half of the dots above it."""
    slope, low, high = (each / _WEEK for each in (trend.per_week, trend.low, trend.high))
    start = float(np.median(values - slope * x))
    middle = float(x[-1]) / 2
    for day, back in zip(days, (-middle, 0.0, middle), strict=True):
        at = start + slope * (middle + back)
        ends = sorted((at + (low - slope) * back, at + (high - slope) * back))
        yield {"day": day, "value": at, "low": ends[0], "high": ends[1]}


def _span(values: NDArray[np.float64]) -> list[float]:
    low, high = float(values.min()), float(values.max())
    room = _AROUND * (high - low) or max(1.0, 0.05 * abs(high))
    return [max(low - room, 0.0) if low >= 0 else low - room, high + room]


def _slope(trend: Trend) -> str:
    return f"{step(trend.per_week)} a week ({steps(trend.low, trend.high)})"


def _title(panels: list[_Panel]) -> str:
    parts = [_finding(one) for one in panels if one.trend.heading != "unclear"]
    open_ones = [one.word for one in panels if one.trend.heading == "unclear"]
    if open_ones:
        parts.append(f"no clear trend in {listed(open_ones)}")
    text = "; ".join(parts)
    return text[0].upper() + text[1:]


def _finding(panel: _Panel) -> str:
    verb = "rise" if panel.trend.heading == "up" else "fall"
    about = {"views": "views a day", "likes": "likes per 1,000 views"}.get(panel.word, panel.word)
    much = short(abs(panel.trend.per_week))
    return f"{about} {verb} {'slightly' if much == '0' else f'by {much} a week'}"
