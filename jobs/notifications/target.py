"""A target: one address, and what it wants to receive, when, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.notifications.event import Kind
from jobs.notifications.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobs.notifications.sender import Sender

PER_HOUR = 20


@dataclass(frozen=True, slots=True)
class Target:
    """
    One address under the *name* that settings give it.

    per_hour: most messages within an hour; further notifications wait and are sent together.
    """

    name: str
    sender: Sender
    kinds: Collection[str] = field(default_factory=lambda: frozenset(Kind))
    timing: Timing = field(default_factory=Timing)
    per_hour: int = PER_HOUR

    def wants(self, kind: str) -> bool:
        """Return whether it receives events of *kind*. Every target receives tests."""
        return kind in self.kinds or kind == Kind.TEST
