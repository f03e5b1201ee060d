"""Run a command: an error that can be expected is one line on standard error."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from redis.exceptions import RedisError

from runner.broker.outage import situation
from runner.codec import ErrorRecord
from runner.commands.printing import echo
from runner.errors import PrivateRedisLostError
from runner.extras import lacking
from runner.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

F = TypeVar("F", bound="Callable[..., Any]")
R = TypeVar("R")

EXIT_NOTHING = 1
"""Exit status if there was nothing to act on, or what was worked with was lost."""

EXIT_WRONG = 2
"""Exit status if the input, the configuration or something else outside is wrong."""

EXIT_INTERRUPTED = 130

_PROGRAM = "pipeline"


class TerminatedError(Exception):
    """SIGTERM came before the command had its own handler for it."""


def run_command(
    group: click.Group,
    arguments: Sequence[str],
    *,
    expected: Callable[[], tuple[type[BaseException], ...]],
) -> int:
    """
    Run *group* and return its exit status; errors have a traceback with `--debug` only.

    expected: gives the errors whose message is a line for people; called only after an error.
    """
    try:
        status = group.main(list(arguments), prog_name=_PROGRAM, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- each becomes a line
        if "--debug" in arguments and not isinstance(error, click.ClickException):
            click.echo(visible_lines(ErrorRecord.of(error).traceback), err=True)
        return _tell_error(error, expected, _named(group, arguments))
    return status if isinstance(status, int) else 0


def run_async(coroutine: Coroutine[Any, Any, R]) -> R:
    """
    Run *coroutine* in an event loop of its own: uvloop's where it is installed.

    Until it handles signals itself, SIGTERM cancels it, as Ctrl-C does. Threads that it leaves
    behind are left to `end_process`.

    Raises:
        TerminatedError: It was ended by SIGTERM.
    """
    from runner.worker.event_loop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        return loop.run(_terminable(coroutine))


def run_service(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what works until a signal stops it: to be stopped while it starts is no error, either."""
    try:
        run_async(coroutine)
    except (TerminatedError, KeyboardInterrupt):
        tell("stopped while it started")


async def _terminable(coroutine: Coroutine[Any, Any, R]) -> R:
    from runner.worker.process_exit import leave_threads_to_exit

    leave_threads_to_exit()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 -- this is one
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await coroutine
    except asyncio.CancelledError:
        if terminated:
            raise TerminatedError("ended by SIGTERM") from None
        raise


def end_process(status: int) -> NoReturn:
    """Exit with *status*, a few seconds from now at the latest, whatever threads still run."""
    # Imported by what starts threads; a command that does not need not wait for the import.
    if module := sys.modules.get("runner.worker.process_exit"):
        module.end_in_time(status)
    sys.exit(status)


def tell(line: str) -> None:
    """Print *line* to standard error, after the program's name, without its line breaks."""
    echo(f"{_PROGRAM}: {' '.join(line.split())}", err=True)


def _named(group: click.Group, arguments: Sequence[str]) -> str:
    """The command of *arguments* with those that it is in, such as `pipeline jobs list`."""
    names = [_PROGRAM]
    command: click.Command = group
    for word in arguments:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            names.append(word)
    return " ".join(names)


def _tell_error(
    error: BaseException, expected: Callable[[], tuple[type[BaseException], ...]], command: str
) -> int:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
        case click.ClickException():
            tell(_usage(error))
        case KeyboardInterrupt() | TerminatedError() | click.exceptions.Abort():
            tell("interrupted")
            return EXIT_INTERRUPTED
        case PrivateRedisLostError():
            tell(str(error))
            return EXIT_NOTHING
        case BrokenPipeError():
            # The reader of our output has gone: flushing the rest would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        case _:
            for line in _lines(error, expected(), command):
                tell(line)
    return EXIT_WRONG


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message}; see {context.command_path} --help"


def _lines(
    error: BaseException, expected: tuple[type[BaseException], ...], command: str
) -> list[str]:
    """One line for each different error; if some of a group are expected, only those."""
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
