"""The lines that say what a command failed by."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from runner.broker.outage import situation
from runner.codec import ErrorRecord
from runner.extras import lacking
from runner.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterator


def traceback_of(error: BaseException) -> str:
    """Return where it was raised, without secrets, as a terminal may get it."""
    return visible_lines(ErrorRecord.of(error).traceback)


def lines_of(
    error: BaseException, expected: tuple[type[BaseException], ...], command: str
) -> list[str]:
    """
    Return one line for each different error; if some of a group are expected, only for those.

    expected: errors whose message is a line for people. command: the one that failed.
    """
    leaves = list(_leaves(error))
    expected_ones = [leaf for leaf in leaves if isinstance(leaf, (*expected, OSError))] or leaves
    return list(
        dict.fromkeys(lacking(command, leaf) or _line(leaf, expected) for leaf in expected_ones)
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _line(error: BaseException, expected: tuple[type[BaseException], ...]) -> str:
    if isinstance(error, RedisError) and "MISCONF" in str(error):
        # Each worker fails at another command: one line for all of them.
        reason = str(error).partition("MISCONF ")[2].rstrip("',)")
        return f"Redis takes no writes: {reason}; free some space on its disk, and try again"
    if isinstance(error, expected):
        return str(error)
    if isinstance(error, RedisError):
        return f"{situation(error)}: {error}"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        remedy = "free some space" if error.errno == errno.ENOSPC else "correct it, and try again"
        return f"{place}{error.strerror or error}; {remedy}"
    return (
        f"unexpected {type(error).__name__}: {error}; this is a fault of the program: "
        "--debug shows where"
    )
