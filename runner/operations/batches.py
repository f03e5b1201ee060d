"""Batches: how far each is, which callbacks are to come, and what an operator does to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING

from runner import batch_books
from runner.batch_books import CALLBACKS, read_counts
from runner.broker import keys
from runner.broker.chunks import MOST
from runner.broker.reading import Reader, answers, count_of, moment, shown_id
from runner.errors import ConfigurationError, UnreadableError
from runner.operations.verbs import BATCH_VERBS, offered
from runner.redaction import scrubbed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.actions import Operator
    from runner.operations.verbs import Verb

PAGE = 50
_SHOWN = 100
"""How many jobs of a batch are named."""
NODES_SHOWN = 200
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class BatchView:
    """
    One batch.

    Attributes:
        batch_id: Its id.
        name: Its name; empty if it has none.
        state: `open` while its creator adds jobs, `running` while some wait or run, `ended`, or
            `cancelled`.
        began_at: When it began.
        ended_at: When its last job ended; null while some wait or run.
        total: How many jobs it has.
        done: How many of them are done.
        dead: How many are dead.
        aborted: How many were aborted.
        failed: How many failed without a retry, or were ended by another program.
        expired: How many were too late to start.
        waiting: How many wait or run.
        retries: Failed attempts that another one followed.
        waiting_by_queue: How many wait or run, by queue.
        to_come: Callbacks that are still to come: `complete`, `success`, `death`.
        batches: How many of all these are batches within it, each of which counts as one.
        parent: The batch that it is in; empty for none.
        unreadable: What of its state cannot be read, and why; empty if all can.
    """

    batch_id: str
    name: str
    state: str
    began_at: datetime | None
    ended_at: datetime | None
    total: int
    done: int
    dead: int
    aborted: int
    failed: int
    expired: int
    waiting: int
    retries: int
    waiting_by_queue: dict[str, int] = field(default_factory=dict)
    to_come: list[str] = field(default_factory=list)
    batches: int = 0
    parent: str = ""
    unreadable: str = ""

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to it now."""
        return [
            verb
            for verb in offered(BATCH_VERBS, self.state)
            if verb.name != "retry-dead" or self.dead
        ]


@dataclass(frozen=True, slots=True)
class BatchPage:
    """
    Some batches, the latest first.

    Attributes:
        rows: The batches.
        total: How many there are.
        after: How many to skip for the next page; null if this is the last.
    """

    rows: list[BatchView]
    total: int
    after: int | None


@dataclass(frozen=True, slots=True)
class BatchJob:
    """
    A job of a batch.

    Attributes:
        queue: Its queue.
        job_id: Its id.
    """

    queue: str
    job_id: str


@dataclass(frozen=True, slots=True)
class FlowNodeView:
    """
    A node of a flow.

    Attributes:
        node: Its number.
        name: Name of its job.
        queue: The queue of its jobs.
        job_id: Id of its job; of a map, what comes before the place of each.
        state: `waiting` for others, `started`, `done`, `dead`, `failed` (the flow went on),
            `aborted`, `expired` or `deleted`.
        needs: Numbers of the nodes that it needs.
        waits_for: Those of them that have not ended.
        jobs: How many jobs it has, if it is a map that has started; otherwise null.
        left: How many of those have not ended; otherwise null.
        depth: How many steps come before it at least.
    """

    node: int
    name: str
    queue: str
    job_id: str
    state: str
    needs: list[int]
    waits_for: list[int]
    jobs: int | None
    left: int | None
    depth: int


@dataclass(frozen=True, slots=True)
class BatchDetail:
    """
    A batch and some of its jobs.

    Attributes:
        batch: The batch.
        waiting: Jobs that wait or run, a hundred at most.
        dead: Jobs that are dead, a hundred at most.
        nodes: Of a flow, its nodes, two hundred at most; empty otherwise.
        batches: Batches within it that have not ended, or have dead jobs, a hundred at most.
    """

    batch: BatchView
    waiting: list[BatchJob]
    dead: list[BatchJob]
    nodes: list[FlowNodeView] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)


async def batches(redis: Redis, *, skip: int = 0, limit: int = PAGE) -> BatchPage:
    """Some batches, the latest first; skip: how many of them come before."""
    own = keys.of(redis)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zcard(own.batches)
        pipe.zrevrange(own.batches, skip, skip + limit - 1)
        total, ids = await answers(pipe)
    reader = Reader()
    count, found = reader.known(total, 0), reader.known(ids, [])
    rows = await _views(redis, [shown_id(one) for one in found])
    after = skip + limit if skip + limit < count else None
    return BatchPage([row for row in rows if row.total or row.began_at], count, after)


async def batch(redis: Redis, batch_id: str) -> BatchDetail:
    """
    One batch with its jobs.

    Raises:
        ConfigurationError: There is none of this id.
    """
    key = keys.of(redis).batch_prefix + batch_id
    [view] = await _views(redis, [batch_id])
    if not view.began_at and not view.total and not view.unreadable:
        raise ConfigurationError(
            f"there is no batch {batch_id!r}: none of this id was opened, or it ended a month ago"
        )
    waiting, dead = await _jobs(redis, key + ":pending"), await _jobs(redis, key + ":dead")
    return BatchDetail(
        view,
        [one for one in waiting if one.queue],
        [one for one in dead if one.queue],
        await flow_nodes(redis, batch_id),
        sorted({one.job_id for one in [*waiting, *dead] if not one.queue}),
    )


_SETTLED = {"done", "failed"}


async def flow_nodes(
    redis: Redis, batch_id: str, numbers: Sequence[int] | None = None
) -> list[FlowNodeView]:
    """Nodes of a flow by their numbers, by default its first ones; empty if it is no flow."""
    key = keys.of(redis).batch_prefix + batch_id
    names = [*map(str, range(1, NODES_SHOWN + 1) if numbers is None else numbers)]
    records = await _fields(redis, f"{key}:nodes", names)
    needs = {
        name: [one for one in _record(record)[2].split()[:NODES_SHOWN] if _number(one) is not None]
        for name, record in records.items()
    }
    asked = {*records, *(one for of in needs.values() for one in of)}
    asked |= {f"{name}.{what}" for name in records for what in ("count", "left")}
    states = await _fields(redis, f"{key}:state", sorted(asked))
    depths: dict[str, int] = {}
    found = []
    for name, record in records.items():
        _, _, _, queue, job = _record(record)
        depths[name] = max((depths.get(one, 0) + 1 for one in needs[name]), default=0)
        state = states.get(name, "")
        waits = [one for one in needs[name] if states.get(one, "") not in _SETTLED]
        found.append(
            FlowNodeView(
                node=int(name),
                name=job,
                queue=queue,
                job_id=f"{batch_id}:{name}",
                state="waiting" if state.isdigit() else state or "unknown",
                needs=[*map(int, needs[name])],
                waits_for=[*map(int, waits)] if state.isdigit() else [],
                jobs=_number(states.get(f"{name}.count")),
                left=_number(states.get(f"{name}.left")),
                depth=depths[name],
            )
        )
    return found


def _record(record: str) -> list[str]:
    return [*record.split("\n"), "", "", "", "", ""][:5]


def _number(text: str | None) -> int | None:
    is_one = text is not None and text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if text is not None and is_one else None


async def _fields(redis: Redis, key: str, names: Sequence[str]) -> dict[str, str]:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hmget(key, [*names, ""])
        [reply] = await answers(pipe)
    values = Reader().known(reply, [None] * len(names))
    return {
        name: shown_id(value)
        for name, value in zip(names, values, strict=False)
        if value is not None
    }


async def act(redis: Redis, operator: Operator, verb: Verb, batch_id: str) -> str:
    """Do it to one batch; return what was done, in words."""
    detail = await batch(redis, batch_id)
    if verb.name == "cancel":
        cancelled = await batch_books.cancel(redis, batch_id)
        outcome = "done" if cancelled else "nothing: it has ended"
    else:
        retried = await batch_books.retry_dead(redis, batch_id)
        outcome = f"{retried:,} of {detail.batch.dead:,} dead"
    await operator.record(f"{verb.name} batch", batch_id, detail.batch.name, outcome)
    return outcome


async def _jobs(redis: Redis, key: str) -> list[BatchJob]:
    cursor, found = 0, list[bytes]()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.sscan(key, cursor, count=MOST)
        [reply] = await answers(pipe)
    found = Reader().known(reply, (0, []))[1]
    pairs = [shown_id(one).partition("|") for one in found[:_SHOWN]]
    return sorted(
        (BatchJob(queue, job_id) for queue, _, job_id in pairs),
        key=lambda one: (one.queue, one.job_id),
    )


async def _views(redis: Redis, ids: Sequence[str]) -> list[BatchView]:
    if not ids:
        return []
    own = keys.of(redis)
    async with redis.pipeline(transaction=False) as pipe:
        for one in ids:
            pipe.hgetall(own.batch_prefix + one)
            pipe.hgetall(f"{own.batch_prefix}{one}:plan")
            pipe.zscore(own.batches, one)
        found = await answers(pipe)
    return [
        _view(one, own.batch_prefix + one, *found[3 * at : 3 * at + 3])
        for at, one in enumerate(ids)
    ]


def _view(batch_id: str, key: str, counts: object, plan: object, began: object) -> BatchView:
    reader = Reader()
    fields: dict[bytes, bytes] = reader.known(plan, {})
    try:
        progress, problem = read_counts(key, counts, None), ""  # type: ignore[arg-type]
    except UnreadableError as error:
        progress, problem = read_counts(key, {}, None), str(error)
    ended_at = reader.moment(key, count_of(fields.get(b"ended_ms")))
    waiting = {queue: by.waiting for queue, by in progress.queues.items() if by.waiting}
    in_all = progress.in_all
    state = "running" if ended_at is None else "ended"
    if b"open_until_ms" in fields:
        state = "open"
    elif b"cancelled_ms" in fields:
        state = "cancelled"
    return BatchView(
        batch_id=batch_id,
        name=scrubbed(shown_id(fields.get(b"name", b""))),
        state=state,
        began_at=moment(reader.known(began, None)),
        ended_at=ended_at,
        total=in_all.total,
        done=in_all.done,
        dead=in_all.dead,
        aborted=in_all.aborted,
        failed=in_all.failed,
        expired=in_all.expired,
        waiting=in_all.waiting,
        retries=in_all.retries,
        batches=progress.batches.total,
        parent=shown_id(fields.get(b"parent", b"")),
        waiting_by_queue=waiting,
        to_come=[how for how in CALLBACKS if how.encode() in fields],
        unreadable=problem or reader.unreadable,
    )
