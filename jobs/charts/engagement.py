"""Likes per thousand views, item by item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.analysis.columns import aware
from jobs.analysis.engagement import FEWEST_VIEWS, per_thousand
from jobs.analysis.item_arrays import item_arrays
from jobs.analysis.wording import noun, number
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import BLUE, SKY, WIDTH, finished, flat_axis, rows, stamp, time_axis
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.engagement import Engagement
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 8
_MOST = 1000
_UNIT = "likes per 1,000 views"


def engagement(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw likes per 1,000 views by publication; None under eight items with both."""
    if not (analysis.engagement.present and analysis.engagement.likes.present):
        return None
    found, items = analysis.engagement.likes, item_arrays(data.items)
    rates = per_thousand(items.likes, items.views)
    known = np.flatnonzero(~np.isnan(rates) & ~np.isnat(items.published_at))[-_MOST:]
    if known.size < _FEWEST:
        return None
    points: list[dict[str, Any]] = [
        {"day": stamp(aware(items.published_at[i])), "rate": float(rates[i])}
        for i in known.tolist()
    ]
    x = time_axis("day", *(aware(items.published_at[i]) for i in (known[0], known[-1])))
    # A few items with hardly any views would flatten all others.
    top = max(float(np.quantile(rates[known], 0.98)) * 1.15, found.upper_quartile * 1.2)
    beyond = int(np.count_nonzero(rates[known] > top))
    y = vl.encoded(
        "rate:Q",
        axis=flat_axis(_UNIT, format="~r", tickCount=5),
        scale=vl.options(domain=[0, top], clamp=True),
    )
    band = rows([{"rate": found.lower_quartile, "high": found.upper_quartile}])
    drawing = vl.layer(
        vl.mark("rect", band, color=BLUE, opacity=0.12).encode(y=y, y2="high:Q"),
        vl.mark("rule", rows([{"rate": found.median}]), color=BLUE, strokeWidth=2).encode(y=y),
        vl.mark("circle", rows(points), size=44, opacity=0.9, color=SKY).encode(x=x, y=y),
    )
    thing = noun(analysis.platform)
    return finished(
        "engagement",
        drawing.properties(width=WIDTH, height=180),
        title=f"A typical {thing} gets {number(found.median)} likes per 1,000 views",
        reading=(
            f"Each dot is one {thing} with at least {FEWEST_VIEWS} views, by publication; "
            "the line is the median, the band the middle half."
            + (f" At the upper edge {beyond} more, higher still." if beyond else "")
        ),
        description=(
            f"Likes per 1,000 views of {counted(found.items, thing)}: median "
            f"{number(found.median)}, middle half from {number(found.lower_quartile)} to "
            f"{number(found.upper_quartile)}."
        ),
        table=_table(analysis.engagement, thing),
    )


def _table(found: Engagement, thing: str) -> Table:
    rates = (("Likes", found.likes), ("Comments", found.comments))
    return Table(
        ["Per 1,000 views", f"{thing.capitalize()}s", "Lower quarter", "Median", "Upper quarter"],
        [
            [
                name,
                f"{rate.items:,}",
                number(rate.lower_quartile),
                number(rate.median),
                number(rate.upper_quartile),
            ]
            for name, rate in rates
            if rate.present
        ],
    )
