"""A flow that was started: how it is sent to Redis, its results, and what may be done to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from redis.exceptions import RedisError

from runner.batch import OPEN_S, Batch, home_of, letter
from runner.batch_books import ask, retry_dead
from runner.broker import keys
from runner.broker.chunks import MOST, MOST_BYTES
from runner.broker.outage import no_answer
from runner.broker.reading import shown_id
from runner.broker.scripts.fields import BatchHead, FlowNode
from runner.checks import optional, seconds
from runner.current import current_client, memory_here
from runner.errors import (
    ConfigurationError,
    EnqueueError,
    JobFailedError,
    ResultNotFoundError,
    refuse,
)
from runner.handle import JobHandle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.batch_books import BatchProgress
    from runner.client import QueueClient
    from runner.definition import JobDefinition
    from runner.enqueue import FlowPlan, PlannedNode

R_co = TypeVar("R_co", covariant=True)

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.5
_HALF_THERE = -2
_NO_JOB = {"aborted", "deleted", "failed"}


class OfFlow(Protocol[R_co]):
    """A node of a flow, whose result has this type."""

    number: int

    @property
    def out(self) -> R_co:
        """Its result."""
        ...


@dataclass(frozen=True)
class RunNode:
    """A node of a flow that was started."""

    number: int
    is_map: bool
    queue: str
    job: JobDefinition


@dataclass
class FlowRun:
    """
    A flow that was started, by its id.

    created: False if one of this id had been started before, and this changed nothing.
    """

    id: str
    nodes: Sequence[RunNode] = ()
    last: int | list[int] = field(default_factory=list)
    created: bool = True

    @property
    def batch(self) -> Batch:
        """The flow as the batch that it is."""
        return Batch(id=self.id)

    async def result(self, node: OfFlow[R_co], *, timeout_s: float | None = None) -> R_co:
        """
        Wait until the job of *node* has ended, even through outages, and return its result.

        That of a map is a list. A node waits as long as one that it needs is dead.

        Raises:
            JobFailedError: The job is dead, or was aborted, or never starts any more.
            ResultNotFoundError: There is no such flow, or the result is not kept.
            TimeoutError: It had not ended after *timeout_s* seconds.
        """
        refuse("result", optional(seconds("timeout_s", timeout_s), timeout_s))
        found: R_co = await self._in_time(self._result_of(node.number), timeout_s)
        return found

    async def last_result(self, *, timeout_s: float | None = None) -> Any:
        """Return the result of the node that no other needs, or a list, if there are several."""
        refuse("last_result", optional(seconds("timeout_s", timeout_s), timeout_s))
        last = self.last
        if isinstance(last, int):
            return await self._in_time(self._result_of(last), timeout_s)
        return await self._in_time(self._results_of(last), timeout_s)

    async def progress(self) -> BatchProgress:
        """Return how many of its jobs have ended, and how."""
        return await self.batch.progress()

    async def cancel(self) -> bool:
        """Drop the jobs that wait, and abort those that run; False if the flow has ended."""
        return await self.batch.cancel()

    async def retry_dead(self) -> int:
        """Run the dead jobs again, with all their attempts; return how many."""
        servers = current_client().everywhere()
        return sum([await retry_dead(one, self.id) for one in servers])

    async def states(self) -> dict[int, str]:
        """
        Return the state of each node.

        A number is how many nodes it still needs. `failed`: it failed, and the flow went on.
        """
        memory = memory_here()
        if memory is not None:
            found = memory.node_states(self.id)
        else:
            home = await self._home()
            raw = await home.hgetall(_state_of(home, self.id))  # type: ignore[misc]  # redis-py's own hints: sync or async
            found = {shown_id(name): shown_id(state) for name, state in raw.items()}
        return {int(name): state for name, state in found.items() if name.isdigit()}

    async def _home(self) -> QueueClient:
        """Return the client of the server that has the flow; the current one if none has it."""
        client = current_client()
        if client.has_all_queues:
            return client
        for one in client.everywhere():
            if await one.exists(_state_of(one, self.id)):
                return one
        return client

    async def _in_time(self, asked: Any, timeout_s: float | None) -> Any:
        if memory_here() is not None:
            return await asked
        async with asyncio.timeout(timeout_s):
            return await asked

    async def _results_of(self, numbers: Sequence[int]) -> list[Any]:
        return [await self._result_of(number) for number in numbers]

    async def _result_of(self, number: int) -> Any:
        known = {one.number: one for one in self.nodes}
        if number not in known:
            raise ConfigurationError(f"the flow {self.id} has no node {number}")
        node = known[number]
        state, count = await self._wait_for(node)
        if node.is_map:
            handles = [self._handle(node, f"{number}.{at}") for at in range(count)]
            return list(await asyncio.gather(*[one.result() for one in handles]))
        if state in _NO_JOB and not await self._has_job(node):
            raise JobFailedError(f"{self.id}:{number}", "CancelledError", f"the node was {state}")
        return await self._handle(node, f"{number}").result()

    def _handle(self, node: RunNode, place: str) -> JobHandle[Any]:
        return JobHandle(f"{self.id}:{place}", node.queue, True, node.job)  # noqa: FBT003

    async def _has_job(self, node: RunNode) -> bool:
        return str(await self._handle(node, f"{node.number}").state()) != "unknown"

    async def _wait_for(self, node: RunNode) -> tuple[str, int]:
        """Return once the node has started, or a map has ended; and how many jobs that has."""
        memory, pause_s = memory_here(), _FIRST_PAUSE_S
        home = None if memory else await self._home()
        while True:
            if memory is not None:
                found = memory.node_states(self.id)
            else:
                found = await self._stands(home or current_client(), node.number)
            state = found.get(f"{node.number}")
            if state is None:
                raise ResultNotFoundError(f"there is no flow {self.id}, or it ended a month ago")
            if not state.isdigit() and (not node.is_map or state != "started"):
                return state, int(found.get(f"{node.number}.count") or 0)
            if memory is not None:
                await memory.run_next(self.id)
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    async def _stands(self, home: QueueClient, number: int) -> dict[str, str]:
        names = [f"{number}", f"{number}.count"]
        raw = await home.hmget(_state_of(home, self.id), names)  # type: ignore[misc]  # redis-py's own hints: sync or async
        return {
            name: shown_id(value)
            for name, value in zip(names, raw, strict=True)
            if value is not None
        }


def _state_of(home: QueueClient, flow_id: str) -> str:
    return f"{home.own_keys.batch_prefix}{flow_id}:state"


async def start_in_redis(client: QueueClient, plan: FlowPlan) -> bool:
    """
    Send a flow to the Redis that its queues are on, and start it; False if one of its id is there.

    Raises:
        EnqueueError: Redis did not take it: nothing of it runs, or all does. Or its queues are on
            several servers, or its parent is on another one.
    """
    enqueued = [*[one.request for one in plan.nodes], *plan.callbacks.values()]
    client = await home_of(
        client,
        f"the flow {plan.name or plan.id} not started",
        dict.fromkeys(one.queue for one in enqueued),
        plan.parent,
    )
    blocks = [_block(client, one) for one in plan.nodes]
    calls = [*_in_calls(blocks)]
    head = BatchHead(
        "nodes", plan.id, keys.BATCH_TTL_S, OPEN_S * 1000, name=plan.name, flow=plan.token
    )
    letters = {how: letter(client, one) for how, one in plan.callbacks.items()}
    counts = Counter(one.request.queue for one in plan.nodes if not one.over)
    last = head._replace(
        action="start",
        parent=plan.parent or "",
        complete=letters.get("complete", b""),
        success=letters.get("success", b""),
        death=letters.get("death", b""),
        nodes=len(blocks),
        jobs="".join(f"{queue}\t{count}\n" for queue, count in counts.items()),
    )
    for some in calls[:-1]:
        if await _ask(client, plan, head, some) < 0:
            return False
    answer = await _ask(client, plan, last, calls[-1])
    while answer > 1:
        answer = 1 + await _ask(client, plan, head._replace(action="ready"), [])
    return answer > 0


async def _ask(
    client: QueueClient, plan: FlowPlan, head: BatchHead, blocks: Sequence[FlowNode]
) -> int:
    fields: list[Any] = [*chain.from_iterable(blocks)]
    try:
        answer = await client.in_time(ask(client, head, fields))
    except (RedisError, OSError) as error:
        raise EnqueueError(
            f"the flow {plan.name or plan.id} not started: {no_answer(error)}", job_ids=[]
        ) from error
    if answer == _HALF_THERE:
        raise EnqueueError(
            f"the flow {plan.name or plan.id} not started: another one of its id is about to, or "
            "this one was silent for too long: try again in a minute",
            job_ids=[],
        )
    return answer


def _in_calls(blocks: Sequence[FlowNode]) -> Iterator[list[FlowNode]]:
    some, size = list[FlowNode](), 0
    for one in blocks:
        if some and (len(some) >= MOST or size + len(one.letter) > MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one.letter)
    yield some


def _block(client: QueueClient, node: PlannedNode) -> FlowNode:
    request = node.request
    record = [
        node.on_failure,
        " ".join(map(str, node.needed_by)),
        " ".join(map(str, node.needs)),
        request.queue,
        request.name,
    ]
    return FlowNode(
        str(node.number),
        "\n".join(record),
        letter(client, request, node.over),
        len(node.needs),
    )
