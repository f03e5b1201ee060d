"""
The `pipeline` command: the runner's commands, and those of the application that it serves.

Nothing of either is imported before it is typed: a list of commands is a table, and a shell
completes their names from it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem, split_arg_string

from runner.commands.lazy import LazyCommand
from runner.finding import APP_OPTION, APP_VARIABLE, load_app, named_app
from runner.known_names import recall, remember

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.app import App
    from runner.commands.host import Kind
    from runner.finding import Named

NAME: Final = "pipeline"
_ASKED_BY_SHELL: Final = f"_{NAME.upper()}_COMPLETE"
_EPILOG = "Settings are environment variables or keys of a TOML file: see docs/settings.md."

_OF_RUNNER: Final = {
    name: LazyCommand(name, f"runner.commands.{target}", said)
    for name, target, said in (
        (
            "new",
            "new:new",
            "Write a small project into FOLDER: a job, its queue, an application, a test.",
        ),
        (
            "up",
            "up:up",
            "Run all workers, the pages and the health pages in one process, until Ctrl-C.",
        ),
        ("web", "web:web", "Serve the pages for operators, until Ctrl-C."),
        ("worker", "worker:worker", "Run workers for one or more QUEUEs, until Ctrl-C or SIGTERM."),
        ("health", "health:health", "Run the health checks once."),
        (
            "top",
            "top:top",
            "Watch queues, workers and jobs live, and act on them; ? lists the keys.",
        ),
        ("queues", "queues:queues", "List, pause and resume queues."),
        ("jobs", "jobs:jobs", "List jobs, show one, and act on them."),
        ("scheduled", "jobs:scheduled", "Jobs that are due later."),
        ("retries", "jobs:retries", "Jobs that failed and wait for another attempt."),
        (
            "dead",
            "jobs:dead",
            "Jobs that failed for good: kept until somebody retries or deletes them.",
        ),
        (
            "workers",
            "workers:workers",
            "List the processes that run workers, and quiet, resume or stop them.",
        ),
        (
            "schedules",
            "schedules:schedules",
            "List the periodic jobs, and run, pause or resume one.",
        ),
        (
            "batches",
            "batches:batches",
            "List batches of jobs and flows, show one, cancel it, or retry its dead jobs.",
        ),
        ("unique", "unique:unique", "List the unique keys of jobs, or free one."),
        (
            "lanes",
            "lanes:lanes",
            "List the lanes of jobs, and pause one, resume it, or give it another limit.",
        ),
        ("why", "why:why", "Say why the job JOB_ID is not running yet, and what to do about it."),
        (
            "runs",
            "runs:runs",
            "List the latest runs, the last one first: jobs, and what they led to.",
        ),
        (
            "run-of",
            "run_of:run_of",
            "Show what led to the job JOB_ID and what followed; or a batch or flow, by its id.",
        ),
        (
            "enqueue",
            "enqueue:enqueue",
            "Enqueue JOB; its arguments are checked against its signature.",
        ),
        (
            "doctor",
            "doctor:doctor",
            "Look for what is wrong or risky, and say what to do about it.",
        ),
        ("sessions", "sessions:sessions", "List who is logged in to the pages, and log them out."),
        ("password", "web:password", "Print a password's hash, for WEB__USERS."),
        (
            "completion",
            "completion:completion",
            "Print the script that completes commands, options and names in SHELL.",
        ),
    )
}
"""In the order in which a newcomer needs them."""


class FoundApp:
    """
    The application, as commands get it: it is looked for when one first asks something of it.

    look_in: the words of the command line, and whether a shell asks: it gets no other output.
    """

    def __init__(self) -> None:
        self._words: Sequence[str] = ()
        self._is_quiet = False
        self._found: dict[Named, App] = {}

    def look_in(self, words: Sequence[str], *, quietly: bool) -> None:
        """Find the application that *words* name, from now on."""
        self._words, self._is_quiet = words, quietly

    def app(self) -> App:
        """
        Return it.

        Raises:
            AppError: It is not there, or cannot be imported.
        """
        named = named_app(self._words, Path.cwd())
        if named not in self._found:
            with self._silence():
                self._found[named] = load_app(named)
        return self._found[named]

    def names(self, kind: Kind) -> Sequence[str]:
        """
        Return every name of *kind*, for a shell to complete; see `App.names`.

        Raises:
            AppError: There is no application, or it cannot be imported.
        """
        named = named_app(self._words, Path.cwd())
        known = recall(named, kind)
        if known is None:
            app = self.app()
            with self._silence():
                names: dict[Kind, Sequence[str]] = {
                    one: app.names(one) for one in ("queue", "job", "schedule")
                }
                modules = [job.coroutine.__module__ for job in app.jobs]
            remember(named, names, modules)
            known = names[kind]
        return known

    def expected_errors(self) -> tuple[type[BaseException], ...]:
        """Its errors that a person can mend; those of the runner, if there is no application."""
        from runner.app import App

        return next(reversed(self._found.values()), App()).expected_errors()

    @contextlib.contextmanager
    def _silence(self) -> Iterator[None]:
        """What a module prints while it is imported is no answer to a shell."""
        if not self._is_quiet:
            yield
            return
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app(), name)


def _use_config_file(_: click.Context, __: click.Parameter, path: str | None) -> None:
    if path is not None:
        from runner.configuration import use_config_file

        use_config_file(path)


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 -- click's signature
    if wanted and not context.resilient_parsing:
        from runner.distribution import distribution

        click.echo(f"{NAME}, version {distribution().version}")
        context.exit()


def _common() -> list[click.Option]:
    return [
        click.Option(
            [APP_OPTION],
            metavar="MODULE:NAME",
            expose_value=False,
            help=f"Serve this application ({APP_VARIABLE}; app in [tool.pipeline] of the nearest "
            "pyproject.toml).",
        ),
        click.Option(
            ["--config"],
            metavar="FILE",
            expose_value=False,
            callback=_use_config_file,
            help="Read settings from this TOML file (PIPELINE_CONFIG).",
        ),
        click.Option(
            ["--debug"], is_flag=True, expose_value=False, help="Show where an error comes from."
        ),
    ]


_COMMON: Final = _common()
"""Accepted before the command's name and after it: people write them in both places."""


class Program(click.Group):
    """`pipeline`: each command is imported when it is first asked for by its name."""

    def __init__(self) -> None:
        version = click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        )
        self.found = FoundApp()
        super().__init__(
            NAME,
            params=[version, *_COMMON],
            epilog=_EPILOG,
            no_args_is_help=True,
            # In the context's settings, since a shell that completes words runs no command.
            context_settings={"obj": self.found},
        )

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run a command, or answer a shell that completes one; see `click.Group.main`."""
        if not os.environ.get(_ASKED_BY_SHELL):
            self.found.look_in(args or (), quietly=False)
            return super().main(args, *rest, **options)
        words = _rejoined_words()
        self.found.look_in(words, quietly=True)
        with contextlib.suppress(Exception):  # what cannot be found completes to nothing
            return super().main(args, *rest, **options)
        return None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """First those of the application, if it can be found, then those of the runner."""
        with contextlib.suppress(Exception):
            return [*self._of_app(), *_OF_RUNNER]
        return list(_OF_RUNNER)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import it; one that the runner does not have is the application's."""
        found = _OF_RUNNER.get(cmd_name) or self._of_app().get(cmd_name)
        if found is None:
            return None
        command = found.load() if isinstance(found, LazyCommand) else found
        self.commands[cmd_name] = command
        return _with_common(command)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what the application is for."""
        try:
            self.help = self.found.app().summary
        except Exception as error:  # noqa: BLE001 -- the runner's own commands have their help all the same
            self.help = " ".join(str(error).split())
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by the table, without importing them."""
        rows = self._rows(ctx)
        for title, some in (
            ("Commands", [row for row in rows if row[0] not in _OF_RUNNER]),
            ("Commands of every application", [row for row in rows if row[0] in _OF_RUNNER]),
        ):
            if some:
                with formatter.section(title):
                    formatter.write_dl(some)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Offer commands by the table, and options."""
        found = [
            CompletionItem(name, help=said)
            for name, said in self._rows(ctx)
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def _of_app(self) -> dict[str, LazyCommand | click.Command]:
        commands = {one.name or "": one for one in self.found.app().commands}
        if taken := sorted(commands.keys() & _OF_RUNNER.keys()):
            from runner.errors import AppError

            raise AppError(
                f"the application has a command {taken[0]!r}, and so has the runner: "
                "give it another name"
            )
        return commands

    def _rows(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Each command's name and help."""
        names = self.list_commands(ctx)
        known = _OF_RUNNER if len(names) == len(_OF_RUNNER) else {**self._of_app(), **_OF_RUNNER}
        rows = []
        for name in names:
            one = known[name]
            if isinstance(one, LazyCommand):
                rows.append((name, one.help))
            elif not one.hidden:
                rows.append((name, one.get_short_help_str(limit=_HELP_WIDTH)))
        return rows


_HELP_WIDTH = 100


def _with_common(command: click.Command) -> click.Command:
    # One command may stand in several groups.
    command.params.extend(one for one in _COMMON if one not in command.params)
    if isinstance(command, click.Group):
        for part in command.commands.values():
            _with_common(part)
        _add_short_list(command)
    return command


def _add_short_list(group: click.Group) -> None:
    """`ls` is `list`, and is in no help."""
    if "list" in group.commands and "ls" not in group.commands:
        group.commands["ls"] = alias = copy(group.commands["list"])
        alias.hidden = True


def _rejoined_words() -> Sequence[str]:
    """
    Return the words of the line that a shell completes.

    Bash splits at each colon and equals sign: what `--app` names becomes one word again.
    """
    words = split_arg_string(os.environ.get("COMP_WORDS", ""))
    if os.environ[_ASKED_BY_SHELL] != "bash_complete" or APP_OPTION not in words:
        return words
    start = words.index(APP_OPTION) + 1
    first = start + (words[start : start + 1] == ["="])
    parts = words[first : first + 3]
    if parts[1:2] == [":"]:
        words[start : first + len(parts)] = ["".join(parts)]
        removed = first + len(parts) - start - 1
        os.environ["COMP_WORDS"] = shlex.join(words)
        os.environ["COMP_CWORD"] = str(int(os.environ["COMP_CWORD"]) - removed)
    return words


cli: Final = Program()
