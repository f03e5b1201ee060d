"""Small pictures of numbers as SVG: shapes and classes only, colours come from the stylesheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from runner.wording import milliseconds, short

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 720.0, 120.0
_LEFT, _BOTTOM, _TOP = 44.0, 18.0, 8.0


def sparkline(values: Sequence[float], *, label: str, from_zero: bool = True) -> Markup:
    """A line without axes. *label* describes it to screen readers."""
    if not values:
        return Markup("")
    width, height = 120.0, 28.0
    low = 0 if from_zero else min(values)
    top = (max(values) - low) or 1
    step = width / max(1, len(values) - 1)
    points = " ".join(
        f"{place * step:.1f},{height - 2 - (value - low) / top * (height - 4):.1f}"
        for place, value in enumerate(values)
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 120 28" role="img" aria-label="{}" '
        'preserveAspectRatio="none"><polyline points="{}"/></svg>'
    ).format(label, points)


def columns(
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    label: str,
    ends: tuple[str, str] = ("", ""),
) -> Markup:
    """
    Stacked columns over time: each of *series* is a class name and its values.

    ends: labels of the first and the last column.
    """
    many = max((len(values) for _, values in series), default=0)
    if not many:
        return Markup("")
    totals = [sum(values[place] for _, values in series) for place in range(many)]
    top = _nice(max(totals))
    plot = _HEIGHT - _BOTTOM - _TOP
    step = (_WIDTH - _LEFT) / many
    shapes = [_grid(top, plot)]
    for place in range(many):
        base = _TOP + plot
        for name, values in series:
            tall = values[place] / top * plot
            if tall:
                base -= tall
                shapes.append(
                    f'<rect class="{name}" x="{_LEFT + place * step:.2f}" y="{base:.2f}" '
                    f'width="{max(0.6, step - min(1.0, step / 5)):.2f}" height="{tall:.2f}"/>'
                )
    shapes.append(_ends(*ends))
    return _picture(label, shapes)


def histogram(buckets: Sequence[int], bounds_ms: Sequence[int], *, label: str) -> Markup:
    """Durations: a column for each bucket, from the first that is not empty to the last."""
    filled = [place for place, count in enumerate(buckets) if count]
    if not filled:
        return Markup("")
    first, last = max(0, filled[0] - 1), min(len(buckets) - 1, filled[-1] + 1)
    low = milliseconds(bounds_ms[first - 1] if first else 0)
    high = milliseconds(bounds_ms[min(last, len(bounds_ms) - 1)])
    return columns([("done", buckets[first : last + 1])], label=label, ends=(low, high))


def _nice(value: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 … that is at least *value*."""
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if factor * size >= value:
                return factor * size
        size *= 10


def _grid(top: float, plot: float) -> str:
    parts = []
    for share in (0, 0.5, 1):
        y = _TOP + plot * (1 - share)
        value = top * share
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{short(value)}</text>'
        )
    return "".join(parts)


def _ends(first: str, last: str) -> str:
    y = _HEIGHT - 4
    return (
        f'<text x="{_LEFT}" y="{y}">{escape(first)}</text>'
        f'<text x="{_WIDTH}" y="{y}" text-anchor="end">{escape(last)}</text>'
    )


def _picture(label: str, shapes: Sequence[str]) -> Markup:
    inside = Markup("".join(shapes))  # noqa: S704 -- numbers and escaped text
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(int(_WIDTH), int(_HEIGHT), label, inside)
