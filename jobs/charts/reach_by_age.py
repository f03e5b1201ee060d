"""Views by age of the item: the usual number at each age, and items far from it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jobs.analysis.item_arrays import item_arrays
from jobs.analysis.reach import OUTLIER_SCORE, PEERS, Reach, reach
from jobs.analysis.wording import noun, number, short, times
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import (
    BLUE,
    INK,
    PAPER,
    SHORT_LABELS,
    SKY,
    VERMILLION,
    WIDTH,
    finished,
    flat_axis,
    legend,
    rows,
    trimmed,
)
from runner.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.item_arrays import ItemArrays
    from jobs.analysis.items import Items, RankedItem
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 12
_MOST = 1000
_HEIGHT = 280
_PLOT_WIDTH = WIDTH - 80
_MANY = 200
_LABELLED = 3
_STEPS = 40
_CHARACTERS = 34
_CHARACTER_WIDTH = 6.5
_LINE_HEIGHT = 18
_STEPS_BY_SPAN: tuple[tuple[float, tuple[float, ...]], ...] = (
    (6, (1, 1.5, 2, 3, 4, 5, 7)),
    (100, (1, 2, 5)),
)
Side = Literal["left", "right"]
_USUAL, _FAR = "as usual for its age", "far from usual"


def reach_by_age(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw views against age on logarithmic axes; None with under a dozen comparable items."""
    items = item_arrays(data.items)
    compared = reach(items.age_days, items.views)
    known = np.flatnonzero(~np.isnan(compared.ratio) & (items.views > 0))[-_MOST:]
    if not analysis.items.present or known.size < _FEWEST:
        return None
    ages, views = items.age_days[known], items.views[known]
    x_domain = (float(ages.min()) * 0.95, float(ages.max()) * 1.05)
    y_domain = (float(views.min()) * 0.8, float(views.max()) * 1.5)
    x_scale = vl.options(type="log", domain=list(x_domain), nice=False)
    y_scale = vl.options(type="log", domain=list(y_domain), nice=False)
    x = vl.encoded(
        "age:Q",
        axis=vl.options(
            title="age at the last reading, days", values=_ticks(*x_domain), format=","
        ),
        scale=x_scale,
    )
    y_axis = flat_axis("views", format="~s", labelExpr=SHORT_LABELS, values=_ticks(*y_domain))
    y = vl.encoded("views:Q", axis=y_axis, scale=y_scale)
    colour = vl.encoded(
        "kind:N",
        scale=vl.options(domain=[_USUAL, _FAR], range=[SKY, VERMILLION]),
        legend=legend(),
    )
    dots = _dots(items, compared, known)
    usual, crowd = rows(_usual(ages, views)), 0.85 if known.size < _MANY else 0.4
    layers = [
        _dots_of(_USUAL, dots, opacity=crowd).encode(x=x, y=y, color=colour),
        vl.mark("line", usual, color=BLUE, strokeWidth=2.5).encode(x=x, y=y),
        _dots_of(_FAR, dots, opacity=1).encode(x=x, y=y, color=colour),
    ]
    for align, labels in _labels(analysis.items.standouts, x_domain, y_domain).items():
        text = partial(vl.mark, "text", rows(labels), align=align, dx=8 if align == "left" else -8)
        halo, ink = text(color=PAPER, stroke=PAPER, strokeWidth=4), text(color=INK)
        layers += [mark.encode(x=x, y=y, text="text:N") for mark in (halo, ink)]
    things = noun(analysis.platform)
    return finished(
        "reach-by-age",
        vl.layer(*layers).properties(width=WIDTH, height=_HEIGHT),
        title=_title(analysis.items, things),
        reading=(
            f"Each dot is one {things}; the line is the median of those nearest in age. "
            "Both axes are logarithmic."
        ),
        description=(
            f"Views by age of {counted(int(known.size), things)}; "
            f"{len(analysis.items.standouts)} far above and "
            f"{len(analysis.items.laggards)} far below others of like age."
        ),
        table=_table([*analysis.items.standouts, *analysis.items.laggards], things),
    )


def _table(far: list[RankedItem], thing: str) -> Table | None:
    if not far:
        return None
    return Table(
        [f"{thing.capitalize()} far from usual", "Age, days", "Views", "Against like age"],
        [
            [
                item.title,
                "–" if item.age_days is None else number(round(item.age_days)),
                short(item.views),
                times(item.ratio or 0),
            ]
            for item in far
        ],
    )


def _dots(items: ItemArrays, compared: Reach, known: NDArray[np.intp]) -> list[dict[str, Any]]:
    columns = (items.age_days[known], items.views[known], np.abs(compared.score[known]))
    return [
        {"age": age, "views": views, "kind": _FAR if score > OUTLIER_SCORE else _USUAL}
        for age, views, score in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _dots_of(kind: str, dots: vl.Rows, *, opacity: float) -> vl.View:
    own = rows([dot for dot in dots if dot["kind"] == kind])
    return vl.mark("circle", own, size=44, opacity=opacity)


def _usual(ages: NDArray[np.float64], views: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return the median of the nearest in age, at evenly spaced ages: smoother than per item."""
    at = np.geomspace(ages.min(), ages.max(), _STEPS)
    distance = np.abs(np.log(ages)[None, :] - np.log(at)[:, None])
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : max(PEERS, ages.size // 10)]
    medians = np.median(views[nearest], axis=1)
    return [
        {"age": age, "views": median}
        for age, median in zip(at.tolist(), medians.tolist(), strict=True)
    ]


def _labels(
    standouts: list[RankedItem], x_domain: tuple[float, float], y_domain: tuple[float, float]
) -> dict[Side, list[dict[str, Any]]]:
    """Return labels of standouts, by side; those that would overlap are left out."""
    sides: dict[Side, list[dict[str, Any]]] = {"left": [], "right": []}
    taken: list[tuple[float, float, float]] = []
    for item in standouts[:_LABELLED]:
        if item.age_days is None:
            continue
        text = trimmed(item.title, _CHARACTERS)
        x = _PLOT_WIDTH * _position(item.age_days, x_domain)
        y = _HEIGHT * _position(item.views, y_domain)
        width = _CHARACTER_WIDTH * len(text)
        side: Side = "left" if x + width < _PLOT_WIDTH else "right"
        start = x if side == "left" else x - width
        if any(
            abs(y - other_y) < _LINE_HEIGHT and start < other_end and other_start < start + width
            for other_start, other_end, other_y in taken
        ):
            continue
        taken.append((start, start + width, y))
        sides[side].append({"age": item.age_days, "views": item.views, "text": text})
    return sides


def _position(value: float, domain: tuple[float, float]) -> float:
    low, high = np.log(domain)
    return float((np.log(value) - low) / (high - low))


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers for a logarithmic axis; a shorter axis has closer ones."""
    steps = next((steps for span, steps in _STEPS_BY_SPAN if high / low <= span), (1.0,))
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _title(found: Items, thing: str) -> str:
    if not found.standouts:
        return f"No {thing} stands far out above others of its age"
    first = found.standouts[0]
    reached = f"reached {times(first.ratio or 0)} what is usual at its age"
    lead = f"“{trimmed(first.title, 40)}” {reached}"
    more = len(found.standouts) - 1
    if more == 0:
        return lead
    return f"{lead}; {counted(more, f'other {thing}')} {'stands' if more == 1 else 'stand'} out"
