"""When a failed job runs again: pure functions from a number of retries to a delay."""

from __future__ import annotations

from typing import Protocol

from runner import chance
from runner.checks import seconds
from runner.errors import refuse


class Backoff(Protocol):
    """Returns how long to wait before the next attempt."""

    def __call__(self, count: int, /) -> float:
        """Return seconds until the next attempt, after *count* retries: 0 at the first failure."""
        ...


def linear(step_s: float = 10.0) -> Backoff:
    """`step_s * (count + 1)`: 10, 20, 30, 40 … seconds, exactly. The default."""
    refuse("linear", seconds("step_s", step_s))

    def delay(count: int) -> float:
        return step_s * (count + 1)

    return delay


def exponential(
    base_s: float = 10.0, factor: float = 2.0, cap_s: float = 3600.0, jitter: float = 0.1
) -> Backoff:
    """
    `base_s * factor ** count`, at most *cap_s*, plus a random share of it, up to *jitter*.

    Jitter keeps jobs that failed together from running again together.
    """
    given = {"base_s": base_s, "factor": factor, "cap_s": cap_s, "jitter": jitter}
    refuse("exponential", *(seconds(name, value) for name, value in given.items()))

    def delay(count: int) -> float:
        # min before the power: 2.0 ** 2000 would overflow long before the cap applies.
        plain = cap_s if count > _EXPONENT_LIMIT else min(cap_s, base_s * factor**count)
        return plain * (1 + jitter * chance.spread())

    return delay


def polynomial(offset_s: float = 15.0, power: float = 4.0, jitter_s: float = 10.0) -> Backoff:
    """`count ** power + offset_s + random * jitter_s * (count + 1)`: Sidekiq's schedule."""
    given = {"offset_s": offset_s, "power": power, "jitter_s": jitter_s}
    refuse("polynomial", *(seconds(name, value) for name, value in given.items()))

    def delay(count: int) -> float:
        spread = chance.spread() * jitter_s * (count + 1)
        return float(count**power) + offset_s + spread

    return delay


_EXPONENT_LIMIT = 64
