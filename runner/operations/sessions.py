"""Who is logged in to the pages; a session is kept in Redis, so it ends for all servers at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from runner.broker import keys
from runner.broker.reading import Unreadable, answers, cut, look, moment, shown_id
from runner.broker.scripts.fields import LookHead
from runner.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.actions import Operator

_SHOWN = 500
_MOST = 10_000
_TEXT = 200
_LIMITS = LookHead(each=8_192, all=4 << 20, entries=0)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What Redis keeps of a session. seal: ties it to what its user logged in with."""

    name: str
    address: str
    program: str
    started_ms: int
    used_ms: int
    seal: str


@dataclass(frozen=True, slots=True)
class Session:
    """
    Somebody who is logged in.

    Attributes:
        session_id: Id of the session; it opens nothing.
        name: Name of the user.
        address: The address they logged in from.
        program: The browser or program they logged in with.
        started_at: When they logged in.
        used_at: When they last opened a page or changed something, to within a minute.
        unreadable: Why the session cannot be read, and nobody can use it; empty if it can.
    """

    session_id: str
    name: str
    address: str
    program: str
    started_at: datetime | None
    used_at: datetime | None
    unreadable: str = ""


_RECORD = TypeAdapter(SessionRecord)


def read_record(data: object) -> SessionRecord | None:
    """Read what Redis keeps; None if it is no session."""
    try:
        return _RECORD.validate_json(data if isinstance(data, bytes) else b"")
    except ValidationError:
        return None


def write_record(record: SessionRecord) -> bytes:
    """Write what Redis keeps."""
    return _RECORD.dump_json(record)


async def sessions(redis: Redis) -> list[Session]:
    """
    The sessions that may still be used, the latest first; at most 500.

    Raises:
        UnreadableError: What stands in the place of their list is none.
        RedisError: Redis does not answer.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zrange(keys.of(redis).sessions, 0, _MOST - 1, desc=True)
        [ids] = await answers(pipe)
    if isinstance(ids, Unreadable):
        raise UnreadableError(str(ids))
    found: list[Session] = []
    for start in range(0, len(ids), _SHOWN):
        chunk = ids[start : start + _SHOWN]
        names = [keys.of(redis).session_prefix.encode() + one for one in chunk]
        kept = await look(redis, strings=names, limits=_LIMITS)
        found += [
            _session(session_id, data)
            for session_id, data in zip(chunk, kept, strict=True)
            if data is not None
        ]
        if len(found) >= _SHOWN:
            break
    return found[:_SHOWN]


def _session(session_id: bytes, data: object) -> Session:
    record = read_record(data)
    if record is None:
        return Session(shown_id(session_id), "", "", "", None, None, "is no session of ours")
    return Session(
        session_id=shown_id(session_id),
        name=cut(record.name, _TEXT),
        address=cut(record.address, _TEXT),
        program=cut(record.program, _TEXT),
        started_at=moment(record.started_ms),
        used_at=moment(record.used_ms),
    )


async def revoke(redis: Redis, operator: Operator, chosen: Sequence[Session]) -> int:
    """End the *chosen* sessions, on all servers at once; return how many were still open."""
    ended = 0
    for session in chosen:
        if await end(redis, session.session_id):
            ended += 1
            await operator.record("revoke session", session.name, session.address, "done")
    return ended


async def end(redis: Redis, session_id: str) -> bool:
    """End a session; whether there was one."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(keys.of(redis).session_prefix + session_id)
        pipe.zrem(keys.of(redis).sessions, session_id)
        existed, _ = await answers(pipe)
    return bool(existed)
