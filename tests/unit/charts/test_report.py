"""A report is complete in one file, and titles cannot inject anything."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from jobs.analysis import analyze
from jobs.channel.records import ChannelRecord, Platform
from jobs.charts import build_charts, compose, render_report
from jobs.charts.theme import LIGHT
from jobs.recommendations import recommend
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

HOSTILE = '<script>alert(1)</script><img src="x" onerror="alert(2)">&amp;" onload="alert(3)'
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Reads a page's elements, attributes and text, and checks that elements close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element, and that it is open."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Record text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """Return all text, with single spaces."""
        return " ".join(" ".join(self.words).split())


def report(data: ChannelData, source_note: str = "Source: a file") -> str:
    """Make the report of *data*."""
    analysis = analyze(data)
    document = compose(
        data.channel,
        analysis,
        build_charts(data, analysis),
        recommend(data, analysis),
        source_note=source_note,
    )
    return render_report(document, "html").decode()


def full(**more: ChannelRecord) -> ChannelData:
    """Make a channel with counters and items."""
    return channel_data(
        views=growing(60),
        subscribers=[10_000 + 100 * (day // 7) for day in range(60)],
        items=catalogue(60),
        channel=more.get("channel", CHANNEL),
    )


@functools.cache
def plain() -> str:
    """Make the report of that channel, once for all tests that read it."""
    return report(full())


def test_report_has_everything_on_top_and_below() -> None:
    """The report has channel, period, source, figures, the three questions, charts and notes."""
    page = Page(plain())
    for words in (
        "Une chaîne",
        "5 Jan 2026 – ",
        "Source: a file",
        "Views a day",
        "What changed",
        "Why it matters",
        "What to do",
        "The evidence",
        "The most viewed videos",
        "How it was done",
    ):
        assert words in page.text
    assert sum(tag == "figure" for tag, _ in page.elements) == 10
    assert sum(attributes.get("class") == "title" for _, attributes in page.elements) == 10


def test_report_needs_nothing_from_outside() -> None:
    """No script, no request, and no style that loads anything."""
    html = plain()
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use", "foreignobject"}
    for _, attributes in page.elements:
        assert not set(attributes) & {"src", "srcset", "href", "xlink:href"}
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


@pytest.mark.parametrize("data", [channel_data(items=titled(catalogue(60), HOSTILE))])
def test_report_escapes_titles(data: ChannelData) -> None:
    """Titles full of markup arrive as text, in the table and inside the drawings."""
    page = Page(report(data))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img"}
    assert not [name for _, attributes in page.elements for name in attributes if name[:2] == "on"]
    assert "<script>alert(1)</script>" in page.text


def test_report_escapes_the_channel() -> None:
    """A channel's name and address are text; only web addresses become links."""
    evil = ChannelRecord("UC0", HOSTILE, Platform.YOUTUBE, url="javascript:alert(1)")
    page = Page(report(full(channel=evil), source_note=HOSTILE))
    assert not {"script", "img", "a"} & {tag for tag, _ in page.elements}
    fine = replace(evil, url='https://example.org/"><script>')
    links = [
        attributes for tag, attributes in Page(report(full(channel=fine))).elements if tag == "a"
    ]
    assert [link["href"] for link in links] == [fine.url]


def test_report_labels_generated_channels() -> None:
    """Made-up data says so, visibly, before any number; real data does not."""
    generated = replace(CHANNEL, generated=True)
    text = Page(report(full(channel=generated))).text
    assert text.index("Generated sample data.") < text.index("Views a day")
    assert "Generated sample data" not in plain()


def test_report_of_a_list_of_successes_says_so() -> None:
    """A warning says that only successes are listed, and there is no advice from them."""
    text = Page(report(full(channel=replace(CHANNEL, successes_only=True)))).text
    assert text.index("Only videos that did well.") < text.index("Views a day")
    assert "Nothing could be tested" in text
    assert "did well" not in plain()


def test_report_ids_are_unique() -> None:
    """Charts on one page do not share clip paths."""
    ids = [attributes["id"] for _, attributes in Page(plain()).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_report_follows_light_dark_and_print() -> None:
    """One file covers all three, including the colours of drawings."""
    html = plain()
    for words in ("prefers-color-scheme: dark", "@media print", f'.chart [fill="{LIGHT.ink}"]'):
        assert words in html


def test_report_gives_advice_with_its_evidence() -> None:
    """A recommendation comes with its strength and what it rests on."""
    items = [
        replace(item, views=3 * (item.views or 0)) if item.duration_s == 600 else item
        for item in catalogue(80)
    ]
    text = Page(report(channel_data(items=items))).text
    assert "Make more videos of 3 to 10 minutes. strong evidence" in text
    assert "by permutation test" in text
    assert "No recommendation" not in text


def test_report_admits_that_there_is_no_advice() -> None:
    """Without evidence the report says so, and why."""
    assert "No recommendation has enough evidence yet: " in Page(plain()).text


@pytest.mark.parametrize(
    "data",
    [
        channel_data(),
        channel_data(views=growing(5)),
        channel_data(subscribers=[1_000, 1_010]),
        channel_data(items=[Item(7.0 * i) for i in range(30)]),
        channel_data(items=[Item(1.0, views=0, likes=0)]),
    ],
)
def test_report_of_little_is_a_report(data: ChannelData) -> None:
    """With little data the page is still complete, and says what is missing."""
    page = Page(report(data))
    assert "What the data cannot tell" in page.text
    assert "None" not in page.text
    assert "nan" not in page.text


def test_report_is_the_same_for_the_same_data() -> None:
    """A report contains no time of rendering: rendering again gives the same file."""
    assert report(full()) == plain()


async def test_report_of_the_samples() -> None:
    """All generated channels get a labelled report with charts."""
    source = await open_source("samples:")
    for channel in source.channels():
        page = Page(report(of_reading(source.read(channel.id))))
        assert "Generated sample data." in page.text
        assert sum(tag == "figure" for tag, _ in page.elements) >= 4
