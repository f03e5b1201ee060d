"""What a running job knows about itself, and the way to what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runner.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from runner.definition import JobDefinition
    from runner.offload.offloader import Offloader

T = TypeVar("T")

_NOTE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far a job has come, by its own account.

    Attributes:
        done: How much is done.
        total: How much there is to do; None if that is not known.
        note: What it is doing.
    """

    done: float
    total: float | None
    note: str


class Board(Protocol):
    """
    What a worker notes of an attempt while it runs.

    progress: for the next heartbeat to carry. task: in which it runs.
    """

    progress: Progress | None
    task: asyncio.Task[Any] | None


@dataclass(slots=True)
class Context:
    """
    One attempt at one job; the first parameter of every job's coroutine.

    `attempt` counts from 1; the job is buried when attempt `max_retries + 1` fails.
    `arguments` are those of the body until the validation middleware has replaced them by
    values of the coroutine's own types. Times in Unix ms.
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
    board: Board | None = None

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
        The worker's one object of *kind*, as its settings class provides it.

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
        Say how far the job has come: *done* of *total*, in any unit, and what it is at.

        Costs next to nothing and sends nothing: the worker's next heartbeat carries the last word.
        """
        if self.board is not None:
            self.board.progress = Progress(done, total, note[:_NOTE_CHARACTERS])

    async def offload(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        timeout_s: float | None = None,
        **kwargs: Any,
    ) -> T:
        """
        Run a CPU-bound *function* in a process of its own, and give what it returns.

        The event loop stays free meanwhile. Cancelling the job, its own timeout, or *timeout_s*
        seconds (the wait for a free process included) kill the process. The function and what it
        takes and returns are pickled on the way there and back, so it is one that can be
        imported: no lambda, no closure.

        Raises:
            OffloadError: The process died, or something cannot be pickled.
            TimeoutError: *timeout_s* passed.
        """
        if self.offloader is not None:
            return await self.offloader.run(
                function, *args, timeout_s=timeout_s, on_behalf_of=self.queue, **kwargs
            )
        # Without a worker, as in a test, nobody would end a process that is kept.
        from runner.offload.offloader import Offloader

        alone = Offloader(1)
        try:
            return await alone.run(function, *args, timeout_s=timeout_s, **kwargs)
        finally:
            await alone.close()
