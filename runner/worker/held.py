"""What a worker holds: a job from its claim until Redis has answered for its outcome."""

from __future__ import annotations

import gc
import sys
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import clock
from runner.telemetry import job_log

if TYPE_CHECKING:
    import asyncio
    from collections import deque
    from collections.abc import Callable, Coroutine

    from runner.codec import Envelope
    from runner.context import Progress
    from runner.worker.claim import Claim
    from runner.worker.outcome import Outcome, Stop
    from runner.worker.policy import Policy


@dataclass(slots=True, eq=False)
class Held:
    """A job that a worker holds: from its claim until Redis has answered for its outcome."""

    claim: Claim
    started_ms: int
    """When it started, by Redis's clock, Unix ms."""
    started: float = 0.0
    """The same moment by this process's clock, which is never set back."""
    task: asyncio.Task[None] | None = None
    why_stopped: Stop | None = None
    envelope: Envelope | None = None
    policy: Policy | None = None
    afterwards: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Runs when Redis has answered for the job's outcome."""

    cancelled_at: float | None = None
    """When it was first seen to ignore its cancellation, by the loop's clock."""
    progress: Progress | None = None
    lines: deque[str] | None = None
    """The last lines that the attempt logged."""

    units: float | None = None
    """What the attempt has spent of its lane's rate; None if it has not said so."""

    is_left_behind: bool = False
    """Its coroutine still runs, but its outcome is settled already."""

    @property
    def age_s(self) -> float:
        """Seconds since it started."""
        return clock.monotonic() - self.started

    @property
    def is_running(self) -> bool:
        """Whether its coroutine still runs, and the worker waits for it."""
        return self.task is not None and not self.task.done() and not self.is_left_behind

    @property
    def is_ours(self) -> bool:
        """Whether it is a job made by `@job` that could be read."""
        return self.policy is not None and self.policy.run is None


@dataclass(slots=True)
class Ended:
    """
    An attempt that has ended, with its outcome. Times in Unix ms.

    envelope: None if the body could not be read. keep_result_s: None for ever, 0 not at all.
    is_last_try: Redis refused another outcome of it, and this one says why.
    """

    claim: Claim
    envelope: Envelope | None
    outcome: Outcome
    keep_result_s: float | None
    started_ms: int
    finished_ms: int
    held: Held
    is_last_try: bool = False


def held_by(task: asyncio.Task[object] | None) -> Held | None:
    """Return the job that runs *task* or started it; may be called from any thread."""
    if task is None:
        return None
    for variables in _variables_of(task):
        held = variables.get(job_log.running)
        if isinstance(held, Held):
            return held
    return None


def _variables_of(task: asyncio.Task[object]) -> list[Variables]:
    if sys.version_info >= (3, 12):
        return [task.get_context()]
    return [found for found in gc.get_referents(task) if isinstance(found, Variables)]
