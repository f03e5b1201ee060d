"""Every kind of channel gets an analysis, and the same data always the same one."""

from __future__ import annotations

import json
from dataclasses import replace

from jobs.analysis import ChannelAnalysis, Missing, analyze
from jobs.analysis.section import SUCCESSES_ONLY
from jobs.sources import open_source
from tests.real_data import data_path
from tests.unit.analysis.channels import (
    CHANNEL,
    Item,
    catalogue,
    channel_data,
    growing,
    of_reading,
)

SECTIONS = (
    "coverage",
    "growth",
    "trends",
    "outliers",
    "changes",
    "milestones",
    "cadence",
    "engagement",
    "items",
    "reach",
    "formats",
    "catalogue",
    "forecast",
)
COUNTED = {"coverage", "growth", "trends", "outliers", "changes", "milestones", "forecast"}


def present(analysis: ChannelAnalysis) -> set[str]:
    """Return the names of the present sections."""
    return {name for name in SECTIONS if getattr(analysis, name).present}


def test_analysis_of_nothing_says_why_everywhere() -> None:
    """A channel without a row gets a reason for each section."""
    analysis = analyze(channel_data())
    assert present(analysis) == set()
    for name in SECTIONS:
        section = getattr(analysis, name)
        assert isinstance(section, Missing)
        assert section.reason.endswith(".")


def test_analysis_of_daily_counters_needs_no_items() -> None:
    """Counters alone give every section about counters."""
    analysis = analyze(channel_data(views=growing(40), subscribers=[1_000 + d for d in range(40)]))
    assert present(analysis) == COUNTED


def test_analysis_of_a_feed_needs_no_counters() -> None:
    """Items with views give everything about items."""
    analysis = analyze(channel_data(items=catalogue(30)))
    expected = {"coverage", "cadence", "engagement", "items", "trends", "reach", "formats"}
    assert present(analysis) == expected


def test_analysis_of_a_podcast_needs_no_counter_at_all() -> None:
    """Publication dates alone give a cadence."""
    analysis = analyze(channel_data(items=[Item(7.0 * i) for i in range(30)]))
    assert present(analysis) == {"coverage", "cadence", "trends", "formats"}


def test_analysis_survives_a_stored_document() -> None:
    """What is stored as JSON is read back equal."""
    for data in (channel_data(), channel_data(views=growing(40), items=catalogue(30))):
        analysis = analyze(data)
        document = json.loads(json.dumps(analysis.model_dump(mode="json"), allow_nan=False))
        assert ChannelAnalysis.model_validate(document) == analysis


def test_analysis_is_the_same_for_the_same_data() -> None:
    """Random numbers are seeded by the data, so running twice changes nothing."""
    one, other = (analyze(channel_data(views=growing(40), items=catalogue())) for _ in range(2))
    assert one == other


def test_coverage_tells_what_the_source_is_like() -> None:
    """Gaps, rounding, falls, zeros and a partial list are noticed and reported."""
    data = channel_data(
        views=[1_000, 1_100, 0, 1_050, 1_200],
        subscribers=[12_300, 12_400, 12_400, 12_500, 12_500],
        counted=[90, 90, 91, 91, 92],
        days=[0, 1, 2, 3, 7],
        items=catalogue(20),
    )
    coverage = analyze(data).coverage
    assert coverage.present
    assert (coverage.days_observed, coverage.days_missing, coverage.partial) == (5, 3, True)
    by_name = {counter.name: counter for counter in coverage.counters}
    assert by_name["subscribers"].resolution == 100
    assert by_name["views"].zero_filled == 1
    assert by_name["views"].falls == 1
    notes = " ".join(coverage.notes)
    for words in (
        "3 days without a reading",
        "20 of the channel's 92",
        "steps of 100",
        "fell once",
    ):
        assert words in notes


def test_a_list_of_successes_tells_nothing_of_ordinary_items() -> None:
    """Figures on the listed items carry a warning; those that need the other items are missing."""
    items = [item for one in catalogue(40) for item in (one, replace(one, read_day=401.0))]
    data = channel_data(items=items, channel=replace(CHANNEL, successes_only=True))
    analysis = analyze(data)
    assert present(analysis) == {"coverage", "engagement", "items", "trends", "formats"}
    assert analysis.coverage.present
    assert "only while they do well" in analysis.coverage.notes[0]
    assert analysis.cadence == analysis.reach == analysis.catalogue == SUCCESSES_ONLY
    assert analysis.formats.present
    assert analysis.formats.comparison == SUCCESSES_ONLY


async def test_analysis_of_the_samples_is_complete() -> None:
    """The generated channels have every section that their platform supports."""
    source = await open_source("samples:")
    for channel in source.channels():
        analysis = analyze(of_reading(source.read(channel.id)))
        assert analysis.generated
        assert COUNTED | {"cadence", "items", "reach"} <= present(analysis)


async def test_analysis_of_real_daily_counters() -> None:
    """All 162 channels are analysed; rounding is detected; a fall gives no negative gain."""
    path = data_path("channel_daily", "daily_snapshots.csv.gz")
    source = await open_source(str(path))
    analyses = [analyze(of_reading(source.read(channel.id))) for channel in source.channels()]
    assert len(analyses) == 162
    growths = [analysis.growth for analysis in analyses]
    assert all(growth.present for growth in growths)
    forecasts = [analysis.forecast for analysis in analyses if analysis.forecast.present]
    assert len(forecasts) > 80
    assert all(
        growth.subscribers.resolution > 1
        for growth in growths
        if growth.present and growth.subscribers.present and growth.subscribers.last >= 10_000
    )


async def test_analysis_of_a_real_feed() -> None:
    """A repeatedly recorded feed gives items and a cadence, and reports that it has no counters."""
    path = data_path("feeds", "youtube", "kurzgesagt_2023-12-08T193018Z.xml")
    source = await open_source(str(path))
    analysis = analyze(of_reading(source.read(source.channels()[0].id)))
    assert {"cadence", "items"} <= present(analysis)
    assert isinstance(analysis.growth, Missing)
