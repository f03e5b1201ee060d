"""
What it means that an attempt ended with an exception: in one place, for all who act on it.

A job ends by a signal (`Retry`, arq's own, `Bury`), by a failure, or because its worker stopped it.
Signals raised inside an `asyncio.TaskGroup` arrive in an exception group. They are heard if the
group holds nothing else, however deep: a real error beside them makes the whole group a failure.
Of several signals `Bury` wins, then a `Retry` that costs an attempt, then the longest delay.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from runner.checks import LONGEST_S
from runner.errors import ArgumentsError, Bury, ResultError
from runner.retry import ArqRetry, Retry

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(Enum):
    """How an attempt ended that did not return."""

    RETRY = "the job asked to run again, at the cost of an attempt"
    FREE_RETRY = "the job asked to run again, at no cost"
    BURY = "no other attempt would help"
    FAILURE = "the job failed"
    STOPPED = "the worker stopped it"


@dataclass(frozen=True, slots=True)
class Ending:
    """
    What an exception means.

    error: the one to report. delay_s: what a `Retry` asks for; None leaves it to the backoff.
    """

    kind: Kind
    error: BaseException
    delay_s: float | None = None

    @property
    def counts_as_failure(self) -> bool:
        """Whether it costs an attempt."""
        return self.kind not in {Kind.FREE_RETRY, Kind.STOPPED}

    def is_final(self, *, attempt: int, max_retries: int) -> bool:
        """Whether *attempt* (from 1) is the last: none is left, or another would not help."""
        return self.kind is Kind.BURY or (self.counts_as_failure and attempt > max_retries)


def ending_of(error: BaseException, *, was_stopped: bool) -> Ending:
    """
    Return what *error* means. Never raises.

    was_stopped: the worker cancelled the attempt. Otherwise a cancellation is the job's own.
    """
    if was_stopped:
        return Ending(Kind.STOPPED, error)
    if issubclass(type(error), asyncio.CancelledError):
        failure = RuntimeError("the job cancelled itself")
        failure.__cause__ = error
        return Ending(Kind.FAILURE, failure)
    try:
        return _signal_in(list(_leaves(error))) or Ending(Kind.FAILURE, error)
    except Exception:  # noqa: BLE001 -- the attributes of a signal may be anybody's code
        return Ending(Kind.FAILURE, error)


def _signal_in(leaves: list[BaseException]) -> Ending | None:
    # By type: `isinstance` asks the exception's own `__class__`, which may raise.
    if not all(issubclass(type(leaf), _FINAL | ArqRetry) for leaf in leaves):
        return None
    for leaf in leaves:
        if issubclass(type(leaf), _FINAL):
            return Ending(Kind.BURY, leaf)
    signal = max(leaves, key=lambda leaf: _delay_s(leaf) or 0.0)
    charges = any(_charges(leaf) for leaf in leaves)
    return Ending(Kind.RETRY if charges else Kind.FREE_RETRY, signal, _delay_s(signal))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield what a group holds, at any depth; *error* itself if it is none."""
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if issubclass(type(one), BaseExceptionGroup):
            waiting += reversed(_members_of(one))
        else:
            yield one


_members_of = BaseExceptionGroup.exceptions.__get__  # past an override
_FINAL = Bury | ArgumentsError | ResultError


def _charges(signal: BaseException) -> bool:
    return not issubclass(type(signal), Retry) or bool(signal.charge)  # type: ignore[attr-defined]


def _delay_s(signal: BaseException) -> float | None:
    """Return the delay that a `Retry`, or arq's, asks for; None if it names none, or no time."""
    delay_ms = getattr(signal, "defer_score", None)
    if delay_ms is None:
        return None
    delay_s = float(delay_ms) / 1000
    return None if math.isnan(delay_s) else min(max(0.0, delay_s), float(LONGEST_S))
