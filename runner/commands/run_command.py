"""Commands end plainly: what can be expected to go wrong is one line on standard error."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

import click
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

F = TypeVar("F", bound="Callable[..., Any]")
R = TypeVar("R")

EXIT_NOTHING = 1
"""Exit status where what was asked for found nothing to act on."""

EXIT_WRONG = 2
"""Exit status where the input, the configuration or the surroundings are wrong."""

EXIT_INTERRUPTED = 130

_PROGRAM = "pipeline"


def run_plainly(
    group: click.Group,
    arguments: Sequence[str],
    *,
    expected: Callable[[], tuple[type[BaseException], ...]],
) -> int:
    """
    Run *group* and return its exit status; no error leaves it as a traceback unless by `--debug`.

    expected: the errors whose message is a line for people; asked for when one was raised.
    """
    try:
        status = group.main(list(arguments), prog_name=_PROGRAM, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- told, whatever it is
        if "--debug" in arguments and not isinstance(error, click.ClickException):
            traceback.print_exc()
        return _tell_error(error, expected)
    return status if isinstance(status, int) else 0


def run_async(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run *coroutine* in an event loop of its own: uvloop's where it is installed."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(coroutine)
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        return loop.run(coroutine)


def tell(line: str) -> None:
    """Print *line* to standard error, after the program's name; line breaks in it are lost."""
    click.echo(f"{_PROGRAM}: {' '.join(line.split())}", err=True)


def _tell_error(
    error: BaseException, expected: Callable[[], tuple[type[BaseException], ...]]
) -> int:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
        case click.ClickException():
            tell(_usage(error))
        case KeyboardInterrupt() | click.exceptions.Abort():
            tell("interrupted")
            return EXIT_INTERRUPTED
        case BrokenPipeError():
            # The reader of our output has gone; flushing the rest to it would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        case _:
            for line in _lines(error, expected()):
                tell(line)
    return EXIT_WRONG


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message}; see {context.command_path} --help"


def _lines(error: BaseException, expected: tuple[type[BaseException], ...]) -> list[str]:
    """One line for each different error; of a group, the expected ones explain the others."""
    leaves = list(_leaves(error))
    told = [leaf for leaf in leaves if isinstance(leaf, (*expected, OSError))] or leaves
    return list(dict.fromkeys(_line(leaf, expected) for leaf in told))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _line(error: BaseException, expected: tuple[type[BaseException], ...]) -> str:
    if isinstance(error, RedisError) and "MISCONF" in str(error):
        # Each worker meets it with another command: one line for all of them.
        reason = str(error).partition("MISCONF ")[2].rstrip("',)")
        return f"Redis takes no writes: {reason}; free some space on its disk, and try again"
    if isinstance(error, expected):
        return str(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        remedy = "free some space" if error.errno == errno.ENOSPC else "correct that, and try again"
        return f"{place}{error.strerror or error}; {remedy}"
    return (
        f"unexpected {type(error).__name__}: {error}; this is a fault of the program: "
        "--debug shows where"
    )
