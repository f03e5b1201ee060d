"""
Separate a drawing's words from its lines, so that a typesetter can set them.

The converter from SVG to PDF and PNG sets text poorly: it takes one typeface for a whole title,
and fails on joined letters and emoji. So the lines go into the picture, and the words are set by
the typesetter of the rest of the page, in the same typefaces.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SVG: Final = "{http://www.w3.org/2000/svg}"
_MOVE: Final = re.compile(r"^translate\(([-\d.e]+),([-\d.e]+)\)$")
_COLOUR: Final = re.compile(r"^#[0-9a-fA-F]{6}$")
_BOLD: Final = 700
_NORMAL: Final = 400


@dataclass(frozen=True, slots=True)
class Words:
    """
    One line of text: its position on the baseline, in the drawing's units, and its style.

    *anchor* is the part of it at *x*: start, middle or end. *halo* is the width of a contour in
    the colour of the paper; zero for none.
    """

    text: str
    x: float
    y: float
    size: float
    weight: int
    anchor: str
    fill: str
    halo: float


@dataclass(frozen=True, slots=True)
class Lettered:
    """A drawing of *width* by *height* units: its lines as SVG, and its words."""

    svg: str
    width: float
    height: float
    words: list[Words]


def lettered(svg: str) -> Lettered:
    """
    Take the words out of an *svg* that Vega drew.

    Rotated words, and words with a named colour, stay in the drawing; our charts have none.
    """
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    root = ET.fromstring(svg)  # noqa: S314 -- drawn here, not received
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    words = list(_take(root, 0.0, 0.0))
    return Lettered(ET.tostring(root, encoding="unicode"), width, height, words)


def _take(node: ET.Element, x: float, y: float) -> Iterator[Words]:
    for child in list(node):
        moved = _moved(child, x, y)
        if moved is None:
            continue
        if child.tag == f"{_SVG}text":
            if not _COLOUR.match(child.attrib.get("fill", "")):
                continue
            node.remove(child)
            if child.attrib.get("opacity") != "0":
                yield from _lines(child, *moved)
        else:
            yield from _take(child, *moved)


def _moved(node: ET.Element, x: float, y: float) -> tuple[float, float] | None:
    transform = node.attrib.get("transform")
    if not transform:
        return x, y
    move = _MOVE.match(transform)
    return None if move is None else (x + float(move[1]), y + float(move[2]))


def _lines(node: ET.Element, x: float, y: float) -> Iterator[Words]:
    spans = node.findall(f"{_SVG}tspan")
    for part in spans or [node]:
        y += float(part.attrib.get("dy", 0)) if spans else 0.0
        text = " ".join("".join(part.itertext()).split())
        if text:
            yield Words(
                text=text,
                x=x,
                y=y,
                size=float(node.attrib.get("font-size", "12px").removesuffix("px")),
                weight=_BOLD if node.attrib.get("font-weight") == "bold" else _NORMAL,
                anchor=node.attrib.get("text-anchor", "start"),
                fill=node.attrib["fill"],
                halo=float(node.attrib.get("stroke-width", 0)) if "stroke" in node.attrib else 0.0,
            )
