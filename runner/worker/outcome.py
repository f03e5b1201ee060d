"""
How an attempt can end: a closed set, matched by `settle`.

    Done ──────────── the coroutine returned
    Retrying ──────── it failed, and has attempts left
    Dead ──────────── it failed for good, or cannot be run at all
    Released ──────── nobody's fault: given back, no attempt charged
    Parked ────────── this worker's code does not know it: kept for one whose does
    Aborted ───────── somebody asked for the job to stop
    Expired ───────── it was too late to start it: it has ended, as its result says
    Failed ────────── a plain arq function raised: as in arq, no retry and no dead set
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.codec import ErrorRecord


@dataclass(slots=True)  # not frozen: creating one would take twice as long, and each job needs one
class Done:
    """The coroutine returned *result*."""

    result: Any


@dataclass(frozen=True, slots=True)
class Retrying:
    """The attempt failed with *error*; another one follows after *delay_s*."""

    delay_s: float
    error: ErrorRecord


@dataclass(frozen=True, slots=True)
class Dead:
    """No attempt will follow, unless somebody retries the job from the dead set."""

    error: ErrorRecord


@dataclass(frozen=True, slots=True)
class Released:
    """
    The job goes back to its queue after *delay_s*, its attempts as they were.

    holds_lane: no other job of its lane starts before.
    """

    delay_s: float = 0.0
    holds_lane: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """
    The job cannot run in this worker; it waits under *label* for one that knows it.

    is_paused: or until jobs of its name, which is the label, are resumed.
    """

    label: str
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Aborted:
    """Somebody asked for the job to stop: it has ended, as its result says."""

    error: ErrorRecord


@dataclass(frozen=True, slots=True)
class Failed:
    """A plain arq function raised: only its result remains."""

    error: ErrorRecord
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """An attempt would have started too late: the job has ended, as its result says."""

    error: ErrorRecord


Outcome = Done | Retrying | Dead | Released | Parked | Aborted | Expired | Failed


class Stop(Enum):
    """Why the worker cancelled a running job."""

    RELEASE = "the worker is shutting down"
    ABORT = "somebody asked for it"
    LOST = "the worker lost its claim"
