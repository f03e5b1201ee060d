"""
Lanes: of the jobs with one key, so many run at a time; the others wait, and hold up nobody else.

    @job(queue="default", lane=Lane(by="account_id", limit=2))
    async def sync(ctx: Context, account_id: str) -> None: ...

A lane is a queue before the queue: a job that has no place waits outside, where no worker looks at
it. The script that ends a job lets the next one of its lane in; where places are free once their
jobs start, that is the script that claims it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from runner.checks import instance, optional, seconds, shown, text, whole
from runner.errors import ArgumentsError, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 10_000
"""The largest limit of a lane."""

AtLimit = Literal["wait", "skip", "newest", "cancel_running"]

_MOST_UNITS = 1_000_000
_DIGEST_DIGITS = 32
_PLAIN = re.compile(r"[A-Za-z0-9_.@/+-]{1,80}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
LANE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}(:[A-Za-z0-9_.@/+-]{1,80})?")


@dataclass(frozen=True, slots=True)
class Rate:
    """
    How many jobs start in a time.

    limit: so many units within per_s seconds, spread evenly. burst: how many may start at once
    after a pause. So within no per_s seconds start more than limit and burst together. units: the
    name of the argument that says how many units a job counts, a number above 0; by default one.

    Raises:
        ConfigurationError: One of them is of the wrong type or out of its range.
    """

    limit: int
    per_s: float = 1.0
    burst: int = 1
    units: str | None = None

    def __post_init__(self) -> None:
        refuse(
            "Rate",
            whole("limit", self.limit, least=1, most=1_000_000),
            seconds("per_s", self.per_s, above=0),
            whole("burst", self.burst, least=1, most=MOST),
            optional(text("units", self.units), self.units),
        )

    @property
    def unit(self) -> timedelta:
        """The time between two jobs of one unit."""
        return timedelta(seconds=self.per_s / self.limit)

    def units_of(self, job: str, written: Mapping[Any, Any]) -> float:
        """
        Return how many units a job of this name and these arguments counts.

        Raises:
            ArgumentsError: Its argument is no number above 0.
        """
        units: Any = 1 if self.units is None else written.get(self.units)
        if type(units) not in {int, float} or not 0 < units <= _MOST_UNITS:
            raise ArgumentsError(
                job, f"{self.units} is {shown(units)}: give the units of its lane, above 0"
            )
        return float(units)


@dataclass(frozen=True, slots=True)
class Lane:
    """
    Which jobs share a lane, and how many of them run at a time, or start in a time.

    by: the names of the arguments whose values distinguish the lanes, one name or several; () for
    one lane of all jobs. Defaults count as if they were given. limit: how many jobs of a lane have
    a place; an operator may set another one (`pipeline lanes limit`). until: a job has its place
    until it is "done", or has "started": then any number may run, and lanes take turns. rate:
    instead of a limit, how many start in a time. name: with which the names of the lanes begin:
    that of the job, unless several jobs share them.

    at_limit, if there is no place as a job is enqueued:
        "wait"            it waits for one.
        "skip"            it is not enqueued; the handle is that of the lane's last job.
        "newest"          it waits, and those that waited before it are aborted.
        "cancel_running"  the oldest that runs is asked to stop, and it takes that one's place.

    Raises:
        ConfigurationError: One of them is of the wrong type or out of its range.
    """

    by: str | tuple[str, ...]
    limit: int | None = None
    name: str | None = None
    until: Literal["done", "started"] = "done"
    rate: Rate | None = None
    at_limit: AtLimit = "wait"

    def __post_init__(self) -> None:
        refuse(
            "Lane",
            _by_problem(self.by),
            optional(whole("limit", self.limit, least=1, most=MOST), self.limit),
            _name_problem(self.name),
            None
            if self.until in {"done", "started"}
            else f"until is {shown(self.until)}: give 'done' or 'started'",
            optional(instance("rate", self.rate, Rate), self.rate),
            None
            if (self.limit is None) != (self.rate is None)
            else "give a limit or a rate: how many run at a time, or start in a time",
            "until is of a limit: leave it out" if self.rate and self.until != "done" else None,
            self._at_limit_problem(),
        )
        object.__setattr__(self, "by", (self.by,) if isinstance(self.by, str) else tuple(self.by))

    def _at_limit_problem(self) -> str | None:
        ways = get_args(AtLimit)
        if self.at_limit not in ways:
            named = ", ".join(map(repr, ways[:-1]))
            return f"at_limit is {shown(self.at_limit)}: give {named} or {ways[-1]!r}"
        if self.rate is not None and self.at_limit != "wait":
            return "at_limit is of a limit: leave it out"
        if self.until != "done" and self.at_limit == "cancel_running":
            return "with until='started' no job that runs has a place: give another at_limit"
        return None

    def key(self, job: str, written: Mapping[Any, Any], *, hide: bool = False) -> str:
        """
        Return the name of the lane of a job of this name, `<name>:<value>`.

        written: all arguments as JSON values. A value that is not short and plain stands there as a
        digest; with *hide*, any.
        """
        name = self.name or (job if _NAME.fullmatch(job) else _digest(job))
        if not self.by:
            return name
        values = [written.get(one) for one in self.by]
        value = values[0] if len(values) == 1 else values
        told = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        return f"{name}:{told if _PLAIN.fullmatch(told) and not hide else _digest(told)}"

    @property
    def places(self) -> int:
        """How many jobs of a lane have a place."""
        return self.limit or (self.rate.burst if self.rate else 1)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments that are read."""
        units = self.rate.units if self.rate else None
        return (*self.by, *(() if units is None else (units,)))

    def rule(self, key: str, job: str, written: Mapping[Any, Any]) -> str:
        """
        Return what the script is sent of it for a job of this lane: `NewJob.lane`.

        job, written: the job's name and its arguments.

        Raises:
            ArgumentsError: What says how many units it counts is no number above 0.
        """
        if self.rate is None:
            return f"{self.limit}{'s' * (self.until == 'started')}|{key}"
        unit_ms = self.rate.unit.total_seconds() * 1000
        return f"{self.rate.burst}s{unit_ms:.6f}/{self.rate.units_of(job, written):.6f}|{key}"


def units_problem(units: object) -> str | None:
    """Return what is wrong with the units that an attempt has spent; None if nothing is."""
    if type(units) in {int, float} and 0 <= units <= _MOST_UNITS:  # type: ignore[operator]
        return None
    return f"units is {shown(units)}: give a number from 0 to {_MOST_UNITS:,}"


def _digest(told: str) -> str:
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]


def _by_problem(by: object) -> str | None:
    if not isinstance(by, str | list | tuple):
        return f"by is {shown(by)}: give the name of an argument, or several in a tuple"
    names = (by,) if isinstance(by, str) else by
    return next(filter(None, (text("a name in by", name) for name in names)), None)


def _name_problem(name: object) -> str | None:
    if name is None or (isinstance(name, str) and _NAME.fullmatch(name)):
        return None
    return f"name is {shown(name)}: use up to 80 letters, digits, '-', '_' and '.'"
