"""Which jobs match a filter: first by their bytes, since reading a job in full costs far more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from runner.broker import keys
from runner.broker.reading import Cut, Entries, look
from runner.broker.scripts.fields import LookHead
from runner.redaction import REDACTED
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from redis.asyncio import Redis

    from runner.operations.paging import Position

LIMITS = LookHead(each=1 << 20, all=32 << 20, entries=1)
"""How much of bodies and histories is read for a list."""

_ESCAPE = b"\\"
_BY_NAME_ONLY = b'"a":[]'


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Which jobs: each field that is not empty must fit.

    name: the job's name, exactly. job_id: a part of the id. text: a part of the arguments as they
    are shown, so that nobody can guess a secret. error: a part of the last error or its message.
    like: what `alike` makes of them, exactly. arguments: names of arguments with their values as
    they are shown. since, until: the span of its time: due, started, or died.
    """

    name: str = ""
    job_id: str = ""
    text: str = ""
    error: str = ""
    like: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every job fits."""
        asked = (self.name, self.job_id, self.text, self.error, self.like, self.arguments)
        return not any((*asked, self.since, self.until))

    def fits(
        self,
        *,
        name: str | None,
        job_id: str,
        arguments: Mapping[str, Any],
        error: str,
        message: str,
        at: datetime | None,
    ) -> bool:
        """Whether a job that is shown like this fits."""
        lowered = self.error.lower()
        if (
            (self.name and name != self.name)
            or (self.job_id and self.job_id.lower() not in job_id.lower())
            or (lowered and lowered not in f"{error}: {message}".lower())
            or (self.like and self.like != alike(error, message))
            or not self._spans(at)
            or any(value != _plainly(arguments.get(name)) for name, value in self.arguments)
        ):
            return False
        if not self.text:
            return True
        written, text = to_json(arguments).decode().lower(), self.text.lower()
        return text in written or text in written.replace('\\"', '"').replace("\\\\", "\\")

    def _spans(self, at: datetime | None) -> bool:
        if at is None:
            return self.since is None and self.until is None
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def _plainly(value: object) -> str | None:
    """An argument as somebody would type it."""
    return value if isinstance(value, str) else to_json(value).decode()


_DIFFERS = re.compile(
    r"""(?<!\w)['"“`][^'"”`]{0,200}['"”`](?!\w)|\b0x[0-9a-fA-F]+\b|\b(?=\w*\d)[0-9a-fA-F]{8,}\b|\d[\d.,:]*""",
)
_LIKE = 160


def alike(error: str, message: str) -> str:
    """An error and its message without what tells two of one cause apart: digits and quotes."""
    line = " ".join(message[:1_000].split())
    return f"{error}: {_DIFFERS.sub('…', line)}"[:_LIKE].strip(": ")


class Sieve:
    """
    Drops jobs that cannot match a filter, by their bytes.

    A job that it keeps may still not match: JSON can write a text in several ways, and a page adds
    names and hides secrets.
    """

    def __init__(self, where: Filter, state: JobState) -> None:
        # Of a job that is done its result is left: it has name, arguments and error.
        self._is_done = state is JobState.DONE
        # A page shows bytes that are not text by their numbers, and says what it hides.
        self._id = b"" if "\\" in where.job_id else _plain(where.job_id)
        self._text = b"" if where.text.lower() in REDACTED else _plain(where.text)
        if where.arguments and not self._text and where.arguments[0][1] not in REDACTED:
            self._text = _plain(where.arguments[0][1])
        self._name = where.name.encode("utf-8", "backslashreplace")
        self._error = _plain(where.error.rpartition(":")[2].strip())
        if where.like and not self._error:
            self._error = _plain(where.like.partition(":")[0])

    async def sift(self, redis: Redis, jobs: list[Position]) -> list[Position]:
        """Those of *jobs* that may match, in two round trips at most."""
        if self._id:
            part = self._id
            jobs = [one for one in jobs if part in one.member.lower()]
        if jobs and (self._name or self._text):
            own = keys.of(redis)
            prefix = (own.result_prefix if self._is_done else own.job_prefix).encode()
            names = [prefix + one.member for one in jobs]
            bodies = await look(redis, strings=names, limits=LIMITS)
            fits = self._body_may_fit
            jobs = [
                one
                for one, body in zip(jobs, bodies, strict=True)
                if isinstance(body, Cut) or (isinstance(body, bytes) and fits(body))
            ]
        if jobs and self._error and not self._is_done:
            names = [keys.of(redis).history_prefix.encode() + one.member for one in jobs]
            histories = await look(redis, lists=names, limits=LIMITS)
            jobs = [
                one
                for one, history in zip(jobs, histories, strict=True)
                if isinstance(entry := last_of(history), int)
                or (isinstance(entry, bytes) and self._error_may_fit(entry))
            ]
        return jobs

    def _body_may_fit(self, body: bytes) -> bool:
        if _ESCAPE in body:
            return True
        if self._name and self._name not in body:
            return False
        # Only the page gives names to arguments by position.
        return not self._text or _BY_NAME_ONLY not in body or self._text in body.lower()

    def _error_may_fit(self, entry: bytes) -> bool:
        """Error and message come before the traceback, which is full of line breaks."""
        head = entry.partition(b'"traceback"')[0]
        return _ESCAPE in head or self._error in head.lower()


def last_of(history: object) -> object:
    """The last entry of a history; what else stands there, if it is none."""
    return history.last[-1] if isinstance(history, Entries) and history.last else history


def _plain(text: str) -> bytes:
    """The longest part of *text* that JSON writes as it is; empty fits everything."""
    parts = re.split(r"[^0-9a-z_./@-]+", text.lower())
    return max(parts, key=len).encode()
