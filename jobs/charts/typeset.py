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
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import typst

from jobs.channel.text import clean_whole
from jobs.charts.document import FIRST
from jobs.charts.fonts import families, typefaces
from jobs.charts.lettering import lettered
from jobs.charts.phrases import lead_and_evidence
from jobs.charts.theme import LIGHT
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.charts.document import Document
    from jobs.charts.figures import Drawn

_log = lazy_log("jobs.charts")

Paper = Literal["a4", "letter"]
DEFAULT_PAPER: Final[Paper] = "a4"

_PAPERS: Final[dict[Paper, str]] = {"a4": "a4", "letter": "us-letter"}
_PIXELS_PER_INCH: Final = 144.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ACCESSIBLE: Final = "ua-1"
_KEYCAP: Final = re.compile("([0-9#*])\ufe0f?\u20e3")
_NO_PACKAGES: Final = "/dev/null"


def typeset_report(
    document: Document,
    drawings: Sequence[Drawn],
    file_format: Literal["pdf", "png", "svg"],
    paper: Paper,
) -> list[bytes]:
    """
    Return *document* with its *drawings* on sheets of *paper*: as a pdf, or as a picture of each.

    The pdf is tagged for screen readers (PDF/UA-1) and embeds its typefaces. A character that no
    typeface has is a box, and such a pdf does not claim the standard.
    """
    figures = [
        {
            "title": each.figure.title,
            "reading": each.figure.reading,
            "alt": each.figure.alt,
            "undrawn": each.figure.undrawn,
            "drawing": asdict(lettered(each.svg)) if each.svg else None,
        }
        for each in drawings
    ]
    content = asdict(document)
    content["figures"] = figures
    for key in ("what_changed", "why_it_matters"):
        said = [lead_and_evidence(one) for one in content[key]]
        content[key] = said[:FIRST]
        content[f"{key}_more"] = said[FIRST:]
    as_of = document.as_of
    content["as_of"] = None
    content["paper"] = _PAPERS[paper]
    return _compile("report.typ", content, file_format, as_of)


def typeset_chart(svg: str, file_format: Literal["pdf", "png"], *, title: str, alt: str) -> bytes:
    """Return one chart, drawn as *svg*, on a page of its size; PNG has two pixels per unit."""
    content = {"title": title, "alt": alt, "drawing": asdict(lettered(svg))}
    return _compile("chart.typ", content, file_format, None)[0]


def _compile(
    name: str,
    content: dict[str, Any],
    file_format: Literal["pdf", "png", "svg"],
    at: datetime | None,
) -> list[bytes]:
    text = _settable(content)
    style = {"colours": asdict(LIGHT), "families": families([text])}

    def compiled(standards: Literal["ua-1"] | None) -> list[bytes]:
        made = typst.compile(
            _source(name),
            font_paths=typefaces(),
            format=file_format,
            ppi=_PIXELS_PER_INCH,
            sys_inputs={"content": text, "style": json.dumps(style)},
            pdf_standards=standards,
            package_path=_NO_PACKAGES,
            package_cache_path=_NO_PACKAGES,
            # The time of the data, in whole seconds: with a clock, equal reports would differ.
            timestamp=(at or _EPOCH).replace(microsecond=0),
        )
        # Its annotations know a single page only.
        pages = cast("bytes | list[bytes]", made)
        return pages if isinstance(pages, list) else [pages]

    if file_format != "pdf":
        return compiled(None)
    try:
        return compiled(_ACCESSIBLE)
    except typst.TypstError as error:
        # The standard allows no character that no typeface has; without it, a box stands there.
        _log.warning("PDF is not PDF/UA-1", reason=str(error))
        return compiled(None)


def _settable(content: dict[str, Any]) -> str:
    """All text on its way to the typesetter: clean, and as data."""
    # A digit in a keycap would be set below its frame: the bare digit is enough.
    return _KEYCAP.sub(r"\1", json.dumps(clean_whole(content), ensure_ascii=False))


@cache
def _source(name: str) -> bytes:
    folder = files("jobs.charts") / "templates"
    return (folder / "setting.typ").read_bytes() + (folder / name).read_bytes()
