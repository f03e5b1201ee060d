"""
What an operator may do: the table that pages, JSON API, `pipeline top` and commands read.

A verb acts on jobs, queues, lanes, processes or schedules. Its row holds the states that offer it,
the role that may use it, what it asks for, and its words. Its effect is in `actions`, `lanes` or
`schedules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from runner.states import Found, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

V = TypeVar("V", bound="Verb")

ACTIVE = "active"
PAUSED = "paused"
LIMITED = "limited"
QUIET = "quiet"


class Role(StrEnum):
    """What a visitor of the pages may do: look, or also act."""

    VIEW = "view"
    OPERATE = "operate"

    def allowed(self, verbs: Iterable[V]) -> list[V]:
        """Those of *verbs* that this role may use."""
        return [verb for verb in verbs if self is Role.OPERATE or self is verb.role]


class Action(StrEnum):
    """What can be done to a job, alone or to all that match a filter."""

    RUN = "run"
    DELETE = "delete"
    BURY = "bury"
    RESCHEDULE = "reschedule"
    MOVE = "move"
    ABORT = "abort"


class Asks(StrEnum):
    """What a verb needs beside its job, by the name of the form field, JSON key and option."""

    TIME = "at"
    QUEUE = "to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """
    A verb for queues, processes or schedules.

    Attributes:
        name: Its name in commands, paths and the audit log.
        states: The states in which pages and `top` offer it.
        role: The role that may use it.
        help: The help of its command and its key.
        done: What commands and `top` print afterwards.
        button: Its button on the pages.
        look: How the button looks.
        question: What the pages ask first, with `{}` for the target; empty if they do not ask.
        said: What the pages say afterwards, with `{}` for the target.
        key: Its key in `top`; empty if it has none.
    """

    name: str
    states: frozenset[str]
    role: Role = Role.OPERATE
    help: str
    done: str
    button: str
    look: Literal["", "primary", "danger"] = ""
    question: str = ""
    said: str
    key: str = ""

    def asked(self, target: str) -> str:
        """The question for *target*; empty if the pages do not ask."""
        return self.question.format(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobVerb(Verb):
    """
    A verb for jobs.

    Attributes:
        acts_in: The states in which it has an effect; it is offered where that is of use.
        asks: What it needs beside the job.
        retry: Its name for jobs that have failed; empty if it has no other.
        not_for_all: The states whose lists do not offer it for all jobs that match.
        in_groups: Whether `pipeline scheduled`, `retries` and `dead` have it, too.
    """

    name: Action
    acts_in: frozenset[JobState]
    asks: Asks | None = None
    retry: str = ""
    not_for_all: frozenset[JobState] = frozenset()
    in_groups: bool = True

    @property
    def reaches(self) -> frozenset[Found]:
        """Where the script has to find a job for the verb to have an effect."""
        return frozenset(_FOUND[state] for state in self.acts_in)

    def name_in(self, state: JobState) -> str:
        """Its name for jobs in *state*."""
        return self.retry if self.retry and state in _FAILED else self.name

    def button_in(self, state: JobState) -> str:
        """Its button for jobs in *state*."""
        return self.retry.capitalize() if self.retry and state in _FAILED else self.button


_FOUND = {
    JobState.READY: Found.WAITING,
    JobState.SCHEDULED: Found.WAITING,
    JobState.RETRYING: Found.WAITING,
    JobState.PARKED: Found.WAITING,
    JobState.WAITING: Found.WAITING,
    JobState.DEAD: Found.DEAD,
    JobState.RUNNING: Found.RUNNING,
}
_FAILED = frozenset({JobState.RETRYING, JobState.DEAD})
_LATER = frozenset({JobState.SCHEDULED, JobState.RETRYING, JobState.PARKED})
_READY = frozenset({JobState.READY})
_WAITING = _READY | _LATER
_BEHIND = frozenset({JobState.WAITING})
_DEAD = frozenset({JobState.DEAD})
_RUNNING = frozenset({JobState.RUNNING})

JOB_VERBS: Mapping[Action, JobVerb] = {
    verb.name: verb
    for verb in (
        JobVerb(
            name=Action.RUN,
            retry="retry",
            acts_in=_WAITING | _DEAD,
            states=_LATER | _DEAD,
            help="Run waiting jobs now, and dead jobs again with all their attempts.",
            done="due now",
            button="Run now",
            look="primary",
            said="Made ready {}.",
            key="R",
        ),
        JobVerb(
            name=Action.DELETE,
            acts_in=_WAITING | _BEHIND | _DEAD,
            states=_WAITING | _BEHIND | _DEAD,
            help="Delete jobs for good; running jobs are left alone.",
            done="deleted",
            button="Delete",
            look="danger",
            question="Delete {}?",
            said="Deleted {}.",
            key="D",
        ),
        JobVerb(
            name=Action.BURY,
            acts_in=_WAITING | _BEHIND,
            states=_WAITING | _BEHIND,
            help="Put waiting jobs into the dead set.",
            done="buried",
            button="Bury",
            question="Bury {}?",
            said="Buried {}.",
            key="B",
        ),
        JobVerb(
            name=Action.RESCHEDULE,
            acts_in=_WAITING | _BEHIND | _DEAD,
            states=_WAITING | _BEHIND | _DEAD,
            not_for_all=_READY,
            asks=Asks.TIME,
            help="Make jobs due at another time.",
            done="rescheduled",
            button="Reschedule",
            said="Rescheduled {}.",
        ),
        JobVerb(
            name=Action.MOVE,
            acts_in=_WAITING | _DEAD,
            states=_WAITING | _DEAD,
            in_groups=False,
            asks=Asks.QUEUE,
            help="Move jobs to another queue.",
            done="moved",
            button="Move",
            said="Moved {}.",
        ),
        JobVerb(
            name=Action.ABORT,
            acts_in=_WAITING | _BEHIND | _RUNNING,
            states=_RUNNING,
            help="End waiting jobs, and cancel running ones.",
            done="asked to end",
            button="Abort",
            look="danger",
            question="Abort {}?",
            said="Asked to stop {}.",
            key="A",
        ),
    )
}

QUEUE_VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="pause",
            states=frozenset({ACTIVE}),
            help="Start no more jobs of the queue until it is resumed; running jobs go on.",
            done="paused",
            button="Pause",
            question="Pause {}? None of its jobs starts until somebody resumes it.",
            said="{} is paused: no job of it is claimed.",
            key="P",
        ),
        Verb(
            name="resume",
            states=frozenset({PAUSED}),
            help="Start jobs of the queue again.",
            done="resumed",
            button="Resume",
            said="{} goes on.",
            key="P",
        ),
    )
}

JOB_NAME_VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="pause",
            states=frozenset({ACTIVE}),
            help="Start no more jobs of the name until it is resumed; running jobs go on.",
            done="paused",
            button="Pause",
            question="Pause {}? None of these jobs starts until somebody resumes them.",
            said="Jobs named {} are paused: they wait among the parked ones.",
        ),
        Verb(
            name="resume",
            states=frozenset({PAUSED}),
            help="Start jobs of the name again.",
            done="resumed",
            button="Resume",
            said="Jobs named {} go on.",
        ),
    )
}
"""What may be done to all jobs of one name in a queue."""

LANE_VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="pause",
            states=frozenset({ACTIVE, LIMITED}),
            help="Start no more jobs of the lane until it is resumed; running jobs go on.",
            done="paused",
            button="Pause",
            question="Pause {}? None of its jobs starts until somebody resumes it.",
            said="{} is paused: its jobs wait.",
        ),
        Verb(
            name="resume",
            states=frozenset({PAUSED, LIMITED}),
            help="Give the lane the limit again that its jobs were enqueued with.",
            done="resumed",
            button="Resume",
            said="{} goes on, with the limit of its jobs.",
        ),
    )
}

_HEARD = "; it hears that with its next heartbeat"

PROCESS_VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="quiet",
            states=frozenset({ACTIVE}),
            help="Ask the process to claim no more jobs; its running jobs go on.",
            done=f"asked to quiet{_HEARD}",
            button="Quiet",
            question="Quiet {}? It takes no more jobs until somebody resumes it.",
            said="{} was asked to take no more jobs.",
            key="Q",
        ),
        Verb(
            name="resume",
            states=frozenset({QUIET}),
            help="Ask the process to claim jobs again.",
            done=f"asked to resume{_HEARD}",
            button="Resume",
            said="{} was asked to resume.",
            key="Q",
        ),
        Verb(
            name="stop",
            states=frozenset({ACTIVE, QUIET}),
            help="Ask the process to stop; jobs that outlast its grace time go back to the queue.",
            done=f"asked to stop{_HEARD}",
            button="Stop",
            look="danger",
            question="Stop {}? Its jobs get their grace time.",
            said="{} was asked to stop.",
        ),
    )
}

SCHEDULE_VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="run",
            states=frozenset({ACTIVE, PAUSED}),
            help="Enqueue the schedule's job now, beside its ticks.",
            done="enqueued as {}",
            button="Run now",
            said="{} enqueued as {}.",
        ),
        Verb(
            name="pause",
            states=frozenset({ACTIVE}),
            help="Skip the schedule's ticks until it is resumed.",
            done="paused",
            button="Pause",
            question="Pause {}? Its ticks enqueue nothing until somebody resumes it.",
            said="{} is paused.",
        ),
        Verb(
            name="resume",
            states=frozenset({PAUSED}),
            help="Enqueue jobs at the schedule's ticks again; skipped ticks are not caught up on.",
            done="resumed",
            button="Resume",
            said="{} goes on.",
        ),
    )
}


BATCH_VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="cancel",
            states=frozenset({"open", "running"}),
            help="Abort the batch's jobs that wait or run, and refuse later ones.",
            done="{}",
            button="Cancel",
            look="danger",
            question="Cancel {}? Its jobs are aborted.",
            said="Cancelled {}: {}.",
        ),
        Verb(
            name="retry-dead",
            states=frozenset({"open", "running", "ended", "cancelled"}),
            help="Run the batch's dead jobs again, with all their attempts.",
            done="retried {}",
            button="Retry dead",
            said="Retried dead jobs of {}: {}.",
        ),
    )
}


def offered(verbs: Mapping[Any, V], state: str) -> list[V]:
    """Those of *verbs* that are offered in *state*."""
    return [verb for verb in verbs.values() if state in verb.states]


def job_verbs(state: JobState) -> list[JobVerb]:
    """What may be done to a job in *state*."""
    return offered(JOB_VERBS, state)
