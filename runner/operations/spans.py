"""Lengths of time as pages, commands and sentences say them."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def span(seconds: float | None) -> str:
    """A length of time, two units at most: 850 ms, 12.3 s, 4 min 10 s, 3 d 2 h; – for none."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    for large, small, names in (
        (_DAY, _HOUR, ("d", "h")),
        (_HOUR, _MINUTE, ("h", "min")),
        (_MINUTE, 1, ("min", "s")),
    ):
        if seconds >= large:
            whole, rest = divmod(int(seconds), large)
            return f"{whole} {names[0]}" + (f" {rest // small} {names[1]}" if rest // small else "")
    return "–"
