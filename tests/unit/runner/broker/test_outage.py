"""Outages of Redis: which errors pass, and which calls wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis import exceptions

from runner.broker.outage import Outage, is_passing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("Connection refused"),
        exceptions.TimeoutError("no answer"),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.ResponseError("READONLY You can't write against a read only replica. script: x"),
        exceptions.ResponseError("MASTERDOWN Link with MASTER is down"),
        exceptions.ResponseError("CLUSTERDOWN The cluster is down"),
        exceptions.ResponseError("UNBLOCKED force unblock"),
        exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        exceptions.ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
        exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        exceptions.ResponseError(
            "Command # 2 (SET arq:worker:a {'jobs': (1)}\n) of pipeline caused error: "
            '("MISCONF Redis is configured to save RDB snapshots, but it\'s currently unable to",)'
        ),
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        exceptions.ResponseError("BUSY Redis is busy running a script."),
        exceptions.ResponseError(
            "Error running script (call to f_ab): @user_script:9: @user_script: 9: "
            "-READONLY You can't write against a read only replica."
        ),
        exceptions.ResponseError(
            "Error running script (call to f_ab): @user_script:9: @user_script: 9: "
            "-OOM command not allowed when used memory > 'maxmemory'."
        ),
        ConnectionResetError(),
        OSError("No route to host"),
    ],
)
def test_passing_errors_are_waited_out(error: Exception) -> None:
    """A restart, a failover, full memory or a full disk pass; Redis 6.2 wraps them in scripts."""
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.AuthenticationError("WRONGPASS"),
        exceptions.AuthorizationError(),
        exceptions.NoPermissionError("this user has no permissions"),
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind"),
        exceptions.ResponseError("unknown command"),
        exceptions.DataError("Invalid input"),
        ValueError("-OOM"),
    ],
)
def test_lasting_errors_are_not_waited_out(error: Exception) -> None:
    """A wrong password or a wrong command will not pass."""
    assert not is_passing(error)


def test_error_that_is_its_own_cause_is_judged() -> None:
    """An error may be raised from itself, or two from each other."""
    one, other = exceptions.ConnectionError("one"), exceptions.ConnectionError("other")
    one.__cause__, other.__cause__ = other, one
    assert is_passing(one)
    one.__cause__ = one
    assert is_passing(one)


def _failing(times: int, error: Exception) -> Callable[[], Awaitable[str]]:
    left = times

    async def ask() -> str:
        nonlocal left
        if left:
            left -= 1
            raise error
        return "answer"

    return ask


async def test_call_repeats_until_it_is_answered() -> None:
    """However Redis is away, the caller gets its answer, only later."""
    outage = Outage("w1")

    assert await outage.call(_failing(2, exceptions.ConnectionError("refused"))) == "answer"
    assert outage.away_s == 0


async def test_call_raises_an_error_that_will_not_pass() -> None:
    """A wrong request raises at once."""
    with pytest.raises(exceptions.ResponseError):
        await Outage("w1").call(_failing(1, exceptions.ResponseError("WRONGTYPE")))


async def test_call_ends_when_its_worker_stops() -> None:
    """A worker that stops does not wait for Redis to come back."""
    stopping = asyncio.Event()
    stopping.set()

    with pytest.raises(exceptions.ConnectionError):
        await Outage("w1").call(_failing(99, exceptions.ConnectionError()), unless=stopping)


async def test_outage_knows_how_long_redis_has_been_away() -> None:
    """`away_s` counts from the first lost call to the next answer."""
    outage = Outage("w1")
    outage.note_loss(OSError())
    await asyncio.sleep(0)

    assert outage.away_s > 0
    outage.note_answer()
    assert outage.away_s == 0
