"""The drawings of a report: one that fails is left out with its reason, and costs no other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from jobs.charts.drawing import embedded_svg
from jobs.charts.making import in_short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.charts.document import Document, Figure

_log = structlog.get_logger("jobs.charts")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with its drawing as SVG; without one, `figure.undrawn` says why."""

    figure: Figure
    svg: str


def drawn(document: Document, undrawable: Mapping[str, str]) -> list[Drawn]:
    """
    Draw the figures of *document*, in their order.

    undrawable: by key those that are not to be tried, since they ended a process, and why.
    """
    return [_drawn(figure, undrawable.get(figure.key, "")) for figure in document.figures]


def _drawn(figure: Figure, undrawable: str) -> Drawn:
    reason = figure.undrawn or undrawable
    if reason:
        return Drawn(replace(figure, undrawn=reason), "")
    try:
        return Drawn(figure, embedded_svg(figure.spec, figure.key))
    except Exception as error:  # noqa: BLE001 -- the renderer may fail at anything
        _log.warning("chart not drawn", chart=figure.key, error=str(error))
        return Drawn(replace(figure, undrawn=in_short(error)), "")
