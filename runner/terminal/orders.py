"""What changes something: each order is for one kind of rows, and is done row by row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runner.commands.jobs import VERBS
from runner.operations.actions import Action, Request
from runner.operations.jobs import Row
from runner.operations.processes import Process, RunningJob
from runner.operations.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from runner.commands.desk import Desk

Target: TypeAlias = Row | RunningJob | Queue | Process
"""What a row stands for."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order. do: does it to one target, and tells how that ended, in a few words."""

    word: str
    what: str
    help: str
    takes: tuple[type[Target], ...]
    do: Callable[[Desk, Target], Awaitable[str]]

    def question(self, targets: Sequence[Target]) -> str:
        """What is asked before it is done."""
        number = f"{len(targets):,} {self.what}" if len(targets) > 1 else name_of(targets[0])
        return f"{self.word.capitalize()} {number}?"

    async def carry_out(self, desk: Desk, targets: Sequence[Target]) -> str:
        """Do it to each of *targets*; how that ended, counted."""
        ended = Counter([await self.do(desk, target) for target in targets])
        if len(targets) == 1:
            return f"{name_of(targets[0])}: {next(iter(ended))}"
        return "; ".join(f"{number:,} {how}" for how, number in ended.most_common())


def name_of(target: Target) -> str:
    """How people call it."""
    match target:
        case Queue() | Process():
            return target.name
        case _:
            return f"{target.name or '(unreadable)'} {target.job_id}"


def _order_of_jobs(action: Action) -> Order:
    verb = VERBS[action]

    async def do(desk: Desk, target: Target) -> str:
        assert isinstance(target, Row | RunningJob)  # noqa: S101 -- as `takes` says
        key = target.key if isinstance(target, Row) else target.job_id
        found = await desk.operator.act(Request(action), target.queue, key)
        return verb.done if found in action.reaches else f"not touched, for it is {found}"

    return Order(verb.name, "jobs", verb.help, (Row, RunningJob), do)


async def _pause_or_resume(desk: Desk, target: Target) -> str:
    assert isinstance(target, Queue)  # noqa: S101 -- as `takes` says
    if target.paused is None:
        await desk.operator.pause(target.name)
        return "paused"
    await desk.operator.resume(target.name)
    return "resumed"


async def _quiet_or_resume(desk: Desk, target: Target) -> str:
    assert isinstance(target, Process)  # noqa: S101 -- as `takes` says
    order = "resume" if target.quiet else "quiet"
    await desk.operator.order(target, order)
    return f"asked to {order}; it hears that with its next heartbeat"


ORDERS: Mapping[str, Order] = {
    "R": _order_of_jobs(Action.RUN),
    "D": _order_of_jobs(Action.DELETE),
    "B": _order_of_jobs(Action.BURY),
    "A": _order_of_jobs(Action.ABORT),
    "P": Order(
        "pause",
        "queues",
        "Let no job of the queue start; let jobs start again where it is paused.",
        (Queue,),
        _pause_or_resume,
    ),
    "Q": Order(
        "quiet",
        "processes",
        "Let the process take no more jobs; let it take jobs again where it is quiet.",
        (Process,),
        _quiet_or_resume,
    ),
}
"""By their keys."""
