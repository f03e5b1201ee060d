"""
A batch: jobs that belong together, their progress, and what is enqueued once they have ended.

    async with Batch("nightly", success=announce.call(day="2026-11-29")) as batch:
        await draw.enqueue_many(charts)

What is enqueued inside belongs to the batch, and so do the jobs that those enqueue. The atomic
scripts that move the jobs also count them, so the counts are exact whatever dies in between. The
one that ends the last job enqueues the callbacks.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

import structlog
from redis.exceptions import RedisError

from runner import chance
from runner.batch_books import BatchProgress, QueueProgress, ask, cancel, read_counts
from runner.broker import keys
from runner.broker.cancel_safe import cancel_all
from runner.broker.chunks import MOST
from runner.broker.outage import no_answer
from runner.broker.reading import answers, shown_id
from runner.broker.scripts.fields import BatchHead
from runner.broker.servers import everywhere
from runner.checks import text
from runner.current import current_client, memory_here
from runner.enqueue import current_batch
from runner.enqueuer import OPENED, plan_of
from runner.errors import ConfigurationError, EnqueueError, refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from contextvars import Token

    from redis.asyncio import Redis

    from runner.client import QueueClient
    from runner.decorator import Call
    from runner.enqueue import Enqueue, Memory

_log = structlog.get_logger("runner.batch")

OPEN_S = 60
"""For how long a creator that is silent is not taken for lost."""
_RENEW_S = 15.0


class Batch:
    """
    Jobs that belong together, by the batch's id.

    name: for people. complete: enqueued once none of the jobs waits or runs. success: once all of
    them are done, at once or after dead ones were retried. death: at the first that dies. Each is
    a job with its arguments, `announce.call(day=…)`, and is enqueued at most once, under the id
    `<batch>:complete` and so on; it is none of the batch's own jobs.

    parent: the batch that this one is in, or its id, such as `ctx.batch_id`: that one ends only
    after this one, is a success only if this one is, and has a death if this one has. To cancel it,
    or to retry its dead jobs, does so here, too.

    A batch does not end inside `async with`. abandoned: what becomes of it if that is left by an
    exception, or its process dies there: "close" it, so that it ends with its jobs, or "cancel" it.
    """

    def __init__(
        self,
        name: str = "",
        *,
        id: str | None = None,  # noqa: A002 -- as the attribute
        complete: Call[Any] | None = None,
        success: Call[Any] | None = None,
        death: Call[Any] | None = None,
        parent: Batch | str | None = None,
        abandoned: Literal["close", "cancel"] = "close",
    ) -> None:
        refuse(
            "Batch",
            text("name", name) if name else None,
            None if id is None else text("id", id),
            None if parent is None or isinstance(parent, Batch) else text("parent", parent),
            None
            if abandoned in {"close", "cancel"}
            else f"abandoned is {abandoned!r}: give 'close' or 'cancel'",
        )
        self.id = chance.new_id() if id is None else id
        self.name = name
        self.abandoned = abandoned
        self.parent = parent.id if isinstance(parent, Batch) else parent
        refuse("Batch", "it cannot be in itself" if self.parent == self.id else None)
        calls = {"complete": complete, "success": success, "death": death}
        self.callbacks = {
            how: call.callback(f"{self.id}:{how}")
            for how, call in calls.items()
            if call is not None
        }
        self._opened: tuple[_OpenedInMemory | _OpenedInRedis, Token[str | None]] | None = None

    def __repr__(self) -> str:
        return f"<batch {self.name or self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Batch) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    async def __aenter__(self) -> Self:
        """
        Open the batch, and add to it what is enqueued inside.

        Raises:
            ConfigurationError: It is open here already.
            EnqueueError: Redis did not take it.
        """
        if self._opened is not None:
            raise ConfigurationError(f"{self!r} is open already: enter each batch once")
        memory = memory_here()
        opened: _OpenedInMemory | _OpenedInRedis
        if memory is None:
            queues = [one.queue for one in self.callbacks.values()]
            home = await home_of(current_client(), f"{self!r} not opened", queues, self.parent)
            opened = _OpenedInRedis(home, self)
        else:
            opened = _OpenedInMemory(memory, self)
        await opened.begin()
        self._opened = opened, current_batch.set(self.id)
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """
        Close the batch: it ends once its jobs have.

        Raises:
            EnqueueError: Redis did not answer: the poller will do what *abandoned* says. Or it has
                done so already, since this process was silent for a minute.
        """
        assert self._opened is not None  # noqa: S101 -- `async with` has entered
        opened, token = self._opened
        self._opened = None
        current_batch.reset(token)
        await opened.end(cancel=error is not None and self.abandoned == "cancel")

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Add what is enqueued inside to the batch, which may end meanwhile."""
        token = current_batch.set(self.id)
        try:
            yield
        finally:
            current_batch.reset(token)

    async def progress(self, redis: Redis | None = None) -> BatchProgress:
        """Return the counts of now."""
        memory = memory_here() if redis is None else None
        if memory is not None:
            return memory.batch_progress(self.id)
        return (await progress_of(redis or current_client(), [self]))[0]

    async def follow(
        self, redis: Redis | None = None, *, every_s: float
    ) -> AsyncIterator[BatchProgress]:
        """Yield the counts now and every *every_s* seconds, up to the final ones."""
        while True:
            progress = await self.progress(redis)
            yield progress
            if not progress.waiting and not progress.is_open:
                return
            await asyncio.sleep(every_s)

    async def cancel(self, redis: Redis | None = None) -> bool:
        """
        Abort the jobs that wait or run, and refuse later ones; False if the batch has ended.

        A job that is refused has a handle whose `created` is false. `complete` is still enqueued
        once nothing runs, `success` never.

        Raises:
            RedisError: Redis does not answer. A part may be done; to call it again is harmless.
        """
        memory = memory_here() if redis is None else None
        if memory is not None:
            return await memory.cancel_batch(self.id)
        servers = everywhere(redis or current_client())
        return any([await cancel(one, self.id) for one in servers])

    async def dead_jobs(self, redis: Redis | None = None) -> list[tuple[str, str]]:
        """Return queue and id of each dead job of the batch."""
        redis = redis or current_client()
        pairs = {
            shown_id(member).partition("|")
            for one in everywhere(redis)
            async for member in one.sscan_iter(
                keys.of(one).batch_prefix + self.id + ":dead", count=MOST
            )
        }
        return sorted((queue, job_id) for queue, _, job_id in pairs if queue)


class _OpenedInMemory:
    """A batch that a test has opened."""

    def __init__(self, memory: Memory, batch: Batch) -> None:
        self._memory = memory
        self._batch = batch

    async def begin(self) -> None:
        batch = self._batch
        await self._memory.open_batch(batch.id, batch.callbacks, batch.parent)

    async def end(self, *, cancel: bool) -> None:
        if cancel:
            await self._memory.cancel_batch(self._batch.id)
        await self._memory.close_batch(self._batch.id)


class _OpenedInRedis:
    """A batch that this process has opened, and keeps open."""

    def __init__(self, client: QueueClient, batch: Batch) -> None:
        self._client = client
        self._batch = batch
        self._renewing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        batch = self._batch
        letters = {how: letter(self._client, one) for how, one in batch.callbacks.items()}
        head = self._head("open")._replace(
            name=batch.name,
            abandoned=batch.abandoned,
            parent=batch.parent or "",
            complete=letters.get("complete", b""),
            success=letters.get("success", b""),
            death=letters.get("death", b""),
        )
        await self._ask(head, "not opened")
        self._renewing = asyncio.create_task(self._renew())

    async def end(self, *, cancel: bool) -> None:
        if self._renewing is not None:
            await cancel_all([self._renewing])
        if cancel:
            await self._batch.cancel(self._client)
        elif not await self._ask(self._head("close"), "not closed"):
            closed = "closed" if self._batch.abandoned == "close" else "cancelled"
            raise EnqueueError(
                f"{self._batch!r} was {closed} before its jobs were all there: this process had "
                f"been silent for {OPEN_S} s",
                job_ids=[],
            )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                await self._ask(self._head("renew"), "not renewed")
            except EnqueueError as error:
                _log.warning("batch not renewed", batch=self._batch.id, error=str(error))

    def _head(self, action: str) -> BatchHead:
        return BatchHead(action, self._batch.id, keys.BATCH_TTL_S, OPEN_S * 1000)

    async def _ask(self, head: BatchHead, problem: str) -> int:
        try:
            return await self._client.in_time(ask(self._client, head))
        except (RedisError, OSError) as error:
            raise EnqueueError(
                f"{self._batch!r} {problem}: {no_answer(error)}", job_ids=[]
            ) from error


async def home_of(
    client: QueueClient, problem: str, queues: Iterable[str], parent: str | None
) -> QueueClient:
    """
    Return the client of the server where a batch or flow is to be: that of *queues*.

    queues: of its callbacks and nodes, into which a script enqueues. With none it is where *parent*
    is, or at *client*. The calls that end jobs keep its books in the same step, so it cannot be on
    two servers.

    Raises:
        EnqueueError: They are on several servers, or *parent* is on another one.
    """
    if client.has_all_queues:
        return client
    places = {queue: client.at(queue) for queue in queues}
    at_parent = None if parent is None else await _opened_at(client, problem, parent)
    home = next(iter(places.values()), at_parent or client)
    for queue, place in places.items():
        if place is not home:
            first = next(iter(places))
            raise EnqueueError(
                f"{problem}: its queues {first} and {queue} are on different Redis servers: give "
                "jobs of queues that are on one",
                job_ids=[],
            )
    if at_parent is not None and at_parent is not home:
        raise EnqueueError(
            f"{problem}: the batch {parent}, which it is to be in, was opened on another Redis "
            f"server than that of {', '.join(places)}, and would end without it: leave the parent "
            "out, or give jobs of queues that are where the parent is",
            job_ids=[],
        )
    return home


async def _opened_at(client: QueueClient, problem: str, batch_id: str) -> QueueClient | None:
    """Return the client of the server where a batch was opened; None if that is nowhere."""
    servers = client.everywhere()
    try:
        found = await asyncio.gather(
            *[one.in_time(one.hexists(plan_of(one, batch_id), OPENED)) for one in servers]  # type: ignore[arg-type]  # redis-py's own hints: sync or async
        )
    except (RedisError, OSError) as error:
        raise EnqueueError(f"{problem}: {no_answer(error)}", job_ids=[]) from error
    return next((one for one, is_there in zip(servers, found, strict=True) if is_there), None)


def letter(client: QueueClient, callback: Enqueue, over: str | None = None) -> bytes:
    """
    Return what a script needs to enqueue *callback*: queue, and body without its time, by lines.

    Behind them its queue's name, its delay, head start and lane, if it is a node or has a head
    start or lane. over: of a node, where the number of its jobs stands; '' if it is no map.

    Raises:
        EnqueueError: Its body is too large.
    """
    body = callback.body()
    if len(body) > client.max_body_bytes:
        raise EnqueueError(
            f"{callback.name}: its body is {len(body):,} bytes, more than "
            f"max_body_bytes ({client.max_body_bytes:,})",
            job_ids=[callback.job_id],
        )
    marker = b'"et":%d' % callback.enqueued_ms
    before, _, after = body.rpartition(marker)
    queue_key = keys.of(client).queue_key(callback.queue).encode()
    lines = [queue_key, before + b'"et":', after]
    if over is not None or callback.lane is not None or callback.ahead_ms:
        lane = "" if callback.lane is None else "|" + callback.lane_rule(body)
        ahead = f"+{callback.ahead_ms}" if callback.ahead_ms else ""
        lines += [callback.queue.encode(), f"{callback.delay_ms or ''}{ahead}{lane}".encode()]
    return b"\n".join(lines if over is None else [*lines, over.encode()])


async def progress_of(redis: Redis, batches: Sequence[Batch]) -> list[BatchProgress]:
    """
    Return the counts of each of *batches* now, in one round trip to each server.

    Raises:
        UnreadableError: A batch holds what is no count: nobody knows when it has finished.
    """
    servers = everywhere(redis)
    if len(servers) == 1:
        return await _counted(servers[0], batches)
    found = await asyncio.gather(*[_counted(one, batches) for one in servers])
    return [
        BatchProgress(
            {queue: one for part in parts for queue, one in part.queues.items()},
            is_open=any(part.is_open for part in parts),
            batches=sum((part.batches for part in parts), QueueProgress()),
        )
        for parts in zip(*found, strict=True)
    ]


async def _counted(redis: Redis, batches: Sequence[Batch]) -> list[BatchProgress]:
    names = [keys.of(redis).batch_prefix + batch.id for batch in batches]
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(name)
            pipe.hget(f"{name}:plan", "open_until_ms")
        found = await answers(pipe)
    return [
        read_counts(name, fields, open_until)
        for name, fields, open_until in zip(names, found[::2], found[1::2], strict=True)
    ]
