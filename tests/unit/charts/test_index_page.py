"""The index of reports shows what each report says first, and titles cannot inject anything."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from jobs.analysis import analyze
from jobs.channel.records import ChannelRecord, Platform
from jobs.charts import compose
from jobs.charts.gains import bars, span
from jobs.charts.index_page import index_page, indexed
from jobs.charts.summary import SPARK_DAYS, change_of, content_of, series_of
from jobs.recommendations import recommend
from tests.unit.analysis.channels import CHANNEL, Item, catalogue, channel_data, growing
from tests.unit.charts.test_headline import after
from tests.unit.charts.test_report import HOSTILE, Page


def content(data: Any, today: date | None = None) -> dict[str, Any]:
    """Return the content of the summary of *data*'s report."""
    analysis = analyze(data)
    advice = recommend(data, analysis)
    return content_of(compose(data.channel, analysis, [], advice, today=today), analysis)


def page(*channels: tuple[ChannelRecord, dict[str, Any]], generated: str = "") -> Page:
    """Return the index of *channels*."""
    reports = [
        indexed(channel, f"{number}/report.html", said, figures=3, marked=not generated)
        for number, (channel, said) in enumerate(channels)
    ]
    return Page(index_page("2 channels", reports, generated=generated))


def test_index_has_what_each_report_says_first() -> None:
    """Headline with a link, three figures, advice or the reason for none, and the gains."""
    rising = content(after(1_000, 3_000))
    found = page((CHANNEL, rising))
    for words in (CHANNEL.title, rising["headline"], rising["why_none"], "Views a day"):
        assert words in found.text
    assert [one["href"] for tag, one in found.elements if tag == "a"] == ["0/report.html"]
    assert sum(tag == "dt" for tag, _ in found.elements) == len(rising["key_figures"][:3])
    drawn = [one.get("class") for tag, one in found.elements if tag == "rect" and "class" in one]
    assert drawn.count("gain last") == 7
    assert drawn.count("usual-band") == 1
    assert not {"script", "link", "img"} & {tag for tag, _ in found.elements}


def test_index_says_once_that_samples_are_made_up() -> None:
    """At the top if all are; beside each if only some are, and never within a title."""
    record = ChannelRecord(
        "sample:a", "A show (generated sample)", Platform.PODCAST, generated=True
    )
    said = content(channel_data(views=growing(60), channel=record))
    text = page((record, said), generated="None exists.").text
    assert text.count("None exists.") == 1
    assert "generated sample" not in text
    text = page((record, said), (CHANNEL, content(channel_data(views=growing(60))))).text
    assert text.count("generated sample") == 1
    assert "A show Podcast" not in text


def test_index_takes_titles_as_text() -> None:
    """Markup in a title is shown as text."""
    evil = ChannelRecord("UC0", HOSTILE, Platform.YOUTUBE)
    found = page((evil, content(channel_data(items=catalogue(30), channel=evil))))
    assert "<script>alert(1)</script>" in found.text
    assert not {"script", "img"} & {tag for tag, _ in found.elements}


def test_index_names_old_data_and_reports_of_earlier_versions() -> None:
    """A report without a summary is linked all the same; old data says until when."""
    old = content(channel_data(views=growing(60)), date(2030, 1, 1))
    assert "old data, until 5 Mar 2026" in page((CHANNEL, old)).text
    assert "Open the report" in page((CHANNEL, {})).text


@pytest.mark.parametrize(
    "data",
    [
        channel_data(),
        channel_data(views=[100, 100, 100, 100]),
        channel_data(views=growing(20)),
        channel_data(items=[Item(1.0, views=5)]),
        channel_data(subscribers=[5, 6, 7]),
    ],
    ids=["nothing", "still", "short", "list", "subscribers"],
)
def test_summary_of_little_is_one(data: Any) -> None:
    """It has a headline, and draws what is there."""
    said = content(data)
    assert said["headline"]
    assert said["mark"] == ""
    assert bool(bars(said)) == any(said["gains"])
    assert said["headline"] in page((CHANNEL, said)).text
    assert change_of(analyze(data)) == 0


def test_gains_are_drawn_before_their_band() -> None:
    """The newest days only, an unread day as a mark on the ground, one wild day cut off."""
    days = [day for day in range(120) if day != 110]
    views = [1_000 * day + 50_000 * (day > 60) for day in days]
    said = content(channel_data(views=views, days=days))
    assert len(said["gains"]) == SPARK_DAYS
    drawn = bars(said)
    assert drawn.count('class="unread"') == 2
    assert drawn.count('class="gain"') + drawn.count('class="gain last"') == SPARK_DAYS - 2
    assert 'height="110.0"' in drawn
    first, last = span(said) or (None, None)
    assert (first, last) == (date(2026, 2, 3), date(2026, 5, 3))


def test_series_has_the_main_chart_in_numbers() -> None:
    """Days, the band, unusual days and what is expected: all that the page of a channel draws."""
    found = series_of(analyze(after(1_000, 3_000)))
    assert found["last_day"] == "2026-03-11"
    assert len(found["gains"]) == 66
    assert found["low"] < 1_000 < found["high"]
    assert found["ahead"][0]["day"] == "2026-03-12"
    assert series_of(analyze(channel_data())) == {}
