"""A report speaks as its platform does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.analysis import analyze
from jobs.channel.records import ChannelRecord, Platform
from jobs.channel.words import spoken
from jobs.charts import build_charts
from jobs.charts.document import compose
from jobs.charts.figures import drawn
from jobs.charts.page import page
from tests.unit.analysis.channels import Item, catalogue, channel_data, growing
from tests.unit.charts.agreement import sentences_of


@pytest.mark.parametrize(
    ("platform", "text", "said"),
    [
        (
            Platform.PODCAST,
            "Views a day: the 10 most viewed",
            "Downloads a day: the 10 most downloaded",
        ),
        (
            Platform.PODCAST,
            "“My views of items” got 3 views",
            "“My views of items” got 3 downloads",
        ),
        (Platform.STREAM, "Subscribers grew", "Followers grew"),
        (Platform.YOUTUBE, "Subscribers, views", "Subscribers, views"),
    ],
)
def test_spoken_is_the_platforms_word(platform: Platform, text: str, said: str) -> None:
    """Podcasts have downloads, Twitch has followers, and titles are never rewritten."""
    assert spoken(text, platform) == said


def test_report_of_a_podcast_has_no_views() -> None:
    """Sentences and charts of a podcast speak of downloads and episodes; titles stay."""
    items = [replace(one, title="All views") for one in catalogue(60)]
    data = channel_data(views=growing(60), items=items)
    data = replace(data, channel=ChannelRecord("p", "A show", Platform.PODCAST))
    analysis = analyze(data)
    document = compose(data.channel, analysis, build_charts(data, analysis), [])
    said = " ".join(sentences_of(document)).replace("All views", "")
    assert "downloads" in said
    assert "views" not in said.lower()
    assert "All views" in document.figures[-1].alt + str([row.title for row in document.top])


def test_report_links_the_video_that_it_names() -> None:
    """The title of an item is a link to it where a source gave its address, and only a web one."""
    url = "https://www.youtube.com/watch?v=abcdefghijk"
    items = [*catalogue(60), Item(115.0, views=900_000, title="The <hit>", url=url)]
    html = _html(items)
    assert f'“<a href="{url}" rel="noreferrer">The &lt;hit&gt;</a>”' in html
    assert f'<td class="title" dir="auto"><a href="{url}"' in html
    assert "javascript:" not in _html([replace(one, url="javascript:alert(1)") for one in items])


def _html(items: list[Item]) -> str:
    data = channel_data(items=items)
    analysis = analyze(data)
    document = compose(data.channel, analysis, build_charts(data, analysis), [])
    return page(document, drawn(document, {}))
