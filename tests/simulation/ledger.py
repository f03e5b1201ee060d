"""What really happened: the jobs write it down as they run, whatever Redis is told."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner import Bury, Context, Failed, Retry, job, machine
from runner.retry import linear
from tests.simulation.schedule import MAX_RETRIES, RETRY_STEP_S, TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.simulation.world import Process, World
    from tests.simulation.schedule import JobPlan, Step

QUEUE = "sim"
ASIDE = "aside"
"""The other queue of a process whose workers share its slots; no judge follows its jobs."""
ASKED_DELAY_S = 1.5
"""The delay that a job asks for when it asks for a retry."""


@dataclass(slots=True)
class Run:
    """
    One time that a job's coroutine ran.

    attempt: as the worker counted it. fence: of its claim; 0 in a stock arq worker. alone: whether
    nothing else ran in its process meanwhile. was_suspect: whether it had to run so. how: how it
    ended: a step, 'cancelled', or '' if it never did, since its process was killed.
    """

    number: int
    attempt: int
    step: Step
    process: Process
    began_at: float
    alone: bool
    was_suspect: bool
    fence: int = 0
    ended_at: float | None = None
    how: str = ""


@dataclass(slots=True)
class Ledger:
    """All runs of a history, and what the client knows."""

    world: World
    plans: dict[int, JobPlan]
    runs: list[Run] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    """Jobs that Redis said to have, in an answer that was sent, and when it last said so."""
    acknowledged: set[str] = field(default_factory=set)
    is_suspect: Callable[[str], bool] = lambda _: False
    """Whether a job was lost with its worker before, as Redis knows."""
    forgotten: dict[str, float] = field(default_factory=dict)
    """Jobs that Redis lost with its last second, and when."""
    acted_on: dict[int, list[str]] = field(default_factory=dict)
    """What the operator did to a job, or tried to."""

    misled: list[str] = field(default_factory=list)
    """Jobs that were given another result than what they need left behind, and which."""

    def acknowledge(self, job_id: str) -> bool:
        """
        Note that a client has read that Redis has a job; False if Redis said so, and lost it since.

        A client that was frozen reads late. What it reads holds for the moment of Redis's answer,
        and no longer: an answer that Redis gave after a loss, or none at all, is not excused by it.
        """
        said_at = self.answered.pop(job_id, self.world.now)
        if self.forgotten.get(job_id, -1.0) >= said_at:
            return False
        self.acknowledged.add(job_id)
        return True

    def runs_of(self, number: int) -> list[Run]:
        """Return the runs of one job, in order."""
        return [run for run in self.runs if run.number == number]

    def needs_of(self, number: int) -> list[int]:
        """Return the jobs whose results a node needs, as far as its schedule has them."""
        return [one for one in self.plans[number].needs if one in self.plans]

    def going_on(self, process: Process) -> list[Run]:
        """Return what runs in *process* now."""
        return [run for run in self.runs if run.process is process and run.ended_at is None]

    def begin(self, number: int, attempt: int, fence: int = 0) -> Run:
        """Note that a job begins; its step is the next of its plan."""
        process = machine.this()
        steps = self.plans[number].steps
        step = steps[min(len(self.runs_of(number)), len(steps) - 1)]
        alone = not self.going_on(process)  # type: ignore[arg-type]  # a world's machines are processes
        suspect = self.is_suspect(self.ids.get(number, ""))
        run = Run(number, attempt, step, process, self.world.now, alone, suspect, fence)  # type: ignore[arg-type]
        for other in self.going_on(process):  # type: ignore[arg-type]
            other.alone = False
        self.runs.append(run)
        return run

    def end(self, run: Run, how: str) -> None:
        """Note how a run has ended."""
        run.ended_at, run.how = self.world.now, how


_open: list[Ledger] = []


@contextmanager
def written(ledger: Ledger) -> Iterator[Ledger]:
    """Let jobs write into *ledger* inside."""
    _open.append(ledger)
    try:
        yield ledger
    finally:
        _open.pop()


def current() -> Ledger:
    """Return the ledger of the world that runs now."""
    return _open[-1]


@job(
    queue=QUEUE,
    max_retries=MAX_RETRIES,
    timeout_s=TIMEOUT_S,
    backoff=linear(RETRY_STEP_S),
    keep_result_s=30.0,
)
async def act(ctx: Context, number: int) -> str:
    """Do what the plan of job *number* says of this run."""
    ledger = current()
    run = ledger.begin(number, ctx.attempt, ctx.fence)
    try:
        return await _go(ledger, run)
    except asyncio.CancelledError:
        ledger.end(run, "cancelled" if run.step != "cancel" else "cancel")
        raise


@job(
    queue=QUEUE,
    max_retries=MAX_RETRIES,
    timeout_s=TIMEOUT_S,
    backoff=linear(RETRY_STEP_S),
    keep_result_s=30.0,
)
async def act_after(ctx: Context, number: int, before: list[str | Failed]) -> str:
    """The same for a node of a flow, which is given the results of those that it needs."""
    ledger = current()
    for needed, given in zip(ledger.needs_of(number), before, strict=True):
        if given != result_of(needed) and not (
            isinstance(given, Failed) and ledger.plans[needed].on_failure == "go_on"
        ):
            ledger.misled.append(f"{ctx.job_id}: {given!r} of job {needed}")
    return await act(ctx, number)


@job(
    queue=ASIDE,
    max_retries=MAX_RETRIES,
    timeout_s=TIMEOUT_S,
    backoff=linear(RETRY_STEP_S),
    keep_result_s=0,
)
async def act_aside(ctx: Context, number: int) -> str:
    """The same in the other queue."""
    return await act(ctx, number)


def result_of(number: int) -> str:
    """Return what a job returns that is done."""
    return f"done {number}"


async def _go(ledger: Ledger, run: Run) -> str:
    plan = ledger.plans[run.number]
    if run.step == "kill":
        if plan.takes_s:
            await asyncio.sleep(min(plan.takes_s, 0.5))
        run.process.crash_after(1)
        return "never"
    if plan.takes_s:
        await asyncio.sleep(plan.takes_s)
    match run.step:
        case "ok":
            ledger.end(run, "ok")
            return result_of(run.number)
        case "hang":
            await asyncio.sleep(TIMEOUT_S * 10)
        case "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        case _:
            ledger.end(run, run.step)
    match run.step:
        case "retry":
            raise Retry(ASKED_DELAY_S)
        case "wait":
            raise Retry(ASKED_DELAY_S, charge=False)
        case "bury":
            raise Bury("as planned")
    raise ValueError("as planned")
