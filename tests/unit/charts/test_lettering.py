"""All words of a drawing are taken out, with their positions, and nothing else."""

from __future__ import annotations

from jobs.analysis import analyze
from jobs.charts import build_charts
from jobs.charts.drawing import drawn_svg
from jobs.charts.lettering import lettered
from tests.unit.analysis.channels import catalogue, channel_data

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">{}</svg>'


def test_lettering_finds_where_words_stand() -> None:
    """Positions add up through groups; size, weight, anchor and colour are kept."""
    found = lettered(
        _SVG.format(
            '<g transform="translate(10,5)"><g transform="translate(0.5,-1)">'
            '<text text-anchor="end" transform="translate(-8,16.5)" font-size="12px" '
            'font-weight="bold" fill="#1f2933">A &lt;b&gt;</text></g></g>'
        )
    )
    (words,) = found.words
    assert (words.text, words.x, words.y) == ("A <b>", 2.5, 20.5)
    assert (words.size, words.weight, words.anchor) == (12, 700, "end")
    assert (words.fill, words.halo) == ("#1f2933", 0)
    assert (found.width, found.height) == (100, 50)
    assert "<text" not in found.svg


def test_lettering_sets_each_line_on_its_own() -> None:
    """The lines of a wrapped title are placed below each other."""
    found = lettered(
        _SVG.format(
            '<text transform="translate(0,13)" fill="#000000"><tspan>One</tspan>'
            '<tspan x="0" dy="21">Two</tspan></text>'
        )
    )
    assert [(words.text, words.y) for words in found.words] == [("One", 13), ("Two", 34)]


def test_lettering_leaves_what_is_hidden_or_turned() -> None:
    """Hidden labels stay hidden; rotated words and named colours stay in the drawing."""
    found = lettered(
        _SVG.format(
            '<text fill="#000000" opacity="0">hidden</text>'
            '<text fill="#000000" transform="translate(1,2) rotate(-90)">turned</text>'
            '<text fill="black">named</text>'
        )
    )
    assert found.words == []
    assert "hidden" not in found.svg
    assert "turned" in found.svg
    assert "named" in found.svg


def test_lettering_takes_all_words_of_our_charts() -> None:
    """No word of a chart is left to the renderer's own typefaces."""
    data = channel_data(items=catalogue(40))
    for chart in build_charts(data, analyze(data)):
        found = lettered(drawn_svg(chart.spec))
        assert found.words
        assert "<text" not in found.svg.replace("ns0:", ""), chart.key
