"""All charts of a channel, in the order in which a report shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.channel.words import has_own_words, spoken
from jobs.charts.age_curve import age_curve
from jobs.charts.cadence import cadence
from jobs.charts.catalogue import catalogue
from jobs.charts.chart import Chart
from jobs.charts.click_through import click_through
from jobs.charts.daily_views import daily_views
from jobs.charts.engagement import engagement
from jobs.charts.formats import formats
from jobs.charts.items_ahead import items_ahead
from jobs.charts.items_daily import items_daily
from jobs.charts.making import made, without_picture
from jobs.charts.milestones import milestones
from jobs.charts.months import months
from jobs.charts.publish_times import publish_times
from jobs.charts.reach_by_age import reach_by_age
from jobs.charts.spoken_spec import spoken_spec
from jobs.charts.subscribers import subscribers
from jobs.charts.subscribers_gained import subscribers_gained
from jobs.charts.top_items import top_items
from jobs.charts.trends import trends

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.channel.data import ChannelData
    from jobs.channel.records import Platform

CHARTS: Final = (
    daily_views,
    months,
    subscribers,
    subscribers_gained,
    trends,
    milestones,
    top_items,
    click_through,
    items_daily,
    items_ahead,
    reach_by_age,
    age_curve,
    formats,
    catalogue,
    cadence,
    publish_times,
    engagement,
)


_NAMING: Final = frozenset({"top-items"})
"""Charts whose description lists titles without quotes, which stay as they are."""


def build_charts(data: ChannelData, analysis: ChannelAnalysis) -> list[Chart]:
    """
    Return the charts that *data* allows; none for a channel without counters and items.

    *analysis* must be that of *data*. CPU-bound, about a tenth of a second.
    """
    drawn = (build_chart(at, data, analysis) for at in range(len(CHARTS)))
    return [chart for chart in drawn if chart is not None]


def build_chart(at: int, data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Return the chart at *at* in `CHARTS`; None if *data* does not allow it."""
    chart = made(CHARTS[at], data, analysis)
    return None if chart is None else in_words_of(chart, analysis.platform)


def lost_chart(at: int, reason: str, code: str) -> Chart:
    """Return the place of the chart at *at* in `CHARTS`, which could not be made."""
    return without_picture(CHARTS[at], reason, code)


def in_words_of(chart: Chart, platform: Platform) -> Chart:
    """Return *chart* with its texts in the words of *platform*; items' titles stay."""
    if not has_own_words(platform):
        return chart
    table = (chart.spec.get("usermeta") or {}).get("table")
    spec = spoken_spec(chart.spec, platform)
    spec["description"] = alt = chart.alt if chart.key in _NAMING else spoken(chart.alt, platform)
    if table:
        columns = [spoken(name, platform) for name in table["columns"]]
        spec = {**spec, "usermeta": {**spec["usermeta"], "table": {**table, "columns": columns}}}
    return Chart(chart.key, spoken(chart.title, platform), spec, alt)
