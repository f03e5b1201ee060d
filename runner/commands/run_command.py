"""Run a command: an error that can be expected is one line on standard error."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from runner.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

F = TypeVar("F", bound="Callable[..., Any]")
R = TypeVar("R")

EXIT_NOTHING = 1
"""Exit status if there was nothing to act on, or what was worked with was lost."""

EXIT_WRONG = 2
"""Exit status if the input, the configuration or something else outside is wrong."""

EXIT_INTERRUPTED = 130

_PROGRAM = "pipeline"

_CANCEL_AGAIN_S = 0.5


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
            from runner.commands.error_lines import traceback_of

            click.echo(traceback_of(error), err=True)
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
    import asyncio

    from runner.worker.event_loop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        return loop.run(_terminable(coroutine))


def run_service(coroutine: Coroutine[Any, Any, None]) -> None:
    """
    Run what works until a signal stops it: to be stopped while it starts is no error, either.

    Whoever stops a service sends one signal and waits, so one is enough even where a library
    loses the cancellation that it causes.
    """
    try:
        run_async(_cancelled_again(coroutine))
    except (TerminatedError, KeyboardInterrupt):
        tell("stopped while it started")


async def _terminable(coroutine: Coroutine[Any, Any, R]) -> R:
    import asyncio

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


async def _cancelled_again(coroutine: Coroutine[Any, Any, None]) -> None:
    """
    Run *coroutine* as a task that is cancelled each half second once this one has been.

    redis-py and others wait by `asyncio.wait_for`, which loses a cancellation on Python 3.11.
    """
    import asyncio

    inner = asyncio.create_task(coroutine)
    try:
        await asyncio.shield(inner)
    except asyncio.CancelledError:
        while not inner.done():
            inner.cancel()
            await asyncio.wait((inner,), timeout=_CANCEL_AGAIN_S)
        if inner.cancelled():
            raise
    inner.result()


def end_process(status: int) -> NoReturn:
    """Exit with *status*, a few seconds from now at the latest, whatever threads still run."""
    # Imported by what starts threads; a command that does not need not wait for the import.
    if module := sys.modules.get("runner.worker.process_exit"):
        module.end_in_time(status)
    sys.exit(status)


def tell(line: str) -> None:
    """Print *line* to standard error, after the program's name, without its line breaks."""
    click.echo(visible(f"{_PROGRAM}: {' '.join(line.split())}"), err=True)


def _named(group: click.Group, arguments: Sequence[str]) -> str:
    """The command of *arguments* with those that it is in, such as `pipeline jobs list`."""
    names = [_PROGRAM]
    command: click.Command | None = group
    for word in arguments:
        if isinstance(command, click.Group) and word in command.list_commands(click.Context(group)):
            names.append(word)
            command = command.commands.get(word)
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
        case BrokenPipeError():
            # The reader of our output has gone: flushing the rest would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        case _:
            from runner.commands.error_lines import lines_of
            from runner.errors import PrivateRedisLostError

            for line in lines_of(error, expected(), command):
                tell(line)
            if isinstance(error, PrivateRedisLostError):
                return EXIT_NOTHING
    return EXIT_WRONG


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message}; see {context.command_path} --help"
