"""The keys that change something: each acts on one kind of row, row by row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runner.operations.actions import Request, ids_back
from runner.operations.jobs import Row
from runner.operations.processes import Process, RunningJob
from runner.operations.queues import Queue
from runner.operations.verbs import JOB_VERBS, PROCESS_VERBS, QUEUE_VERBS, Action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from runner.operations.session import OperatorSession
    from runner.operations.verbs import Verb

Target: TypeAlias = Row | RunningJob | Queue | Process
"""What a row shows."""


class _Ended(NamedTuple):
    """How acting on a row ended; now_as: under which other id its job goes on, in words."""

    how: str
    now_as: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """One key. verbs: those that share it, in different states. do: acts, and says how it ended."""

    verbs: Sequence[Verb]
    what: str
    takes: tuple[type[Target], ...]
    do: Callable[[OperatorSession, Verb, Target], Awaitable[_Ended]]

    @property
    def word(self) -> str:
        """What the key does, in a word."""
        return self.verbs[0].name

    @property
    def help(self) -> str:
        """What the key does, in a sentence or two."""
        first, *others = self.verbs
        return " ".join([first.help, *(_where(verb) for verb in others)])

    def verb(self, target: Target) -> Verb:
        """What the key does to *target*; for jobs, the same in every state."""
        return next((verb for verb in self.verbs if verb in target.verbs), self.verbs[0])

    def question(self, targets: Sequence[Target]) -> str:
        """The question before acting on *targets*."""
        words = " or ".join(dict.fromkeys(self.verb(target).name for target in targets))
        number = f"{len(targets):,} {self.what}" if len(targets) > 1 else name_of(targets[0])
        return f"{words.capitalize()} {number}?"

    async def carry_out(self, session: OperatorSession, targets: Sequence[Target]) -> str:
        """Act on each of *targets*; say how that ended, with counts."""
        ended = [await self.do(session, self.verb(target), target) for target in targets]
        if len(targets) == 1:
            return f"{name_of(targets[0])}: {ended[0].how}{ended[0].now_as}"
        counts = Counter(one.how for one in ended).most_common()
        said = [f"{number:,} {how}" for how, number in counts]
        return "; ".join([*said, *filter(None, [ids_back(sum(bool(one.now_as) for one in ended))])])


def name_of(target: Target) -> str:
    """Its name, for people."""
    match target:
        case Queue() | Process():
            return target.name
        case _:
            return f"{target.name or '(unreadable)'} {target.job_id}"


def _where(verb: Verb) -> str:
    return f"If {' or '.join(sorted(verb.states))}: {verb.help[0].lower()}{verb.help[1:]}"


async def _act_on_job(session: OperatorSession, verb: Verb, target: Target) -> _Ended:
    assert isinstance(target, Row | RunningJob)  # noqa: S101 -- as `takes` says
    request = Request(Action(verb.name))
    key = target.key if isinstance(target, Row) else target.job_id
    found = await session.operator.act(request, target.queue, key)
    if found not in request.verb.reaches:
        return _Ended(f"not touched, for it is {found}")
    goes_on_as = session.operator.goes_on_as
    return _Ended(verb.done, await goes_on_as(request, found, target.queue, target.job_id))


async def _act_on_queue(session: OperatorSession, verb: Verb, target: Target) -> _Ended:
    assert isinstance(target, Queue)  # noqa: S101 -- as `takes` says
    await session.operator.act_on_queue(verb, target.name)
    return _Ended(verb.done)


async def _order(session: OperatorSession, verb: Verb, target: Target) -> _Ended:
    assert isinstance(target, Process)  # noqa: S101 -- as `takes` says
    await session.operator.order(target, verb.name)
    return _Ended(verb.done)


def _orders() -> Iterator[tuple[str, Order]]:
    """One order for each key: verbs that undo each other share one."""
    jobs = (Row, RunningJob)
    for verbs, what, takes, do in (
        (JOB_VERBS.values(), "jobs", jobs, _act_on_job),
        (QUEUE_VERBS.values(), "queues", (Queue,), _act_on_queue),
        (PROCESS_VERBS.values(), "processes", (Process,), _order),
    ):
        for key in dict.fromkeys(verb.key for verb in verbs if verb.key):
            yield key, Order([verb for verb in verbs if verb.key == key], what, takes, do)


ORDERS: Mapping[str, Order] = dict(_orders())
"""Orders by key."""
