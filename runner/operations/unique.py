"""Unique keys: which jobs have them, and how an operator frees one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.reading import Reader, answers, shown_id
from runner.broker.scripts import RELEASE
from runner.broker.scripts.fields import ReleaseHead
from runner.broker.servers import at, everywhere
from runner.errors import ConfigurationError
from runner.operations.job import find_queue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.actions import Operator

_KEY = re.compile(r"[0-9a-f]{1,64}")
_PAGE = 500


@dataclass(frozen=True, slots=True)
class KeyRow:
    """
    A job that has a unique key.

    Attributes:
        key: The key, a digest.
        queue: Queue of the job.
        job_id: Id of the job.
        role: Whether it "holds" the key, "waits" for it, or has it "again if retried", being dead.
    """

    key: str
    queue: str
    job_id: str
    role: str


async def unique_keys(redis: Redis, queues: Sequence[str], *, limit: int) -> list[KeyRow]:
    """List jobs of *queues* that have unique keys, *limit* at most."""
    rows: list[KeyRow] = []
    for queue in queues:
        here = at(redis, queue)
        name = keys.of(here).queue_key(queue) + keys.UNIQUE_SUFFIX
        cursor = -1
        while cursor and len(rows) < limit:
            cursor, found = await here.hscan(name, max(cursor, 0), count=_PAGE)
            rows += await _rows(here, queue, found)
    return rows[:limit]


async def _rows(redis: Redis, queue: str, entries: dict[bytes, bytes]) -> list[KeyRow]:
    found = [
        (one, entry.split(b"|")[0].decode("ascii", "replace")) for one, entry in entries.items()
    ]
    known = [(one, key) for one, key in found if _KEY.fullmatch(key)]
    if not known:
        return []
    async with redis.pipeline(transaction=False) as pipe:
        for _, key in known:
            pipe.hmget(keys.of(redis).unique_prefix + key, ["job", "next"])
        held = await answers(pipe)
    return [
        KeyRow(key, queue, shown_id(one), _role(one, Reader().known(by, (None, None))))
        for (one, key), by in zip(known, held, strict=True)
    ]


def _role(job_id: bytes, held: Sequence[bytes | None]) -> str:
    if held[0] == job_id:
        return "holds"
    return "waits" if held[1] == job_id else "again if retried"


async def release(redis: Redis, operator: Operator, queues: Sequence[str], key_or_job: str) -> str:
    """
    Free a unique key, given as it is or by the id of a job that has it; return the key.

    What waits for it comes into its queue. A job that runs goes on: another one may run beside it.

    Raises:
        ConfigurationError: There is no such key, and no job of that id has one.
    """
    found = await _found(redis, queues, key_or_job)
    if found is None:
        raise ConfigurationError(
            f"{key_or_job} is no unique key that is held, and no job that has one: "
            "`pipeline unique list` shows them"
        )
    here, key = found
    own = keys.of(here)
    await here.eval(RELEASE, 2, own.queue_prefix, own.base, *ReleaseHead("release"), key)  # type: ignore[misc]
    await operator.record("release unique key", key, outcome="done")
    return key


async def _found(redis: Redis, queues: Sequence[str], given: str) -> tuple[Redis, str] | None:
    if _KEY.fullmatch(given):
        for one in everywhere(redis):
            if await one.exists(keys.of(one).unique_prefix + given):
                return one, given
    queue = await find_queue(redis, queues, given)
    if queue is None:
        return None
    here = at(redis, queue)
    name = keys.of(here).queue_key(queue) + keys.UNIQUE_SUFFIX
    entry = await here.hget(name, given)  # type: ignore[misc]
    return None if entry is None else (here, entry.split(b"|")[0].decode("ascii", "replace"))
