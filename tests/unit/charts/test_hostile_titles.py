"""Titles that a drawing, a page or a typesetter could fail at: each gets its report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pypdf
import pytest

from jobs.analysis import analyze
from jobs.channel.records import ChannelRecord, Platform
from jobs.charts import build, build_charts, compose, render_report
from jobs.charts.chart import Chart, undrawn
from jobs.charts.chart_file import render
from jobs.charts.drawing import drawn_svg
from jobs.charts.figures import Tried
from jobs.charts.theme import trimmed
from tests.unit.analysis.channels import catalogue, channel_data, growing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.charts import Document

TITLES = {
    "noncharacters": "a\ufffeb\uffffc\ufdd0\U0001ffff",
    "halves": "a\ud835b\udd71",
    "zero": "a\x00b",
    "escapes": "a\x1b[31mb\x9b1mc\x1b]0;x\x07",
    "mathematical": "𝕱𝖆𝖓𝖈𝖞 𝕱𝖆𝖓𝖈𝖞 𝕱𝖆𝖓𝖈𝖞 𝕱𝖆𝖓𝖈𝖞 𝕱𝖆𝖓𝖈𝖞 𝕱𝖆𝖓𝖈𝖞 𝕱𝖆𝖓𝖈𝖞",
    "emoji": "👨‍👩‍👧‍👦" * 30,
    "new emoji": "\U0001fae9 and \U0001fadf",
    "flags": "🏴󠁧󠁢󠁳󠁣󠁴󠁿🇩🇪" * 20,
    "private": "\uf8ff Pro \U000f0000 \U0010fffd",
    "tibetan": "བོད་སྐད་",
    "mongolian": "ᠮᠣᠩᠭᠣᠯ",
    "ancient": "𒀀𒀁 𓀀𓀁 𐎀",
    "one wide sign": "﷽" * 40,
    "accents": "Z" + "\u0316\u0301\u0327" * 500,
    "marks alone": "\u0301\u20dd\ufe0f\u200d",
    "right to left": "\u202eabc\u2066 שלום \u2067",
    "unassigned": "\u0378 \U0003ffff0",
    "line separators": "a\u2028b\u2029c\x85d",
    "joiners": "\u200d\u200b\u2060\ufeff\u00ad" * 50,
    "hangul": "\u1100\u1161\u11a8" * 40 + "\u3164",
    "keycaps": "1\ufe0f\u20e32\u20e3#\ufe0f\u20e3" * 20,
    "one long word": "x" * 5000,
    "markup": '</script></svg>]]>&#0;<!--#import "x" $ {{ 7*7 }} \\u0000',
    "formula": "=cmd|' /C calc'!A1",
    "nothing": "",
}


def report(title: str) -> tuple[Document, Sequence[Chart]]:
    """Compose the report of a channel whose every title is *title*."""
    title = title.encode(errors="ignore").decode()  # tables hold no halves of pairs
    items = [
        replace(one, title=f"{title}{at}" if at % 3 else title)
        for at, one in enumerate(catalogue(30))
    ]
    data = channel_data(views=growing(40), items=items)
    data = replace(data, channel=ChannelRecord(data.channel.id, title, Platform.YOUTUBE))
    analysis = analyze(data)
    charts = build_charts(data, analysis)
    return compose(data.channel, analysis, charts, []), charts


@pytest.mark.parametrize("kind", TITLES)
def test_every_title_gets_its_report(kind: str) -> None:
    """In each format whole, with all its charts."""
    document, charts = report(TITLES[kind])
    assert not [undrawn(chart.spec) for chart in charts if undrawn(chart.spec)]

    page = render_report(document, "html").decode()
    assert "could not be drawn" not in page
    assert page.count('role="img"') == len(charts) > 3
    assert not re.search("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]", page)
    found = json.loads(render_report(document, "json"))
    assert [one["undrawn"] for one in found["figures"]] == [""] * len(charts)
    pages = pypdf.PdfReader(BytesIO(render_report(document, "pdf"))).pages
    assert len(pages) > 1


@pytest.mark.parametrize("kind", TITLES)
def test_a_stored_chart_with_any_title_is_drawn(kind: str) -> None:
    """What was stored before the border of text was, or came around it, ends no process."""
    title = TITLES[kind]
    spec: dict[str, Any] = {
        "title": {"text": [title]},
        "description": title,
        "data": {"values": [{"a": title, "b": 1}]},
        "mark": "bar",
        "config": {"axis": {"labelLimit": 0}},
        "encoding": {
            "y": {"field": "a", "type": "nominal"},
            "x": {"field": "b", "type": "quantitative"},
        },
    }
    ET.fromstring(drawn_svg(spec))  # noqa: S314 -- drawn here, not received
    for file_format in ("html", "svg", "png", "pdf"):
        assert render(spec, file_format)


def test_a_chart_that_cannot_be_drawn_costs_no_other() -> None:
    """In its place, each format says which it was and why."""
    document, _ = report("A title")
    broken = replace(document.figures[1], spec={"mark": "no such mark"})
    document = replace(document, figures=[document.figures[0], broken, *document.figures[2:]])

    page = render_report(document, "html").decode()
    assert page.count("This chart could not be drawn: ") == 1
    assert page.count('role="img"') == len(document.figures) - 1
    text = " ".join(
        one.extract_text() for one in pypdf.PdfReader(BytesIO(render_report(document, "pdf"))).pages
    )
    assert "This chart could not be drawn" in text
    assert render_report(document, "png")


def test_a_chart_that_is_not_even_tried_has_its_reason() -> None:
    """It ended a process before."""
    document, _ = report("A title")
    key, reason = document.figures[0].key, "the process died by SIGABRT"
    tried = {key: Tried("", reason)}
    page = render_report(document, "html", tried=tried).decode()
    assert f"This chart could not be drawn: {reason}" in page
    found = json.loads(render_report(document, "json", tried=tried))
    assert [one["undrawn"] for one in found["figures"] if one["key"] == key] == [reason]


def test_a_chart_that_cannot_be_made_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its place, with the reason."""

    def top_items(*_: object) -> Chart:
        raise ZeroDivisionError("division by zero")

    made = {one.__name__: one for one in build.CHARTS}
    monkeypatch.setattr(build, "CHARTS", tuple({**made, "top_items": top_items}.values()))
    document, charts = report("A title")
    (lost,) = [chart for chart in charts if undrawn(chart.spec)]
    assert (lost.key, lost.title, undrawn(lost.spec)) == (
        *("top-items", "Top items"),
        "division by zero",
    )
    page = render_report(document, "html").decode()
    assert "This chart could not be drawn: division by zero" in page
    with pytest.raises(ValueError, match="division by zero"):
        drawn_svg(lost.spec)


@pytest.mark.parametrize(
    ("title", "characters", "expected"),
    [
        ("plain words here", 12, "plain…"),
        ("𝕱𝖆𝖓𝖈𝖞𝕱𝖆𝖓𝖈𝖞", 9, "𝕱𝖆𝖓𝖈…"),
        ("e\u0302\u0301" * 5, 4, "\u1ebf" * 3 + "…"),
        ("🇩🇪🇫🇷🇮🇹", 5, "🇩🇪🇫🇷…"),
        ("👨‍👩‍👧👨‍👩‍👧", 3, "👨‍👩‍👧…"),
        ("﷽﷽﷽", 20, "﷽…"),
    ],
)
def test_titles_in_charts_are_cut_between_characters(
    title: str, characters: int, expected: str
) -> None:
    """A pair, a flag or a family is whole, and a sentence in one sign is as wide as one."""
    assert trimmed(title, characters) == expected
