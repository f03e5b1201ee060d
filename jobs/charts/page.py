"""A report as one HTML page: no scripts, no requests, light and dark, on screen and in print."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from jobs.channel.text import clean
from jobs.charts.document import FIRST
from jobs.charts.phrases import lead_and_evidence
from jobs.charts.templates import template
from jobs.charts.theme import DARK, LIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.charts.document import Document
    from jobs.charts.figures import Drawn


_TITLE: Final = re.compile(r"“([^”]*)”")


def page(document: Document, drawings: Sequence[Drawn]) -> str:
    """Return *document* as a page, with its *drawings*; foreign text is escaped."""
    return template("report.html.j2").render(
        report=document,
        first=FIRST,
        in_two=lambda sentence: _in_two(sentence, document.links),
        linked=lambda text: linked(text, document.links),
        # Vega escapes the text that it puts into a drawing.
        figures=[(each.figure, Markup(each.svg)) for each in drawings],  # noqa: S704
        light=asdict(LIGHT),
        dark=asdict(DARK),
    )


def linked(text: str, links: Mapping[str, str]) -> Markup:
    """Return *text* as HTML in which each quoted title that *links* know is a link."""
    parts = _TITLE.split(clean(text))
    html = [escape(part) for part in parts]
    for i in range(1, len(parts), 2):
        url = links.get(parts[i])
        quoted = Markup("“{}”").format(parts[i])
        link = Markup('“<a href="{}" rel="noreferrer">{}</a>”')
        html[i] = quoted if url is None else link.format(url, parts[i])
    return Markup("").join(html)


def _in_two(sentence: str, links: Mapping[str, str]) -> tuple[Markup, str]:
    lead, proof = lead_and_evidence(sentence)
    return linked(lead, links), proof
