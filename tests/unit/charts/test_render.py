"""Rendering gives four formats, works from any thread, and loads nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest

from jobs.charts import FORMATS, embedded_svg, render
from jobs.charts.theme import PAPER

if TYPE_CHECKING:
    from jobs.charts.chart_file import Format

HOSTILE = '</script><script>alert(1)</script> & "x" <b>'
OPENINGS = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!doctype html>"}


def spec(title: str = "A finding", n: int = 20) -> dict[str, Any]:
    """Return a small chart with a text mark, a title and a clip path."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": [title], "subtitle": ["How to read it"]},
        "data": {"values": [{"x": i, "y": i * i, "label": title} for i in range(n)]},
        "mark": {"type": "text", "clip": True},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
            "text": {"field": "label"},
        },
        "config": {"background": PAPER},
    }


@pytest.mark.parametrize("file_format", FORMATS)
def test_render_makes_every_format(file_format: Format) -> None:
    """Each file starts with the signature of its format."""
    assert render(spec(), file_format).startswith(OPENINGS[file_format])


def test_render_refuses_an_unknown_format() -> None:
    """The error names the available formats."""
    with pytest.raises(ValueError, match="svg, png, pdf, html"):
        render(spec(), cast("Format", "gif"))


def test_render_refuses_a_chart_that_is_none() -> None:
    """A broken specification is an error, not an empty picture."""
    with pytest.raises(ValueError, match=r".+"):
        render({"mark": "no such mark", "data": {"values": []}}, "svg")


def test_render_fetches_nothing() -> None:
    """Data outside the specification is refused, not requested."""
    outside = {**spec(), "data": {"url": "http://127.0.0.1:9/data.json"}}
    with pytest.raises(ValueError, match=r".+"):
        render(outside, "svg")


def test_render_page_needs_nothing_else() -> None:
    """The interactive page contains its scripts and loads none."""
    page = render(spec(), "html").decode()
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<[^>]+(src|href)=", markup)
    assert not re.search(r"<script [^>]*src", page)
    assert "vegaEmbed" in page


def test_render_page_keeps_titles_out_of_its_script() -> None:
    """A title that closes the script element stays a title."""
    page = render(spec(HOSTILE), "html").decode()
    assert "<script>alert(1)" not in page
    assert page.count("</script>") == page.count("<script>") == 2


@pytest.mark.parametrize("title", [HOSTILE, "ガチ 🎉", "a\u2028b"])
def test_render_svg_is_well_formed_whatever_the_title(title: str) -> None:
    """Titles are text in SVG, on their own and embedded."""
    for svg in (render(spec(title), "svg").decode(), embedded_svg(spec(title), "k")):
        tree = ET.fromstring(svg)  # noqa: S314 - drawn here, not received
        assert not [node for node in tree.iter() if node.tag.endswith("script")]
        assert [node for node in tree.iter() if node.tag.endswith("text")]


def test_render_embedded_svg_leaves_title_and_paper_to_the_page() -> None:
    """Inside a page a chart has no heading, no background and no fixed width."""
    svg = embedded_svg(spec("The heading"), "views")
    assert "How to read it" not in svg
    assert f'fill="{PAPER}"' not in svg
    assert not re.match(r"<svg[^>]* width=", svg)
    assert "viewBox" in svg


def test_render_embedded_svg_ids_are_its_own() -> None:
    """Ids, and references to them, start with the chart's key."""
    svg = embedded_svg(spec(), "views")
    ids = set(re.findall(r'\bid="([^"]*)"', svg))
    assert ids
    assert all(name.startswith("views-") for name in ids)
    assert set(re.findall(r"url\(#([^)]*)\)", svg)) <= ids


def test_render_works_from_many_threads() -> None:
    """Each thread gets its own chart back, however many draw at once."""
    titles = [f"Title {i}" for i in range(12)]
    with ThreadPoolExecutor(6) as threads:
        drawn = list(threads.map(lambda title: render(spec(title), "svg").decode(), titles))
    for title, svg in zip(titles, drawn, strict=True):
        assert f">{title}<" in svg


def test_render_is_the_same_for_the_same_chart() -> None:
    """Rendering twice gives the same bytes."""
    assert render(spec(), "svg") == render(spec(), "svg")
    assert render(spec(), "html") == render(spec(), "html")
