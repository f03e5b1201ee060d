"""What a running job knows about itself, and how it gets what it needs."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runner.checks import optional, seconds
from runner.codec import text_of
from runner.ending import Ending, ending_of
from runner.errors import ConfigurationError, refuse
from runner.lanes import units_problem
from runner.redaction import scrubbed, secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.definition import JobDefinition
    from runner.offload.limits import Limits
    from runner.offload.offloader import Offloader

T = TypeVar("T")

_NOTE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Progress:
    """
    The progress that a job reports.

    Attributes:
        done: How much is done.
        total: How much there is to do; None if unknown.
        note: What the job does now.
    """

    done: float
    total: float | None
    note: str


class Running(Protocol):
    """
    A worker's record of an attempt while it runs.

    progress: for the next heartbeat to send. units: what it has spent of its lane's rate, if it has
    said so. task: in which it runs. why_stopped: set when the worker cancels it.
    """

    progress: Progress | None
    units: float | None
    task: asyncio.Task[Any] | None

    @property
    def why_stopped(self) -> object | None:
        """Why the worker cancelled it; None if it has not."""
        ...


@dataclass(slots=True)
class Context:
    """
    One attempt at one job; the first parameter of every job's coroutine.

    `attempt` counts from 1; the job is dead when attempt `max_retries + 1` fails. `args` and
    `kwargs` are those of the body, until the validation middleware replaces them by values of the
    coroutine's own types. Times in Unix ms.

    `fence` is higher for each later attempt at the job, whichever worker makes it. Store it beside
    what the job writes, and write only where the stored one is not higher: then an attempt that
    was taken for lost, and still runs, overwrites nothing of its successor. 0 outside a worker.

    `time_left_s`, by the job's deadline, is how long the attempt may run at most; None without one.

    `is_stopping` tells a job that is a plain function to end: it timed out, was aborted, or its
    worker stops. If it raises then, it is given back, or failed if it timed out. An `async def` job
    is cancelled instead.
    """

    job: JobDefinition
    job_id: str
    queue: str
    attempt: int
    max_retries: int
    enqueued_ms: int
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[type[Any], Any] = field(default_factory=dict)
    due_ms: float = 0.0
    batch_id: str | None = None
    trace: str | None = None
    offloader: Offloader | None = None
    board: Running | None = None
    fence: int = 0
    is_stopping: bool = False
    is_passed_on: bool = False
    time_left_s: float | None = None
    """Whether other jobs of a flow need its result."""

    @property
    def enqueued_at(self) -> datetime:
        """When the job was enqueued, in UTC."""
        return datetime.fromtimestamp(self.enqueued_ms / 1000, UTC)

    @property
    def job_name(self) -> str:
        """The name under which the job is registered and enqueued."""
        return self.job.name

    def get(self, kind: type[T]) -> T:
        """
        Return the worker's object of *kind*, which its settings class provides.

        Raises:
            ConfigurationError: The settings class provides none.
        """
        try:
            found: T = self.resources[kind]
        except KeyError:
            known = ", ".join(sorted(k.__name__ for k in self.resources)) or "nothing"
            raise ConfigurationError(
                f"{self.job_name} needs a {kind.__name__}, and its worker provides {known}: "
                f"yield {{{kind.__name__}: …}} from the settings class's `resources`"
            ) from None
        return found

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """
        Report progress: *done* of *total*, in any unit, and a note on what the job does now.

        Costs next to nothing, and sends nothing: the worker's next heartbeat sends the latest.
        Never raises: if *done* is no finite number, 0 is shown; such a *total* is unknown.
        """
        if self.board is not None:
            text = scrubbed(text_of(note)[: 2 * _NOTE_CHARACTERS])[:_NOTE_CHARACTERS]
            self.board.progress = Progress(_finite(done) or 0.0, _finite(total), text)

    def spent(self, units: float) -> None:
        """
        Say how many units of its lane's rate this attempt has spent, if not as many as it counts.

        The lane's next jobs start later or earlier by the difference, once the attempt has ended,
        however it does. If it is called again, the last call counts. It has no effect on a job
        whose lane has no rate, and none if the attempt is lost with its worker.

        Raises:
            ConfigurationError: It is no number from 0 to a million.
        """
        refuse("spent", units_problem(units))
        if self.board is not None:
            self.board.units = float(units)

    def secrets(self) -> tuple[str, ...]:
        """Return the texts among the arguments whose name sounds like a secret's. Never raises."""
        try:
            named = self.job.by_name(self.args, self.kwargs)
            return tuple(secrets_in(named, self.job.options_of_worker.redact))
        except Exception:  # noqa: BLE001 -- an argument's own code may do anything
            return ()

    def ended_by(self, error: BaseException) -> Ending:
        """Return what it means that this attempt ended with *error*."""
        board = self.board
        if board is not None:
            return ending_of(error, was_stopped=board.why_stopped is not None)
        # Outside a worker a cancellation is the caller's.
        return ending_of(error, was_stopped=issubclass(type(error), asyncio.CancelledError))

    async def offload(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        timeout_s: float | None = None,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> T:
        """
        Run a CPU-bound *function* in a process of its own, and return what it returns.

        The event loop stays free meanwhile. The process is killed if the job is cancelled or times
        out, or after *timeout_s* seconds, which include the wait for a free process. Function,
        arguments and result are pickled, so the function must be importable: no lambda, no closure.

        With *limits*, for work on what comes from outside, the process has no network, and is
        killed past a limit of computing, memory or time.

        Raises:
            OffloadDiedError: The process died, or passed one of *limits*.
            OffloadError: Something cannot be pickled.
            TimeoutError: *timeout_s* passed.
        """
        refuse("offload", optional(seconds("timeout_s", timeout_s, above=0), timeout_s))
        if self.offloader is not None:
            return await self.offloader.run(
                function,
                *args,
                timeout_s=timeout_s,
                limits=limits,
                on_behalf_of=self.queue,
                **kwargs,
            )
        # Without a worker, as in a test, nobody would end a process that is kept alive.
        from runner.offload.offloader import Offloader

        alone = Offloader(1)
        try:
            return await alone.run(function, *args, timeout_s=timeout_s, limits=limits, **kwargs)
        finally:
            await alone.close()


def _finite(value: object) -> float | None:
    """Return *value* as a number that JSON has; None if it is none."""
    try:
        number = float(value)  # type: ignore[arg-type]  # what has no `__float__` raises
    except Exception:  # noqa: BLE001 -- it may be anything
        return None
    if not math.isfinite(number):
        return None
    return value if type(value) is int else number
