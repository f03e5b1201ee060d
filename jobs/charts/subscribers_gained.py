"""Net subscribers by day from an owner's export, added up."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.wording import day, signed
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import clock_of
from jobs.charts.theme import BLUE, SKY, WIDTH, count_axis, finished, rows, stamp, time_axis
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 3
_MOST = 800
_TABLE_ROWS = 28


def subscribers_gained(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """
    Draw the sum since the first known day; None under three days, or without a change.

    An exact counter of subscribers shows the same, and is drawn instead.
    """
    if not (analysis.growth.present and analysis.growth.gained.present):
        return None
    counter = analysis.growth.subscribers
    if counter.present and counter.resolution == 1:
        return None
    found = analysis.growth.gained
    daily = channel_gains(data, "subscribers")
    known = ~np.isnan(daily.gains)
    gained = daily.gains[known].astype(int).tolist()
    if len(gained) < _FEWEST or not any(gained):
        return None
    days = daily.days[known].tolist()
    points = [
        {"day": stamp(when), "total": total, "gained": net}
        for when, total, net in zip(days, accumulate(gained), gained, strict=True)
    ][-_MOST:]
    x = time_axis("day", days[-len(points)], days[-1])
    y = count_axis("total", f"subscribers gained since {day(found.first_day)}")
    tooltip = [
        vl.encoded("day:T", title="day", format="%-d %b %Y"),
        vl.encoded("gained:Q", title="net"),
        vl.encoded("total:Q", title="in all"),
    ]
    drawing = vl.layer(
        vl.mark("area", rows(points), interpolate="step-after", color=SKY, opacity=0.16).encode(
            x=x, y=y
        ),
        vl.mark("line", rows(points), interpolate="step-after", strokeWidth=2.5, color=BLUE).encode(
            x=x, y=y, tooltip=tooltip
        ),
    )
    over = counted(found.days, "day")
    return finished(
        "subscribers-gained",
        drawing.properties(width=WIDTH, height=170),
        title=f"{signed(found.gained)} subscribers, net, in {over}",
        reading=(
            "What the source tells of each day, added up: where more left than came, it falls."
        ),
        description=(
            f"Net subscribers added up over {over} from {day(found.first_day)} to "
            f"{day(found.last_day)}: {signed(found.gained)}, {signed(found.last_week)} of them in "
            "the last seven days."
        ),
        table=Table(
            [f"Day ({clock_of(analysis)})", "Net subscribers", f"Since {day(found.first_day)}"],
            [
                [day(when), signed(point["gained"]), signed(point["total"])]
                for when, point in zip(days[-_TABLE_ROWS:], points[-_TABLE_ROWS:], strict=True)
            ][::-1],
        ),
    )
