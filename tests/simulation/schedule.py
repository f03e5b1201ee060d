"""
What happens in one world, drawn from a seed: jobs, workers, faults, an operator's acts.

Each part draws from a source of chance of its own, so one that is left out leaves the others as
they are: that is how `shrink` finds the few that matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Literal, get_args

LEASE_S = 6.0
HEARTBEAT_S = 2.0
MAX_RETRIES = 2
MAX_CRASHES = 3
RETRY_STEP_S = 1.0
TIMEOUT_S = 8.0
GRACE_S = 3.0

Step = Literal["ok", "fail", "hang", "retry", "wait", "bury", "kill", "cancel"]
"""
How one attempt goes: it returns, raises, times out, asks for a retry (charged, or `wait`: not),
buries itself, kills its process, or cancels itself.
"""

Pool = Literal["", "weights", "strict"]
"""How the workers of a process share its slots; '': there is one worker."""

OnFailure = Literal["wait", "go_on", "cancel"]

Verb = Literal["abort", "run", "bury", "delete", "pause", "quiet", "stop"]

OfAProcess = Literal["crash", "crash_soon", "freeze", "terminate", "partition", "askew"]
OfConnections = Literal["cut", "cut_silently", "slow", "hold"]
OfRedis = Literal["flush_scripts", "restart", "refuse", "redis_freeze", "clock", "lose_second"]
OfACall = Literal[
    "lose_question",
    "late_question",
    "lose_answer",
    "silence",
    "late_answer",
    "crash_sender",
    "freeze_sender",
    "flush_after",
]
"""At the next call of a script."""

FaultKind = OfAProcess | OfConnections | OfRedis | OfACall

OF_A_PROCESS: tuple[FaultKind, ...] = get_args(OfAProcess)
OF_CONNECTIONS: tuple[FaultKind, ...] = get_args(OfConnections)
OF_REDIS: tuple[FaultKind, ...] = get_args(OfRedis)
OF_A_CALL: tuple[FaultKind, ...] = get_args(OfACall)
SCRIPTS = ("claim", "settle", "enqueue", "renew", "start", "admin")
JUMPS_S = ("5", "60", "3600", "-5", "-60", "-3600")
"""How Redis's clock is set, in seconds; back only where nobody else's clock decides."""
LANED = 0.35
"""The part of all schedules whose jobs have lanes."""
PRIORITISED = 0.25
"""The part of all schedules of whose jobs some have priorities."""
FLOWED = 0.25
"""The part of all schedules, of those without stock arq workers, most of whose jobs are nodes."""
POOLED = 0.2
"""The part of all schedules whose workers share their slots with one of another queue."""
REFUSALS = ("FULL", "READ_ONLY", "LOADING", "BUSY")


@dataclass(frozen=True, slots=True)
class JobPlan:
    """
    One job.

    steps: how its attempts go, the last one also any later attempt. takes_s: how long each takes.
    chosen: enqueued under an id of the caller's choice, and once again a moment later. lane: of
    which it waits for a place: 0 and 1 run one job and two at a time, 2 and 3 give places up at the
    start, 3 at a rate.
    stock: enqueued by a stock arq client. bulk: jobs of the same number go in one call.
    flow: the flow of which it is a node, and needs the results of those jobs, or comes after them
    (`after`). on_failure: as of a node. complete: what its flow calls back.
    """

    number: int
    at_s: float
    steps: tuple[Step, ...]
    takes_s: float
    delay_s: float | None = None
    chosen: bool = False
    stock: bool = False
    bulk: int | None = None
    lane: int | None = None
    priority: int = 0
    flow: int | None = None
    needs: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    on_failure: OnFailure = "wait"
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault.

    who: a worker's place; the one after the last is stock arq's, which may only be slow. what: the
    script whose call, what Redis refuses, or by how many seconds its clock is set.
    """

    at_s: float
    kind: FaultKind
    who: int
    for_s: float
    what: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator does to one job, to the queue, or to a worker."""

    at_s: float
    verb: Verb
    number: int


@dataclass(frozen=True, slots=True)
class Limit:
    """Another limit that an operator gives a lane."""

    at_s: float
    lane: int
    limit: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """One history before it happens."""

    seed: int
    workers: int
    slots: int
    stock_workers: int
    jobs: tuple[JobPlan, ...]
    faults: tuple[Fault, ...]
    acts: tuple[Act, ...]
    redis_version: tuple[int, int, int]
    trouble_s: float
    """Faults and acts come within this time."""
    limits: tuple[Limit, ...] = ()
    pool: Pool = ""
    aside: tuple[JobPlan, ...] = ()
    """Jobs of another queue, whose worker shares the slots of each process by *pool*."""

    def without(self, **parts: object) -> Schedule:
        """Return it with other parts."""
        return replace(self, **parts)  # type: ignore[arg-type]


def draw(seed: int, *, large: bool | None = None) -> Schedule:
    """Draw the schedule of *seed*; large: three workers and some forty jobs, or else a few."""
    dice = Random(f"{seed}:schedule")
    is_large = dice.random() < 0.15 if large is None else large
    jobs, faults, acts = (42, 10, 8) if is_large else (dice.randint(1, 12), dice.randint(1, 5), 2)
    trouble_s = 40.0 if is_large else 15.0
    workers = 3 if is_large else dice.choice((1, 2, 2))
    slots = dice.choice((1, 2, 3, 5))
    has_stock = dice.random() < 1 / 3
    return Schedule(
        seed=seed,
        workers=workers,
        slots=slots,
        stock_workers=int(has_stock),
        jobs=_in_flows(
            seed,
            tuple(_job(seed, number, trouble_s) for number in range(jobs)),
            has_stock=has_stock,
        ),
        faults=tuple(
            _fault(seed, number, trouble_s, workers, has_stock=has_stock)
            for number in range(faults)
        ),
        acts=tuple(_act(seed, number, trouble_s, jobs) for number in range(dice.randint(0, acts))),
        redis_version=dice.choice(((6, 2, 14), (7, 0, 15), (7, 4, 0))),
        trouble_s=trouble_s,
        limits=_limits(seed, trouble_s),
        pool=_pool(seed),
        aside=_aside(seed, trouble_s, jobs) if _pool(seed) else (),
    )


def _pool(seed: int) -> Pool:
    dice = Random(f"{seed}:pool")
    return dice.choice(("weights", "strict")) if dice.random() < POOLED else ""


def _aside(seed: int, trouble_s: float, jobs: int) -> tuple[JobPlan, ...]:
    dice = Random(f"{seed}:aside")
    kinds: tuple[tuple[Step, ...], ...] = (("ok",), ("fail", "ok"), ("kill", "ok"))
    return tuple(
        JobPlan(
            number=jobs + place,
            at_s=round(dice.uniform(0.0, trouble_s * 0.8), 3),
            steps=dice.choices(kinds, (10, 3, 1))[0],
            takes_s=dice.choice((0.0, 0.01, 0.5, 2.0)),
        )
        for place in range(dice.randint(1, jobs))
    )


def _has_lanes(seed: int) -> bool:
    return Random(f"{seed}:lanes").random() < LANED


def _limits(seed: int, trouble_s: float) -> tuple[Limit, ...]:
    dice = Random(f"{seed}:limits")
    if not _has_lanes(seed) or dice.random() < 0.6:
        return ()
    return tuple(
        Limit(round(dice.uniform(0.0, trouble_s), 3), dice.randrange(4), dice.randrange(4))
        for _ in range(dice.randint(1, 3))
    )


def _lane(seed: int, number: int) -> int | None:
    dice = Random(f"{seed}:lane of {number}")
    return dice.choice((0, 0, 0, 1, 1, 2, 3, 3, None)) if _has_lanes(seed) else None


def _priority(seed: int, number: int) -> int:
    if Random(f"{seed}:priorities").random() >= PRIORITISED:
        return 0
    return Random(f"{seed}:priority of {number}").choice((0, 0, 1, 2))


def _job(seed: int, number: int, trouble_s: float) -> JobPlan:
    dice = Random(f"{seed}:job {number}")
    steps: list[Step] = []
    while len(steps) < MAX_RETRIES + 2:
        step: Step = dice.choices(
            ("ok", "fail", "hang", "retry", "wait", "bury", "kill", "cancel"),
            (50, 22, 2, 5, 6, 2, 5, 2),
        )[0]
        steps.append(step)
        if step in {"ok", "bury"}:
            break
    if steps[-1] == "wait":
        steps[-1] = "ok"  # it would wait for ever, at no cost
    if dice.random() < 0.04:
        steps = ["kill"]
    is_stock = dice.random() < 0.1
    return JobPlan(
        number=number,
        at_s=round(dice.uniform(0.0, trouble_s * 0.8), 3),
        steps=tuple(steps),
        takes_s=dice.choice((0.0, 0.0, 0.01, 0.1, 0.5, 2.0, 7.0)),
        delay_s=dice.choice((None, None, None, None, 0.5, 3.0, 10.0)),
        chosen=dice.random() < 0.15 and not is_stock,
        stock=is_stock,
        bulk=dice.randint(0, 2) if dice.random() < 0.3 and not is_stock else None,
        lane=None if is_stock else _lane(seed, number),
        priority=0 if is_stock else _priority(seed, number),
    )


def _in_flows(seed: int, jobs: tuple[JobPlan, ...], *, has_stock: bool) -> tuple[JobPlan, ...]:
    """Make most of *jobs* nodes of flows, in some schedules; it may call its last job back."""
    dice = Random(f"{seed}:flows")
    if has_stock or dice.random() >= FLOWED:
        return jobs
    flows, members = dice.choice((1, 1, 2)), dict[int, list[int]]()
    planned = []
    for plan in jobs:
        flow, is_node = dice.randrange(flows), dice.random() < 0.8
        before = members.setdefault(flow, [])
        needs = tuple(sorted(dice.sample(before, min(len(before), dice.choice((0, 1, 1, 2, 3))))))
        after = tuple(one for one in needs if dice.random() < 0.3)
        policy: OnFailure = dice.choices(("wait", "go_on", "cancel"), (4, 4, 1))[0]
        if is_node and not plan.stock:
            before.append(plan.number)
            plan = replace(  # noqa: PLW2901 -- the same job
                plan,
                chosen=False,
                bulk=None,
                flow=flow,
                needs=tuple(one for one in needs if one not in after),
                after=after,
                on_failure=policy,
            )
        planned.append(plan)
    for flow, numbers in members.items():
        if len(numbers) > 1 and dice.random() < 0.7:
            last = planned[numbers[-1]]
            planned[last.number] = replace(
                last, flow=flow, needs=(), after=(), delay_s=None, complete=True
            )
    return tuple(planned)


def _fault(seed: int, number: int, trouble_s: float, workers: int, *, has_stock: bool) -> Fault:
    dice = Random(f"{seed}:fault {number}")
    kinds: tuple[FaultKind, ...] = (
        *OF_A_CALL * 2,
        *OF_A_PROCESS,
        *OF_CONNECTIONS,
        *OF_REDIS,
    )
    kind = dice.choice(kinds)
    what = ""
    if kind in OF_A_CALL:
        what = dice.choices(SCRIPTS, (30, 30, 12, 12, 8, 4))[0]
    elif kind == "refuse":
        what = dice.choice(REFUSALS)
    elif kind == "clock":
        what = dice.choice(JUMPS_S)
        if has_stock:
            what = what.removeprefix("-")
    return Fault(
        at_s=round(dice.uniform(0.0, trouble_s), 3),
        kind=kind,
        who=dice.randrange(workers),
        for_s=round(dice.choice((0.05, 0.5, 2.0, 4.0, 8.0, 12.0, 20.0)) * dice.uniform(0.5, 1), 3),
        what=what,
    )


def _act(seed: int, number: int, trouble_s: float, jobs: int) -> Act:
    dice = Random(f"{seed}:act {number}")
    verb: Verb = dice.choices(get_args(Verb), (4, 3, 2, 2, 1, 1, 1))[0]
    return Act(round(dice.uniform(0.0, trouble_s), 3), verb, dice.randrange(jobs))
