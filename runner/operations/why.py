"""
Why a job is not running yet, in a sentence that somebody can act on.

The causes are tried in this order: the job has finished, it runs, another one has its unique key,
its lane has no place, no worker knows it, it is not due, its queue is paused, no worker lives,
every worker is quiet, every slot is busy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from enum import StrEnum
from typing import TYPE_CHECKING

from runner.batch_books import CALLBACKS
from runner.broker import keys
from runner.broker.reading import Reader, answers
from runner.broker.servers import at
from runner.codec import EXPIRED
from runner.errors import ConfigurationError
from runner.operations.batches import batch, flow_nodes
from runner.operations.job import find_queue, job
from runner.operations.processes import slots_of, workers_of
from runner.operations.queues import paused_by
from runner.states import JobState
from runner.wording import DROPPED, counted, now, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.batches import BatchView, FlowNodeView
    from runner.operations.catalog import Catalog
    from runner.operations.job import JobView, LaneView
    from runner.operations.processes import WorkerView

_MESSAGE_CHARACTERS = 160
_DIGITS = 9
_NAMED = 5


class Cause(StrEnum):
    """What a job waits for, or why it does not wait any more."""

    GONE = "gone"
    BATCH = "batch"
    FLOW = "flow"
    DONE = "done"
    DEAD = "dead"
    EXPIRED = "expired"
    RUNNING = "running"
    LEASE_LAPSED = "lease lapsed"
    NOT_DUE = "not due"
    UNKNOWN_NAME = "unknown name"
    PAUSED = "paused"
    NO_WORKER = "no worker"
    QUIET = "quiet"
    SLOTS_BUSY = "slots busy"
    SUSPECT = "suspect"
    UNIQUE = "unique key"
    LANE = "lane"
    ABOUT_TO_RUN = "about to run"


@dataclass(frozen=True, slots=True)
class Why:
    """
    Why a job is not running.

    Attributes:
        cause: The cause in a word or two.
        sentence: The cause in a sentence.
        remedy: What to do about it; empty if there is nothing to do.
        since: Since when, if the sentence names that time.
        until: Until when, if the sentence names that time.
        ahead: Jobs of the queue that are due before it.
    """

    cause: Cause
    sentence: str
    remedy: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ahead: int | None = None


async def why(redis: Redis, queues: Sequence[str], job_id: str, catalog: Catalog) -> Why:
    """Explain the job with this id, in whichever of *queues* it is."""
    queue = await find_queue(redis, queues, job_id)
    view = None if queue is None else await job(redis, queue, job_id, catalog)
    if view is None:
        return (
            await _callback(redis, job_id)
            or await _node(redis, job_id)
            or Why(
                Cause.GONE,
                f"There is no job {job_id} in {', '.join(queues)}: it was never enqueued, was "
                "deleted, or is done and its result is no longer kept.",
            )
        )
    return await explain(redis, view)


async def _callback(redis: Redis, job_id: str) -> Why | None:
    """Explain a job that a batch enqueues later; None if none does."""
    batch_id, _, how = job_id.rpartition(":")
    if how not in CALLBACKS or not batch_id:
        return None
    try:
        one = (await batch(redis, batch_id)).batch
    except ConfigurationError:
        return None
    if how not in one.to_come:
        return None
    counts = {"waiting or running": one.waiting, "dead": one.dead, "aborted": one.aborted}
    counts |= {"failed": one.failed, "expired": one.expired}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    is_open = " Its creator still adds jobs." if one.state == "open" else ""
    return Why(
        Cause.BATCH,
        f"It is a callback of the batch {one.name or batch_id}, and comes {_COMES[how]}. Of "
        f"{counted(one.total, 'job')}, {one.done:,} are done{told and f', {told}'}.{is_open}",
        remedy=_remedy(one, how),
    )


async def _node(redis: Redis, job_id: str) -> Why | None:
    """Explain a node of a flow that waits for others; None if it is none."""
    flow_id, _, number = job_id.rpartition(":")
    if not (number.isascii() and number.isdigit()) or not flow_id or len(number) > _DIGITS:
        return None
    found = await flow_nodes(redis, flow_id, [int(number)])
    if not found:
        return None
    [node] = found
    if not node.waits_for:
        told = {
            "aborted": "It never starts: its flow was cancelled.",
            "waiting": "It needs no other node any more, and is about to be enqueued.",
        }
        sentence = told.get(node.state)
        return None if sentence is None else Why(Cause.FLOW, sentence)
    needed = await flow_nodes(redis, flow_id, node.waits_for)
    named = ", ".join(f"{one.name} ({one.job_id}, {_of_needed(one)})" for one in needed[:_NAMED])
    if len(needed) > _NAMED:
        named += f" and {len(needed) - _NAMED:,} more"
    dead = any(one.state == "dead" for one in needed)
    return Why(
        Cause.FLOW,
        f"It is a node of the flow {flow_id}, and needs what is not done yet: {named}.",
        remedy=f"Retry the dead jobs: pipeline batches retry-dead {flow_id}." if dead else "",
    )


def _of_needed(one: FlowNodeView) -> str:
    if one.jobs is not None and one.left:
        return f"{one.left:,} of {counted(one.jobs, 'job')} not done"
    return one.state


_COMES = {
    "complete": "once none of its jobs waits or runs",
    "success": "once all of its jobs are done",
    "death": "when the first of its jobs dies",
}


def _remedy(one: BatchView, how: str) -> str:
    if how != "success" or one.waiting:
        return ""
    if one.state == "cancelled":
        return "It never comes: the batch was cancelled."
    if one.aborted or one.failed or one.expired:
        return "It never comes: a job that was aborted, has failed or has expired is not done."
    return f"Retry the dead jobs: pipeline batches retry-dead {one.batch_id}." if one.dead else ""


async def explain(redis: Redis, view: JobView) -> Why:
    """Explain a job that has been read already."""
    match view.state:
        case JobState.DONE:
            return _done(view)
        case JobState.DEAD:
            return _dead(view)
        case JobState.RUNNING | JobState.WAITING:
            return _running(view) if view.state is JobState.RUNNING else _behind(view)
        case _ if view.lane is not None and view.lane.is_dropped:
            return _dropped(view.lane)
    workers = await workers_of(redis, view.queue)
    if view.unknown:
        return await _of_paused(redis, view) or _unknown(view, workers)
    is_ready = view.state is JobState.READY
    return await _waiting(redis, view, workers) if is_ready else _not_due(view)


def _dropped(lane: LaneView) -> Why:
    return Why(
        Cause.LANE,
        f"It never starts: a newer job took its place in its lane {lane.lane}, and the next "
        "worker that claims it ends it as aborted.",
    )


def _done(view: JobView) -> Why:
    if view.succeeded is None:
        return Why(
            Cause.DONE,
            f"It ended at {_at(view.ended_at)}; its result is no longer kept.",
            since=view.ended_at,
        )
    last = view.attempts[-1]
    if last.error == EXPIRED:
        return Why(
            Cause.EXPIRED,
            f"It expired at {_at(last.ended_at)}: {_short(last.message)}.{_before(view)}",
            remedy="Add workers or slots, or give it more time, if that happens often.",
            since=last.ended_at,
        )
    if last.message.startswith(DROPPED):
        return Why(
            Cause.LANE,
            f"It was {_short(last.message)}, at {_at(last.ended_at)}.{_before(view)}",
            since=last.ended_at,
        )
    ended = "It is done" if view.succeeded else f"It ended without success ({last.error})"
    took = "" if last.duration_s is None else f" after {span(last.duration_s)}"
    return Why(
        Cause.DONE,
        f"{ended}: attempt {last.number} ended at {_at(last.ended_at)}{took}.{_before(view)}",
        since=last.ended_at,
    )


def _before(view: JobView) -> str:
    *failed, _ = view.attempts
    if not failed:
        return ""
    last = failed[-1]
    return (
        f" Failed before: {len(failed)}, the last time with {last.error}: {_short(last.message)}."
    )


def _dead(view: JobView) -> Why:
    last = view.attempts[-1] if view.attempts else None
    reason = "" if last is None else f": {last.error}: {_short(last.message)}"
    return Why(
        Cause.DEAD,
        f"It died at {_at(view.died_at)}, after {counted(view.attempts_spent, 'attempt')}{reason}.",
        remedy=_remedy_of_dead(view),
        since=view.died_at,
    )


def _remedy_of_dead(view: JobView) -> str:
    held = view.unique
    if held is not None and held.holder not in {None, view.job_id} and not held.over:
        return (
            f"The job {held.holder} has its unique key now: retry it once that has ended, or "
            "delete it."
        )
    return "Retry it to run it again with all its attempts, or delete it."


def _running(view: JobView) -> Why:
    if view.lease_until is None:
        return Why(
            Cause.LEASE_LAPSED,
            f"Its worker {view.holder} has gone silent, and its lease has ended: the next worker "
            "that claims jobs takes it over.",
            remedy="Make sure that a worker of its queue runs.",
        )
    since = view.running.started_at if view.running else None
    started = "" if since is None else f" since {_at(since)}"
    return Why(
        Cause.RUNNING,
        f"It is running{started}, held by {view.holder}; the lease lasts until "
        f"{_at(view.lease_until)} and is renewed as long as that worker lives.",
        since=since,
        until=view.lease_until,
    )


def _behind(view: JobView) -> Why:
    if view.lane is not None and view.lane.ahead is not None:
        return _in_lane(view, view.lane)
    held = view.unique
    holder = "another job" if held is None or held.holder is None else f"the job {held.holder}"
    return Why(
        Cause.UNIQUE,
        f"It waits until {holder}, which has the same unique key, has ended.",
        remedy=f"See why that one runs: pipeline why {held.holder}."
        if held and held.holder
        else "",
        until=view.due_at,
    )


def _in_lane(view: JobView, lane: LaneView) -> Why:
    come = "comes" if lane.ahead == 1 else "come"
    before = f"{counted(lane.ahead, 'job')} {come} before it" if lane.ahead else "it is next"
    due = "" if view.due_at is None or view.due_at <= now() else f", and due at {_at(view.due_at)}"
    if not lane.limit:
        return Why(
            Cause.LANE,
            f"Its lane {lane.lane} is paused: none of its jobs starts{due}; {before}.",
            remedy=f"Resume it: pipeline lanes resume {view.queue} {lane.lane}.",
            until=view.due_at,
            ahead=lane.ahead,
        )
    if lane.until == "started":
        return _in_turn(view, lane, before)
    return Why(
        Cause.LANE,
        f"It waits for a place in its lane {lane.lane}, which runs {lane.limit:,} at a time, and "
        f"has {lane.inside:,} inside{due}; {before}.",
        remedy="Wait, or give the lane another limit: "
        f"pipeline lanes limit {view.queue} {lane.lane} {lane.limit + 1}.",
        until=view.due_at,
        ahead=lane.ahead,
    )


def _in_turn(view: JobView, lane: LaneView, before: str) -> Why:
    pace = "takes turns with others"
    if lane.every_s is not None:
        pace = f"starts one job in {span(lane.every_s)}"
    held = lane.used_until if lane.used_until and lane.used_until > now() else None
    until = "" if held is None else f", and none before {_at(held)}"
    return Why(
        Cause.LANE,
        f"It waits in its lane {lane.lane}, which {pace}{until}; {before}.",
        remedy="Wait." if lane.inside else "Make sure that a worker of its queue runs.",
        until=held or view.due_at,
        ahead=lane.ahead,
    )


async def _of_paused(redis: Redis, view: JobView) -> Why | None:
    """Explain a job whose name is paused; None if it is not."""
    redis = at(redis, view.queue)
    key = keys.of(redis).queue_key(view.queue) + keys.PAUSED_JOBS_SUFFIX
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(key, view.name or "")
        [note] = await answers(pipe)
    paused = paused_by(Reader(), key, note)
    if paused is None:
        return None
    by = f" by {paused.by}" if paused.by else ""
    return Why(
        Cause.PAUSED,
        f"Jobs named {view.name} were paused{by} at {_at(paused.at)} in {view.queue}.",
        remedy=f"Resume them: pipeline queues resume {view.queue} --job {view.name}.",
        since=paused.at,
    )


def _unknown(view: JobView, workers: Sequence[WorkerView]) -> Why:
    known = sorted({name for worker in workers for name in worker.jobs})
    return Why(
        Cause.UNKNOWN_NAME,
        f"It is parked: no worker that has met it knows a job named {view.name} with its "
        f"parameters. Workers of {view.queue} know "
        f"{', '.join(known) or 'nothing'}.",
        remedy="Deploy a worker that knows it, or delete it.",
        until=view.due_at,
    )


def _not_due(view: JobView) -> Why:
    if view.state is JobState.RETRYING and view.attempts:
        last = view.attempts[-1]
        begin = f"Attempt {last.number} failed ({last.error}: {_short(last.message)}); the next is"
    elif view.lane is not None and view.lane.used_until is not None:
        begin = f"Its lane {view.lane.lane} starts its jobs one after another: it is"
    else:
        begin = "It is"
    wait = span(max(0.0, ((view.due_at or now()) - now()).total_seconds()))
    return Why(
        Cause.NOT_DUE,
        f"{begin} not due until {_at(view.due_at)}, in {wait}.",
        remedy="Run it now if it cannot wait.",
        until=view.due_at,
    )


async def _waiting(redis: Redis, view: JobView, workers: Sequence[WorkerView]) -> Why:
    redis = at(redis, view.queue)
    key = keys.of(redis).queue_key(view.queue)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.get(key + keys.PAUSED_SUFFIX)
        pipe.zrank(key, view.job_id)
        pipe.zrank(key + keys.SUSPECTS_SUFFIX, view.job_id)
        note, *ranks = await answers(pipe)
    rank, rank_apart = map(Reader().known, ranks)
    paused = paused_by(Reader(), key + keys.PAUSED_SUFFIX, note)
    if paused is not None:
        by = f" by {paused.by}" if paused.by else ""
        return Why(
            Cause.PAUSED,
            f"The queue {view.queue} was paused{by} at {_at(paused.at)}.",
            remedy="Resume the queue.",
            since=paused.at,
            ahead=rank,
        )
    if not workers:
        return Why(
            Cause.NO_WORKER,
            f"No worker of {view.queue} lives.",
            remedy=f"Start one: pipeline worker {view.queue}",
            since=view.due_at,
            ahead=rank,
        )
    able = [worker for worker in workers if view.name is None or view.name in worker.jobs]
    if not able:
        return _unknown(view, workers)
    if rank_apart is not None:
        return _suspect(view, rank_apart)
    return _in_line(view, able, rank)


def _suspect(view: JobView, rank: int) -> Why:
    before = f" {counted(rank, 'suspect')} came due before it." if rank else ""
    return Why(
        Cause.SUSPECT,
        f"It was lost with its worker {counted(view.crashes, 'time')}, so it runs alone: "
        f"it waits for a worker that runs nothing else.{before}",
        remedy="Wait: if no worker is idle, one makes room for it.",
        ahead=rank,
    )


def _in_line(view: JobView, able: Sequence[WorkerView], rank: int | None) -> Why:
    taking = [worker for worker in able if not worker.quiet and not worker.stopping]
    if not taking:
        return Why(
            Cause.QUIET,
            f"Every worker of {view.queue} was asked to claim no jobs, or is stopping.",
            remedy="Resume a worker, or start another.",
            ahead=rank,
        )
    come = "comes" if rank == 1 else "come"
    before = f" {counted(rank, 'job')} {come} before it." if rank else " It is next in line."
    slots, free = slots_of(taking), sum(w.free for w in taking)
    if not free:
        starts = [j.started_at for w in taking for j in w.running if j.started_at is not None]
        since = max(starts, default=None)
        for_long = "" if since is None else f" since {_at(since)}"
        return Why(
            Cause.SLOTS_BUSY,
            f"All {slots} slots of {len(taking)} workers are busy{for_long}{_with_whom(taking)}."
            f"{before}",
            remedy="Add workers or slots, or wait.",
            since=since,
            ahead=rank,
        )
    return Why(
        Cause.ABOUT_TO_RUN,
        f"It is due, and {min(free, slots)} of {slots} slots are free: a worker is about to claim "
        f"it.{before}",
        ahead=rank,
    )


def _with_whom(taking: Sequence[WorkerView]) -> str:
    """Say that other queues may have the slots."""
    pools = [worker.pool for worker in taking if worker.pool is not None]
    if not pools:
        return ""
    if not pools[0].strict:
        return f"; other queues share them, this one with the weight {pools[0].weight:g}"
    return "; queues that come before it get them first" if pools[0].place > 1 else ""


def _at(when: datetime | None) -> str:
    if when is None:
        return "an unknown time"
    today = when.date() == now().date()
    return f"{when:%H:%M:%S} UTC" if today else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_CHARACTERS else f"{line[:_MESSAGE_CHARACTERS]}…"
