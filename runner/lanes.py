"""
Lanes: of the jobs with one key, so many run at a time; the others wait, and hold up nobody else.

    @job(queue="default", lane=Lane(by="account_id", limit=2))
    async def sync(ctx: Context, account_id: str) -> None: ...

A lane is a queue before the queue: a job that has no place waits outside, where no worker looks at
it. The script that ends a job lets the next one of its lane in.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.checks import shown, text, whole
from runner.errors import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 10_000
"""The largest limit of a lane."""

_DIGEST_DIGITS = 32
_PLAIN = re.compile(r"[A-Za-z0-9_.@/+-]{1,80}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
LANE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}(:[A-Za-z0-9_.@/+-]{1,80})?")


@dataclass(frozen=True, slots=True)
class Lane:
    """
    Which jobs share a lane, and how many of them run at a time.

    by: the names of the arguments whose values distinguish the lanes, one name or several; () for
    one lane of all jobs. Defaults count as if they were given. limit: how many jobs of a lane may
    stand in the queue or run; an operator may set another one (`pipeline lanes limit`). name: with
    which the names of the lanes begin: that of the job, unless several jobs share them.

    Raises:
        ConfigurationError: One of them is of the wrong type or out of its range.
    """

    by: str | tuple[str, ...]
    limit: int
    name: str | None = None

    def __post_init__(self) -> None:
        refuse(
            "Lane",
            _by_problem(self.by),
            whole("limit", self.limit, least=1, most=MOST),
            _name_problem(self.name),
        )
        object.__setattr__(self, "by", (self.by,) if isinstance(self.by, str) else tuple(self.by))

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

    def rule(self, key: str) -> str:
        """Return what the script is sent of it for a job of this lane: `NewJob.lane`."""
        return f"{self.limit}|{key}"


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
