"""
What an operator does: each action is one atomic script, may be repeated, and is in the audit log.

An action on a job that has moved on changes nothing, and says where it found the job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from runner.admin import Admin
from runner.broker import keys
from runner.broker.reading import keys_of, shown_id
from runner.broker.servers import at
from runner.errors import ConfigurationError, ServerAwayError
from runner.operations import audit
from runner.operations.moves import check_move, movable
from runner.operations.verbs import JOB_VERBS, PROCESS_VERBS, Action, Asks
from runner.states import Found
from runner.wording import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.processes import Process
    from runner.operations.verbs import JobVerb, Verb

_ORDER_TTL_S = 60
_ID_OF_DEAD = re.compile(r"(.+)~\d+")


@dataclass(frozen=True, slots=True)
class Request:
    """
    An action with what it needs.

    at: for `reschedule`, a time, or how long from now. to: for `move`, the queue.
    """

    action: Action
    at: datetime | timedelta | None = None
    to: str | None = None

    def __post_init__(self) -> None:
        asks = self.verb.asks
        if asks is Asks.TIME and not _is_a_time(self.at):
            raise ConfigurationError("name a time with its zone, such as 2030-01-01T12:00Z")
        if asks is Asks.QUEUE and not self.to:
            raise ConfigurationError("name the queue to move the job to")

    @property
    def verb(self) -> JobVerb:
        """The action's row in the table."""
        return JOB_VERBS[self.action]

    @property
    def detail(self) -> str:
        """The time or the queue, for the audit log."""
        if isinstance(self.at, timedelta):
            return f"in {span(self.at.total_seconds())}"
        return self.at.isoformat() if self.at else self.to or ""


def _is_a_time(at: datetime | timedelta | None) -> bool:
    return isinstance(at, timedelta) or (at is not None and at.tzinfo is not None)


class Operator:
    """
    Somebody who acts.

    who: their name in the audit log. queues: of which a refused move names those that could.
    """

    def __init__(self, redis: Redis, who: str, queues: Sequence[str] = ()) -> None:
        self._redis = redis
        self._queues = queues
        self._admin = Admin(redis)
        self.who = who

    async def check_move(self, request: Request, chosen: Sequence[tuple[str, str | bytes]]) -> None:
        """
        Return unless *request* moves one of *chosen*, its queue and its id, where nobody knows it.

        Raises:
            ConfigurationError: It does; which queues' workers know it is said.
        """
        if request.to:
            await check_move(self._redis, self._queues, request.to, chosen)

    async def movable(
        self, request: Request, queue: str, job_ids: Sequence[bytes]
    ) -> Sequence[bytes]:
        """Return those of *job_ids* that *request* does not move where nobody knows them."""
        return await movable(self._redis, queue, request.to, job_ids) if request.to else job_ids

    async def act(
        self, request: Request, queue: str, job_id: str | bytes, *, is_checked: bool = False
    ) -> Found:
        """
        Do it to one job, and return where the job was found.

        Where the verb does not reach it, nothing changes. job_id: the id as it is shown, or its
        bytes. is_checked: whether `check_move` was asked for it and others.

        Raises:
            ConfigurationError: No worker of the queue that it was to be moved to knows it.
        """
        if not is_checked:
            await self.check_move(request, [(queue, job_id)])
        found = Found.GONE
        for key in [job_id] if isinstance(job_id, bytes) else keys_of(job_id):
            [found] = await self.act_unrecorded(request, queue, [key])
            if found is not Found.GONE:
                break
        outcome = "done" if found in request.verb.reaches else f"nothing: it was {found}"
        await self.record(request.action, f"{queue}/{shown_id(job_id)}", request.detail, outcome)
        return found

    async def id_after(self, request: Request, found: Found, queue: str, job_id: str) -> str:
        """
        Return the id under which a job goes on that *request* was done to.

        A dead one whose id was chosen has it back, unless another job has it meanwhile.
        """
        chosen, redis = _chosen_id(request, found, job_id), at(self._redis, queue)
        own = keys.of(redis)
        kept = (own.job_prefix + job_id, own.result_prefix + job_id)
        return job_id if not chosen or await redis.exists(*kept) else chosen

    async def goes_on_as(self, request: Request, found: Found, queue: str, job_id: str) -> str:
        """Say the same in words; empty if the job had one id all along."""
        chosen = _chosen_id(request, found, job_id)
        if not chosen:
            return ""
        if await self.id_after(request, found, queue, job_id) == job_id:
            return f", still as {job_id}, since another job is {chosen} now"
        return f", as {chosen}"

    async def act_unrecorded(
        self, request: Request, queue: str, job_ids: Sequence[str | bytes]
    ) -> list[Found]:
        """Do it to each of *job_ids*; the caller records it once for all of them."""
        return await self._admin.act_on_all(
            request.action,
            queue,
            job_ids,
            at=request.at,
            to=request.to or "",
            reason=f"buried by {self.who}",
        )

    async def pause(self, queue: str) -> None:
        """Let no job of *queue* be claimed until it is resumed."""
        await self._admin.pause(queue, by=self.who)
        await self.record("pause", queue, outcome="done")

    async def resume(self, queue: str) -> None:
        """Let jobs of *queue* be claimed again."""
        await self._admin.resume(queue)
        await self.record("resume", queue, outcome="done")

    async def act_on_job_name(self, verb: Verb, queue: str, name: str) -> None:
        """
        Pause or resume the jobs of one name in *queue*.

        Raises:
            ConfigurationError: It is no name, or too many are paused.
        """
        if verb.name == "pause":
            await self._admin.pause_job(queue, name, by=self.who)
        else:
            await self._admin.resume_job(queue, name)
        await self.record(f"{verb.name} job", f"{queue}/{name}", outcome="done")

    async def act_on_queue(self, verb: Verb, queue: str) -> None:
        """Pause or resume *queue*."""
        await (self.pause if verb.name == "pause" else self.resume)(queue)

    async def order(self, process: Process, order: str) -> None:
        """
        Ask the workers of a process to be `quiet`, `resume` or `stop`, at their next heartbeat.

        Raises:
            ConfigurationError: There is no such order.
        """
        if order not in PROCESS_VERBS:
            *some, last = PROCESS_VERBS
            raise ConfigurationError(
                f"there is no order {order!r}: say {', '.join(some)} or {last}"
            )
        for worker in process.workers:
            redis = at(self._redis, worker.queue)
            key = keys.of(redis).order_prefix + worker.worker_id
            await redis.set(key, order, ex=_ORDER_TTL_S)
        await self.record(order, process.name, outcome="asked")

    async def record(self, action: str, target: str, detail: str = "", outcome: str = "") -> None:
        """Add an entry to the audit log."""
        await audit.record(
            self._redis, who=self.who, action=action, target=target, detail=detail, outcome=outcome
        )


def _chosen_id(request: Request, found: Found, job_id: str) -> str:
    """Return the id that the caller of a job chose that was *found* dead, and goes on."""
    chosen = _ID_OF_DEAD.fullmatch(job_id)
    goes_on = found is Found.DEAD and request.action is not Action.DELETE
    return chosen[1] if chosen and goes_on else ""


def have_ids_back(request: Request, found: Sequence[Found], job_ids: Sequence[str | bytes]) -> int:
    """Return how many of these jobs go on under ids that their callers chose, where free."""
    pairs = zip(found, job_ids, strict=True)
    return sum(bool(_chosen_id(request, state, shown_id(job_id))) for state, job_id in pairs)


def ids_back(jobs: int) -> str:
    """Say so of that many; empty if there are none."""
    if not jobs:
        return ""
    if jobs == 1:
        return "1 goes on under the id that its caller chose, if no other job has it"
    return f"{jobs:,} go on under the ids that their callers chose, where no other job has these"


def known_queue(queues: Sequence[str], name: str) -> str:
    """
    Return *name*, if it is one of *queues*.

    Raises:
        ConfigurationError: There is no such queue.
        ServerAwayError: Its Redis does not answer.
    """
    for one in getattr(queues, "away", ()):
        if name in one.queues:
            raise ServerAwayError(str(one))
    if name not in queues:
        raise ConfigurationError(f"there is no queue {name!r}; choose from {', '.join(queues)}")
    return name
