"""
Sessions: the cookie of a browser, and what Redis keeps of who logged in with it.

The cookie is a random number. Redis knows its digest only, so whoever reads Redis has no cookie. A
session ends on logout, when it is revoked, was not used for a while, or is too old; and, since its
seal is made with the secret and with what its user logged in with, when that changes. Whoever can
write to Redis can make no session either.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.reading import Unreadable, answers, shown_id
from runner.errors import UnreadableError
from runner.operations import sessions as kept

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from starlette.requests import HTTPConnection

_COOKIE = "pipeline_session"
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
_PROGRAM_CHARACTERS = 200
_TOUCHES = 30
"""A session that is in use is written so many times within its idle limit, not at each request."""

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts, in seconds: without being used, and at all."""

    idle_s: int = 1800
    longest_s: int = 12 * 3600


@dataclass(frozen=True, slots=True)
class Login:
    """What a session is tied to: a name, and the password's hash or the token behind it."""

    name: str
    credential: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class Open:
    """A session that has not ended, at the time now, by Redis's clock."""

    session_id: str
    record: kept.SessionRecord
    now_ms: int


class Sessions:
    """Starts, finds and ends sessions."""

    def __init__(self, redis: Redis, secret: str, limits: SessionLimits) -> None:
        self._redis = redis
        self._secret = secret.encode()
        self.limits = limits

    async def start(self, login: Login, address: str, program: str) -> str:
        """
        Start a session, and return its token, for the cookie.

        Raises:
            UnreadableError: What stands in the place of the list of sessions is none.
        """
        token = new_token()
        session_id = _digest(token)
        now_ms = await self._now_ms()
        record = kept.SessionRecord(
            name=login.name,
            address=address,
            program=program[:_PROGRAM_CHARACTERS],
            started_ms=now_ms,
            used_ms=now_ms,
            seal=self._seal(session_id, login, now_ms),
        )
        ends_ms = now_ms + self.limits.longest_s * 1000
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(
                keys.of(self._redis).session_prefix + session_id,
                kept.write_record(record),
                px=self._lives_ms(record, now_ms),
            )
            pipe.zadd(keys.of(self._redis).sessions, {session_id: ends_ms})
            pipe.zremrangebyscore(keys.of(self._redis).sessions, "-inf", now_ms)
            pipe.zrange(keys.of(self._redis).sessions, 0, -_MOST - 1)
            *replies, too_many = await answers(pipe)
        for problem in (one for one in (*replies, too_many) if isinstance(one, Unreadable)):
            # A session that nobody could list or revoke must not be.
            await self._redis.delete(keys.of(self._redis).session_prefix + session_id)
            raise UnreadableError(str(problem))
        for oldest in too_many:
            await kept.end(self._redis, shown_id(oldest))
        return token

    async def find(self, token: str) -> Open | None:
        """Find the session of a cookie; None if it has ended."""
        session_id = _digest(token)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(keys.of(self._redis).session_prefix + session_id)
            pipe.time()
            data, time = await answers(pipe)
        record = kept.read_record(data)
        if record is None or self._lives_ms(record, _ms(time)) <= 0:
            return None
        return Open(session_id, record, _ms(time))

    async def use(self, found: Open) -> None:
        """Let a session go on; it is written now and then, not each time."""
        if found.now_ms - found.record.used_ms <= self.limits.idle_s * 1000 / _TOUCHES:
            return
        used = dataclasses.replace(found.record, used_ms=found.now_ms)
        await self._redis.set(
            keys.of(self._redis).session_prefix + found.session_id,
            kept.write_record(used),
            px=self._lives_ms(used, found.now_ms),
            xx=True,  # it may have been revoked since
        )

    def belongs_to(self, login: Login, found: Open) -> bool:
        """Whether *login* started the session, with this very password or token."""
        seal = self._seal(found.session_id, login, found.record.started_ms)
        return hmac.compare_digest(seal.encode(), found.record.seal.encode())

    async def end(self, token: str) -> None:
        """End the session of a cookie, if there is one."""
        await kept.end(self._redis, _digest(token))

    def form_token(self, token: str, name: str) -> str:
        """Make what the forms of *name* carry, in the browser with that cookie."""
        return self._mac("form", token, name)

    def _seal(self, session_id: str, login: Login, started_ms: int) -> str:
        return self._mac("session", session_id, login.name, login.credential, str(started_ms))

    def _mac(self, *words: str) -> str:
        text = "\0".join(words).encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, text, "sha256").hex()

    def _lives_ms(self, record: kept.SessionRecord, now_ms: int) -> int:
        idle_ends = record.used_ms + self.limits.idle_s * 1000
        return min(idle_ends, record.started_ms + self.limits.longest_s * 1000) - now_ms

    async def _now_ms(self) -> int:
        return _ms(await self._redis.time())


def new_token() -> str:
    """Draw a token for a cookie."""
    return secrets.token_urlsafe(32)


def cookie_of(connection: HTTPConnection, *, secure: bool) -> str | None:
    """The token in the cookie of a request."""
    token = connection.cookies.get(_name(secure=secure), "")
    return token if _TOKEN.fullmatch(token) else None


def cookie(token: str, *, secure: bool, lives_s: int) -> str:
    """Write the `Set-Cookie` of *token*; with 0 seconds to live it deletes the cookie."""
    flags = "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
    return f"{_name(secure=secure)}={token}; Max-Age={lives_s}; {flags}"


def _name(*, secure: bool) -> str:
    """With the prefix, browsers take the cookie from this very host by TLS, and from no other."""
    return f"__Host-{_COOKIE}" if secure else _COOKIE


def _ms(time: tuple[int, int]) -> int:
    seconds, micros = time
    return seconds * 1000 + micros // 1000


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
