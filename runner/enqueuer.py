"""
First stage: put a job into Redis, body, queue entry and wake token in one atomic step.

Concurrent enqueues of one event loop share one script call for each queue, so a service that
awaits its jobs one by one in many tasks pays one round trip for all of them.
"""

from __future__ import annotations

import asyncio
import functools
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from redis.exceptions import RedisError

from runner.broker import keys
from runner.broker.chunks import MOST_BYTES, chunks
from runner.broker.cluster import LONGEST_PAUSE_S
from runner.broker.outage import is_away, is_passing
from runner.broker.outbox import AnswerLostError, BatchJob, Block, HeldBy, Outbox, size
from runner.broker.script_connection import ScriptConnection
from runner.broker.scripts import ENQUEUE
from runner.broker.scripts.fields import EnqueueHead, NewJob
from runner.enqueue import CALL_TIMEOUT_S, MAX_BODY_BYTES
from runner.errors import EnqueueError
from runner.unworked import Unworked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from redis.asyncio import Redis

    from runner.broker.keys import Keys
    from runner.broker.outbox import Answer, Reply
    from runner.enqueue import ClientHandler, ClientMiddleware, Enqueue

T = TypeVar("T")

_COPIES_WAIT_MS = 1000
_TRIES = 4
_TRIES_IN_A_CLUSTER = 100
"""Until the call's time is over: an election takes seconds, and so does the move of a slot."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5


class EnqueueScript(Protocol):
    """Runs the enqueue script, as `ScriptConnection` does."""

    own_keys: Keys
    is_clustered: bool

    @property
    def sent(self) -> int:
        """How often the script was sent."""
        ...

    async def __call__(
        self, key: str, args: Sequence[Any], *, again: Callable[[], Sequence[Any]] | None = None
    ) -> Any:
        """Return the script's reply."""
        ...

    async def copies(self, least: int, longest_ms: int) -> int:
        """Return how many replicas have what was written."""
        ...

    async def execute(self, *command: Any) -> Any:
        """Return the reply to another command."""
        ...

    async def ask(self, *command: Any) -> Any:
        """Return it over the open connection; raise if there is none."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class Sender:
    """
    Enqueues into one Redis; how its script gets there is left to the two that inherit it.

    script: the connection, or pool of connections, that runs it. middleware: wraps each enqueue,
    the first in the list outermost. timeout_s: how long a call waits for Redis in all, connecting
    and retries included. max_body_bytes: the largest body that it sends. strict_queues: refuse a
    queue that no worker has announced.
    """

    def __init__(
        self,
        script: EnqueueScript,
        middleware: Sequence[ClientMiddleware],
        *,
        timeout_s: float,
        max_body_bytes: int,
        strict_queues: bool,
    ) -> None:
        self._unworked = Unworked(
            self._execute, self._ask, own=script.own_keys, strict=strict_queues
        )
        self._max_body_bytes = max_body_bytes
        self._script = script
        self._handler: ClientHandler = self._hand_over
        for wrapper in reversed(middleware):
            self._handler = functools.partial(_call, wrapper, self._handler)
        self._timeout_s = timeout_s

    async def put(self, request: Enqueue) -> bool:
        """
        Enqueue one job; False if it was there already.

        Raises:
            CodecError: An argument has no JSON form.
            EnqueueError: Redis did not take the job, or did not answer in time. It may have the
                job, then; to enqueue it again under the same id adds no second one. Or fewer
                replicas have it than asked for. Or, where that is refused, no worker has announced
                its queue.
        """
        knows_queue = self._unworked.knows(request.queue)
        if not knows_queue:
            await self._unworked.refuse(request.queue, [request.job_id])
        created = await self._handler(request)
        if request.copies:
            await self._await_copies([request])
        if not knows_queue:
            await self._unworked.warn(request.queue)
        return created

    async def put_many(self, requests: Sequence[Enqueue]) -> list[bool]:
        """
        Enqueue many, in this order; raises what `put` raises.

        Sends none if one of them has no JSON form. The time that a call may take counts anew with
        each answer for a part of the jobs.
        """
        if self._handler != self._hand_over:
            return await self._together([self.put(request) for request in requests])
        jobs: dict[str, list[Block]] = {}
        for request in requests:
            jobs.setdefault(request.queue, []).append(self._block(request))
        ids = [request.job_id for request in requests]
        for queue in jobs:
            await self._unworked.refuse(queue, ids)
        sent = await self._together([self._push_many(*of_queue) for of_queue in jobs.items()])
        await self._await_copies(requests)
        for queue in jobs:
            await self._unworked.warn(queue)
        replies = {queue: iter(answers) for queue, answers in zip(jobs, sent, strict=True)}
        answers = [next(replies[request.queue]) for request in requests]
        return [
            one if type(one) is bool else self._held(request, one)
            for request, one in zip(requests, answers, strict=True)
        ]

    def _push(self, queue: str, jobs: list[Block]) -> Awaitable[list[Answer]]:
        raise NotImplementedError

    async def _together(self, calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        raise NotImplementedError

    async def _pause(self, seconds: float) -> None:
        raise NotImplementedError

    async def _push_many(self, queue: str, jobs: list[Block]) -> list[Answer]:
        replies: list[Answer] = []
        # Sizes are looked at only where they may matter: the bodies of most calls fit into one.
        bodies = sum(len(job[1]) for job in jobs)
        for chunk in chunks(jobs, size=size if bodies > MOST_BYTES else None):
            replies += await self._push(queue, list(chunk))
        return replies

    async def _hand_over(self, request: Enqueue) -> bool:
        """Encode now, so that a bad argument fails only its own caller; send with the others."""
        [reply] = await self._push(request.queue, [self._block(request)])
        return reply if type(reply) is bool else self._held(request, reply)

    def _held(self, request: Enqueue, by: Answer) -> bool:
        """Note which job holds the unique key, or the place, of one that was not enqueued."""
        assert isinstance(by, HeldBy)  # noqa: S101 -- the other answers are booleans
        request.is_lane_full = by.what == "lane"
        if by.job_id:
            request.held_by = by.job_id, self._script.own_keys.queue_of(by.queue_key)
        return False

    def _block(self, request: Enqueue) -> Block:
        """
        Return what is sent of one job.

        Raises:
            EnqueueError: Its body is too large.
        """
        block = _fields(request)
        if len(block[1]) > self._max_body_bytes:
            raise EnqueueError(
                f"{request.queue}: not enqueued: the body of {request.name} is {len(block[1]):,} "
                f"bytes, more than max_body_bytes ({self._max_body_bytes:,}): store what is large "
                "elsewhere, and pass where it is",
                job_ids=[request.job_id],
            )
        return block

    async def _await_copies(self, requests: Sequence[Enqueue]) -> None:
        """
        Wait until replicas have what was enqueued, as many as asked for.

        Raises:
            EnqueueError: They do not in time; the jobs are enqueued all the same.
        """
        copies = max((request.copies for request in requests), default=0)
        if not copies:
            return
        queue, ids = requests[0].queue, [request.job_id for request in requests]
        try:
            got = await self._copies(copies)
        except (RedisError, OSError) as error:
            raise EnqueueError(
                f"{queue}: enqueued, but whether {copies} replicas have it is unknown "
                f"({str(error) or type(error).__name__}): a failover now may lose it",
                job_ids=ids,
            ) from error
        if got < copies:
            raise EnqueueError(
                f"{queue}: enqueued, and it will run, but only {got} of {copies} "
                f"replicas acknowledged it within {_COPIES_WAIT_MS / 1000:g} s: "
                "a failover now may lose it",
                job_ids=ids,
            )

    async def _copies(self, least: int) -> int:
        return await self._script.copies(least, _COPIES_WAIT_MS)

    async def _execute(self, *command: Any) -> Any:
        return await self._script.execute(*command)

    async def _ask(self, *command: Any) -> Any:
        return await self._script.ask(*command)

    async def _send(self, queue: str, jobs: list[Block]) -> list[Reply]:
        """
        Send with retries, which are safe: the script recognizes its own bodies.

        Raises:
            AnswerLostError: Redis may have taken the jobs.
            RedisError, OSError: It has not.
        """

        def in_full() -> list[Any]:
            whole = map(_in_full, jobs)
            return [*EnqueueHead(keys.BATCH_TTL_S, queue), *chain.from_iterable(whole)]

        args = _in_short(queue, jobs) or in_full()
        pause_s, may_be_there = _FIRST_PAUSE_S, False
        tries, longest_pause_s = _TRIES, _LONGEST_PAUSE_S
        if self._script.is_clustered:
            tries, longest_pause_s = _TRIES_IN_A_CLUSTER, LONGEST_PAUSE_S
        for tries_left in range(tries - 1, -1, -1):
            sent = self._script.sent
            try:
                replies: list[Reply] | int
                replies = await self._script(
                    self._script.own_keys.queue_key(queue), args, again=in_full
                )
            except (RedisError, OSError) as error:
                may_be_there = may_be_there or (self._script.sent > sent and is_away(error))
                if not tries_left or not is_passing(error):
                    if may_be_there:
                        raise AnswerLostError(str(error) or type(error).__name__) from error
                    raise
                await self._pause(pause_s)
                pause_s = min(pause_s * 3, longest_pause_s)
            else:
                if isinstance(replies, list):
                    return replies
                if replies:
                    return [1] * len(jobs)
            args = in_full()
        raise AssertionError("unreachable: the last try returns or raises")


class Enqueuer(Sender):
    """Enqueues from event loops. Each client has one, which gathers what a loop enqueues."""

    def __init__(
        self,
        redis: Redis,
        middleware: Sequence[ClientMiddleware] = (),
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        max_body_bytes: int = MAX_BODY_BYTES,
        strict_queues: bool = False,
    ) -> None:
        script = ScriptConnection(redis, ENQUEUE)
        super().__init__(
            script,
            middleware,
            timeout_s=timeout_s,
            max_body_bytes=max_body_bytes,
            strict_queues=strict_queues,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outboxes: dict[str, Outbox] = {}
        self._counts = SharedCount(script)

    async def close(self) -> None:
        """Close the connection, once what is under way is sent; a later job opens another."""
        try:
            for outbox in self._outboxes.values():
                await outbox.close()
        finally:
            await self._script.close()
            await self._counts.close()

    def _push(self, queue: str, jobs: list[Block]) -> asyncio.Future[list[Answer]]:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # What another loop left behind when it was closed would never be sent.
            self._loop, self._outboxes = loop, {}
            self._counts = SharedCount(self._counts.script)
        outbox = self._outboxes.get(queue)
        if outbox is None:
            self._script.own_keys.queue_key(queue)  # or this raises: it has another prefix
            outbox = Outbox(queue, self._send, timeout_s=self._timeout_s)
            self._outboxes[queue] = outbox
        return outbox.push(jobs)

    async def _together(self, calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        return list(await asyncio.gather(*calls))

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _copies(self, least: int) -> int:
        async with asyncio.timeout(_COPIES_WAIT_MS / 1000 + self._timeout_s):
            return await self._counts.copies(least)

    async def _execute(self, *command: Any) -> Any:
        async with asyncio.timeout(self._timeout_s):
            return await super()._execute(*command)

    async def _ask(self, *command: Any) -> Any:
        async with asyncio.timeout(self._timeout_s):
            return await super()._ask(*command)


class SharedCount:
    """
    Counts the copies of what many calls have written, for all of them at once.

    Redis answers nothing else on a connection that waits for copies: one wait for each call would
    hold up all others where a replica is missing. Create it in the loop that it is used in.
    """

    def __init__(self, script: ScriptConnection) -> None:
        self.script = script
        self._turn = asyncio.Lock()
        self._least = 0
        self._next: asyncio.Task[tuple[object | None, int]] | None = None
        """The count that has not begun: it says something of all that was written until then."""
        self._counting: set[asyncio.Task[tuple[object | None, int]]] = set()

    async def copies(self, least: int) -> int:
        """
        Return how many replicas have what this call has just written; wait for *least* of them.

        0 if the connection was lost since: then nobody knows.
        """
        line = self.script.line
        self._least = max(self._least, least)
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._count())
            self._counting.add(self._next)
            self._next.add_done_callback(self._counted)
        counted_on, copies = await asyncio.shield(self._next)
        return copies if line is not None and line is counted_on else 0

    async def _count(self) -> tuple[object | None, int]:
        async with self._turn:
            least, self._least, self._next = self._least, 0, None
            return self.script.line, await self.script.copies(least, _COPIES_WAIT_MS)

    def _counted(self, count: asyncio.Task[tuple[object | None, int]]) -> None:
        self._counting.discard(count)
        if not count.cancelled():
            count.exception()  # those that waited for it have it

    async def close(self) -> None:
        """Return once every call has its answer; the connection is closed."""
        here = asyncio.get_running_loop()
        if counting := [count for count in self._counting if count.get_loop() is here]:
            await asyncio.wait(counting)


def _in_short(queue: str, jobs: list[Block]) -> list[Any] | None:
    """Return the arguments of the short form, if all of *jobs* fit into one call of it."""
    kinds = set(map(type, jobs))
    if kinds == {tuple}:
        head = EnqueueHead(keys.BATCH_TTL_S, queue, "fresh")
        return [*head, *chain.from_iterable(jobs)]
    batches = {job.batch if isinstance(job, BatchJob) else "" for job in jobs}
    if kinds == {BatchJob} and len(batches) == 1:
        head = EnqueueHead(keys.BATCH_TTL_S, queue, "fresh", *batches)
        return [*head, *chain.from_iterable(job[:2] for job in jobs)]
    return None


def _in_full(job: Block) -> NewJob:
    if isinstance(job, NewJob):
        return job
    return NewJob(job[0], job[1], batch=job.batch if isinstance(job, BatchJob) else "")


class HasServers(Protocol):
    """A client that knows where each queue is."""

    own_keys: Keys
    enqueuer: Enqueuer

    def at(self, queue: str) -> HasServers:
        """Return the client for *queue*."""
        ...

    def everywhere(self) -> Sequence[HasServers]:
        """Return a client for each server."""
        ...

    def hexists(self, name: str, key: str) -> Any:
        """Say whether the hash *name* has the field *key*, once it is awaited."""
        ...


OPENED = "abandoned"
"""The field that a batch has only if it was opened: when one that is joined ends is noted, too."""


def plan_of(client: HasServers, batch_id: str) -> str:
    """Return the key in which a batch says `OPENED` on the server where it was opened."""
    return f"{client.own_keys.batch_prefix}{batch_id}:plan"


def torn_batch(request: Enqueue) -> EnqueueError:
    """Return what to raise for a job on another server than its batch, which would not wait."""
    return EnqueueError(
        f"{request.queue}: not enqueued: the batch {request.batch_id} was opened on another Redis "
        "server than that of this queue, and would end without the job: leave the queue where the "
        "others are, or enqueue it outside of the batch",
        job_ids=[request.job_id],
    )


class Router:
    """Enqueues each job into the server where its queue is."""

    def __init__(self, client: HasServers) -> None:
        self._client = client

    async def put(self, request: Enqueue) -> bool:
        """Enqueue one job as `Sender.put` does."""
        if request.batch_id is not None:
            await self._refuse_torn_batches([request])
        return await self._client.at(request.queue).enqueuer.put(request)

    async def _refuse_torn_batches(self, requests: Sequence[Enqueue]) -> None:
        for request in requests:
            if request.batch_id is not None:
                here = self._client.at(request.queue)
                for other in self._client.everywhere():
                    plan = plan_of(other, request.batch_id)
                    if other is not here and await other.hexists(plan, OPENED):
                        raise torn_batch(request)

    async def put_many(self, requests: Sequence[Enqueue]) -> list[bool]:
        """
        Enqueue many as `Sender.put_many` does, into all servers at once.

        Each takes its own or not: when this raises, other servers may have theirs.
        """
        await self._refuse_torn_batches(requests)
        shares = shared(requests, lambda queue: self._client.at(queue).enqueuer)
        if len(shares) == 1:
            return await shares[0][0].put_many(requests)
        sent = await asyncio.gather(*[to.put_many(share) for to, share in shares])
        return in_order(requests, zip((share for _, share in shares), sent, strict=True))


def shared(
    requests: Sequence[Enqueue], place_of: Callable[[str], T]
) -> list[tuple[T, list[Enqueue]]]:
    """
    Return *requests* by where their queues are.

    Raises:
        CodecError: An argument has no JSON form; nothing is to be sent, then.
    """
    shares: dict[int, tuple[T, list[Enqueue]]] = {}
    of_queue: dict[str, list[Enqueue]] = {}
    for request in requests:
        share = of_queue.get(request.queue)
        if share is None:
            place = place_of(request.queue)
            share = of_queue[request.queue] = shares.setdefault(id(place), (place, []))[1]
        share.append(request)
    if len(shares) > 1:
        for request in requests:
            request.body()
    return list(shares.values())


def in_order(
    requests: Sequence[Enqueue], answered: Iterable[tuple[list[Enqueue], list[bool]]]
) -> list[bool]:
    """Return what was answered for each of *requests*."""
    found = {
        id(request): new
        for share, created in answered
        for request, new in zip(share, created, strict=True)
    }
    return [found[id(request)] for request in requests]


def _fields(request: Enqueue) -> Block:
    """Return one job's block: a short one if it is new and due now, otherwise a full one."""
    if (
        request.due_ms is None
        and request.delay_ms is None
        and not request.unique
        and not request.as_arq
        and request.expires_ms is None
        and request.schedule is None
        and request.attempt is None
        and request.only_one is None
        and request.lane is None
        and request.deadline_ms is None
        and not request.ahead_ms
    ):
        if request.batch_id:
            return BatchJob(request.job_id, request.body(), request.batch_id)
        # As `FreshJob` has them: to name the fields costs a third of all else that is done here.
        return request.job_id, request.body()
    body = request.body()
    return NewJob(
        id=request.job_id,
        body=body,
        due_ms="" if request.due_ms is None else request.due_ms,
        delay_ms="" if request.delay_ms is None else request.delay_ms,
        mode="arq" if request.as_arq else "unique" if request.unique else "new",
        expires_ms="" if request.expires_ms is None else request.expires_ms,
        batch=request.batch_id or "",
        schedule=request.schedule or "",
        tick_ms="" if request.tick_ms is None else request.tick_ms,
        period_ms="" if request.period_ms is None else request.period_ms,
        overlap="" if request.overlap else 0,
        spent="" if not request.attempt or request.attempt <= 1 else request.attempt - 1,
        unique=""
        if request.only_one is None
        else request.only_one.rule(request.unique_key(body), request.name),
        deadline_ms="" if request.deadline_ms is None else request.deadline_ms,
        lane="" if request.lane is None else request.lane_call(body),
        ahead_ms=request.ahead_ms or "",
    )


def _call(wrapper: ClientMiddleware, call_next: ClientHandler, request: Enqueue) -> Awaitable[bool]:
    return wrapper(request, call_next)
