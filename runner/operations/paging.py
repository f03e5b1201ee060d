"""
The jobs of one state as the sorted sets of Redis hold them, read piece by piece.

A piece starts after a position, the score and id of the last job before it, so that jobs which
come and go meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast

from runner.broker import keys
from runner.broker.reading import Reader, Unreadable, answers
from runner.broker.servers import at
from runner.errors import ConfigurationError
from runner.states import LISTED, JobState

if TYPE_CHECKING:
    from datetime import datetime

    from redis.asyncio import Redis


NEWEST_FIRST = frozenset({JobState.DEAD, JobState.DONE})
"""States whose jobs are listed by when they came there, the last ones first."""


class Sort(StrEnum):
    """Which jobs of a state come first, by when they are due, started, died or ended."""

    OLDEST = "oldest"
    NEWEST = "newest"


def is_newest_first(state: JobState, sort: Sort | None) -> bool:
    """Whether the last ones come first: as asked, or as is usual in *state*."""
    return state in NEWEST_FIRST if sort is None else sort is Sort.NEWEST


_IS_BEFORE = "="
_LONGEST = 1_000
_BEHIND = b"\xff" * 8
"""Stands for the rest of a longer id: what begins alike comes before it."""


class Position(NamedTuple):
    """A place in a sorted set, behind that member; is_before: or just before it."""

    score: float
    member: bytes
    is_before: bool = False

    def __str__(self) -> str:
        """As an opaque word, for a link to the next page."""
        member = self.member
        if len(member) > _LONGEST:
            member = member[:_LONGEST] + _BEHIND
        raw = f"{_IS_BEFORE * self.is_before}{self.score!r}|".encode() + member
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def turned(self) -> Position:
        """Return this place for those who read in the other direction."""
        return self._replace(is_before=not self.is_before)

    @classmethod
    def read(cls, text: str) -> Position:
        """
        Read what `str` gave.

        Raises:
            ConfigurationError: It is something else.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            score, _, member = raw.partition(b"|")
            is_before = score.startswith(_IS_BEFORE.encode())
            return cls(float(score.removeprefix(_IS_BEFORE.encode())), member, is_before)
        except (binascii.Error, ValueError):
            raise ConfigurationError(
                "that is not a place in the list; start from the top"
            ) from None


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a sorted set that holds one state's jobs."""

    redis: Redis
    key: str
    low: float
    high: float
    total: int
    ascending: bool
    apart: str | None = None
    is_there: bool = True
    unreadable: str = ""

    @classmethod
    async def of(
        cls,
        redis: Redis,
        queue: str,
        state: JobState,
        *,
        until_now: bool = True,
        sort: Sort | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Window:
        """
        Find the jobs of *queue* that are in *state*.

        until_now: leave out those that die or end from now on, since nobody has seen them.
        sort: which come first; None: those due first, and of dead and done ones the last. since,
        until: only those that are due, died or ended in this time.

        Raises:
            ConfigurationError: Jobs in that state are in no sorted set of their own.
        """
        redis = at(redis, queue)
        key = keys.of(redis).queue_key(queue)
        seconds, micros = await redis.time()
        now = seconds * 1000 + micros / 1000
        match state:
            case JobState.READY:
                name, low, high = key, float("-inf"), now
            case JobState.SCHEDULED:
                name, low, high = key, _just_after(now), float("inf")
            case JobState.RETRYING:
                name, low, high = key + keys.RETRYING_SUFFIX, _just_after(now), float("inf")
            case JobState.PARKED | JobState.WAITING:
                suffix = keys.PARKED_SUFFIX if state is JobState.PARKED else keys.WAITING_SUFFIX
                name, low, high = key + suffix, float("-inf"), float("inf")
            case JobState.DEAD | JobState.DONE:
                suffix = keys.DEAD_SUFFIX if state is JobState.DEAD else keys.DONE_SUFFIX
                name, low = key + suffix, float("-inf")
                high = float(seconds * 1000 + 999) if until_now else float("inf")
            case _:
                listed = ", ".join(LISTED)
                raise ConfigurationError(f"jobs that are {state} cannot be listed; {listed} can")
        low = low if since is None else max(low, since.timestamp() * 1000)
        high = high if until is None else min(high, until.timestamp() * 1000)
        apart = key + keys.SUSPECTS_SUFFIX if name == key else None
        reader = Reader()
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zcount(name, low, high)
            pipe.zcount(apart or name, low, high)
            pipe.hlen(key + keys.RUNNING_SUFFIX)
            pipe.zcount(key + keys.RETRYING_SUFFIX, low, high)
            counted, suspects, running, retrying = await answers(pipe)
        is_there = not isinstance(counted, Unreadable)
        total = reader.known(counted, 0)
        if apart is not None:
            apart = None if isinstance(suspects, Unreadable) else apart
            total += reader.known(suspects, 0)
        if state is JobState.SCHEDULED:
            total = max(0, total - reader.known(running, 0) - reader.known(retrying, 0))
        return cls(
            redis,
            name,
            low,
            high,
            total,
            not is_newest_first(state, sort),
            apart,
            is_there,
            reader.unreadable,
        )

    async def suspects(self, most: int) -> list[Position]:
        """The first *most* jobs that wait in the same state, but apart: they run alone."""
        if self.apart is None:
            return []
        found = await self.redis.zrangebyscore(
            self.apart, self.low, self.high, start=0, num=most, withscores=True
        )
        return [Position(score, member) for member, score in found]

    async def read(self, after: Position | None, size: int) -> list[Position]:
        """The next *size* jobs after *after*; fewer are the last ones."""
        if not self.is_there:
            return []
        start = await self._rank(after)
        if self.ascending:
            found = await self.redis.zrange(self.key, start, start + size - 1, withscores=True)
            return [Position(score, member) for member, score in found if score <= self.high]
        if not start:
            return []
        found = await self.redis.zrange(self.key, max(0, start - size), start - 1, withscores=True)
        return [Position(score, member) for member, score in reversed(found) if score >= self.low]

    async def _rank(self, after: Position | None) -> int:
        """How many members come before *after*; ascending, it counts itself."""
        if after is None:
            end = f"({self.low!r}" if self.ascending else self.high
            return int(await self.redis.zcount(self.key, "-inf", end))
        score = repr(after.score)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.zscore(self.key, cast("str", after.member))
            pipe.zrank(self.key, after.member)
            pipe.zcount(self.key, "-inf", f"({score}")
            pipe.zcount(self.key, score, score)
            found, rank, low, of_this_score = await pipe.execute()
        if found == after.score:
            return int(rank + (self.ascending is not after.is_before))
        high = low + of_this_score
        while low < high:  # Redis orders members of one score by their bytes
            middle = (low + high) // 2
            (member,) = await self.redis.zrange(self.key, middle, middle) or (after.member,)
            if member < after.member:
                low = middle + 1
            else:
                high = middle
        return int(low)


def _just_after(moment: float) -> float:
    """The least score later than *moment*: scores are written with four decimals."""
    return moment + 0.0001
