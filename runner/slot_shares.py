"""How the workers of an application share one pool of slots, as `pipeline worker` was asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.broker.keys import whole_queue
from runner.options import WorkerLimits
from runner.partitions import in_partitions
from runner.parts import own_names
from runner.worker.pool import SlotPool
from runner.worker_settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.processes.fleet import PoolPlan
    from runner.worker.pool import Share

_IDLE_POLL_S: Final = 2.0
"""In a pool, many queues may be idle for long, and each look costs a command."""


def given_by(
    plan: PoolPlan, workers: Sequence[type[WorkerSettings]], *, idle_poll_s: float
) -> Mapping[str, Mapping[str, Any]]:
    """
    Return by queue what each of *workers* gets as an option: its share, and a slower idle poll.

    A class that says its own `concurrency` never runs more jobs than that. idle_poll_s: of those
    that do not say it.
    """
    slots = plan.slots or sum(one.concurrency for one in workers)
    pool = SlotPool(slots, strict=plan.strict)
    names = list(plan.weights)
    first: dict[str, Share] = {}
    given: dict[str, Mapping[str, Any]] = {}
    for one in sorted(workers, key=lambda each: names.index(_named(each, plan))):
        name = _named(one, plan)
        share = pool.share(plan.weights[name], most=_limit(one), beside=first.get(name))
        first.setdefault(name, share)
        given[one.queue] = {"share": share} | _idle_poll(one, idle_poll_s)
    return given


def _named(worker: type[WorkerSettings], plan: PoolPlan) -> str:
    """By which name the queue was named: its own, or that of which it is a partition."""
    return worker.queue if worker.queue in plan.weights else whole_queue(worker.queue)


def _limit(worker: type[WorkerSettings]) -> int | None:
    base = worker.__mro__[1]
    # That of a partition was divided, and so is always its own.
    is_part = issubclass(base, WorkerSettings) and len(in_partitions(base.queue)) > 1
    says = base if is_part else worker
    return worker.concurrency if "concurrency" in own_names(says) else None


def _idle_poll(worker: type[WorkerSettings], otherwise_s: float) -> dict[str, float]:
    is_own = "idle_poll_s" in own_names(worker)
    is_set = (worker.idle_poll_s if is_own else otherwise_s) != WorkerLimits.idle_poll_s
    return {} if is_set else {"idle_poll_s": _IDLE_POLL_S}
