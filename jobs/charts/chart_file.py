"""
Render a chart's specification as a file: SVG, PNG, PDF, or an HTML page.

Without browser or network. CPU-bound, holding the interpreter lock: see `drawing`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import vl_convert
from markupsafe import Markup

from jobs.channel.text import clean_whole
from jobs.charts.chart import table
from jobs.charts.drawing import drawn_svg
from jobs.charts.templates import template
from jobs.charts.theme import DARK, LIGHT
from jobs.charts.typeset import typeset_chart

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["svg", "png", "pdf", "html"]
FORMATS: Final[tuple[Format, ...]] = ("svg", "png", "pdf", "html")


def render(spec: Mapping[str, Any], file_format: Format) -> bytes:
    """
    Return the chart *spec* as a file's content; text is UTF-8.

    PNG has two pixels per unit of the spec; HTML is one self-contained, interactive page.

    Raises:
        ValueError: *spec* is not valid Vega-Lite, it refers to data outside itself, or
            *file_format* is unknown.
    """
    match file_format:
        case "html":
            return _page(spec)
        case "svg":
            return drawn_svg(spec).encode()
        case "png" | "pdf":
            return typeset_chart(drawn_svg(spec), file_format, title=_title(spec), alt=_alt(spec))
        case _:
            raise ValueError(f"no such format: {file_format!r}; there are {', '.join(FORMATS)}")


def _page(spec: Mapping[str, Any]) -> bytes:
    """Not the renderer's own page, which writes titles unescaped into its script."""
    # The page has the background, dark or light, and describes the chart as a whole.
    config = {
        **spec.get("config", {}),
        "aria": False,
        "background": None,
        "mark": {"tooltip": True},
    }
    drawable = clean_whole({**spec, "config": config})
    text = json.dumps(drawable, ensure_ascii=False).replace("<", "\\u003c")
    page = template("chart.html.j2").render(
        title=_title(spec),
        alt=_alt(spec),
        table=table(spec),
        light=asdict(LIGHT),
        dark=asdict(DARK),
        spec=Markup(text),  # noqa: S704 - escaped for a script element in the line above
        script=Markup(_script()),  # noqa: S704 - the renderer's bundle, no foreign text in it
    )
    return page.encode()


def _title(spec: Mapping[str, Any]) -> str:
    return " ".join(spec.get("title", {}).get("text", ["Chart"]))


def _alt(spec: Mapping[str, Any]) -> str:
    return str(spec.get("description", _title(spec)))


@cache
def _script() -> str:
    """Return Vega, Vega-Lite and Vega-Embed in one script; bundling takes a second."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
