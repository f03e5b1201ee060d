"""A report as one HTML page: no scripts, no requests, light and dark, on screen and in print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from markupsafe import Markup

from jobs.charts.drawing import embedded_svg
from jobs.charts.templates import template
from jobs.charts.theme import DARK, LIGHT

if TYPE_CHECKING:
    from jobs.charts.document import Document


def page(document: Document) -> str:
    """Return *document* as a page; foreign text is escaped."""
    # Vega escapes the text that it puts into the drawing.
    drawn = [Markup(embedded_svg(each.spec, each.key)) for each in document.figures]  # noqa: S704
    return template("report.html.j2").render(
        report=document,
        figures=list(zip(document.figures, drawn, strict=True)),
        light=asdict(LIGHT),
        dark=asdict(DARK),
    )
