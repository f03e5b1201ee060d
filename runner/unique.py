"""
Unique jobs: of those with one key, only one waits or runs at a time.

    @job(queue="default", unique=Unique(by=("customer",)))
    async def sync(ctx: Context, customer: str, force: bool = False) -> None: ...

    handle = await sync.enqueue(customer="ada")
    again = await sync.enqueue(customer="ada")    # created is False; again.id == handle.id

The key is a digest of the queue, the job's name and the arguments that *by* names. The script that
enqueues a job asks for it, and the one that ends the job, buries it or deletes it frees it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from runner.checks import flag, optional, seconds, shown, text
from runner.errors import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

OnConflict = Literal["skip", "replace", "reschedule", "after", "raise"]
Until = Literal["started", "done"]

CHANGES_ANOTHER = frozenset({"replace", "reschedule", "after"})
"""What puts the arguments of one call into the job of another."""

_DIGEST_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Unique:
    """
    Which jobs count as the same, and what becomes of one that is enqueued while another is there.

    by: the names of the arguments that make up the key; None for all of them, () for none, so that
    all jobs of the name are one. Defaults count as if they were given.

    on_conflict, while a job with the key waits or runs:
        "skip"        none is added; the handle is that of the job that is there.
        "replace"     one that waits gets these arguments; while it runs, as "skip".
        "after"       one that waits gets these arguments; while it runs, one more waits until it
                      has ended, with the arguments of the last call.
        "reschedule"  as "after", and due anew: when this call says, `options(delay_s=…)`. So a job
                      runs once its callers have been silent for that long (debounce).
        "raise"       `enqueue` raises `DuplicateJobError`.

    until: "done", also if the job dies, is aborted or deleted; or "started": then a job may be
    added while another one runs. for_s: for how many seconds after the job is done the key is still
    held (throttle); with "after" and "reschedule" one job waits until that is over. max_wait_s: of
    "reschedule", for how many seconds at most after the first call the job is put off. while_dead:
    a dead job holds the key, too, until it is retried or deleted.

    Raises:
        ConfigurationError: One of them is of the wrong type or out of its range.
    """

    by: tuple[str, ...] | None = None
    on_conflict: OnConflict = "skip"
    until: Until = "done"
    for_s: float = 0.0
    max_wait_s: float | None = None
    while_dead: bool = False

    def __post_init__(self) -> None:
        refuse(
            "Unique",
            _by_problem(self.by),
            _choice("on_conflict", self.on_conflict, get_args(OnConflict)),
            _choice("until", self.until, get_args(Until)),
            seconds("for_s", self.for_s),
            optional(seconds("max_wait_s", self.max_wait_s, above=0), self.max_wait_s),
            "max_wait_s is of on_conflict='reschedule': leave it out"
            if self.max_wait_s is not None and self.on_conflict != "reschedule"
            else None,
            flag("while_dead", self.while_dead),
        )
        if self.by is not None:
            object.__setattr__(self, "by", tuple(self.by))

    def rule(self, key: str, name: str) -> str:
        """Return what the script is sent of it for a job of this key and name: `NewJob.unique`."""
        most = "" if self.max_wait_s is None else str(round(self.max_wait_s * 1000))
        keep = "dead" if self.while_dead else ""
        kept_ms = str(round(self.for_s * 1000))
        return f"{key}|{self.on_conflict}|{self.until}|{keep}|{kept_ms}|{most}|{name}"

    def key(
        self, queue: str, name: str, given: Mapping[str, Any], written: Mapping[str, Any]
    ) -> str:
        """
        Return the digest of the queue, the job's name and the chosen arguments.

        given: all arguments by name. written: the same as JSON values.
        """
        values = {
            one: _sorted(value) if isinstance(given.get(one), set | frozenset) else value
            for one, value in written.items()
            if self.by is None or one in self.by
        }
        text = json.dumps([queue, name, values], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def _by_problem(by: object) -> str | None:
    if by is None:
        return None
    if isinstance(by, str) or not isinstance(by, list | tuple):
        return f"by is {shown(by)}: give the names of arguments in a tuple, such as ('customer',)"
    return next(filter(None, (text("a name in by", name) for name in by)), None)


def _choice(name: str, value: object, choices: tuple[str, ...]) -> str | None:
    if isinstance(value, str) and value in choices:
        return None
    return f"{name} is {shown(value)}: give {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}"


def _sorted(value: Any) -> Any:
    """A set's order differs from process to process."""
    return sorted(value, key=lambda one: json.dumps(one, sort_keys=True))
