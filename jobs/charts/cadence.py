"""Items published per week."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.cadence import items_per_week, recent_publications
from jobs.analysis.wording import day, noun
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import RHYTHMS, often, rate_basis
from jobs.charts.theme import BLUE, ORANGE, SKY, WIDTH, finished, flat_axis, rows, stamp, time_axis
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST_WEEKS = 4
_MOST_WEEKS = 104
_TABLE_WEEKS = 26


def cadence(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw items per week (Monday to Sunday, UTC); None if they span under four weeks."""
    if not analysis.cadence.present:
        return None
    found = analysis.cadence
    weeks = items_per_week(recent_publications(data), found.as_of)[-_MOST_WEEKS:]
    if len(weeks) < _FEWEST_WEEKS:
        return None
    things = f"{noun(analysis.platform)}s"
    bars = rows(
        [
            {
                "week": stamp(monday + timedelta(hours=12)),
                "end": stamp(monday + timedelta(days=6, hours=12)),
                "items": items,
                "complete": 0 < i < len(weeks) - 1,
            }
            for i, (monday, items) in enumerate(weeks)
        ]
    )
    most = max(items for _, items in weeks)
    x = time_axis("week", weeks[0][0], weeks[-1][0] + timedelta(days=7), padded=True)
    colour = vl.condition("datum.complete", BLUE, SKY)
    axis = flat_axis(f"{things} per week", format="d", values=_ticks(most))
    y = vl.encoded("items:Q", axis=axis, scale=vl.options(domainMin=0))
    drawing = vl.layer(
        vl.mark("rect", bars, aria=False).encode(
            x=x,
            x2="end:T",
            y=y,
            y2=vl.datum(0),
            color=colour,
            tooltip=vl.encoded("items:Q", title=things),
        ),
        vl.mark(
            "rule",
            rows([{"items": found.rate.per_week}]),
            color=ORANGE,
            strokeWidth=2,
            strokeDash=[5, 3],
        ).encode(y=y),
    )
    counts = np.array([items for _, items in weeks])
    return finished(
        "cadence",
        drawing.properties(width=WIDTH, height=140),
        title=f"About {often(found, analysis.platform)}, {RHYTHMS[found.rhythm]}",
        reading=(
            f"Bars are weeks from Monday to Sunday (UTC), light where they may be incomplete; "
            f"the dashed line is the rate of {rate_basis(found)}."
        ),
        description=(
            f"{things.capitalize()} per week over {counted(len(weeks), 'week')}: "
            f"{most} at most, {counted(int(np.count_nonzero(counts == 0)), 'week')} without any; "
            f"{often(found, analysis.platform)} by {rate_basis(found)}."
        ),
        table=Table(
            ["Week from", things.capitalize()],
            [[day(monday), f"{items:,}"] for monday, items in weeks[-_TABLE_WEEKS:]][::-1],
        ),
    )


def _ticks(most: int) -> list[int]:
    step = max(1, int(np.ceil(most / 5)))
    return list(range(0, most + step, step))
