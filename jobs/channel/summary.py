"""What the newest report of a channel says first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """
    What a report says first.

    *change* is how far the channel's last week is from the usual, on either side. *content* has
    the first page's words and figures, *series* the data of its main chart.
    """

    change: float
    content: Mapping[str, Any]
    series: Mapping[str, Any]
