"""Who is logged in to the pages; a session is kept in Redis, so it ends for all servers at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from runner.broker import keys
from runner.operations.stored import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.actions import Operator

_SHOWN = 500


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
    """

    session_id: str
    name: str
    address: str
    program: str
    started_at: datetime | None
    used_at: datetime | None


_RECORD = TypeAdapter(SessionRecord)


def read_record(data: bytes | None) -> SessionRecord | None:
    """Read what Redis keeps; None if it is no session."""
    try:
        return _RECORD.validate_json(data or b"")
    except ValidationError:
        return None


def write_record(record: SessionRecord) -> bytes:
    """Write what Redis keeps."""
    return _RECORD.dump_json(record)


async def sessions(redis: Redis) -> list[Session]:
    """The sessions that may still be used, the latest first; at most 500."""
    ids = await redis.zrange(keys.SESSIONS, 0, -1, desc=True)
    found: list[Session] = []
    for start in range(0, len(ids), _SHOWN):
        chunk = [one.decode("utf-8", "replace") for one in ids[start : start + _SHOWN]]
        kept = await redis.mget([keys.SESSION_PREFIX + one for one in chunk])
        found += [
            Session(
                session_id=session_id,
                name=record.name,
                address=record.address,
                program=record.program,
                started_at=moment(record.started_ms),
                used_at=moment(record.used_ms),
            )
            for session_id, data in zip(chunk, kept, strict=True)
            if (record := read_record(data)) is not None
        ]
        if len(found) >= _SHOWN:
            break
    return found[:_SHOWN]


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
        pipe.delete(keys.SESSION_PREFIX + session_id)
        pipe.zrem(keys.SESSIONS, session_id)
        existed, _ = await pipe.execute()
    return bool(existed)
