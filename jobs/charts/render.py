"""
From a chart's specification to a file: SVG, PNG, PDF, or a page of its own.

No browser and no network: Vega runs inside the process, with Liberation Sans for text where the
system has no fonts. The renderer queues calls from several threads and lets go of the
interpreter lock while it works, so callers run these functions in a thread.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import vl_convert
from markupsafe import Markup

from jobs.charts.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["svg", "png", "pdf", "html"]
FORMATS: Final[tuple[Format, ...]] = ("svg", "png", "pdf", "html")

_PIXEL_RATIO: Final = 2.0
_NOTHING_OUTSIDE: Final[list[str]] = []
_DEFINED: Final = re.compile(r'<(?:clipPath|linearGradient|radialGradient) id="([^"]+)"')
_SIZE: Final = re.compile(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"')
# No title holds this character, so no new name is taken for an old one.
_MARK: Final = "\ufdd0"


def render(spec: Mapping[str, Any], file_format: Format) -> bytes:
    """
    Return the chart *spec* as a file's content; text is UTF-8.

    PNG has two pixels to each of the spec's; HTML is one self-contained, interactive page.

    Raises:
        ValueError: *spec* is no valid Vega-Lite, names data outside itself, or *file_format*
            is unknown.
    """
    if file_format == "html":
        return _page(spec)
    if file_format not in FORMATS:
        raise ValueError(f"no such format: {file_format!r}; there are {', '.join(FORMATS)}")
    svg = _svg(spec)
    if file_format == "svg":
        return svg.encode()
    if file_format == "png":
        return vl_convert.svg_to_png(svg, scale=_PIXEL_RATIO)
    return vl_convert.svg_to_pdf(svg)


def embedded_svg(spec: Mapping[str, Any], key: str) -> str:
    """
    Return the chart as SVG to stand inside an HTML page that gives title and caption itself.

    It has no title and a transparent background, its width follows its container, and its ids
    start with *key*, so that several charts share a page without sharing clip paths. The page
    describes it as a whole; single marks carry no labels of their own.
    """
    config = {**spec.get("config", {}), "aria": False, "background": None, "padding": 2}
    bare = {**spec, "config": config}
    bare.pop("title", None)
    return _SIZE.sub(r"\1", _svg(bare, f"{key}-"), count=1)


def _svg(spec: Mapping[str, Any], prefix: str = "") -> str:
    """Vega numbers clip paths and gradients on and on; from one up, equal charts are equal."""
    svg = vl_convert.vegalite_to_svg(dict(spec), allowed_base_urls=_NOTHING_OUTSIDE)
    for number, name in enumerate(dict.fromkeys(_DEFINED.findall(svg)), start=1):
        svg = svg.replace(f'id="{name}"', f'id="{prefix}{_MARK}{number}"')
        svg = svg.replace(f"url(#{name})", f"url(#{prefix}{_MARK}{number})")
    return svg.replace(_MARK, "clip")


def _page(spec: Mapping[str, Any]) -> bytes:
    """The renderer's own page writes titles unescaped into its script, so this is not it."""
    title = " ".join(spec.get("title", {}).get("text", ["Chart"]))
    config = {**spec.get("config", {}), "mark": {"tooltip": True}}
    text = json.dumps({**spec, "config": config}, ensure_ascii=False).replace("<", "\\u003c")
    page = template("chart.html.j2").render(
        title=title,
        spec=Markup(text),  # noqa: S704 - escaped for a script element in the line above
        script=Markup(_script()),  # noqa: S704 - the renderer's bundle, no foreign text in it
    )
    return page.encode()


@cache
def _script() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script; bundling takes a second, so once a process."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
