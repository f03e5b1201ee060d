"""Trends are drawn with their line and interval, and a title that says which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.analysis import analyze
from jobs.charts.trends import trends
from tests.unit.analysis.channels import Item, channel_data, growing

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart


def rising(days: int = 40) -> list[int]:
    """Make a counter that gains 50 more each day, with some noise."""
    counter = [100_000]
    for day in range(days):
        counter.append(counter[-1] + 1_000 + 50 * day + 37 * (day % 5))
    return counter


def drawn(data: ChannelData) -> Chart:
    """Draw the trends of *data*, which must exist."""
    chart = trends(data, analyze(data))
    assert chart is not None
    return chart


def line(chart: Chart, panel: int) -> list[dict[str, Any]]:
    """Return the rows of a panel's line: first, middle and last day."""
    name = chart.spec["hconcat"][panel]["layer"][0]["data"]["name"]
    found: list[dict[str, Any]] = chart.spec["datasets"][name]
    return found


def test_trends_say_which_way() -> None:
    """Clear rises and falls are given with their change per week, the rest by name."""
    liked = [Item(3.0 * i, views=10_000, likes=400 - 10 * i) for i in range(30)]
    steady = [10_000 + (7 * day) % 5 for day in range(41)]
    chart = drawn(channel_data(views=rising(), subscribers=steady, items=liked))
    assert chart.title.startswith("Views a day rise by 35")
    assert "likes per 1,000 views fall by 2.3 a week" in chart.title
    assert chart.title.endswith("no clear trend in subscribers")


def test_trends_without_direction_are_said_to_have_none() -> None:
    """Noise has no trend, and its line is dashed."""
    chart = drawn(channel_data(views=growing(40)))
    assert chart.title == "No clear trend in views"
    mark = chart.spec["hconcat"][0]["layer"][2]["mark"]
    assert mark["strokeDash"] == [5, 3]


def test_trends_are_drawn_with_their_interval() -> None:
    """The band widens from the middle by the interval; the line has the slope."""
    data = channel_data(views=rising())
    found = analyze(data).trends
    assert found.present
    assert found.views.present
    first, middle, last = line(drawn(data), 0)
    weeks = (found.views.last_day - found.views.first_day).days / 7
    assert last["value"] - first["value"] == pytest.approx(weeks * found.views.per_week)
    width = weeks / 2 * (found.views.high - found.views.low)
    assert last["high"] - last["low"] == pytest.approx(width)
    assert middle["high"] == pytest.approx(middle["low"])
    assert "95% interval" in " ".join(chart_reading(drawn(data)))


def chart_reading(chart: Chart) -> list[str]:
    """Return how to read the chart."""
    found: list[str] = chart.spec["title"]["subtitle"]
    return found


def test_trends_tell_the_numbers() -> None:
    """The table has period, size, slope and interval of each trend."""
    chart = drawn(channel_data(views=rising()))
    ((about, over, through, slope, interval),) = chart.spec["usermeta"]["table"]["rows"]
    assert about == "Views a day"
    assert over == "17 Jan – 13 Feb 2026"
    assert through == "28 days"
    assert slope.startswith("+35")
    assert " to +" in interval


def test_trends_of_nothing_are_not_drawn() -> None:
    """Without a trend, or for a counter that never moved, there is no chart."""
    for data in (
        channel_data(),
        channel_data(views=growing(5)),
        channel_data(subscribers=[9] * 30),
    ):
        assert trends(data, analyze(data)) is None
