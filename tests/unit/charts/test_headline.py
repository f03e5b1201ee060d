"""A report's first words: the finding, beside what is usual, and whether the data is old."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.analysis import analyze
from jobs.charts import compose
from jobs.charts.headline import headline
from jobs.charts.key_figures import Band, key_figures
from jobs.charts.phrases import lead_and_evidence
from jobs.charts.tile import tile
from tests.unit.analysis.channels import CHANNEL, Item, catalogue, channel_data, growing
from tests.unit.charts.colour_vision import contrast

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData


def after(calm: int, last: int) -> ChannelData:
    """Make a channel of 60 days with *calm* views, more or less, and seven with *last*."""
    rng = np.random.default_rng(4)
    gains = np.concatenate([calm * rng.lognormal(0, 0.1, 60), last * rng.lognormal(0, 0.02, 7)])
    return channel_data(views=np.cumsum(gains).astype(int).tolist())


@pytest.mark.parametrize(
    ("data", "start", "end"),
    [
        (after(1_000, 3_000), "Views rose to 3,0", "far above the usual 9"),
        (after(1_000, 300), "Views fell to 3", "far below the usual 9"),
        (channel_data(views=growing(60)), "Views hold their level: ", "may be chance"),
        (channel_data(items=catalogue(60)), "Nothing new for 264 days", "2.3 days"),
        (
            channel_data(items=[replace(one, read_day=139.0) for one in catalogue(60)]),
            "About 3 videos a week",
            "like clockwork",
        ),
        (channel_data(items=[Item(1.0, views=12_345)]), "12.3K views on 1 video", "1 video"),
        (channel_data(subscribers=[9_000 + day for day in range(30)]), "9,029 subscribers", "days"),
        (channel_data(subscribers=[859_000]), "859K subscribers, read on 5 Jan", "compare yet"),
        (channel_data(items=[Item(1.0)]), "1 video listed", "the newest of 6 Jan 2026"),
        (channel_data(), "Too little is known yet", "the channel is doing"),
    ],
    ids=[
        "rise",
        "fall",
        "level",
        "quiet",
        "list",
        "one",
        "subscribers",
        "read once",
        "listed",
        "nothing",
    ],
)
def test_headline_is_the_most_telling_finding(data: ChannelData, start: str, end: str) -> None:
    """What is known decides: the week beside the usual, else items, else that nothing is known."""
    found = headline(analyze(data))
    assert found.startswith(start), found
    assert end in found
    assert not found.endswith(".")


def test_figure_stands_beside_its_band() -> None:
    """The dot of a week far above lies right of the band, and says so; a usual one lies within."""
    far = next(
        one for one in key_figures(analyze(after(1_000, 3_000))) if one.label == "Views a day"
    )
    assert far.band is not None
    assert far.band.outside
    assert 0 < far.band.start < far.band.end < far.band.at < 1
    assert far.band.words.startswith("usual 9")
    calm = key_figures(analyze(channel_data(views=growing(60))))[0]
    assert calm.band is not None
    assert calm.band.start <= calm.band.at <= calm.band.end
    assert not calm.band.outside


def test_band_of_equal_values_has_a_place() -> None:
    """A channel that gains the same each day has a band without width, in the middle."""
    assert Band.of("", 5, 5, 5) == Band("", 0.5, 0.5, 0.5, outside=False)


def test_report_of_old_data_says_so_first() -> None:
    """More than a week after the last reading, a note stands before all else; not a day sooner."""
    data = channel_data(views=growing(30))
    analysis = analyze(data)
    last = date(2026, 2, 3)
    for days, leads in ((7, []), (8, ["Old data."])):
        document = compose(data.channel, analysis, [], [], today=last + timedelta(days=days))
        assert [one.lead for one in document.cautions] == leads
    assert "is of 3 Feb 2026, more than a week" in document.cautions[0].text
    made_up = channel_data(views=growing(30), channel=replace(CHANNEL, generated=True))
    document = compose(made_up.channel, analyze(made_up), [], [], today=date(2030, 1, 1))
    assert [one.lead for one in document.cautions] == ["Generated sample data."]


def test_list_without_counters_is_old_two_months_after_its_newest_item() -> None:
    """A feed tells when items came out, and nothing of when it was read: a pause is no age."""
    data = channel_data(items=[Item(float(day)) for day in range(5)])
    analysis = analyze(data)
    assert analysis.coverage.present
    newest = analysis.coverage.last_at.date()
    for days, leads in ((60, []), (61, ["Old data."])):
        document = compose(data.channel, analysis, [], [], today=newest + timedelta(days=days))
        assert [one.lead for one in document.cautions] == leads
    assert "The newest video listed is of" in document.cautions[0].text


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("Views rose (95% interval 1 to 2).", ("Views rose", "(95% interval 1 to 2).")),
        ("“A (b)” reached 3×.", ("“A (b)” reached 3×.", "")),
        ("Nothing.", ("Nothing.", "")),
    ],
)
def test_evidence_is_the_bracket_at_the_end(sentence: str, parts: tuple[str, str]) -> None:
    """Only what proves a sentence is set apart from it."""
    assert lead_and_evidence(sentence) == parts


@pytest.mark.parametrize(
    ("title", "letters"),
    [
        ("Alex The Analyst", "AT"),
        ("kurzgesagt", "K"),
        ("東京チャンネル", "東"),
        ("🎉 – 3Blue1Brown", "3"),
        ("Übung macht", "ÜM"),
        ("", "U"),
        ("<script> alert", "SA"),
    ],
)
def test_tile_has_initials(title: str, letters: str) -> None:
    """One or two letters of the title, in any script; of the id where there is none."""
    found = tile("UC0", title)
    assert found.letters == letters
    assert contrast("#ffffff", found.colour) >= 4.5
    assert found.svg().count("<") == 5
