"""The gains of the last days as a small picture: bars before the band of what is usual."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT = 360.0, 110.0
_WEEK: Final = 7
_ABOVE: Final = 3.0
"""A day this many times the usual is cut off: it would flatten all others."""


def bars(content: Mapping[str, Any]) -> Markup:
    """
    Draw the gains in a summary's *content*, the last 7 days dark; empty if none are known.

    Shapes and classes only: colours come from the page's style.
    """
    gains: Sequence[int | None] = content["gains"]
    if not any(gains):
        return Markup("")
    high = content["high"] or 0.0
    known = sorted(gain for gain in gains if gain is not None)
    most = max(known[-1], 0.0)
    typical = max(high, known[len(known) * 9 // 10])
    top = max(1.0, high, min(most, _ABOVE * typical))
    step = _WIDTH / max(len(gains), 30)
    left = _WIDTH - step * len(gains)
    shapes = []
    if content["low"] is not None:
        upper, lower = _HEIGHT * (1 - high / top), _HEIGHT * (1 - content["low"] / top)
        shapes.append(
            f'<rect class="usual-band" y="{upper:.1f}" width="{_WIDTH:.0f}" '
            f'height="{max(1.0, lower - upper):.1f}"/>'
        )
    for place, gain in enumerate(gains):
        x = left + place * step
        if gain is None:
            shapes.append(_unread(x, step))
        elif gain > 0:
            tall = _HEIGHT * min(1.0, gain / top)
            last = " last" if place >= len(gains) - _WEEK else ""
            shapes.append(
                f'<rect class="gain{last}" x="{x:.1f}" y="{_HEIGHT - tall:.1f}" '
                f'width="{max(0.8, 0.78 * step):.1f}" height="{tall:.1f}"/>'
            )
    return Markup(
        '<svg class="gains" viewBox="0 0 {} {}" role="img" aria-label="{}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(
        int(_WIDTH),
        int(_HEIGHT),
        _in_words(content),
        Markup("".join(shapes)),  # noqa: S704 -- numbers only
    )


def span(content: Mapping[str, Any]) -> tuple[date, date] | None:
    """Return the first and the last day of the picture."""
    if not content["last_day"] or not content["gains"]:
        return None
    last = date.fromisoformat(content["last_day"])
    return last - timedelta(days=len(content["gains"]) - 1), last


def _unread(x: float, step: float) -> str:
    return (
        f'<rect class="unread" x="{x:.1f}" y="{_HEIGHT - 3:.0f}" '
        f'width="{max(0.8, 0.78 * step):.1f}" height="3"/>'
    )


def _in_words(content: Mapping[str, Any]) -> str:
    usual = f"; usual {content['usual']}" if content["usual"] else ""
    return f"Views gained a day, {len(content['gains'])} days{usual}"
