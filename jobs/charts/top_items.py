"""The most viewed items, each beside the usual views of items of its age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.analysis.wording import noun, short, times
from jobs.channel.words import spoken
from jobs.charts import vega_lite as vl
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
    y = vl.encoded(
        "label:N",
        sort=names,
        axis=vl.options(title=None, labelColor=INK),
        scale=vl.options(paddingInner=0.35, paddingOuter=0.2),
    )
    # Leave room on the right for the longest bar's number.
    scale = vl.options(domain=[0, 1.1 * max(1, found.top[0].views)], nice=False)
    axis = vl.options(
        title="views", format="~s", labelExpr=SHORT_LABELS, tickCount=5, tickMinStep=1, grid=True
    )
    x = vl.encoded("views:Q", axis=axis, scale=scale)
    compared = [value for value in values if value["typical"] is not None]
    data = rows(values)
    layers = [
        vl.mark("bar", data, color=BLUE, cornerRadiusEnd=2).encode(x=x, y=y),
        vl.mark("text", data, align="left", dx=6).encode(x=x, y=y, text="text:N"),
        vl.mark(
            "tick", rows(compared), color=ORANGE, opacity=1, thickness=3, size=_BAR_HEIGHT - 8
        ).encode(x=vl.encoded("typical:Q", axis=axis, scale=scale), y=y),
    ]
    things = f"{noun(analysis.platform)}s"
    return finished(
        "top-items",
        vl.layer(*layers).properties(width=WIDTH, height=_BAR_HEIGHT * len(values) + 10),
        title=_title(found, things),
        reading=(
            f"Views at the last reading; the orange mark is the median of {things} of like age."
            if compared
            else "Views at the last reading."
        ),
        description=f"{spoken('Views', analysis.platform)}: "
        + "; ".join(f"{value['label']}: {value['text']}" for value in values)
        + ".",
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
    if len(found.top) == found.counted:
        return f"All {found.counted:,} {things}, the most viewed first"
    return f"The {len(found.top)} most viewed of {found.counted:,} {things}"
