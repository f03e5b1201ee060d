"""
What waits to be sent into one queue: concurrent calls are gathered into few, and each is answered.

Every call gets its answer or an error, whatever happens on the way: Redis refuses one job, is
silent, or the event loop closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from runner.broker.chunks import MOST, MOST_BYTES
from runner.broker.outage import AWAY, TLS_HINT, is_cut_off, is_passing, situation
from runner.broker.scripts.fields import NewJob
from runner.codec import line_of, text_of
from runner.errors import EnqueueError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOK_AGAIN_S = 0.05
_CLOSING = "the event loop is closing"


class BatchJob(NamedTuple):
    """A job in short that belongs to a batch."""

    id: str
    body: bytes
    batch: str


Block = tuple[str, bytes] | BatchJob | NewJob
"""A job in short, the fields of `FreshJob` as a plain tuple or with its batch, or in full."""


class HeldBy(NamedTuple):
    """
    The job that holds the unique key of one that was not enqueued.

    what: "lane" if the lane had no place; job_id is that of its last job, then, or ''.
    """

    job_id: str
    queue_key: str
    what: str = ""


Answer = bool | HeldBy
"""Whether a job was enqueued, or which one is there in its place."""

Reply = int | list[bytes]
"""The same as the script says it."""


def answer_of(reply: Reply) -> Answer:
    """Return what a script's reply for one job means."""
    if isinstance(reply, list):
        return HeldBy(*(one.decode("utf-8", "backslashreplace") for one in reply))
    return bool(reply)


Parcel = tuple[list[Block], asyncio.Future[list[Answer]], float, int]
"""
Jobs of one call, as blocks of the script, Redis's answer for each of them, when the call has waited
long enough, by the loop's clock, and the bytes of all blocks.
"""

Send = Callable[[str, list[Block]], Awaitable[list[Reply]]]
"""Sends jobs into a queue in one call, and returns Redis's answer for each."""


class AnswerLostError(RedisConnectionError):
    """What was sent may have arrived: the answer was lost, or came too late."""


class Outbox:
    """
    The calls of one event loop that wait for one queue. Create it in that loop.

    timeout_s: how long a call waits for its answer.
    """

    def __init__(self, queue: str, send: Send, *, timeout_s: float) -> None:
        self._queue = queue
        self._send = send
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Parcel] = []
        self._under_way: list[Parcel] = []
        self._drain: asyncio.Task[None] | None = None
        self._is_given_up = False
        """Whether the drain was cancelled here, since everyone it works for has waited too long."""
        self._timer: asyncio.TimerHandle | None = None

    def push(self, jobs: list[Block]) -> asyncio.Future[list[Answer]]:
        """
        Send *jobs* soon, with those of other calls; the result says which of them were new.

        The future raises EnqueueError if Redis did not take them, or did not answer in time.
        """
        future: asyncio.Future[list[Answer]] = self._loop.create_future()
        due = self._loop.time() + self._timeout_s
        in_all = size(jobs[0]) if len(jobs) == 1 else sum(map(size, jobs))
        self._waiting.append((jobs, future, due, in_all))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._fail_overdue)
        if self._drain is None:
            self._start()
        return future

    async def close(self) -> None:
        """
        Return once nothing is under way: what callers wait for is sent first, or overdue.

        A drain that went on would open a connection that nobody closes.
        """
        if self._loop is asyncio.get_running_loop():
            while (drain := self._drain) is not None:
                if all(future.done() for _, future, _, _ in self._under_way + self._waiting):
                    self._waiting.clear()
                    self._is_given_up = True
                    drain.cancel()
                await asyncio.wait({drain}, timeout=_LOOK_AGAIN_S)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        self._is_given_up = False
        self._drain = self._loop.create_task(self._run())
        self._drain.add_done_callback(self._on_drained)

    async def _run(self) -> None:
        while self._waiting:
            self._under_way = _next_chunk(self._waiting)
            await self._deliver(self._under_way)

    def _on_drained(self, drain: asyncio.Task[None]) -> None:
        """Answer all whom the drain has not, however it ended; send what came meanwhile."""
        self._drain = None
        left, self._under_way = self._under_way, []
        error = asyncio.CancelledError() if drain.cancelled() else drain.exception()
        if error is not None:
            why = _CLOSING if drain.cancelled() else line_of(error)
            self._fail(left, AnswerLostError(why), error)
            if not self._is_given_up:
                unsent, self._waiting = self._waiting, []
                self._fail(unsent, error)
        if self._waiting:
            self._start()

    async def _deliver(self, parcels: Sequence[Parcel]) -> None:
        """Send *parcels* and answer them; one that cannot be sent fails alone."""
        try:
            jobs = [job for of_call, _, _, _ in parcels for job in of_call]
            replies = iter(await self._send(self._queue, jobs))
        except Exception as error:  # noqa: BLE001 -- a body or an id may be anything
            if len(parcels) == 1 or is_passing(error):
                self._fail(parcels, error)
                return
            for parcel in parcels:
                await self._deliver([parcel])
            return
        for of_call, future, _, _ in parcels:
            # Most calls are of one job: to slice for them takes as long as all else here.
            count = len(of_call)
            some = [next(replies)] if count == 1 else islice(replies, count)
            answers = [answer_of(reply) for reply in some]
            if not future.done():
                future.set_result(answers)

    def _fail_overdue(self) -> None:
        """
        Answer calls that have waited for too long, and give up what is sent for these alone.

        All calls share one timer: a timeout for each would cost a fifth of an enqueue.
        """
        now = self._loop.time()
        every = self._under_way + self._waiting
        late = AnswerLostError(f"no answer within {self._timeout_s:g} s")
        self._fail([parcel for parcel in every if parcel[2] <= now], late)
        self._waiting = [parcel for parcel in self._waiting if parcel[2] > now]
        if self._drain is not None and all(due <= now for _, _, due, _ in self._under_way):
            self._is_given_up = True
            self._drain.cancel()
        waits = [due for _, _, due, _ in every if due > now]
        self._timer = None
        if waits:
            when = max(min(waits), now + _LOOK_AGAIN_S)
            self._timer = self._loop.call_at(when, self._fail_overdue)

    def _fail(
        self, parcels: Sequence[Parcel], error: BaseException, cause: BaseException | None = None
    ) -> None:
        for jobs, future, _, _ in parcels:
            if not future.done() and not future.get_loop().is_closed():
                problem = problem_of(self._queue, jobs, error)
                problem.__cause__ = cause or error
                future.set_exception(problem)


def problem_of(queue: str, jobs: Sequence[Block], error: BaseException) -> EnqueueError:
    """Return what to raise for *jobs* that could not be sent into *queue*, or may not have been."""
    ids = [text_of(job[0]) for job in jobs]
    if not isinstance(error, AnswerLostError):
        return EnqueueError(f"{queue}: not enqueued: {_in_words(error)}", job_ids=ids)
    which = f"options(job_id={ids[0]!r})" if len(ids) == 1 else "their ids, `job_ids` of this error"
    return EnqueueError(
        f"{queue}: may be enqueued or not, for want of an answer ({line_of(error)}): check that "
        f"Redis answers at REDIS_URL, and enqueue again with {which}: that adds no second one to "
        "a job that waits",
        job_ids=ids,
        may_be_enqueued=True,
    )


def _in_words(error: BaseException) -> str:
    """Say what an error is, and what to do if it is a Redis that does not answer."""
    if isinstance(error, asyncio.CancelledError):
        return _CLOSING
    what = f"{type(error).__name__}: {line_of(error)}"
    if not isinstance(error, RedisError | OSError):
        return what
    remedy = ": check that Redis answers at REDIS_URL" if situation(error) == AWAY else ""
    hint = f"; {TLS_HINT}" if is_cut_off(error) else ""
    return f"{situation(error)}: {what}{remedy}{hint}"


def _next_chunk(waiting: list[Parcel]) -> list[Parcel]:
    """Remove and return the first parcels, as many as one script call takes; at least one."""
    jobs = bytes_ = count = 0
    for of_call, _, _, size_of_call in waiting:
        jobs += len(of_call)
        bytes_ += size_of_call
        if (jobs > MOST or bytes_ > MOST_BYTES) and count:
            break
        count += 1
    chunk = waiting[:count]
    del waiting[:count]
    return chunk


def size(block: Block) -> int:
    """Return the bytes of a block's body, its second field in short and in full."""
    return len(block[1])
