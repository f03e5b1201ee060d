"""Charts are drawn if the data supports them: valid, self-contained, with their finding."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import altair as alt
import pytest

from jobs.analysis import analyze
from jobs.channel.records import ChannelRecord, Platform
from jobs.charts import Chart, build_charts
from jobs.sources import open_source
from tests.unit.analysis.channels import (
    CHANNEL,
    Item,
    catalogue,
    channel_data,
    growing,
    of_reading,
    titled,
)

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData

OF_ITEMS = {
    "trends",
    "top-items",
    "reach-by-age",
    "formats",
    "cadence",
    "publish-times",
    "engagement",
}
HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)> & "quoted"'


def charts_of(data: ChannelData) -> dict[str, Chart]:
    """Draw all charts of *data*, by key."""
    return {chart.key: chart for chart in build_charts(data, analyze(data))}


def full() -> ChannelData:
    """Make a channel that has every chart, with a gap and a fall in its counters."""
    views: list[int | None] = [*growing(120)]
    views[60] = (views[59] or 0) - 500
    days = [*range(80), *range(86, 126)]
    subscribers = [10_000 + 100 * (day // 7) for day in range(120)]
    return channel_data(views=views, subscribers=subscribers, days=days, items=catalogue(60))


def test_charts_are_all_there_for_a_full_channel() -> None:
    """Counters and items have their charts, in the order of a report."""
    assert list(charts_of(full())) == [
        "daily-views",
        "months",
        "subscribers",
        "trends",
        "milestones",
        "top-items",
        "reach-by-age",
        "formats",
        "cadence",
        "publish-times",
        "engagement",
    ]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (channel_data(), set()),
        (channel_data(views=growing(40)), {"daily-views", "trends", "milestones"}),
        (channel_data(views=growing(3)), set()),
        (channel_data(subscribers=[1_000] * 20), set()),
        (channel_data(items=catalogue(60)), OF_ITEMS),
        (
            channel_data(items=catalogue(60), channel=replace(CHANNEL, successes_only=True)),
            OF_ITEMS - {"cadence", "publish-times"},
        ),
        (channel_data(items=[Item(6.6 * i) for i in range(30)]), {"cadence", "publish-times"}),
    ],
)
def test_charts_are_drawn_only_where_the_data_carries_them(
    data: ChannelData, keys: set[str]
) -> None:
    """Nothing is drawn without data."""
    assert set(charts_of(data)) == keys


def test_charts_are_valid_and_need_nothing_else() -> None:
    """Every specification passes Vega-Lite's schema, is JSON, and contains its data."""
    for chart in charts_of(full()).values():
        text = json.dumps(chart.spec, allow_nan=False)
        assert '"url"' not in text
        alt.Chart.from_dict(json.loads(text), validate=True)


def test_charts_say_their_finding_and_how_to_read_it() -> None:
    """Title, reading and description are sentences; the title in the picture is the same."""
    for chart in charts_of(full()).values():
        assert " ".join(chart.spec["title"]["text"]) == chart.title
        assert chart.spec["title"]["subtitle"]
        assert chart.alt == chart.spec["description"]
        assert chart.alt.endswith(".")


def test_charts_leave_gaps_and_falls_open() -> None:
    """Gaps and falls have no dots and are marked."""
    days = {row["day"][:10] for row in data_rows(charts_of(full())["daily-views"].spec)}
    shown = {
        row["day"][:10]
        for row in data_rows(charts_of(full())["daily-views"].spec)
        if row.get("series") == "one day"
    }
    assert "2026-03-05" in days - shown
    assert not shown & {"2026-03-25", "2026-03-27", "2026-03-30"}
    assert "2026-04-01" in shown


def data_rows(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Collect all rows that a specification holds."""
    found: list[dict[str, Any]] = []
    for layer in [spec, *layers(spec)]:
        data = layer.get("data", {})
        found += data.get("values", []) + spec.get("datasets", {}).get(data.get("name"), [])
    return found


def layers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Collect what is drawn: the layers of all panels."""
    return [layer for panel in spec.get("hconcat", [spec]) for layer in panel.get("layer", [panel])]


def test_charts_read_days_in_utc() -> None:
    """Every time axis is in UTC: a chart looks the same wherever it is drawn."""
    axes = [
        layer["encoding"]["x"]
        for chart in charts_of(full()).values()
        for layer in layers(chart.spec)
        if layer["encoding"].get("x", {}).get("type") == "temporal"
    ]
    assert axes
    assert {axis["scale"]["type"] for axis in axes} == {"utc"}


def test_charts_survive_hostile_titles() -> None:
    """Titles are data: they are shortened, never interpreted."""
    charts = charts_of(channel_data(items=titled(catalogue(60), HOSTILE)))
    assert set(charts) == OF_ITEMS
    for chart in charts.values():
        json.dumps(chart.spec)


def test_charts_speak_of_episodes_where_there_are_episodes() -> None:
    """A podcast has no videos."""
    podcast = ChannelRecord("feed:0", "Talk", Platform.PODCAST)
    for chart in charts_of(channel_data(items=catalogue(60), channel=podcast)).values():
        assert "video" not in json.dumps(chart.spec)


def test_charts_are_the_same_for_the_same_data() -> None:
    """The same data gives the same specifications, so caching by content is valid."""
    assert charts_of(full()) == charts_of(full())


async def test_charts_of_the_samples() -> None:
    """Each generated channel gets its charts, with the gap in its counters."""
    source = await open_source("samples:")
    for channel in source.channels():
        charts = charts_of(of_reading(source.read(channel.id)))
        assert {"daily-views", "top-items", "cadence"} <= set(charts)
        assert "Grey" in " ".join(charts["daily-views"].spec["title"]["subtitle"])
