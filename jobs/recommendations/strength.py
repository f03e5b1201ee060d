"""The strength of evidence in words: the same words for the same p-value everywhere."""

from __future__ import annotations

from typing import Final, Literal

SIGNIFICANT: Final = 0.05

Strength = Literal["strong evidence", "moderate evidence", "weak evidence"]
NO_EVIDENCE: Final = "no evidence"

STRENGTHS: Final[tuple[tuple[float, Strength], ...]] = (
    (0.005, "strong evidence"),
    (0.02, "moderate evidence"),
    (SIGNIFICANT, "weak evidence"),
)


def strength_of(p: float) -> Strength | None:
    """Return the words for a p-value corrected for all questions, None if not significant."""
    return next((word for limit, word in STRENGTHS if p <= limit), None)


def chance(p: float) -> str:
    """Return a p-value as text: three decimals, or one significant digit if it is smaller."""
    return f"{p:.1g}" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - three decimals hold the rest
