"""
Runs: what a job led to, a batch, or a flow, as one graph with its times.

The jobs of a run carry its trace, or its batch, in their bodies and results. Those that have ended
are looked for in the lists of ended jobs, from when the run began: of a large store only for a
bounded time, and the next look goes on from there. A batch also knows which of its jobs wait or are
dead, and a flow all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from runner import clock, lineage
from runner.batch_books import CALLBACKS
from runner.broker import keys
from runner.broker.reading import Cut, Reader, answers, keys_of, look, moment
from runner.broker.redis_clock import redis_now
from runner.broker.servers import at
from runner.errors import ConfigurationError
from runner.operations.batches import batch
from runner.operations.job import find_queue, job
from runner.operations.paging import Sort, Window
from runner.operations.run_jobs import RunJob, read_members
from runner.operations.run_tree import placed, ran
from runner.operations.search import LIMITS
from runner.states import JobState
from runner.wording import counted, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.asyncio import Redis

    from runner.operations.batches import BatchView, FlowNodeView
    from runner.operations.catalog import Catalog
    from runner.operations.paging import Position
    from runner.operations.run_jobs import Member, ReadJob

LOOKED_FOR_S: Final = 0.04
"""How long a page looks for jobs; it goes on as it is looked at again."""

_MOST_JOBS: Final = 1_000
_MOST_RUNNING: Final = 5_000
_STEP: Final = 500
_KEPT: Final = 64
_BEFORE: Final = timedelta(hours=1)
"""A trace that somebody else began does not say when: it is looked for from so long before."""

_LOOKED_THROUGH: Final = (
    JobState.DONE,
    JobState.RETRYING,
    JobState.DEAD,
    JobState.PARKED,
    JobState.WAITING,
    JobState.READY,
    JobState.SCHEDULED,
)
_Part = tuple[str, JobState]


@dataclass(frozen=True, slots=True)
class RunKey:
    """
    Which run: the jobs of one trace, or those of one batch.

    since: from when its jobs are looked for. says_when: whether the trace's id says that; otherwise
    known_at: when one of its jobs was enqueued.
    """

    since: datetime
    known_at: datetime
    says_when: bool = False
    trace: str = ""
    batch_id: str = ""

    @property
    def words(self) -> list[bytes]:
        """One of these stands in the body of each of its jobs."""
        if self.batch_id:
            return [to_json(self.batch_id)[1:-1]]
        return [self.trace.encode(), b"%d" % lineage.began_ms(self.trace)]

    def has(self, one: ReadJob) -> bool:
        """Whether that job is of this run."""
        if self.batch_id:
            callbacks = {f"{self.batch_id}:{how}" for how in CALLBACKS}
            return one.job.batch_id == self.batch_id or one.job.job_id in callbacks
        return self.trace in {one.trace, one.begins}


@dataclass(frozen=True, slots=True)
class RunGraph:
    """
    A run, as of *at*, Redis's time.

    Attributes:
        at: When it was read.
        name: Name of the job that it began with, or of the batch.
        trace: Id of its trace; empty if it is a batch.
        batch_id: Id of its batch or flow; empty if it is a trace.
        jobs: Its jobs in the order of their start, each below the one that led to it.
        began_at: When its first job was due.
        ended_at: When its last job ended; null while some wait or run.
        is_complete: Whether all jobs were looked through; if not, there may be more of it.
        searched: Ended jobs of all queues that were looked through.
        gone: Jobs that have ended since it began, and of which nothing else is kept: some may be
            of this run.
    """

    at: datetime
    name: str
    trace: str
    batch_id: str
    jobs: tuple[RunJob, ...]
    began_at: datetime | None
    ended_at: datetime | None
    is_complete: bool
    searched: int
    gone: int

    @property
    def took_s(self) -> float | None:
        """Seconds from its begin to its end, or until now."""
        if self.began_at is None:
            return None
        return ((self.ended_at or self.at) - self.began_at).total_seconds()

    @property
    def path(self) -> list[RunJob]:
        """The jobs that the whole waited for, the first one first."""
        return [one for one in self.jobs if one.is_on_path]

    @property
    def ran_s(self) -> float:
        """Seconds in which a job ran that the whole waited for."""
        stretches = [one for each in self.path for one in each.attempts]
        return ran(stretches, self.ended_at or self.at).total_seconds()

    @property
    def waited_s(self) -> float | None:
        """Seconds in which none of those ran."""
        return None if self.took_s is None else max(0.0, self.took_s - self.ran_s)

    @property
    def longest(self) -> RunJob | None:
        """The job that ran longest."""
        tried = [one for one in self.jobs if one.attempts]
        return max(tried, key=lambda one: one.ran_s, default=None)

    @property
    def counts(self) -> dict[JobState, int]:
        """How many jobs are in which state; nodes that wait for others are in an unknown one."""
        found: dict[JobState, int] = {}
        for one in self.jobs:
            found[one.state] = found.get(one.state, 0) + 1
        return found

    @property
    def workers(self) -> list[str]:
        """The workers that ran it."""
        return sorted({one.worker for one in self.jobs if one.worker})

    @property
    def sentence(self) -> str:
        """How it stands."""
        many = counted(len(self.jobs), "job")
        dead = [one for one in self.jobs if one.state is JobState.DEAD]
        left = [one for one in self.jobs if not is_over(one)]
        failed = [one for one in self.jobs if one.succeeded is False]
        if not self.jobs:
            return "Nothing of this run is kept."
        if dead:
            more = f" and {len(dead) - 1:,} more" if len(dead) > 1 else ""
            return f"{len(dead):,} of {many} dead: {dead[0].name}{more}. {dead[0].gave}"
        if left:
            named = ", ".join(f"{one.name} ({_said(one)})" for one in left[:3])
            more = f" and {len(left) - 3:,} more" if len(left) > 3 else ""  # noqa: PLR2004 -- as named
            return f"{len(left):,} of {many} not ended: {named}{more}."
        if failed:
            return (
                f"{many} ended, {len(failed):,} without success: {failed[0].name}. {failed[0].gave}"
            )
        return f"{many} done in {span(self.took_s)}."


@dataclass
class RunSearch:
    """
    Looks for the jobs of one run, and goes on where it stopped.

    Of those that have ended, only what ended since it looked last is new. Those that stand in a
    queue come and go: they are looked through again and again, the last ones first.
    """

    key: RunKey
    members: dict[Member, None] = field(default_factory=dict)
    searched: int = 0
    gone: int = 0
    _places: dict[_Part, Position | None] = field(default_factory=dict)
    _seen: set[_Part] = field(default_factory=set)
    _parts: list[_Part] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all jobs were looked through once."""
        return self._seen.issuperset(self._parts)

    async def look(self, redis: Redis, queues: Sequence[str], *, for_s: float) -> None:
        """Look through the jobs of *queues*, for about *for_s*."""
        until = clock.monotonic() + for_s
        known = [(queue, state) for state in _LOOKED_THROUGH for queue in queues]
        # Each has its turn, however short a look is.
        self._parts = [one for one in self._parts if one in known]
        self._parts += [one for one in known if one not in self._parts]
        for queue in queues:
            await self._running(at(redis, queue), queue)
        windows: dict[_Part, Window] = {}
        left = [*self._parts]
        while left:
            part = left.pop(0)
            if part not in windows:
                windows[part] = await self._window(redis, part)
            if await self._step(windows[part], part):
                left.append(part)
            self._parts.remove(part)
            self._parts.append(part)
            if clock.monotonic() >= until:
                return

    def note(self, members: Sequence[Member]) -> None:
        """Note jobs that are known to be of this run."""
        for one in members:
            if len(self.members) >= _MOST_JOBS:
                return
            self.members[one] = None

    async def _running(self, redis: Redis, queue: str) -> None:
        own = keys.of(redis)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.hkeys(own.queue_key(queue) + keys.RUNNING_SUFFIX)
            [held] = await answers(pipe)
        await self._sift(redis, queue, own.job_prefix, Reader().known(held, [])[:_MOST_RUNNING])

    async def _window(self, redis: Redis, part: _Part) -> Window:
        queue, state = part
        server, is_ended = at(redis, queue), state is JobState.DONE
        window = await Window.of(
            server,
            queue,
            state,
            until_now=not is_ended,
            sort=Sort.OLDEST if is_ended else Sort.NEWEST,
            since=self.key.since,
        )
        if not is_ended and self._places.get(part) is None:
            apart = [one.member for one in await window.suspects(_STEP)]
            await self._sift(server, queue, keys.of(server).job_prefix, apart)
        return window

    async def _step(self, window: Window, part: _Part) -> bool:
        """Look through some jobs; return whether there are more."""
        queue, state = part
        found = await window.read(self._places.get(part), _STEP)
        ids, own = [one.member for one in found], keys.of(window.redis)
        if state is JobState.DONE:
            self.gone += await self._sift(window.redis, queue, own.result_prefix, ids)
            self.searched += len(ids)
        else:
            await self._sift(window.redis, queue, own.job_prefix, ids)
        has_more = len(found) == _STEP
        if found and (has_more or state is JobState.DONE):
            self._places[part] = found[-1]
        elif state is not JobState.DONE:
            self._places[part] = None
        if not has_more:
            self._seen.add(part)
        return has_more

    async def _sift(self, redis: Redis, queue: str, prefix: str, ids: Sequence[bytes]) -> int:
        """Note those of *ids* that may be of this run; return how many are gone."""
        names = [prefix.encode() + one for one in ids]
        words, gone = self.key.words, 0
        for one, text in zip(ids, await look(redis, strings=names, limits=LIMITS), strict=True):
            gone += text is None
            start = text.start if isinstance(text, Cut) else text
            if isinstance(start, bytes) and any(word in start for word in words):
                self.note([(queue, one)])
        return gone


class Runs:
    """The runs that somebody looks at: each look goes on where the one before it stopped."""

    def __init__(self, redis: Redis, queues: Sequence[str], catalog: Catalog) -> None:
        self._redis = redis
        self._queues = queues
        self._catalog = catalog
        self._searches: OrderedDict[tuple[str, str], RunSearch] = OrderedDict()

    async def of_job(self, job_id: str) -> RunKey | None:
        """Return the run that a job is of: of its trace, else its batch, else what it led to."""
        queue = await find_queue(self._redis, self._queues, job_id)
        view = None if queue is None else await job(self._redis, queue, job_id, self._catalog)
        if view is None:
            return None
        trace = lineage.trace_id(view.trace)
        if trace is None and view.batch_id is not None:
            return await self.of_batch(view.batch_id)
        began = view.enqueued_at or await redis_now(self._redis)
        if trace is None:
            began_ms = round(began.timestamp() * 1000)
            trace = lineage.begun_by(view.job_id, began_ms)
        return self.of_trace(trace, began)

    def of_trace(self, trace: str, known_at: datetime) -> RunKey:
        """
        Return the run of a trace. known_at: when one of its jobs was enqueued.

        Raises:
            ConfigurationError: That is no id of a trace.
        """
        if lineage.trace_id(f"00-{trace}-{'1' * 16}-00") is None:
            raise ConfigurationError(f"{trace[:50]!r} is no id of a trace: 32 hexadecimal digits")
        began = moment(lineage.began_ms(trace))
        is_ours = began is not None and known_at - timedelta(days=366) < began <= known_at
        since = began if is_ours and began else known_at - _BEFORE
        return RunKey(since, known_at, is_ours, trace=trace)

    async def of_batch(self, batch_id: str) -> RunKey:
        """
        Return the run of a batch or a flow.

        Raises:
            ConfigurationError: There is none of this id.
        """
        detail = await batch(self._redis, batch_id)
        began = detail.batch.began_at or await redis_now(self._redis) - _BEFORE
        return RunKey(began, began, batch_id=batch_id)

    async def graph(self, key: RunKey, *, for_s: float = LOOKED_FOR_S) -> RunGraph:
        """Read the run. for_s: how long to look for its jobs; the next call goes on."""
        now = await redis_now(self._redis)
        search = self._search(key)
        view: BatchView | None = None
        nodes: list[FlowNodeView] = []
        if key.batch_id:
            detail = await batch(self._redis, key.batch_id)
            view, nodes = detail.batch, detail.nodes
            search.note([*_known(nodes)])
            for one in (*detail.waiting, *detail.dead):
                search.note([(one.queue, name) for name in keys_of(one.job_id)])
            if view.ended_at is not None:
                search.note([*await self._callbacks(key.batch_id)])
        await search.look(self._redis, self._queues, for_s=for_s)
        read = await read_members(self._redis, [*search.members], self._catalog)
        found = {place: one for place, one in read.items() if key.has(one)}
        # What a job of a batch has led to, as far as its batch is named after this one.
        begun = {one.begins for one in found.values()} - {None}
        found |= {place: one for place, one in read.items() if one.trace in begun}
        jobs = placed([*found.values()], nodes)
        name = (view.name if view else "") or next((one.name for one in jobs if one.name), "")
        begins = [one.due_at for one in jobs if one.due_at]
        ends = [one.ended_at for one in jobs if one.ended_at]
        has_ended = bool(jobs) and all(map(is_over, jobs))
        return RunGraph(
            at=now,
            name=name or "",
            trace=key.trace,
            batch_id=key.batch_id,
            jobs=tuple(jobs),
            began_at=min(begins, default=None),
            ended_at=max(ends, default=None) if has_ended else None,
            is_complete=search.is_complete,
            searched=search.searched,
            gone=search.gone,
        )

    async def _callbacks(self, batch_id: str) -> list[Member]:
        """Return what was enqueued as the batch ended: none of its own jobs."""
        ids = [f"{batch_id}:{how}" for how in CALLBACKS]
        queues = [await find_queue(self._redis, self._queues, one) for one in ids]
        return [(queue, one.encode()) for queue, one in zip(queues, ids, strict=True) if queue]

    def _search(self, key: RunKey) -> RunSearch:
        place = (key.trace, key.batch_id)
        found = self._searches.setdefault(place, RunSearch(key))
        self._searches.move_to_end(place)
        while len(self._searches) > _KEPT:
            self._searches.popitem(last=False)
        return found


def is_over(one: RunJob) -> bool:
    """Whether it has ended, well or not."""
    return one.state in {JobState.DONE, JobState.DEAD}


def _said(one: RunJob) -> str:
    return one.gave if one.state is JobState.UNKNOWN else str(one.state)


def _known(nodes: Sequence[FlowNodeView]) -> Iterator[Member]:
    """Yield the jobs of a flow, by their ids."""
    for node in nodes:
        if node.jobs is None:
            yield node.queue, node.job_id.encode()
        for place in range(min(node.jobs or 0, _MOST_JOBS)):
            yield node.queue, f"{node.job_id}.{place}".encode()
