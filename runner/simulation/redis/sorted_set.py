"""A sorted set: members by score, and by their bytes where scores are equal."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple


class Bound(NamedTuple):
    """An end of a range of scores."""

    score: float
    exclusive: bool


class SortedSet:
    """Members with scores; `ordered` holds (score, member), smallest first."""

    __slots__ = ("ordered", "scores")

    def __init__(self) -> None:
        self.scores: dict[bytes, float] = {}
        self.ordered: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self.ordered)

    def copy(self) -> SortedSet:
        """Return a copy."""
        other = SortedSet()
        other.scores, other.ordered = self.scores.copy(), self.ordered.copy()
        return other

    def put(self, member: bytes, score: float) -> None:
        """Add a member, or move it to another score."""
        before = self.scores.get(member)
        if before is not None:
            if before == score:
                return
            del self.ordered[bisect_left(self.ordered, (before, member))]
        self.scores[member] = score
        insort(self.ordered, (score, member))

    def discard(self, member: bytes) -> bool:
        """Remove a member; whether it was there."""
        score = self.scores.pop(member, None)
        if score is None:
            return False
        del self.ordered[bisect_left(self.ordered, (score, member))]
        return True

    def rank(self, member: bytes) -> int | None:
        """Return how many members come before, or None without the member."""
        score = self.scores.get(member)
        return None if score is None else bisect_left(self.ordered, (score, member))

    def between(self, least: Bound, most: Bound) -> tuple[int, int]:
        """Return the slice of `ordered` from one score to another; it may be empty."""
        start = _place(self.ordered, least.score, after=least.exclusive)
        stop = _place(self.ordered, most.score, after=not most.exclusive)
        return start, max(start, stop)


def _place(ordered: list[tuple[float, bytes]], score: float, *, after: bool) -> int:
    bisect = bisect_right if after else bisect_left
    return bisect(ordered, score, key=_score)


def _score(entry: tuple[float, bytes]) -> float:
    return entry[0]
