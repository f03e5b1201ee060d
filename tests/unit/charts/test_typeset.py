"""Typeset files are valid and embed their typefaces, and titles stay text."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from jobs.analysis import analyze
from jobs.channel.records import ChannelRecord, Platform
from jobs.charts import (
    REPORT_FORMATS,
    Document,
    build_charts,
    compose,
    render,
    render_pages,
    render_report,
)
from jobs.charts.fonts import families, font_folders, typefaces
from jobs.charts.typeset import typeset_chart
from jobs.recommendations import recommend
from tests.unit.analysis.channels import CHANNEL, catalogue, channel_data, growing, titled
from tests.unit.charts.printed import pdf, pdf_fonts, pdf_text, png_size

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData
    from jobs.charts import ReportFormat
    from jobs.charts.typeset import Paper

MARKUP = '#panic("no") #include "/etc/passwd" $x^2$ *b* _i_ `r` <b> @ref \\ = //c ]]] {{ }} "q"'
SCRIPTS = "Übung Привет 東京チャンネル 한국어 שלום مرحبا ไทย हिन्दी 🎉"


def document(data: ChannelData) -> Document:
    """Return the full document of *data*."""
    analysis = analyze(data)
    charts, advice = build_charts(data, analysis), recommend(data, analysis)
    return compose(data.channel, analysis, charts, advice, source_note="Source: a file")


def small(title: str = "A title", channel: str = "A channel") -> ChannelData:
    """Make a channel with two charts, named by *channel*, its items by *title*."""
    record = replace(CHANNEL, title=channel)
    return channel_data(items=titled(catalogue(6), title), channel=record)


@pytest.fixture(scope="module")
def full() -> Document:
    """Return a report with counters and items."""
    subscribers = [10_000 + 100 * (day // 7) for day in range(60)]
    return document(channel_data(views=growing(60), subscribers=subscribers, items=catalogue(40)))


@pytest.fixture(scope="module")
def full_pdf(full: Document) -> bytes:
    """Return the report as PDF."""
    return render_report(full, "pdf")


def test_pdf_is_a_document(full: Document, full_pdf: bytes) -> None:
    """A4 pages with page numbers, a title, a language and tags; all text is readable."""
    read, text = pdf(full_pdf), pdf_text(full_pdf)
    assert len(read.pages) >= 3
    assert [round(float(side)) for side in read.pages[0].mediabox[2:]] == [595, 842]
    assert f"1 of {len(read.pages)}" in text
    assert read.metadata is not None
    assert read.metadata.title == "Une chaîne – channel report"
    root = read.root_object
    assert str(root["/Lang"]) == "en"
    assert "/StructTreeRoot" in root
    for words in (
        "What changed",
        "Why it matters",
        "What to do",
        "The evidence",
        "How it was done",
    ):
        assert words.lower() in text.lower()
    for figure in full.figures:
        assert " ".join(figure.title.split()) in text


def test_pdf_comes_on_the_paper_of_the_country(full: Document) -> None:
    """US Letter is available."""
    page = pdf(render_report(full, "pdf", paper="letter")).pages[0]
    assert [round(float(side)) for side in page.mediabox[2:]] == [612, 792]


def test_pdf_has_its_typefaces_inside(full_pdf: bytes) -> None:
    """Every font is embedded."""
    fonts = list(pdf_fonts(full_pdf))
    assert fonts
    for font in fonts:
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(font)


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_pictures_are_the_pages_of_the_print(full: Document, paper: Paper) -> None:
    """As many as the print has pages, each in the proportion of the paper, in PNG and SVG."""
    sheets = pdf(render_report(full, "pdf", paper=paper)).pages
    wide, tall = (float(side) for side in sheets[0].mediabox[2:])
    pictures = render_pages(full, "png", paper=paper)
    drawings = render_pages(full, "svg", paper=paper)
    assert len(pictures) == len(drawings) == len(sheets) >= 3
    for picture, drawing in zip(pictures, drawings, strict=True):
        assert png_size(picture) == pytest.approx((2 * wide, 2 * tall), abs=2)
        tree = ET.fromstring(drawing)  # noqa: S314 - made here, not received
        size = tuple(float(tree.attrib[side].removesuffix("pt")) for side in ("width", "height"))
        assert size == pytest.approx((wide, tall), abs=1)
    assert render_report(full, "png", paper=paper) == pictures[0]


def test_first_page_has_the_answers(full: Document, full_pdf: bytes) -> None:
    """How the channel is doing beside what is usual, the three columns, and the main chart."""
    first = " ".join(pdf(full_pdf).pages[0].extract_text().split())
    found = [full.headline, full.figures[0].title, *(one.label for one in full.key_figures)]
    bands = [one.band.words for one in full.key_figures if one.band and one.band.words]
    assert len(bands) == 1
    for words in (*found, *bands, "What changed", "Why it matters", "What to do"):
        assert " ".join(words.split()) in first


def test_every_page_ends_with_its_sources_and_its_number(full_pdf: bytes) -> None:
    """The channel, the zone of its days, where the data comes from and until when, the page."""
    pages = pdf(full_pdf).pages
    for number, page in enumerate(pages, start=1):
        end = " ".join(page.extract_text().split())[-260:]
        for words in (
            "Une chaîne",
            "Days are UTC.",
            "Source: a file.",
            f"{number} of {len(pages)}",
        ):
            assert words in end, number


def test_no_break_splits_a_chart(full: Document, full_pdf: bytes) -> None:
    """Heading, drawing and how to read it are on one page."""
    pages = [" ".join(page.extract_text().split()) for page in pdf(full_pdf).pages]
    for figure in full.figures:
        title, reading = (" ".join(text.split()) for text in (figure.title, figure.reading))
        assert [page for page in pages if title in page and reading[:60] in page], figure.key


def test_words_wider_than_their_room_stay_in_the_drawing() -> None:
    """A label at an axis ends there: one with emoji is set smaller, instead of leaving the page."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 50">'
        '<text text-anchor="end" transform="translate(60,20)" font-size="12px" fill="#000000">'
        "🔥🔥🔥 True Lines</text></svg>"
    )
    begins: list[float] = []
    page = pdf(typeset_chart(svg, "pdf", title="A chart", alt="A label")).pages[0]
    page.extract_text(visitor_text=lambda _, cm, tm, *_fonts: begins.append(cm[4] + tm[4]))
    assert begins
    assert min(begins) > -0.01


def test_json_says_the_same(full: Document) -> None:
    """Programs get every sentence, and the charts with their data."""
    content = json.loads(render_report(full, "json"))
    assert content["title"] == "Une chaîne"
    assert content["what_changed"] == list(full.what_changed)
    assert [figure["key"] for figure in content["figures"]] == [one.key for one in full.figures]
    assert all(figure["spec"]["$schema"] for figure in content["figures"])


@pytest.mark.parametrize("file_format", REPORT_FORMATS)
def test_report_takes_titles_as_text(file_format: ReportFormat) -> None:
    """Markup in the names of channel and items is shown as text."""
    content = render_report(document(small(MARKUP, MARKUP)), file_format)
    if file_format == "pdf":
        text = pdf_text(content).replace(" ", "")
        assert text.count(MARKUP.replace(" ", "")) >= 2
    if file_format == "json":
        assert json.loads(content)["title"] == MARKUP
    assert b"root:x:" not in content


@pytest.mark.parametrize("file_format", ["pdf", "png"])
def test_chart_takes_titles_as_text(file_format: Literal["pdf", "png"]) -> None:
    """The same holds for a single chart."""
    data = small(MARKUP)
    chart = next(c for c in build_charts(data, analyze(data)) if c.key == "top-items")
    content = render(chart.spec, file_format)
    if file_format == "pdf":
        assert "#panic" in pdf_text(content)
    else:
        assert png_size(content)[0] == 2 * 760


def test_pdf_sets_every_script() -> None:
    """Titles in any script have a typeface, in text and in drawings."""
    assert len(font_folders()) == 2, "the extra `fonts` is installed with `make`"
    text = pdf_text(render_report(document(small(SCRIPTS, SCRIPTS)), "pdf"))
    for word in ("Übung", "Привет", "東京", "チャンネル", "한국어", "ไทย"):
        assert text.count(word) >= 3, word


@pytest.mark.parametrize(
    ("texts", "region"),
    [(["東京チャンネル"], "JP"), (["한국어 채널"], "KR"), (["简体中文"], "SC"), (["Latin"], "SC")],
)
def test_families_draw_shared_characters_as_the_language_does(
    texts: list[str], region: str
) -> None:
    """Kana selects Japanese forms, hangul Korean ones; otherwise Chinese is used."""
    assert families(texts)[1] == f"Noto Sans CJK {region}"


def test_families_are_all_there() -> None:
    """Every requested typeface is known to the typesetter."""
    assert set(families([SCRIPTS])) <= set(typefaces().families())


def test_report_of_a_long_title_fits() -> None:
    """A hundred characters without a space do not fail or widen the page."""
    long = ChannelRecord("UC0", "W" * 100, Platform.YOUTUBE)
    content = render_report(document(channel_data(views=growing(30), channel=long)), "pdf")
    assert pdf_text(content).replace(" ", "").count("W" * 100) >= 1


@pytest.mark.timeout(180)  # it renders every format twice
def test_report_is_the_same_bytes_for_the_same_document(full: Document) -> None:
    """No format contains the time of rendering."""
    for file_format in REPORT_FORMATS:
        assert render_report(full, file_format) == render_report(full, file_format), file_format


@pytest.mark.parametrize("file_format", ["pdf", "png", "svg"])
def test_report_of_any_instant_is_typeset(file_format: ReportFormat) -> None:
    """Instants with microseconds, which file formats do not keep, can be typeset."""
    found = document(small())
    assert found.as_of is not None
    exact = replace(found, as_of=found.as_of.replace(microsecond=123_456))
    assert render_report(exact, file_format) == render_report(found, file_format)


def test_report_of_nothing_is_a_report() -> None:
    """With no data every format is still made, and says what is missing."""
    empty = document(channel_data())
    for file_format in REPORT_FORMATS:
        assert render_report(empty, file_format)
    assert "What the data cannot tell" in pdf_text(render_report(empty, "pdf"))
