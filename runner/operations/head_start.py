"""Priorities as operators see them: how far a job goes ahead, and when it was due in truth."""

from __future__ import annotations

import re

_ROUNDING_MS = 0.001
_NUMBER = re.compile(rb"[0-9]{1,16}(?:\.[0-9]{1,9})?")


def due_of(score: float, entry: bytes | None) -> float:
    """Return when the job was due that stands at *score*, Unix ms; entry: its head start."""
    ms, due = _read(entry)
    if ms is None or due is None:
        return score
    return due if abs(max(0.0, due - ms) - score) < _ROUNDING_MS else score


def head_start_s(entry: bytes | None) -> float | None:
    """Return by how much the job goes ahead, seconds; None if it does not."""
    ms, _ = _read(entry)
    return None if ms is None else ms / 1000


def _read(entry: bytes | None) -> tuple[float | None, float | None]:
    """Return how far a job goes ahead, ms, and from which due time that was taken off."""
    ms, _, due = (entry or b"").partition(b"|")
    return _number(ms), _number(due)


def _number(text: bytes) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None
