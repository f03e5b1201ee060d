"""A report as one HTML page: no scripts, no requests, light and dark, on screen and in print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from markupsafe import Markup

from jobs.charts.document import FIRST
from jobs.charts.phrases import lead_and_evidence
from jobs.charts.templates import template
from jobs.charts.theme import DARK, LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.charts.document import Document
    from jobs.charts.figures import Drawn


def page(document: Document, drawings: Sequence[Drawn]) -> str:
    """Return *document* as a page, with its *drawings*; foreign text is escaped."""
    return template("report.html.j2").render(
        report=document,
        first=FIRST,
        in_two=lead_and_evidence,
        # Vega escapes the text that it puts into a drawing.
        figures=[(each.figure, Markup(each.svg)) for each in drawings],  # noqa: S704
        light=asdict(LIGHT),
        dark=asdict(DARK),
    )
