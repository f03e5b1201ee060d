"""
Where values over time stand, whoever draws them: pages in SVG, `pipeline top` in characters.

An axis of true times, scales that end at round numbers, and the steps that nobody read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from runner.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from runner.operations.metrics import Cell

SHARES: Final = (0.5, 0.95, 0.99)
"""Of waits: what half of them stay below, 95 and 99 of 100."""

_TICKS: Final = 5
_STEPS_S: Final = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
_FLOOR_MS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Axis:
    """The time that a chart spans."""

    since: datetime
    until: datetime

    def place(self, at: datetime) -> float:
        """Where *at* is, in percent of the width."""
        return 100 * ((at - self.since) / (self.until - self.since))

    def ticks(self) -> Iterable[datetime]:
        """Round times, about five of them."""
        length_s = (self.until - self.since).total_seconds()
        step_s = next((one for one in _STEPS_S if length_s / one <= _TICKS + 1), _STEPS_S[-1])
        at_s = math.ceil(self.since.timestamp() / step_s) * step_s
        while at_s < self.until.timestamp():
            yield self.since + timedelta(seconds=at_s - self.since.timestamp())
            at_s += step_s


def is_unread(since: datetime, until: datetime, polls: Sequence[datetime]) -> bool:
    """Whether nobody read between *since* and *until*, though somebody did before and after."""
    if not polls or not polls[0] <= since or not until <= polls[-1]:
        return False
    return not any(since <= one < until for one in polls)


def nice(value: float) -> float:
    """The smallest of 1, 2, 4, 5, 10, 20 … that is at least *value*, and never 0."""
    scale = 1.0
    while True:
        for factor in (1, 2, 4, 5):
            if factor * scale >= value:
                return factor * scale
        scale *= 10


def wait_place(ms: float, low: float, high: float) -> float:
    """How high a wait stands from *low* (0) to *high* (1), by logarithm."""
    held = min(max(ms, low), high)
    return math.log(held / low) / math.log(high / low)


def wait_bounds(cells: Sequence[Cell]) -> tuple[float, float]:
    """From where to where waits are drawn, in milliseconds: powers of ten around all of them."""
    read = [cell for cell in cells if any(cell.waits)]
    lows = [cell.wait_percentile_ms(0.5) or _FLOOR_MS for cell in read]
    highs = [cell.wait_percentile_ms(0.99) or _FLOOR_MS for cell in read]
    low = max(_FLOOR_MS, 10 ** math.floor(math.log10(max(min(lows, default=1.0), 1.0))))
    return low, max(low * 100, 10 ** math.ceil(math.log10(max(highs, default=1.0) or 1.0)))


def failed_words(cell: Cell) -> str:
    """How many attempts failed, and their share."""
    share = f" · {100 * cell.failed / cell.attempts:.1f} %" if cell.failed else ""
    return f"{number(cell.failed)}{share}"
