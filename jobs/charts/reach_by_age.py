"""Views by age of the item: what is usual at each age, and what stands out from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from jobs.analysis.item_arrays import item_arrays
from jobs.analysis.reach import OUTLIER_SCORE, reach
from jobs.analysis.wording import counted, noun, times
from jobs.charts.theme import (
    BLUE,
    INK,
    SKY,
    VERMILLION,
    WIDTH,
    finished,
    flat_axis,
    rows,
    trimmed,
)

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.items import Items
    from jobs.channel_data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 12
_MOST = 1000
_LABELLED = 3
_CHARACTERS = 30
_USUAL, _FAR = "as usual for its age", "far from usual"


def reach_by_age(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw views against age on logarithmic axes; None under a dozen comparable items."""
    items = item_arrays(data.items)
    compared = reach(items.age_days, items.views)
    known = np.flatnonzero(~np.isnan(compared.ratio) & (items.views > 0))[-_MOST:]
    if not analysis.items.present or known.size < _FEWEST:
        return None
    points: list[dict[str, Any]] = [
        {
            "age": float(items.age_days[i]),
            "views": float(items.views[i]),
            "typical": float(compared.typical[i]),
            "kind": _FAR if abs(compared.score[i]) > OUTLIER_SCORE else _USUAL,
        }
        for i in known.tolist()
    ]
    labelled = [
        {"age": item.age_days, "views": item.views, "text": trimmed(item.title, _CHARACTERS)}
        for item in analysis.items.standouts[:_LABELLED]
    ]
    ages = [point["age"] for point in points]
    x = alt.X(
        "age:Q",
        axis=alt.Axis(title="age at the last reading, days", format="~s", tickCount=6),
        scale=alt.Scale(type="log", domain=[min(ages) * 0.9, max(ages) * 1.1], nice=False),
    )
    axis = flat_axis("views", format="~s", tickCount=5)
    logarithmic = alt.Scale(type="log", nice=True)
    y = alt.Y("views:Q", axis=axis, scale=logarithmic)
    scale = alt.Scale(domain=[_USUAL, _FAR], range=[SKY, VERMILLION])
    usual = alt.Chart(rows(sorted(points, key=lambda point: point["age"])))
    layers = [
        usual.mark_circle(size=44, opacity=0.85).encode(
            x=x,
            y=y,
            color=alt.Color(
                "kind:N", scale=scale, legend=alt.Legend(symbolType="circle", symbolOpacity=1)
            ),
        ),
        usual.mark_line(color=BLUE, strokeWidth=2, interpolate="monotone").encode(
            x=x, y=alt.Y("typical:Q", axis=axis, scale=logarithmic)
        ),
        alt.Chart(rows(labelled))
        .mark_text(align="left", dx=8, dy=-6, color=INK)
        .encode(x=x, y=y, text="text:N"),
    ]
    things = noun(analysis.platform)
    return finished(
        "reach-by-age",
        alt.layer(*layers).properties(width=WIDTH, height=300),
        title=_title(analysis.items, things),
        reading=(
            f"Each dot is one {things}; the line is the median of the 20 nearest in age. "
            "Both axes are logarithmic."
        ),
        description=(
            f"Views by age of {counted(int(known.size), things)}; "
            f"{counted(len(analysis.items.standouts), things)} far above and "
            f"{len(analysis.items.laggards)} far below others of like age."
        ),
    )


def _title(found: Items, thing: str) -> str:
    if not found.standouts:
        return f"No {thing} stands far out above others of its age"
    first = found.standouts[0]
    lead = (
        f"“{trimmed(first.title, 40)}” reached {times(first.ratio or 0)} what is usual at its age"
    )
    more = len(found.standouts) - 1
    return lead if more == 0 else f"{lead}; {counted(more, f'other {thing}')} stand out, too"
