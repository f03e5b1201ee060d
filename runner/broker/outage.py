"""
Outages of Redis: which errors pass by themselves, and how a worker waits until Redis is back.

A worker outlives restarts, failovers and pauses of Redis, full memory and rotated passwords. Each
call of its stages goes through `Outage`, which waits, and logs what it waits for: at once, then
every minute, and once more at the end.

Some errors may be mistakes in the configuration: a wrong password, a missing permission, a name
that does not resolve, a certificate that does not fit, a server that is no Redis. They end the
worker at its start, and are waited out once the same call has succeeded before, or the worker has
claimed: then something changed outside, and jobs may run.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from typing import TYPE_CHECKING, TypeVar

from redis import exceptions

from runner import chance, clock
from runner.broker.set_aside import is_wrong_type
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

T = TypeVar("T")

_log = lazy_log("runner.outage")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_REMIND_S = 60.0
AWAY = "Redis is away"
REFUSED = "Redis refuses the request"
_IN_PIPELINE_OR_SCRIPT = (
    # redis-py names the command of a pipeline; Redis 6.2 adds a prefix to the error of a script.
    r"(?:Command # \d+ \(.*\) of pipeline caused error: \(['\"])?"
    r"(?:Error running script .*: -)?"
)
_PASSING_REPLY = re.compile(
    _IN_PIPELINE_OR_SCRIPT
    + "(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|BUSY|OOM|MISCONF|NOREPLICAS) ",
    re.DOTALL,
)
_REFUSED = re.compile(r"\bNOPERM\b|no permissions|can't (?:run|access)|ACL failure", re.IGNORECASE)
_UNRESOLVED = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)


def is_passing(error: BaseException, *, worked_before: bool = False) -> bool:
    """
    Whether *error* means that Redis is away for now, and not that the request is wrong.

    worked_before: the same call has succeeded, so its configuration was right then.
    """
    if _may_be_configuration(error):
        return worked_before
    if isinstance(
        error,
        exceptions.ConnectionError
        | exceptions.TimeoutError
        | exceptions.BusyLoadingError
        | exceptions.ReadOnlyError
        | exceptions.OutOfMemoryError
        | OSError,
    ):
        return True
    return (
        isinstance(error, exceptions.ResponseError) and _PASSING_REPLY.match(str(error)) is not None
    )


def is_away(error: BaseException) -> bool:
    """Whether *error* is no reply of Redis: it was not reached, or its reply was lost."""
    return isinstance(
        error, exceptions.ConnectionError | exceptions.TimeoutError | OSError
    ) and not isinstance(error, exceptions.BusyLoadingError)


def _may_be_configuration(error: BaseException) -> bool:
    return (
        _is_refused_login(error)
        or _is_refused_command(error)
        or _is_no_redis(error)
        or _is_without_tls(error)
        or _is_wrong_certificate(error)
        or _is_unknown_host(error)
    )


def _is_no_redis(error: BaseException) -> bool:
    return isinstance(error, exceptions.InvalidResponse)


def _is_without_tls(error: BaseException) -> bool:
    return any(
        isinstance(one, ssl.SSLError) and one.reason == "WRONG_VERSION_NUMBER"
        for one in _with_causes(error)
    )


def _is_wrong_certificate(error: BaseException) -> bool:
    """Whether the server's does not fit, or the server misses ours."""
    return any(
        isinstance(one, ssl.SSLError) and "CERTIFICATE" in (one.reason or "")
        for one in _with_causes(error)
    )


def _is_unknown_host(error: BaseException) -> bool:
    return any(
        isinstance(one, socket.gaierror) and one.errno in _UNRESOLVED for one in _with_causes(error)
    )


def _is_refused_login(error: BaseException) -> bool:
    return isinstance(
        error,
        exceptions.AuthenticationError
        | exceptions.AuthorizationError
        | exceptions.AuthenticationWrongNumberOfArgsError,
    )


def _is_refused_command(error: BaseException) -> bool:
    return isinstance(error, exceptions.NoPermissionError) or (
        isinstance(error, exceptions.ResponseError) and _REFUSED.search(str(error)) is not None
    )


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:  # an error may be raised from itself
        yield one
        seen.add(id(one))
        one = one.__cause__ or one.__context__


def situation(error: BaseException) -> str:
    """Return in a few words what *error* of Redis means, and what to do about it."""
    text = str(error)
    for holds, words in (
        (_is_refused_login(error), "Redis refuses the login (check user and password)"),
        (_is_refused_command(error), "Redis refuses a command (give its user the right to it)"),
        (is_wrong_type(error), "Redis holds what is not ours (see `pipeline doctor --repair`)"),
        ("OOM " in text or isinstance(error, exceptions.OutOfMemoryError), "Redis is full"),
        ("MISCONF " in text, "Redis cannot write to its disk (see its log)"),
        ("NOREPLICAS " in text, "Redis has too few replicas (see min-replicas-to-write)"),
        ("max number of clients" in text, "Redis has too many clients (raise its maxclients)"),
        ("unknown command" in text.lower(), "Redis lacks a command (version 6.2 is needed)"),
        (_is_no_redis(error), "what answers is no Redis (check host and port)"),
        (
            _is_without_tls(error),
            "the server speaks no TLS at this port (check rediss://)",
        ),
        (_is_wrong_certificate(error), "the certificate does not fit (check host and CA)"),
        (_is_unknown_host(error), "the host's name is not known (check it)"),
    ):
        if holds:
            return words
    return AWAY if is_passing(error) else REFUSED


TLS_HINT = "a port that speaks TLS needs rediss://"
"""To be said of a connection that was cut off before it was of any use."""


def is_cut_off(error: BaseException) -> bool:
    """Whether the server took the connection, and closed it without a word."""
    return isinstance(error, exceptions.ConnectionError) and (
        "closed by server" in str(error)
        or any(isinstance(one, ConnectionResetError) for one in _with_causes(error))
    )


def no_answer(error: BaseException) -> str:
    """Return in one sentence why a page or a screen cannot show what Redis has."""
    if is_wrong_type(error):
        return situation(error)
    return f"Redis does not answer: {type(error).__name__}"


class Outage:
    """Repeats calls while Redis is away. Each worker has one, shared by its stages."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.set_aside: Callable[[], Awaitable[object]] | None = None
        """Sets keys aside whose type is none of ours; returns something if there were any."""
        self.longest_pause_s = _LONGEST_PAUSE_S
        """The longest pause between two tries, on average."""
        self._away_since: float | None = None
        self._logged_at: dict[str, float] = {}
        self._back = asyncio.Event()
        self._worked: set[str] = set()
        self.has_claimed = False
        """Whether the worker may run jobs by now: whatever it lacks from here on was taken away."""

    @property
    def away_s(self) -> float:
        """Seconds since Redis was found to be away, 0 while it answers."""
        return 0.0 if self._away_since is None else clock.monotonic() - self._away_since

    async def call(
        self, ask: Callable[[], Awaitable[T]], *, unless: asyncio.Event | None = None
    ) -> T:
        """
        Return what `ask()` returns; repeat it while Redis is away, until *unless* is set.

        Raises:
            RedisError: The request is wrong, so repeating it would not help. Or Redis is away, and
                *unless* is set.
        """
        pause_s = _FIRST_PAUSE_S
        name = getattr(ask, "__qualname__", "")
        while True:
            try:
                answer = await ask()
            except (exceptions.RedisError, OSError) as error:
                if await self.is_mended(error):
                    continue
                if not self.passes(error, name):
                    raise
                self.note_loss(error)
                if unless is not None and unless.is_set():
                    raise
                await self._wait_for_an_answer(pause_s * (0.5 + chance.spread()))
                pause_s = min(self.longest_pause_s, pause_s * 2)
            else:
                self.note_answer(name)
                return answer

    def passes(self, error: BaseException, name: str = "") -> bool:
        """
        Whether to wait after *error* of the call of this *name*.

        While the worker starts, a right that one call lacks says nothing of what others may do.
        """
        if self.has_claimed or not _is_refused_command(error):
            return is_passing(error, worked_before=bool(self._worked))
        worked = name in self._worked
        return is_passing(error, worked_before=worked)

    async def is_mended(self, error: BaseException) -> bool:
        """Whether a key of a wrong type was in the way, and no longer is."""
        if self.set_aside is None or not is_wrong_type(error):
            return False
        return bool(await self.call(self.set_aside))

    async def _wait_for_an_answer(self, longest_s: float) -> None:
        """Wait for *longest_s*, or until another call gets an answer; at least a moment."""
        first_s = min(longest_s, _FIRST_PAUSE_S)
        await asyncio.sleep(first_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s - first_s):
                await self._back.wait()

    def note_loss(self, error: BaseException) -> None:
        """Note that Redis is away; log each reason at once, and then every minute."""
        now, why = clock.monotonic(), situation(error)
        if self._away_since is None:
            self._away_since = now
            self._back.clear()
        if now - self._logged_at.get(why, -_REMIND_S) < _REMIND_S:
            return
        self._logged_at[why] = now
        hint = f" ({TLS_HINT})" if is_cut_off(error) and not self._worked else ""
        _log.warning(
            f"{why}, waiting for it",
            worker=self._name,
            away_s=round(self.away_s, 1),
            error=f"{type(error).__name__}: {error}{hint}",
        )

    def note_answer(self, name: str = "") -> None:
        """Note that Redis answers, to the call of this *name*; log once that it is back."""
        self._worked.add(name)
        if self._away_since is not None:
            away_s = clock.monotonic() - self._away_since
            self._away_since = None
            self._logged_at.clear()
            self._back.set()
            _log.info("Redis is back", worker=self._name, away_s=round(away_s, 1))
