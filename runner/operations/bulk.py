"""
One action on all jobs that match: counted first, then done chunk by chunk, each atomically.

It acts on the jobs that match when it starts. It may be interrupted and repeated: jobs that have
moved on are left alone, and counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner import chance, clock
from runner.broker import keys
from runner.broker.reading import Reader, cut, hashes, shown_id
from runner.errors import ConfigurationError
from runner.operations.actions import have_ids_back
from runner.operations.jobs import matching
from runner.operations.paging import Window
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.actions import Operator, Request
    from runner.operations.catalog import Catalog
    from runner.operations.search import Filter

_TTL_S = 86_400
_WRITTEN_EVERY_S = 0.25
_COUNTED = 200_000
_MOST_FIELDS = 100
_SHOWN = 1_000
PATIENCE_S = 1.0
"""Seconds that a page may spend on counting."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs match. is_exact: False if counting stopped early: there may be more."""

    jobs: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """All jobs of *queue*, and of *others*, in *state* that fit *where*."""

    queue: str
    state: JobState
    where: Filter
    others: tuple[str, ...] = ()

    @property
    def queues(self) -> tuple[str, ...]:
        """All of its queues."""
        return (self.queue, *self.others)

    def __str__(self) -> str:
        parts = [
            f"{name}={value}"
            for name, value in (
                ("job", self.where.name),
                ("id", self.where.job_id),
                ("text", self.where.text),
                ("error", self.where.error),
                ("error", self.where.like),
                *self.where.arguments,
                ("since", self.where.since),
                ("until", self.where.until),
            )
            if value
        ]
        return f"{', '.join(self.queues)}: all {self.state}" + (
            f" with {', '.join(parts)}" if parts else ""
        )


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """
    How far an action on many jobs has come.

    Attributes:
        bulk_id: Id of the bulk action.
        action: What is done to each job.
        selection: Which jobs, in words.
        total: Jobs that matched when it started.
        acted: Jobs that it was done to.
        passed: Jobs that had moved on: they were left alone.
        renamed: Dead jobs that go on under the ids that their callers chose, where these are free.
        is_over: Whether it has finished.
        unreadable: What of its progress cannot be read, and why; empty if all can.
    """

    bulk_id: str
    action: str
    selection: str
    total: int
    acted: int
    passed: int
    renamed: int
    is_over: bool
    unreadable: str = ""


async def count(
    redis: Redis, selection: Selection, catalog: Catalog, *, for_s: float = math.inf
) -> Count:
    """
    Count the jobs that match. Without a filter that is one command; with one, jobs are read.

    for_s: seconds after which counting stops; a million jobs take about ten.
    """
    if selection.where.is_empty and selection.state is not JobState.RUNNING:
        windows = [await Window.of(redis, queue, selection.state) for queue in selection.queues]
        return Count(sum(window.total for window in windows), is_exact=True)
    jobs, until = 0, clock.monotonic() + for_s
    for queue in selection.queues:
        async for found in matching(redis, queue, selection.state, catalog, selection.where):
            jobs += len(found)
            if jobs >= _COUNTED or clock.monotonic() >= until:
                return Count(jobs, is_exact=False)
    return Count(jobs, is_exact=True)


def refuse_idle(request: Request, states: Sequence[JobState]) -> None:
    """
    Return if the action does something to jobs in one of *states*.

    Raises:
        ConfigurationError: It does not.
    """
    verb = request.verb
    if not verb.acts_in.intersection(states):
        able = ", ".join(one for one in JobState if one in verb.acts_in)
        raise ConfigurationError(
            f"{verb.name} does nothing to jobs that are {' or '.join(states)}: it acts on those "
            f"that are {able}; nothing was done"
        )


@dataclass(slots=True)
class _Done:
    acted: int = 0
    passed: int = 0
    renamed: int = 0


class Bulk:
    """An action on a selection; its progress is in Redis."""

    def __init__(
        self, redis: Redis, operator: Operator, request: Request, selection: Selection
    ) -> None:
        self._redis = redis
        self._operator = operator
        self._request = request
        self._selection = selection
        self.id = chance.new_id(12)

    async def announce(self, total: int) -> None:
        """Write its progress before it starts, so that its page is there."""
        await self._write(total, _Done(), is_over=False)

    async def check(self, catalog: Catalog, *, for_s: float = math.inf) -> None:
        """
        Return unless jobs would be moved to where no worker knows them.

        for_s: seconds after which looking stops; what was not looked at is left alone by `run`.

        Raises:
            ConfigurationError: They would, and nothing was done.
        """
        if not self._request.to:
            return
        until, selection = clock.monotonic() + for_s, self._selection
        for queue in selection.queues:
            async for found in matching(
                self._redis, queue, selection.state, catalog, selection.where
            ):
                await self._operator.check_move(self._request, [(queue, key) for key in found])
                if clock.monotonic() >= until:
                    return

    async def run(self, catalog: Catalog, *, total: int) -> BulkProgress:
        """Act on every job that matches; *total* is what was counted."""
        selection, request = self._selection, self._request
        reaches = request.verb.reaches
        done = _Done()
        written_at = 0.0
        for queue in selection.queues:
            async for found in matching(
                self._redis, queue, selection.state, catalog, selection.where
            ):
                able = await self._operator.movable(request, queue, found)
                states = await self._operator.act_unrecorded(request, queue, able) if able else ()
                reached = sum(state in reaches for state in states)
                done.acted += reached
                done.passed += len(found) - reached
                done.renamed += have_ids_back(request, states, able)
                if clock.monotonic() - written_at > _WRITTEN_EVERY_S:
                    written_at = clock.monotonic()
                    await self._write(total, done, is_over=False)
        progress = await self._write(total, done, is_over=True)
        await self._operator.record(
            request.action,
            str(selection),
            request.detail,
            f"{done.acted} done, {done.passed} had moved on",
        )
        return progress

    async def _write(self, total: int, done: _Done, *, is_over: bool) -> BulkProgress:
        total = max(total, done.acted + done.passed)  # counting may have stopped early
        action, selection = self._request.action, str(self._selection)
        progress = BulkProgress(
            self.id, action, selection, total, done.acted, done.passed, done.renamed, is_over
        )
        key = keys.of(self._redis).bulk_prefix + self.id
        fields: dict[str, str | int] = {
            "action": progress.action,
            "selection": progress.selection,
            "total": total,
            "acted": done.acted,
            "passed": done.passed,
            "renamed": done.renamed,
            "over": int(is_over),
        }
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, mapping={**fields})
            pipe.expire(key, _TTL_S)
            await pipe.execute()
        return progress


async def bulk_progress(redis: Redis, bulk_id: str) -> BulkProgress | None:
    """How far a bulk action has come; None if there is none with this id."""
    key, reader = keys.of(redis).bulk_prefix + bulk_id, Reader()
    [found] = await hashes(redis, [key], most=_MOST_FIELDS)
    fields = reader.known(found, {})
    if not fields and not reader.unreadable:
        return None
    action, selection = (
        cut(shown_id(fields.get(name, b"")), _SHOWN) for name in (b"action", b"selection")
    )
    total, acted, passed, renamed, over = (
        reader.count(key, fields.get(name))
        for name in (b"total", b"acted", b"passed", b"renamed", b"over")
    )
    return BulkProgress(
        bulk_id, action, selection, total, acted, passed, renamed, bool(over), reader.unreadable
    )
