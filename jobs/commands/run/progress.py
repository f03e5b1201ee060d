"""A run's progress, summed over its channels' batches: shown live, or as plain lines."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from redis.exceptions import RedisError
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner import BatchProgress, QueueProgress
from runner.batch import progress_of
from runner.errors import EnqueueError

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Iterator,
        Mapping,
        Sequence,
    )

    from redis.asyncio import Redis
    from rich.console import Console, RenderableType

    from runner import Batch

JOBS_OF_ONE_CHANNEL = {"default": 2, "analytics": 3, "recommendations": 1, "notifications": 1}
"""The expected length of each bar, before all jobs are known."""

_AT_A_TIME = 100
_LOOK_EVERY_S = 0.2
_LOOK_AT_MANY_EVERY_S = 0.5
"""While more are open than one look covers: looking at a hundred takes milliseconds."""

_FIRST_LINE_AFTER_S = 2.0
_LINE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The state of a run. *queues* are the sums over all its channels."""

    channels: int
    channels_done: int
    queues: Mapping[str, QueueProgress]

    @property
    def over(self) -> bool:
        """Whether the run is finished."""
        return self.channels_done == self.channels

    @property
    def retries(self) -> int:
        """Failed attempts that were followed by another."""
        return sum(queue.retries for queue in self.queues.values())

    @property
    def done(self) -> int:
        """Jobs that succeeded."""
        return sum(queue.done for queue in self.queues.values())

    @property
    def waiting(self) -> int:
        """Known jobs that have not ended."""
        return sum(queue.waiting for queue in self.queues.values())


class Then(Protocol):
    """What follows the batches of a run's channels."""

    async def is_time(self) -> bool:
        """Whether it may begin although other channels are still to come."""
        ...

    async def begin(self, ended: Mapping[str, BatchProgress]) -> Mapping[str, Batch]:
        """Return the next batch of each channel of *ended* that goes on."""
        ...


class Follower:
    """
    Looks at the batches of a run, one for each channel, until each is finished.

    It looks at a hundred in turn, so looking stays cheap for thousands, too. before: jobs of the
    run that have ended already. ended: channels of it that have. then: what follows for a channel
    whose batch has ended.
    """

    def __init__(
        self,
        redis: Redis,
        batches: Mapping[str, Batch],
        before: Mapping[str, QueueProgress] | None = None,
        ended: int = 0,
        then: Then | None = None,
    ) -> None:
        self._redis = redis
        self._channels = len(batches) + ended
        self._open = deque((*one, then is not None) for one in batches.items())
        self._queues = dict(before or {})
        self._then = then
        self._between: dict[str, BatchProgress] = {}
        self.by_batch: dict[Batch, tuple[str, BatchProgress]] = {
            batch: (one, BatchProgress()) for one, batch in batches.items()
        }
        """Each batch with its channel, and its last known state."""
        self.is_lost = False
        """Whether Redis no longer has what was in a batch."""

    async def follow(self, stop: asyncio.Event) -> AsyncIterator[RunProgress]:
        """Yield the progress repeatedly, until the run is finished or *stop* is set."""
        while True:
            progress = await self.look()
            yield progress
            if progress.over or self.is_lost or stop.is_set():
                return
            if self._then is not None and self._between:
                await self._go_on(self._then)
            are_many = len(self._open) > _AT_A_TIME
            pause_s = _LOOK_AT_MANY_EVERY_S if are_many else _LOOK_EVERY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await stop.wait()

    async def look(self) -> RunProgress:
        """Return the progress now; while Redis does not answer, the last known one."""
        looked_at = [self._open.popleft() for _ in range(min(_AT_A_TIME, len(self._open)))]
        try:
            found = await progress_of(self._redis, [batch for _, batch, _ in looked_at])
        except (RedisError, OSError):
            self._open.extendleft(reversed(looked_at))
        else:
            for (channel_id, batch, goes_on), progress in zip(looked_at, found, strict=True):
                self._note(channel_id, batch, progress)
                if progress.waiting:
                    self._open.append((channel_id, batch, goes_on))
                elif goes_on:
                    self._between[channel_id] = progress
        left = len(self._open) + len(self._between)
        return RunProgress(self._channels, self._channels - left, dict(self._queues))

    async def _go_on(self, then: Then) -> None:
        """Nothing is lost if this is cancelled, or if Redis does not answer: it is asked again."""
        are_first = any(goes_on for _, _, goes_on in self._open)
        try:
            if are_first and not await then.is_time():
                return
            follows = await then.begin(self._between)
        except (RedisError, OSError, EnqueueError):
            return
        self._between = {}
        for channel_id, batch in follows.items():
            self.by_batch[batch] = channel_id, BatchProgress()
            self._open.append((channel_id, batch, False))

    def _note(self, channel_id: str, batch: Batch, now: BatchProgress) -> None:
        before = self.by_batch[batch][1].queues
        # A batch has its first job before it is followed, and jobs are only added.
        if not now.queues or _jobs_of(now.queues) < _jobs_of(before):
            self.is_lost = True
        for queue, counts in now.queues.items():
            known = self._queues.get(queue, QueueProgress())
            self._queues[queue] = known + counts - before.get(queue, QueueProgress())
        self.by_batch[batch] = channel_id, now

    def by_channel(self) -> dict[str, BatchProgress]:
        """Return the last known counts of each channel, of all its batches."""
        found: dict[str, dict[str, QueueProgress]] = {}
        for channel_id, progress in self.by_batch.values():
            queues = found.setdefault(channel_id, {})
            for queue, counts in progress.queues.items():
                queues[queue] = queues.get(queue, QueueProgress()) + counts
        return {channel_id: BatchProgress(queues) for channel_id, queues in found.items()}


def _jobs_of(queues: Mapping[str, QueueProgress]) -> int:
    return sum(queue.total for queue in queues.values())


class Display(Protocol):
    """Shows a run's progress to a person."""

    def show(self, progress: RunProgress) -> None:
        """Show it in place of the last one."""
        ...


@contextmanager
def display(console: Console, queues: Sequence[str], *, live: bool) -> Iterator[Display]:
    """Show progress on *console* during the block: moving bars if *live*, else lines."""
    if not live:
        yield _Lines(console, queues)
        return
    with Live(console=console, refresh_per_second=8) as screen:
        yield _Bars(screen, queues)


class _Lines:
    def __init__(self, console: Console, queues: Sequence[str]) -> None:
        self._console = console
        self._queues = queues
        self._started = time.monotonic()
        self._next = self._started + _FIRST_LINE_AFTER_S

    def show(self, progress: RunProgress) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LINE_EVERY_S
        parts = [f"{progress.channels_done} of {progress.channels} channels"]
        for queue in self._queues:
            counts = progress.queues.get(queue, QueueProgress())
            parts.append(
                f"{queue} {counts.done} done {failed(counts)} failed {counts.waiting} waiting"
            )
        self._console.print(f"{now - self._started:.0f} s: {', '.join(parts)}", soft_wrap=True)


class _Bars:
    def __init__(self, screen: Live, queues: Sequence[str]) -> None:
        self._screen = screen
        self._queues = queues
        self._started = time.monotonic()

    def show(self, progress: RunProgress) -> None:
        self._screen.update(self._table(progress))

    def _table(self, progress: RunProgress) -> RenderableType:
        grid = Table.grid(padding=(0, 2), expand=False)
        grid.add_column()
        grid.add_column()
        for count in ("9,999 done", "9 failed", "999 waiting"):
            # Wide enough from the start, so that only the bars move.
            grid.add_column(justify="right", min_width=len(count))
        for queue in self._queues:
            counts = progress.queues.get(queue, QueueProgress())
            bad = failed(counts)
            grid.add_row(
                queue,
                _bar(progress, queue, counts),
                f"{counts.done:,} done",
                Text(f"{bad:,} failed", style="red" if bad else "dim"),
                Text(f"{counts.waiting:,} waiting", style="" if counts.waiting else "dim"),
            )
        seconds = time.monotonic() - self._started
        foot = Text(f"{progress.channels_done} of {progress.channels} channels, {seconds:.0f} s")
        if progress.retries:
            foot.append(f", {progress.retries} retries", style="yellow")
        outer = Table.grid()
        outer.add_row("")
        outer.add_row(grid)
        outer.add_row(foot)
        return outer


def failed(counts: QueueProgress) -> int:
    """Jobs that ended without success."""
    return counts.dead + counts.failed + counts.aborted


def _bar(progress: RunProgress, queue: str, counts: QueueProgress) -> ProgressBar:
    expected = JOBS_OF_ONE_CHANNEL.get(queue, 0) * progress.channels
    total = counts.total if progress.over else max(counts.total, expected)
    ended = counts.total - counts.waiting
    return ProgressBar(
        total=max(total, 1),
        completed=ended if total else 1,
        width=24,
        complete_style="red" if failed(counts) else "cyan",
        finished_style="red" if failed(counts) else "green",
    )
