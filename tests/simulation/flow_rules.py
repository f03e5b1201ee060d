"""What must hold of flows: when a node may start, that it does, and what is left of a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.broker import keys
from runner.simulation.redis.sorted_set import SortedSet
from tests.simulation.ledger import QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.job_history import JobModel
    from tests.simulation.judge import Judge
    from tests.simulation.schedule import JobPlan

_QUEUE = keys.ARQ.queue_key(QUEUE).encode()
_IN_QUEUE = tuple(
    _QUEUE + suffix.encode()
    for suffix in ("", keys.SUSPECTS_SUFFIX, keys.PARKED_SUFFIX, keys.WAITING_SUFFIX)
)
_LANE = _QUEUE + keys.LANE_SUFFIX.encode()

Broken = tuple[str, str]


class FlowRules:
    """Follows the flows of one history."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._plans = {plan.number: plan for plan in judge.schedule.jobs if plan.flow is not None}
        self.rules: dict[int, bytes] = {}
        """Of jobs in lanes: what a letter says of the lane."""
        self._passed: set[int] = set()
        """Nodes that what needs them need not wait for any more."""
        self._cancelled: set[int] = set()
        """Flows of which no node may start any more."""
        self.acknowledged: dict[int, float] = {}
        """When the start of a flow was acknowledged."""

    def look(self) -> None:
        """Note the nodes that the last call has put into the queue, and whether it might."""
        if not self._plans:
            return
        self._passed |= {one.number for one in self._plans.values() if self._is_passed(one)}
        self._look_for_nodes()
        self._cancelled |= {
            one.flow
            for one in self._plans.values()
            if one.flow is not None and self._is_cancelled(one.flow)
        }

    def _look_for_nodes(self) -> None:
        waiting = self._waiting()
        for plan in self._plans.values():
            name = self._judge.ledger.ids.get(plan.number, "").encode()
            if name not in waiting:
                continue
            job = self._judge.jobs.get(name)
            if job is None:
                self._come(plan, name)
            elif job.is_over or job.is_dead:
                self._judge.fault("a node started twice", f"{name.decode()}, {job.ended_how}")

    def _waiting(self) -> set[bytes]:
        values = self._judge.world.redis.db.values
        found = set[bytes]()
        for key, value in values.items():
            if isinstance(value, SortedSet) and (key in _IN_QUEUE or key.startswith(_LANE)):
                found |= value.scores.keys()
        return found

    def _come(self, plan: JobPlan, name: bytes) -> None:
        due_ms = self._judge.now_ms() + 1000 * (plan.delay_s or 0)
        self._judge.history.put(name, due_ms, self.rules.get(plan.number, b""))
        self._judge.jobs[name].is_ahead = bool(plan.priority) and not plan.complete
        self._judge.seen["called back" if plan.complete else "a node came"] += 1
        unready = (
            self._unfinished(plan.flow)
            if plan.complete
            else [one for one in self._before(plan) if not self._is_passed(one)]
        )
        if unready:
            ids = ", ".join(self._judge.ledger.ids[one.number] for one in unready)
            self._judge.fault("a node started before what it needs", f"{name.decode()}: {ids}")
        if plan.flow in self._cancelled and not plan.complete and not self._may_be_lost():
            self._judge.fault("a node started in a flow that is cancelled", name.decode())

    def _before(self, plan: JobPlan) -> list[JobPlan]:
        return [self._plans[one] for one in (*plan.needs, *plan.after) if one in self._plans]

    def _nodes(self, flow: int | None) -> list[JobPlan]:
        return [one for one in self._plans.values() if one.flow == flow and not one.complete]

    def _job(self, plan: JobPlan) -> JobModel | None:
        return self._judge.jobs.get(self._judge.ledger.ids.get(plan.number, "").encode())

    def _is_passed(self, plan: JobPlan) -> bool:
        """Whether what needs this node may go on: it is done, or failed and was to be left out."""
        job = self._job(plan)
        if plan.number in self._passed or job is None:
            return plan.number in self._passed
        is_done = job.is_over and job.ended_how == "done"
        return is_done or ((job.is_over or job.is_dead) and plan.on_failure == "go_on")

    def _is_cancelled(self, flow: int | None) -> bool:
        """Whether a node has ended through which none may start any more."""
        return any(
            job is not None
            and plan.on_failure != "go_on"
            and (job.is_over or (job.is_dead and plan.on_failure == "cancel"))
            and job.ended_how != "done"
            for plan in self._nodes(flow)
            for job in [self._job(plan)]
        )

    def _unfinished(self, flow: int | None) -> list[JobPlan]:
        """Return the nodes that are still to end."""
        is_cancelled = self._is_cancelled(flow)
        return [
            plan
            for plan in self._nodes(flow)
            for job in [self._job(plan)]
            if (job is None and not is_cancelled)
            or (job is not None and not (job.is_over or job.is_dead))
        ]

    # ------------------------------------------------------------------ the end

    def broken(self) -> Iterator[Broken]:
        """Yield each promise that was not kept, and how."""
        for given in self._judge.ledger.misled:
            yield "a node was given another result", given
        for flow in sorted({plan.flow for plan in self._plans.values() if plan.flow is not None}):
            if any(self._job(plan) is not None for plan in self._nodes(flow)):
                yield from self._stuck(flow)
            elif flow in self.acknowledged and not self._may_be_lost():
                yield "an acknowledged flow was lost", f"flow-{flow}"

    def _may_be_lost(self) -> bool:
        return any(fault.kind == "lose_second" for fault in self._judge.injected)

    def _stuck(self, flow: int) -> Iterator[Broken]:
        unfinished = self._unfinished(flow)
        ids = self._judge.ledger.ids
        for plan in unfinished:
            if self._job(plan) is None and all(map(self._is_passed, self._before(plan))):
                yield "a node never started", ids[plan.number]
        called = [one for one in self._plans.values() if one.flow == flow and one.complete]
        if not unfinished and any(self._job(one) is None for one in called):
            yield "a flow that is over called nobody back", f"flow-{flow}"
        if not unfinished:
            yield from self._left_behind(flow)

    def _left_behind(self, flow: int) -> Iterator[Broken]:
        values = self._judge.world.redis.db.values
        key = f"{keys.ARQ.batch_prefix}flow-{flow}".encode()
        there = [what for what in (b":pending", b":letters", b":ready") if key + what in values]
        if there:
            yield "left something of its flow behind", f"flow-{flow}: {b' '.join(there).decode()}"
