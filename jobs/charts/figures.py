"""The drawings of a report: one that fails is left out with its reason, and costs no other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobs.charts.drawing import embedded_svg
from jobs.charts.making import in_short
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.charts.document import Document, Figure

_log = lazy_log("jobs.charts")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with its drawing as SVG; without one, `figure.undrawn` says why."""

    figure: Figure
    svg: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of drawing a figure by itself: its SVG, or why there is none."""

    svg: str
    undrawn: str


def drawn(document: Document, tried: Mapping[str, Tried]) -> list[Drawn]:
    """
    Draw the figures of *document*, in their order.

    tried: by key those that were drawn before, and are not drawn again.
    """
    return [_drawn(figure, tried.get(figure.key)) for figure in document.figures]


def _drawn(figure: Figure, tried: Tried | None) -> Drawn:
    if figure.undrawn:
        return Drawn(figure, "")
    if tried is not None:
        return Drawn(replace(figure, undrawn=tried.undrawn), tried.svg)
    try:
        return Drawn(figure, embedded_svg(figure.spec, figure.key))
    except Exception as error:  # noqa: BLE001 -- the renderer may fail at anything
        _log.warning("chart not drawn", chart=figure.key, error=str(error))
        return Drawn(replace(figure, undrawn=in_short(error)), "")
