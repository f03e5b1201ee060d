"""The rows that a benchmark reports: a figure, the cases that it rests on, and its interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

ENOUGH: Final = 300
"""A row with fewer cases is printed, but does not count."""

_Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class Row:
    """
    One *figure* on *data*, of the *cell* named, with its *value* and the number of *cases*.

    A share has its 95 % interval, *low* to *high* (E. B. Wilson 1927); other figures have none.
    """

    figure: str
    data: str
    cell: str
    value: float
    cases: int
    low: float | None = None
    high: float | None = None

    @property
    def counts(self) -> bool:
        """Return whether the row rests on enough cases."""
        return self.cases >= ENOUGH

    def as_json(self) -> dict[str, Any]:
        """Return the row for JSON; a figure of nothing is null."""
        value = self.value if np.isfinite(self.value) else None
        return asdict(self) | {"value": value, "counts": self.counts}

    def line(self) -> str:
        """Return the row as one line of a table."""
        if self.low is None or self.high is None:
            value = f"{self.value:.3f}"
        else:
            value = f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"
        few = "" if self.counts else ", too few to count"
        return f"  {self.figure:<26} {self.data:<14} {self.cell:<34} {value}  {self.cases:,}{few}"


def share(figure: str, data: str, cell: str, held: int, cases: int) -> Row:
    """Return the row of a share, *held* out of *cases*."""
    if not cases:
        return Row(figure, data, cell, float("nan"), 0)
    p, n = held / cases, cases
    middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    reach = _Z / (1 + _Z**2 / n) * float(np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)))
    return Row(figure, data, cell, p, n, max(middle - reach, 0.0), min(middle + reach, 1.0))
