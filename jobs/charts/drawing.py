"""
From a chart's specification to SVG: Vega runs inside the process, without browser or network.

The renderer holds the interpreter lock while it works, for a tenth of a second or more: run these
functions outside the process of an event loop (`ctx.offload`).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import vl_convert

from jobs.channel.text import clean_whole
from jobs.charts.chart import undrawn
from jobs.charts.renderer_fonts import without_liberation

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING_OUTSIDE: Final[list[str]] = []
_DEFINED: Final = re.compile(r'<(?:clipPath|linearGradient|radialGradient) id="([^"]+)"')
_SIZE: Final = re.compile(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"')
# No cleaned text contains this character, so no new name is mistaken for an old one.
_MARK: Final = "\ufdd0"


def drawn_svg(spec: Mapping[str, Any], prefix: str = "") -> str:
    """
    Return the chart *spec* as SVG, its ids starting with *prefix*.

    Its text is made fit for XML first: at what is not, the renderer ends the process.

    Raises:
        ValueError: *spec* is no valid Vega-Lite, names data outside itself, or could not be made.
    """
    if reason := undrawn(spec):
        raise ValueError(reason)
    _find_typefaces()
    try:
        svg = vl_convert.vegalite_to_svg(
            clean_whole(dict(spec)), allowed_base_urls=_NOTHING_OUTSIDE
        )
    except ValueError as error:
        # The renderer adds the places in its own scripts, which help nobody.
        raise ValueError(" ".join(str(error).partition("\n    at ")[0].split())) from None
    # Vega numbers clip paths and gradients throughout a process; numbered from one in each chart,
    # equal charts are equal.
    for number, name in enumerate(dict.fromkeys(_DEFINED.findall(svg)), start=1):
        svg = svg.replace(f'id="{name}"', f'id="{prefix}{_MARK}{number}"')
        svg = svg.replace(f"url(#{name})", f"url(#{prefix}{_MARK}{number})")
    return svg.replace(_MARK, "clip")


@cache
def _find_typefaces() -> None:
    """Draw one letter: what the renderer finds for it, it keeps."""
    letter = {"data": {"values": [{}]}, "mark": {"type": "text", "text": "a"}}
    with without_liberation():
        vl_convert.vegalite_to_svg(letter, allowed_base_urls=_NOTHING_OUTSIDE)


def embedded_svg(spec: Mapping[str, Any], key: str) -> str:
    """
    Return the chart as SVG for a page that has title and caption itself.

    It has no title and a transparent background, its width follows its container, and its ids
    start with *key*, so that several charts share a page without sharing clip paths. It is hidden
    from screen readers: the page describes it as a whole.
    """
    config = {**spec.get("config", {}), "aria": False, "background": None, "padding": 2}
    bare = {**spec, "config": config}
    bare.pop("title", None)
    return _SIZE.sub(r'\1 aria-hidden="true"', drawn_svg(bare, f"{key}-"), count=1)
