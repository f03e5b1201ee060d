"""When a failed job runs again: functions from a number of retries to a delay, and `Retry`."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import arq.worker

from runner import chance, checks
from runner.checks import seconds
from runner.errors import refuse

ArqRetry = arq.worker.Retry
"""arq's own signal, which jobs and functions may raise, too."""


class Retry(ArqRetry):
    """
    Raised by a job that is to run again after *delay_s* seconds, or a timedelta.

    Without a delay, the job's backoff sets it. A negative one is none.

    This costs an attempt, like any failure. With *charge* False it costs none: use that when a
    quota is used up, or a source asks to wait. Since such a job may ask for ever, it waits for at
    least a second. In a plain arq function it acts as arq's `Retry`.

    Raises:
        ConfigurationError: *delay_s* is no number of seconds, or more than 100 years.
    """

    charge = True

    def __init__(self, delay_s: float | timedelta | None = None, *, charge: bool = True) -> None:
        if isinstance(delay_s, timedelta):
            delay_s = delay_s.total_seconds()
        if delay_s is not None:
            refuse("Retry", checks.number("delay_s", delay_s))
            delay_s = max(0.0, delay_s)
        super().__init__(defer=delay_s)
        self.delay_s = delay_s
        self.charge = charge


class Limited(Retry):
    """
    Raised by a job that met somebody else's limit, such as a status 429: its whole lane waits.

    None of its jobs starts for *retry_after_s* seconds, or a timedelta; then they go on, this one
    among them, at the cost of no attempt. A job without a lane runs again after that time, as with
    `Retry(…, charge=False)`.

    Raises:
        ConfigurationError: *retry_after_s* is no number of seconds, or more than 100 years.
    """

    def __init__(self, retry_after_s: float | timedelta) -> None:
        super().__init__(retry_after_s, charge=False)


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
