"""
What a table says of itself: which days it has, by which steps, whole or cut, and what it counts.

It is stored with its source, printed where the source is described, and stands in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Measure(StrEnum):
    """What numbers are: what came in on a day, or all until then."""

    GAINS = "gains"
    COUNTERS = "counters"


@dataclass(frozen=True, slots=True)
class Scope:
    """
    The scope of one table, or of an export of several.

    first, last: its days, both inclusive; None if it does not say. measure: what it counts; both
    where an export has days and items. clock: whose days they are. whole: False if it was cut, None
    if nobody knows. cautions: what misleads a reader who does not know it, each in one clause.
    """

    first: date | None = None
    last: date | None = None
    measures: tuple[Measure, ...] = ()
    clock: str = ""
    whole: bool | None = None
    cautions: tuple[str, ...] = ()

    def words(self) -> str:
        """Describe it in one clause, without the cautions."""
        what = " and ".join(self.measures) or "items"
        if self.first is None or self.last is None:
            return what
        days = f"{self.first} to {self.last}" if self.first != self.last else f"{self.first}"
        return f"{what} of {days}{f', by {self.clock} days' if self.clock else ''}"

    def as_json(self) -> dict[str, Any]:
        """Return it as the store keeps it."""
        return {
            "first": None if self.first is None else self.first.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
            "measures": list(self.measures),
            "clock": self.clock,
            "whole": self.whole,
            "cautions": list(self.cautions),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Scope:
        """Return what `as_json` made."""
        first, last = (document.get(name) for name in ("first", "last"))
        return cls(
            first=date.fromisoformat(first) if first else None,
            last=date.fromisoformat(last) if last else None,
            measures=tuple(Measure(each) for each in document.get("measures", ())),
            clock=document.get("clock", ""),
            whole=document.get("whole"),
            cautions=tuple(document.get("cautions", ())),
        )
