"""
The report of a channel as one self-contained file.

- html: one page, light and dark, for screens, phones and printers; no scripts, no requests;
- pdf: a typeset document with page numbers and embedded typefaces;
- png, svg: the same as pictures, one for each page; the first has the answers;
- json: the same for programs, with the charts' specifications and data.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from jobs.channel.text import clean_whole
from jobs.charts.figures import Tried, drawn
from jobs.charts.page import page
from jobs.charts.typeset import DEFAULT_PAPER, typeset_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.charts.document import Document
    from jobs.charts.typeset import Paper

ReportFormat = Literal["html", "pdf", "png", "svg", "json"]
REPORT_FORMATS: Final[tuple[ReportFormat, ...]] = ("html", "pdf", "png", "svg", "json")

_VERSION: Final = 1
_NONE: Final[Mapping[str, Tried]] = MappingProxyType({})


def render_pages(
    document: Document,
    file_format: ReportFormat,
    *,
    paper: Paper = DEFAULT_PAPER,
    tried: Mapping[str, Tried] = _NONE,
) -> list[bytes]:
    """
    Return *document* as files' contents: pictures are one for each page, all else is one file.

    Text is UTF-8, *paper* is the size of the pages.

    A chart that cannot be drawn is left out, and the reason stands in its place; *tried* has by key
    those that are not drawn again. CPU-bound, up to a second: see `drawing`. The same
    document gives the same bytes. In every format, a label on top marks a channel as generated, or
    as known by its successes alone.

    Raises:
        ValueError: *file_format* is unknown.
    """
    match file_format:
        case "html":
            return [page(document, drawn(document, tried)).encode()]
        case "json":
            return [_json(document, tried)]
        case "pdf" | "png" | "svg":
            return typeset_report(document, drawn(document, tried), file_format, paper)
        case _:
            known = ", ".join(REPORT_FORMATS)
            raise ValueError(f"no such format: {file_format!r}; there are {known}")


def render_report(
    document: Document,
    file_format: ReportFormat,
    *,
    paper: Paper = DEFAULT_PAPER,
    tried: Mapping[str, Tried] = _NONE,
) -> bytes:
    """Return what `render_pages` does, as one file's content: of pictures the first."""
    return render_pages(document, file_format, paper=paper, tried=tried)[0]


def _json(document: Document, tried: Mapping[str, Tried]) -> bytes:
    as_of = document.as_of
    figures = [
        replace(
            each, undrawn=each.undrawn or (tried[each.key].undrawn if each.key in tried else "")
        )
        for each in document.figures
    ]
    document = replace(document, figures=figures)
    content: dict[str, Any] = {
        "version": _VERSION,
        **asdict(document),
        "as_of": None if as_of is None else as_of.isoformat(),
    }
    return json.dumps(clean_whole(content), ensure_ascii=False, indent=1).encode()
