"""What a test has in place of Redis: it keeps jobs, answers for them, and runs none."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runner.admin import aborted_result
from runner.batch_books import BatchProgress, QueueProgress
from runner.broker import keys
from runner.codec import encode_shown
from runner.current import redirect
from runner.sealing import keys_for_tests
from runner.states import JobState
from runner.testing.clock import Clock
from runner.testing.flows import FlowRecord
from runner.testing.lanes import Lanes
from runner.testing.records import JobError, Record, Stage
from runner.testing.unique import UniqueKeys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.decorator import Job
    from runner.enqueue import Enqueue, FlowPlan
    from runner.testing.records import Enqueued


@dataclass(slots=True, eq=False)
class BatchRecord:
    """
    The jobs of a batch, the callbacks that are still to come, and whether jobs may come.

    parent: the batch that it is in. batches: those within it.
    """

    jobs: list[Record] = field(default_factory=list)
    parent: str | None = None
    batches: list[BatchRecord] = field(default_factory=list)
    callbacks: dict[str, Enqueue] = field(default_factory=dict)
    is_open: bool = False
    is_cancelled: bool = False
    flow: FlowRecord | None = None

    @property
    def has_ended(self) -> bool:
        """Whether no job is left to run, and none is to come."""
        waits = self.is_open or (self.flow is not None and self.flow.waits)
        return (
            not waits
            and not any(job.is_pending for job in self.jobs)
            and all(one.has_ended for one in self.batches)
        )

    @property
    def endings(self) -> set[str]:
        """In which states its jobs, and the batches within it, have ended; '' for not yet."""
        return {job.ended_as for job in self.jobs} | {one.ended_as for one in self.batches}

    @property
    def ended_as(self) -> str:
        """What the batch that it is in counts; a death at once, for that is told at once."""
        if not self.has_ended:
            return "dead" if "dead" in self.endings else ""
        if self.is_cancelled:
            return "aborted"
        if "dead" in self.endings:
            return "dead"
        return "done" if self.endings <= {"done"} else "failed"

    def due_nodes(self) -> list[Enqueue]:
        """Return the nodes of a flow that start, since others have ended; each once."""
        flow = self.flow
        due: list[Enqueue] = []
        if flow is None:
            return due
        for job in self.jobs:
            if job.ended_as and job.ended_as != job.told_as:
                job.told_as = job.ended_as
                due += flow.end(job.request.job_id, job.ended_as, job.passed)
        self.is_cancelled = self.is_cancelled or flow.is_cancelled
        return due

    def due_callbacks(self) -> Iterator[Enqueue]:
        """Yield those whose time has come, each once."""
        endings = self.endings
        is_due = {
            "death": "dead" in endings,
            "complete": self.has_ended,
            "success": self.has_ended and not self.is_cancelled and endings <= {"done"},
        }
        for how, is_it in is_due.items():
            if is_it and how in self.callbacks:
                yield self.callbacks.pop(how)

    def progress(self) -> BatchProgress:
        """Return its counts."""
        queues: dict[str, QueueProgress] = {}
        for job in self.jobs:
            one = QueueProgress(total=1, retries=job.spent)
            if job.ended_as:
                one = replace(one, **{job.ended_as: 1})
            queue = job.request.queue
            queues[queue] = queues.get(queue, QueueProgress()) + one
        batches = QueueProgress()
        for within in self.batches:
            one = QueueProgress(total=1)
            batches += replace(one, **{within.ended_as: 1}) if within.has_ended else one
        return BatchProgress(dict(sorted(queues.items())), self.is_open, batches)


class Kept:
    """Jobs by their ids, and a clock by which they are due."""

    def __init__(self, now: datetime | None) -> None:
        self.clock = Clock(now)
        self._records: dict[str, Record] = {}
        self._batches: dict[str, BatchRecord] = {}
        self._keys = UniqueKeys()
        self._lanes = Lanes()

    async def put(self, request: Enqueue, /) -> bool:
        """Keep a job; refuse it if the one of its id is pending, or its batch was cancelled."""
        batch = None if request.batch_id is None else self._batch(request.batch_id)
        if batch is not None and batch.is_cancelled:
            return False
        request.enqueued_ms = self.clock.now_ms
        known = self._records.get(request.job_id)
        if request.unique and known is not None and known.is_pending:
            return False
        if request.due_ms is not None:
            due = datetime.fromtimestamp(request.due_ms / 1000, UTC)
        else:
            due = self.clock.now + timedelta(milliseconds=request.delay_ms or 0)
        record = Record(request, self._body(request), due, self.clock.now)
        if request.only_one is not None:
            there = self._keys.ask(record, self.clock.now)
            if there is not None:
                request.held_by = there.request.job_id, there.request.queue
                self._given_anew(there)
                return False
        if self._skips(record):
            return False
        self._records[request.job_id] = record
        if batch is not None:
            batch.jobs.append(record)
        if record.stage is not Stage.HELD_BACK:
            older = self._lanes.older(record, self.clock.now)
            await self._enter(record)
            await self._drop(older, record)
        return True

    async def _drop(self, older: list[Record], record: Record) -> None:
        """Abort the *older* jobs of a lane in which *record* has found no place."""
        for one in older if record.stage is Stage.HELD_BACK else ():
            self._abort(one, record.request.job_id)
            await self._ended(one)
            await self._call_back(one.request.batch_id)

    def _skips(self, record: Record) -> bool:
        """Return whether a job is not enqueued, since its lane has no place."""
        request, last = record.request, self._lanes.last_of_full(record, self.clock.now)
        if last is None or request.lane is None or request.lane.at_limit != "skip":
            return False
        self._keys.give_back(record)
        request.held_by, request.is_lane_full = (last.request.job_id, request.queue), True
        return True

    async def _enter(self, record: Record) -> None:
        """Let a job come into its lane, and into its queue if there is a place."""
        self._lanes.join(record, self.clock.now)
        if record.stage is not Stage.HELD_BACK:
            await self._added(record)
        else:
            self._held_back(record)

    def _held_back(self, record: Record) -> None:
        """Do what follows when a job waits for a place."""

    async def _let_in(self, record: Record) -> None:
        """Do what follows when a job has a place that it has waited for."""
        await self._added(record)

    def _body(self, request: Enqueue) -> bytes:
        """Return the job's body, with its deadline as the script writes it."""
        body = request.body()
        if request.deadline_ms is None:
            return body
        return b'%b,"x":%d}' % (body[:-1], self.clock.now_ms + request.deadline_ms)

    def _given_anew(self, record: Record) -> None:
        """Note that a job may have got the arguments, time and batch of a later call."""
        for batch_id, batch in self._batches.items():
            belongs = batch_id == record.request.batch_id
            if record in batch.jobs and not belongs:
                batch.jobs.remove(record)
            elif belongs and record not in batch.jobs:
                batch.jobs.append(record)

    async def _ended(self, record: Record) -> None:
        """Do what follows for the unique key and the lane of a job that may have ended."""
        if record.is_pending:
            return
        following = self._keys.free(record, self.clock.now) if record.key else None
        if following is not None:
            await self._enter(following)
        for one in [*self._lanes.leave(record, self.clock.now)]:
            await self._let_in(one)

    async def put_many(self, requests: Sequence[Enqueue], /) -> list[bool]:
        """Keep many jobs, or none if one of them has no JSON form."""
        for request in requests:
            request.body()
        return [await self.put(request) for request in requests]

    async def _added(self, record: Record) -> None:
        """Do what follows when a job was enqueued."""
        raise NotImplementedError

    def _found(self, queue: str, job_id: str) -> Record | None:
        record = self._records.get(job_id)
        return record if record is not None and record.request.queue == queue else None

    async def state(self, queue: str, job_id: str, /) -> JobState:
        """Return a job's state at the clock's time."""
        record = self._found(queue, job_id)
        if record is None:
            return JobState.UNKNOWN
        match record.stage:
            case Stage.WAITING | Stage.RETRYING if record.due <= self.clock.now:
                return JobState.READY
            case Stage.WAITING:
                return JobState.SCHEDULED
            case Stage.HELD_BACK:
                return JobState.WAITING
            case Stage.DONE if self._result_of(record) is None:
                return JobState.UNKNOWN
            case stage:
                return JobState[stage.name]

    async def result(
        self, queue: str, job_id: str, /, *, timeout_s: float | None
    ) -> tuple[bytes | None, bytes | None]:
        """Return a job's result, or what it died of, once it has ended."""
        record = self._found(queue, job_id)
        if record is None:
            return None, None
        if record.is_pending:
            await self._wait_for(record, timeout_s)
        return self._result_of(record), record.error

    async def _wait_for(self, record: Record, timeout_s: float | None) -> None:
        """
        Return when a job has ended.

        Raises:
            JobError: It never will.
        """
        raise NotImplementedError

    def _result_of(self, record: Record) -> bytes | None:
        if record.kept_until is not None and record.kept_until <= self.clock.now:
            return None
        return record.result

    async def abort(self, queue: str, job_id: str, /) -> None:
        """Stop a job: a waiting one never starts, and a running one is cancelled."""
        record = self._found(queue, job_id)
        if record is not None and record.is_pending:
            self._abort(record)
            await self._ended(record)
            await self._call_back(record.request.batch_id)

    def _abort(self, record: Record, dropped_for: str = "") -> None:
        record.stage, record.ended_as = Stage.DONE, "aborted"
        queue_key = keys.of(self).queue_key(record.request.queue)
        record.result = encode_shown(aborted_result(queue_key, dropped_for))

    def _batch(self, batch_id: str) -> BatchRecord:
        return self._batches.setdefault(batch_id, BatchRecord())

    async def _call_back(self, batch_id: str | None) -> None:
        """Enqueue the callbacks of a batch whose time has come."""
        while batch_id is not None:
            batch = self._batch(batch_id)
            batch_id = batch.parent
            for request in [*batch.due_nodes(), *batch.due_callbacks()]:
                await self.put(request)

    async def start_flow(self, plan: FlowPlan, /) -> bool:
        """Start a flow; False if one of its id is there."""
        batch = self._batch(plan.id)
        if batch.flow is not None or (
            plan.parent is not None and self._batch(plan.parent).is_cancelled
        ):
            return False
        self._put_in(batch, plan.parent)
        for node in plan.nodes:
            node.request.body()
        batch.flow = FlowRecord(plan)
        batch.callbacks = dict(plan.callbacks)
        for request in batch.flow.begin():
            await self.put(request)
        return True

    def node_states(self, flow_id: str, /) -> dict[str, str]:
        """Return the states of a flow's nodes."""
        flow = self._batch(flow_id).flow
        return {} if flow is None else flow.state

    async def passed_on(self, flow_id: str, names: Sequence[str], /) -> list[bytes | None]:
        """Return what the nodes of a flow have passed on."""
        flow = self._batch(flow_id).flow
        return [None if flow is None else flow.passed.get(name) for name in names]

    async def run_next(self, flow_id: str, /) -> None:
        """
        Run what comes next.

        Raises:
            JobError: Nothing runs here, or nothing is left.
        """
        raise JobError(f"the flow {flow_id} has no result: a node never starts here")

    async def open_batch(
        self, batch_id: str, callbacks: Mapping[str, Enqueue], parent: str | None, /
    ) -> None:
        """Let the batch not end until it is closed; *callbacks* follow then. parent: it is in."""
        batch = self._batch(batch_id)
        batch.callbacks, batch.is_open, batch.is_cancelled = dict(callbacks), True, False
        self._put_in(batch, parent)

    def _put_in(self, batch: BatchRecord, parent: str | None) -> None:
        if parent is not None and batch.parent is None:
            batch.parent = parent
            self._batch(parent).batches.append(batch)
            batch.is_cancelled = self._batch(parent).is_cancelled

    async def close_batch(self, batch_id: str, /) -> None:
        """Let the batch end once its jobs have."""
        self._batch(batch_id).is_open = False
        await self._call_back(batch_id)

    async def cancel_batch(self, batch_id: str, /) -> bool:
        """Abort its jobs, and refuse later ones; False if it has ended."""
        batch = self._batch(batch_id)
        if batch.has_ended:
            return False
        batch.is_open, batch.is_cancelled = False, True
        if batch.flow is not None:
            batch.flow.drop()
        for record in [job for job in batch.jobs if job.is_pending]:
            self._abort(record)
            await self._ended(record)
        for within in [key for key, one in self._batches.items() if one in batch.batches]:
            await self.cancel_batch(within)
        await self._call_back(batch_id)
        return True

    def batch_progress(self, batch_id: str, /) -> BatchProgress:
        """Return the counts of a batch."""
        return self._batch(batch_id).progress()


class Collected(Kept):
    """
    Enqueued jobs, in order, of which none runs.

    jobs: all of them. clock: by which their delays count.
    """

    def __init__(self, now: datetime | None = None) -> None:
        super().__init__(now)
        self.jobs: list[Enqueued] = []

    def of(self, job: Job[Any, Any]) -> list[Enqueued]:
        """Return those of *job*."""
        return [one for one in self.jobs if one.name == job.name]

    def _given_anew(self, record: Record) -> None:
        super()._given_anew(record)
        shown = record.shown(delay_s=self._delay_s(record))
        self.jobs = [shown if one.job_id == shown.job_id else one for one in self.jobs]

    async def _added(self, record: Record) -> None:
        self.jobs.append(record.shown(delay_s=self._delay_s(record)))

    def _held_back(self, record: Record) -> None:
        self.jobs.append(record.shown(delay_s=self._delay_s(record)))

    async def _let_in(self, record: Record) -> None:
        """It was recorded as it was enqueued."""

    def _delay_s(self, record: Record) -> float:
        return max(0.0, (record.due - self.clock.now).total_seconds())

    async def _wait_for(self, record: Record, timeout_s: float | None) -> None:
        del timeout_s
        raise JobError(
            f"{record.request.name} has no result: `collect` runs no job; `drain` and `inline` do"
        )


@contextmanager
def collect(*, now: datetime | None = None) -> Iterator[Collected]:
    """
    Record what is enqueued inside, and run none of it.

    now: the time of its clock, an aware one; by default this moment.
    """
    collected = Collected(now)
    with keys_for_tests(), redirect(collected):
        yield collected
