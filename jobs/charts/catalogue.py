"""The share of old items in what came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import noun, period, short
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import BLUE, INK, SKY, WIDTH, finished, legend, rows
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.catalogue import Catalogue
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_HEIGHT: Final = 46


def catalogue(_data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the share of old items in recent views, with its interval; None if it is unknown."""
    found = analysis.catalogue
    if not found.present:
        return None
    thing = noun(analysis.platform)
    old = f"older than {found.old_days} days"
    interval = f"{found.level:.0%} interval {found.low:.0%} to {found.high:.0%}"
    days = period(found.first_day, found.last_day)
    return finished(
        "catalogue",
        _drawing(found, [old, "newer"]),
        title=f"{thing.capitalize()}s {old} bring {found.share:.0%} of new views ({interval})",
        reading=(
            f"Views gained {days} by the {counted(found.old_items + found.new_items, thing)} "
            "whose gain is known; the line across the border is the interval."
        ),
        description=(
            f"Of the views gained {days}, {found.share:.0%} went to {thing}s {old}, {interval}."
        ),
        table=Table(
            [f"{thing.capitalize()}s", "Count", "Views gained", "Share"],
            [
                [old, f"{found.old_items:,}", short(found.old_views), f"{found.share:.0%}"],
                ["newer", f"{found.new_items:,}", short(found.new_views), f"{1 - found.share:.0%}"],
            ],
        ),
    )


def _drawing(found: Catalogue, names: list[str]) -> vl.View:
    parts: list[dict[str, Any]] = [
        {"from": 0, "to": found.share, "series": names[0]},
        {"from": found.share, "to": 1, "series": names[1]},
    ]
    axis = vl.options(title="share of views gained", format="%", tickCount=5, grid=False)
    scale = vl.options(domain=[0, 1], nice=False)
    x = vl.encoded("from:Q", axis=axis, scale=scale)
    colour = vl.encoded(
        "series:N",
        scale=vl.options(domain=names, range=[BLUE, SKY]),
        legend=legend(under_title=False),
    )
    interval = rows([{"from": found.low, "to": found.high}])
    layers = (
        vl.mark("bar", rows(parts), height=26, opacity=1).encode(x=x, x2="to:Q", color=colour),
        vl.mark("rule", interval, color=INK, strokeWidth=2).encode(x=x, x2="to:Q"),
    )
    return vl.layer(*layers).properties(width=WIDTH, height=_HEIGHT)
