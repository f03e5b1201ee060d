"""Plays a schedule in a world of its own, and judges what happened."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from runner import Failed, Fleet, Flow, Lane, QueueClient, Rate, SlotPool, WorkerSettings, connect
from runner.admin import Admin
from runner.broker import keys
from runner.current import using
from runner.errors import EnqueueError
from runner.operations.actions import Operator
from runner.operations.lanes import set_limit
from runner.simulation.world import World
from tests.simulation.judge import Judge
from tests.simulation.ledger import ASIDE, QUEUE, Ledger, act, act_after, act_aside, written
from tests.simulation.nemesis import Nemesis
from tests.simulation.schedule import (
    GRACE_S,
    HEARTBEAT_S,
    LEASE_S,
    MAX_CRASHES,
    Act,
    JobPlan,
    Limit,
    Schedule,
)
from tests.simulation.stock import STOCK, on_the_worlds_clock, stock_client, stock_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from arq.connections import ArqRedis

    from runner import Call, Worker
    from runner.flow import Node
    from runner.simulation.world import Process

QUEUE_KEY = keys.ARQ.queue_key(QUEUE)
_URL = "redis://world:6379"
_RESTART_S = 1.0
_REST_S = 200.0
_STOP_S = 60.0
_LOOK_EVERY_S = 0.5
_LOST_BY_THEN_S = 2.0
"""Seconds after the last fault in which Redis has lost what it loses."""


class Settings(WorkerSettings):
    """The worker of every world; leases are short, so that a minute holds many of them."""

    queue = QUEUE
    jobs = (act, act_after)
    redis = _URL
    lease_s = LEASE_S
    heartbeat_s = HEARTBEAT_S
    grace_s = GRACE_S
    cancel_wait_s = 2.0
    idle_poll_s = 2.0
    max_crashes = MAX_CRASHES
    blocked_limit_s = 3.0
    blocked_warn_s = 0.5


class Aside(Settings):
    """The worker of the other queue."""

    queue = ASIDE
    jobs = (act_aside,)  # type: ignore[assignment]  # other ones than its base's


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What came of a schedule.

    faults: sentences; none if all promises were kept. digest: of every command and reply. commands:
    how many there were.
    """

    faults: tuple[str, ...]
    digest: str
    commands: int
    seconds: float
    seen: dict[str, int] = field(default_factory=dict)


def play(schedule: Schedule) -> Verdict:
    """Play *schedule* to its end."""
    judge = Judge(schedule)
    with (
        _quiet(),
        World(schedule.seed, redis_version=schedule.redis_version, door=judge) as world,
    ):
        plans = (*schedule.jobs, *schedule.aside)
        ledger = Ledger(world, {plan.number: plan for plan in plans})
        judge.attend(world, ledger)
        with written(ledger), on_the_worlds_clock():
            _Play(schedule, world, ledger, judge).run()
            judge.close()
        return Verdict(
            tuple(judge.faults), judge.digest(), judge.commands, world.now, dict(judge.seen)
        )


class _Play:
    def __init__(self, schedule: Schedule, world: World, ledger: Ledger, judge: Judge) -> None:
        self._schedule = schedule
        self._world = world
        self._ledger = ledger
        self._judge = judge
        self._workers: dict[int, tuple[Process, Fleet | None]] = {}
        self._stock: list[Process] = []
        self._nemesis = Nemesis(world, judge, self._workers, self._stock)
        self._is_stopping = False
        self._clients_left = 1 + bool(schedule.stock_workers)
        self._is_over = False

    def run(self) -> None:
        """Faults, then none until all jobs are over, then an orderly stop."""
        schedule, world = self._schedule, self._world
        for place in range(schedule.workers):
            self._start_worker(place)
        for place in range(schedule.stock_workers):
            self._start_stock_worker(place)
        if schedule.stock_workers:
            world.process(f"{STOCK} client", self._stock_client)
        world.process("client", self._client)
        world.process("operator", self._operator)
        for fault in schedule.faults:
            world.later(fault.at_s, lambda fault=fault: self._nemesis.inject(fault))  # type: ignore[misc]
        world.later(schedule.trouble_s, self._nemesis.end)
        self._look()
        if not world.run_until(lambda: self._is_over, longest_s=schedule.trouble_s + _REST_S):
            self._judge.fault("not all jobs came to an end", self._judge.left())
        self._stop_all()

    def _stop_all(self) -> None:
        """Stop every worker in order; none may have ended by an error."""
        world = self._world
        self._is_stopping = True
        for process in self._stock:
            process.crash()
        for _, fleet in self._workers.values():
            if fleet is not None:
                fleet.stop()
        everyone_ended = world.run_until(
            lambda: not any(process.is_alive for process in world.processes), longest_s=_STOP_S
        )
        if not everyone_ended:
            alive = [process.name for process in world.processes if process.is_alive]
            self._judge.fault("a worker does not stop", ", ".join(alive))
        for process, error in world.endings:
            if error is not None:
                self._judge.fault("a process ended by an error", f"{process.name}: {error!r}")

    # ------------------------------------------------------------------ workers

    def _start_worker(self, place: int, life: int = 1) -> None:
        if self._is_stopping:
            return

        async def main() -> None:
            fleet = Fleet(self._made())
            self._workers[place] = (process, fleet)
            if self._is_stopping:
                fleet.stop()
            await fleet.run()

        skew_s = 0.0
        process = self._world.process(f"worker {place}.{life}", main, skew_s=skew_s)
        self._workers[place] = (process, None)
        self._keep_alive(process, lambda: self._start_worker(place, life + 1))

    def _made(self) -> list[Worker]:
        """Return the worker of a process, or both of them."""
        slots = self._schedule.slots
        if not self._schedule.pool:
            return [Settings.worker(concurrency=slots, handle_signals=False)]
        pool = SlotPool(slots, strict=self._schedule.pool == "strict")
        return [
            Settings.worker(share=pool.share(2), handle_signals=False),
            Aside.worker(share=pool.share(1), handle_signals=False),
        ]

    def _start_stock_worker(self, place: int, life: int = 1) -> None:
        if self._is_stopping:
            return

        async def main() -> None:
            # arq's worker ends by the first error of Redis; its supervisor starts another.
            with suppress(RedisError, OSError, ExceptionGroup, asyncio.CancelledError):
                await stock_worker(self._schedule.slots).async_run()

        process = self._world.process(f"{STOCK} {place}.{life}", main)
        self._stock.append(process)
        self._keep_alive(process, lambda: self._start_stock_worker(place, life + 1))

    def _keep_alive(self, process: Process, start: Callable[[], None]) -> None:
        """Start another a moment after a worker has ended, as a supervisor does."""

        def look() -> None:
            if process.is_alive:
                self._world.later(self._world.now + _RESTART_S, look)
            else:
                start()

        look()

    # ------------------------------------------------------------------ the client

    async def _client(self) -> None:
        client = connect(_URL)
        bulks: dict[int, list[JobPlan]] = {}
        flows: dict[int, list[JobPlan]] = {}
        single = []
        for plan in self._schedule.jobs:
            if plan.stock and self._schedule.stock_workers:
                continue
            if plan.flow is not None:
                flows.setdefault(plan.flow, []).append(plan)
            elif plan.bulk is None:
                single.append(plan)
            else:
                bulks.setdefault(plan.bulk, []).append(plan)
        async with asyncio.TaskGroup() as group:
            for plan in single:
                group.create_task(self._enqueue(client, plan))
            for plans in bulks.values():
                group.create_task(self._enqueue_many(client, plans))
            for plan in self._schedule.aside:
                group.create_task(self._enqueue_aside(client, plan))
            for flow, plans in flows.items():
                group.create_task(self._start_flow(client, flow, plans))
        await client.aclose()
        self._clients_left -= 1

    async def _enqueue(self, client: QueueClient, plan: JobPlan) -> None:
        await asyncio.sleep(plan.at_s)
        if plan.stock:
            await self._enqueue_as_arq(client, plan)
            return
        options = act.options(
            delay_s=plan.delay_s,
            job_id=f"chosen-{plan.number}" if plan.chosen else None,
            lane=_lane_of(plan),
            priority=plan.priority,
        )
        request = options.request((), {"number": plan.number})
        self._ledger.ids[plan.number] = request.job_id
        if await self._acknowledges(lambda: client.enqueuer.put(request), again=plan.chosen):
            self._judge.acknowledge(request.job_id)
        if plan.chosen:
            await asyncio.sleep(0.2)
            twice = options.request((), {"number": plan.number})
            await self._acknowledges(lambda: client.enqueuer.put(twice), again=False)

    async def _enqueue_aside(self, client: QueueClient, plan: JobPlan) -> None:
        await asyncio.sleep(plan.at_s)
        request = act_aside.options().request((), {"number": plan.number})
        await self._acknowledges(lambda: client.enqueuer.put(request), again=False)

    async def _start_flow(self, client: QueueClient, number: int, plans: list[JobPlan]) -> None:
        nodes: dict[int, Node[str] | Node[str | Failed]] = {}
        called = [plan for plan in plans if plan.complete]
        flow = Flow(id=f"flow-{number}", complete=self._called_back(called))
        for plan in plans:
            self._ledger.ids[plan.number] = f"{flow.id}:{len(nodes) + 1}"
            if plan.complete:
                self._ledger.ids[plan.number] = f"{flow.id}:complete"
                continue
            needed: list[str | Failed] = [
                nodes[one].out for one in self._ledger.needs_of(plan.number)
            ]
            options = act_after.options(
                delay_s=plan.delay_s, lane=_lane_of(plan), priority=plan.priority
            )
            alike = options.request((), {"number": plan.number, "before": []})
            if plan.lane is not None:
                self._judge.flows.rules[plan.number] = alike.lane_call(alike.body()).encode()
            nodes[plan.number] = flow.add(
                options.call(number=plan.number, before=needed),
                after=[nodes[one] for one in plan.after if one in nodes],
                on_failure=plan.on_failure,
            )
        if not nodes:
            return
        await asyncio.sleep(plans[0].at_s)
        with using(client):
            if await self._acknowledges(flow.start, again=True):
                self._judge.flows.acknowledged[number] = self._world.now

    def _called_back(self, plans: list[JobPlan]) -> Call[str] | None:
        return act.call(number=plans[0].number) if plans else None

    async def _stock_client(self) -> None:
        client = await stock_client()
        async with asyncio.TaskGroup() as group:
            for plan in self._schedule.jobs:
                if plan.stock:
                    group.create_task(self._enqueue_after(client, plan))
        await client.aclose()
        self._clients_left -= 1

    async def _enqueue_after(self, client: ArqRedis, plan: JobPlan) -> None:
        await asyncio.sleep(plan.at_s)
        await self._enqueue_as_arq(client, plan)

    async def _enqueue_as_arq(self, client: ArqRedis, plan: JobPlan) -> None:
        """Enqueue by arq's own method, under an id of the caller's choice."""
        job_id = f"stock-{plan.number}"
        self._ledger.ids[plan.number] = job_id

        async def enqueue() -> None:
            made = await client.enqueue_job(
                "act",
                number=plan.number,
                _job_id=job_id,
                _queue_name=QUEUE_KEY,
                _defer_by=plan.delay_s,
            )
            is_there = made is not None or await client.exists(
                keys.ARQ.job_prefix + job_id, keys.ARQ.result_prefix + job_id
            )
            if is_there:
                self._judge.acknowledge(job_id)

        # It may have said nothing: arq takes a connection that is lost for an id that is there.
        await self._acknowledges(enqueue, again=True)

    async def _enqueue_many(self, client: QueueClient, plans: list[JobPlan]) -> None:
        await asyncio.sleep(plans[0].at_s)
        requests = []
        for plan in plans:
            options = act.options(delay_s=plan.delay_s, lane=_lane_of(plan), priority=plan.priority)
            request = options.request((), {"number": plan.number})
            self._ledger.ids[plan.number] = request.job_id
            requests.append(request)
        if await self._acknowledges(lambda: client.enqueuer.put_many(requests), again=False):
            for request in requests:
                self._judge.acknowledge(request.job_id)

    async def _acknowledges(self, ask: Callable[[], Awaitable[object]], *, again: bool) -> bool:
        while True:
            try:
                await ask()
            except (EnqueueError, RedisError, OSError):
                if not again:
                    return False
                await asyncio.sleep(0.5)
            else:
                return True

    # ------------------------------------------------------------------ the operator

    async def _operator(self) -> None:
        client = connect(_URL)
        async with asyncio.TaskGroup() as group:
            for one in self._schedule.acts:
                group.create_task(self._act(client, one))
            for limit in self._schedule.limits:
                group.create_task(self._limit(client, limit))
        for lane in {limit.lane for limit in self._schedule.limits}:
            until_s = self._schedule.trouble_s + _LOST_BY_THEN_S
            await asyncio.sleep(max(0.0, until_s - self._world.now))
            await self._insist(lambda lane=lane: _set_limit(client, lane, None))  # type: ignore[misc]
        if any(one.verb == "pause" for one in self._schedule.acts):
            # That the queue goes on may be lost with Redis's last second.
            until_s = self._schedule.trouble_s + _LOST_BY_THEN_S
            await asyncio.sleep(max(0.0, until_s - self._world.now))
            await self._insist(lambda: Admin(client).resume(QUEUE))
        await client.aclose()

    async def _act(self, client: QueueClient, one: Act) -> None:
        await asyncio.sleep(one.at_s)
        admin = Admin(client)
        job_id = self._ledger.ids.get(one.number, "none")
        with suppress(RedisError, OSError):
            match one.verb:
                case "pause":
                    await admin.pause(QUEUE, by="operator")
                    await asyncio.sleep(2.0)
                    await self._insist(lambda: admin.resume(QUEUE))
                case "quiet" | "stop" as order:
                    self._order(one.number, order)
                case verb:
                    self._ledger.acted_on.setdefault(one.number, []).append(verb)
                    await _on_a_job(admin, verb, job_id)

    async def _limit(self, client: QueueClient, one: Limit) -> None:
        await asyncio.sleep(one.at_s)
        with suppress(RedisError, OSError):
            await _set_limit(client, one.lane, one.limit)

    def _order(self, number: int, order: str) -> None:
        _, fleet = self._workers[number % self._schedule.workers]
        if fleet is None:
            return
        if order == "stop":
            fleet.stop()
        else:
            for worker in fleet.workers:
                worker.quiet()
                self._world.later(self._world.now + 3.0, worker.resume)

    async def _insist(self, ask: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await ask()
            except (RedisError, OSError):
                await asyncio.sleep(0.5)
            else:
                return

    def _look(self) -> None:
        """Look now and then whether all is over."""
        if self._world.now > self._schedule.trouble_s:
            self._is_over = not self._clients_left and not self._judge.left()
        if not self._is_over:
            self._world.later(self._world.now + _LOOK_EVERY_S, self._look)


def _lane_of(plan: JobPlan) -> Lane | None:
    if plan.lane is None:
        return None
    name = f"lane-{plan.lane}"
    match plan.lane:
        case 2:
            return Lane(by=(), limit=1, until="started", name=name)
        case 3:
            return Lane(by=(), rate=Rate(2, per_s=1, burst=2), name=name)
        case limit:
            return Lane(by=(), limit=limit + 1, name=name)


async def _set_limit(client: QueueClient, lane: int, limit: int | None) -> None:
    await set_limit(client, Operator(client, "operator"), QUEUE, f"lane-{lane}", limit)


async def _on_a_job(admin: Admin, verb: str, job_id: str) -> None:
    match verb:
        case "abort":
            await admin.abort(QUEUE, job_id)
        case "run":
            await admin.run_now(QUEUE, job_id)
        case "bury":
            await admin.bury(QUEUE, job_id)
        case "delete":
            await admin.delete(QUEUE, job_id)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing inside: the jobs of a history fail on purpose, by the thousand."""
    was_disabled, was_configured = logging.root.manager.disable, structlog.is_configured()
    before = structlog.get_config()
    logging.disable(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    try:
        yield
    finally:
        logging.disable(was_disabled)
        if was_configured:
            structlog.configure(**before)
        else:
            structlog.reset_defaults()
