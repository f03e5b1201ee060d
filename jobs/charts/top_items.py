"""The most viewed items, each beside the usual views of items of its age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from jobs.analysis.wording import noun, short, times
from jobs.charts.theme import BLUE, INK, ORANGE, SHORT_LABELS, WIDTH, finished, rows, trimmed

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.items import Items
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 3
_CHARACTERS = 42
_BAR_HEIGHT = 28


def top_items(_data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the most viewed items as bars; None if the views of fewer than three are known."""
    if not analysis.items.present or len(analysis.items.top) < _FEWEST:
        return None
    found = analysis.items
    values: list[dict[str, Any]] = [
        {
            "rank": rank,
            # The rank distinguishes items of the same title.
            "label": f"{rank}. {trimmed(item.title, _CHARACTERS)}",
            "views": item.views,
            "typical": item.typical_views,
            "text": short(item.views),
        }
        for rank, item in enumerate(found.top, start=1)
    ]
    names = [value["label"] for value in values]
    y = alt.Y(
        "label:N",
        sort=names,
        axis=alt.Axis(title=None, labelColor=INK),
        scale=alt.Scale(paddingInner=0.35, paddingOuter=0.2),
    )
    # Leave room on the right for the longest bar's number.
    scale = alt.Scale(domain=[0, 1.1 * max(1, found.top[0].views)], nice=False)
    axis = alt.Axis(
        title="views", format="~s", labelExpr=SHORT_LABELS, tickCount=5, tickMinStep=1, grid=True
    )
    x = alt.X("views:Q", axis=axis, scale=scale)
    compared = [value for value in values if value["typical"] is not None]
    data = rows(values)
    layers = [
        alt.Chart(data).mark_bar(color=BLUE, cornerRadiusEnd=2).encode(x=x, y=y),
        alt.Chart(data).mark_text(align="left", dx=6).encode(x=x, y=y, text="text:N"),
        alt.Chart(rows(compared))
        .mark_tick(color=ORANGE, opacity=1, thickness=3, size=_BAR_HEIGHT - 8)
        .encode(x=alt.X("typical:Q", axis=axis, scale=scale), y=y),
    ]
    things = f"{noun(analysis.platform)}s"
    return finished(
        "top-items",
        alt.layer(*layers).properties(width=WIDTH, height=_BAR_HEIGHT * len(values) + 10),
        title=_title(found, things),
        reading=(
            f"Views at the last reading; the orange mark is the median of {things} of like age."
            if compared
            else "Views at the last reading."
        ),
        description="; ".join(f"{value['label']}: {value['text']} views" for value in values) + ".",
    )


def _title(found: Items, things: str) -> str:
    if found.top_share is not None:
        return (
            f"The {len(found.top)} most viewed of {found.counted:,} {things} "
            f"bring {found.top_share:.0%} of all views listed"
        )
    first, second = found.top[:2]
    if second.views > 0 and first.views >= 2 * second.views:
        lead = times(first.views / second.views)
        return f"“{trimmed(first.title, _CHARACTERS)}” leads with {lead} the views of the next"
    return f"The {len(found.top)} most viewed of {found.counted:,} {things}"
