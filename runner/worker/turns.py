"""When a worker turns to suspects, which run alone, and when to other work: neither starves."""

from __future__ import annotations

from runner import clock

_LONGEST_PATIENCE_S = 900.0


class Turns:
    """
    One worker's turns with suspects.

    It waits for its running jobs to end, one lease long at first, and then runs suspects for as
    long as a lease, or one of them. Whatever both take, the worker then does other work for as long
    before it turns to suspects again, unless there is none. If its jobs do not end in time, it
    waits longer at the next turn.
    """

    def __init__(self, lease_s: float) -> None:
        self.longest_s = lease_s
        """How long a turn goes on to another suspect."""
        self.patience_s = lease_s
        """How long to wait for running jobs to end."""
        self._not_before = 0.0

    @property
    def are_due(self) -> bool:
        """Whether it is the suspects' turn, if some wait."""
        return clock.monotonic() >= self._not_before

    @property
    def volunteer_s(self) -> float:
        """How long the worker would be there for suspects alone; 0 if it is not their turn."""
        return self.patience_s + self.longest_s if self.are_due else 0.0

    def end(self, began: float, *, was_alone: bool) -> None:
        """Note that a turn that began at *began* has ended; was_alone: running jobs had ended."""
        now = clock.monotonic()
        self._not_before = now + (now - began)
        longer_s = min(_LONGEST_PATIENCE_S, self.patience_s * 2)
        self.patience_s = self.longest_s if was_alone else longer_s
