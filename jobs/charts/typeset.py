"""
PDF, PNG and SVG, set by Typst inside the process.

The markup is ours and fixed (`templates/*.typ`); a document's content goes in as data, so a title
is text whatever it contains. Typst reads no file beyond the templates, loads no package, and uses
no network.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

import typst

from jobs.charts.drawing import embedded_svg
from jobs.charts.fonts import families, typefaces
from jobs.charts.lettering import lettered
from jobs.charts.theme import LIGHT

if TYPE_CHECKING:
    from jobs.charts.document import Document

Paper = Literal["a4", "letter"]
DEFAULT_PAPER: Final[Paper] = "a4"

_PAPERS: Final[dict[Paper, str]] = {"a4": "a4", "letter": "us-letter"}
_PIXELS_PER_INCH: Final = 144.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ACCESSIBLE: Final = "ua-1"
_KEYCAP: Final = re.compile("([0-9#*])\ufe0f?\u20e3")
_NO_PACKAGES: Final = "/dev/null"


def typeset_report(
    document: Document, file_format: Literal["pdf", "png", "svg"], paper: Paper
) -> bytes:
    """
    Return *document* on sheets of *paper* (pdf), or as one tall picture (png, svg).

    The pdf is tagged for screen readers (PDF/UA-1) and embeds its typefaces.
    """
    figures = [
        {
            "title": each.title,
            "reading": each.reading,
            "alt": each.alt,
            "drawing": asdict(lettered(embedded_svg(each.spec, each.key))),
        }
        for each in document.figures
    ]
    content = asdict(document)
    content["figures"] = figures
    as_of = document.as_of
    content["as_of"] = None
    content["paper"] = _PAPERS[paper] if file_format == "pdf" else None
    return _compile("report.typ", content, file_format, as_of)


def typeset_chart(svg: str, file_format: Literal["pdf", "png"], *, title: str, alt: str) -> bytes:
    """Return one chart, drawn as *svg*, on a page of its size; PNG has two pixels per unit."""
    content = {"title": title, "alt": alt, "drawing": asdict(lettered(svg))}
    return _compile("chart.typ", content, file_format, None)


def _compile(
    name: str,
    content: dict[str, Any],
    file_format: Literal["pdf", "png", "svg"],
    at: datetime | None,
) -> bytes:
    # A digit in a keycap would be set below its frame: the bare digit is enough.
    text = _KEYCAP.sub(r"\1", json.dumps(content, ensure_ascii=False))
    style = {"colours": asdict(LIGHT), "families": families([text])}
    return typst.compile(
        _source(name),
        font_paths=typefaces(),
        format=file_format,
        ppi=_PIXELS_PER_INCH,
        sys_inputs={"content": text, "style": json.dumps(style)},
        pdf_standards=[_ACCESSIBLE] if file_format == "pdf" else [],
        package_path=_NO_PACKAGES,
        package_cache_path=_NO_PACKAGES,
        # The time of the data: with a clock, equal reports would differ. Typst takes whole seconds.
        timestamp=(at or _EPOCH).replace(microsecond=0),
    )


@cache
def _source(name: str) -> bytes:
    folder = files("jobs.charts") / "templates"
    return (folder / "setting.typ").read_bytes() + (folder / name).read_bytes()
