"""The `pipeline` command: the runner's commands and those about channels."""

from __future__ import annotations

import sys
from importlib.metadata import version

import click

from jobs.commands.channels.channels import channels
from jobs.commands.export import export
from jobs.commands.notifications import notifications
from jobs.commands.report import report
from jobs.commands.run.run import run
from runner.commands.completion import completion
from runner.commands.doctor import doctor
from runner.commands.enqueue import enqueue
from runner.commands.health import health
from runner.commands.jobs import dead, jobs, retries, scheduled
from runner.commands.queues import queues
from runner.commands.run_command import end_process, run_command
from runner.commands.schedules import schedules
from runner.commands.sessions import sessions
from runner.commands.top import top
from runner.commands.up import up
from runner.commands.web import password, web
from runner.commands.why import why
from runner.commands.worker import worker
from runner.commands.workers import workers
from runner.configuration import CONFIG_VARIABLE, use_config_file
from settings.application import Application

app = Application()

_EPILOG = "Settings are environment variables or keys of a TOML file: see the README."


def _use_config_file(_: click.Context, __: click.Parameter, path: str | None) -> None:
    if path is not None:
        use_config_file(path)


_COMMON = (
    click.Option(
        ["--config"],
        metavar="FILE",
        expose_value=False,
        callback=_use_config_file,
        help=f"Read settings from this TOML file ({CONFIG_VARIABLE}).",
    ),
    click.Option(
        ["--debug"], is_flag=True, expose_value=False, help="Show where an error comes from."
    ),
)
"""Accepted before the command's name and after it: people write them in both places."""


class _InOrder(click.Group):
    """Lists commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """In the order in which they were added."""
        return list(self.commands)


# In the context's settings, since a shell that completes words runs no command.
@click.group(cls=_InOrder, epilog=_EPILOG, context_settings={"obj": app})
@click.version_option(version("channel-pipeline"), prog_name="pipeline")
def cli() -> None:
    """Sync channels, analyse them, draw their charts, recommend what to do, notify people."""


def _with_common(command: click.Command) -> click.Command:
    # One command may stand in several groups.
    command.params.extend(one for one in _COMMON if one not in command.params)
    for part in command.commands.values() if isinstance(command, click.Group) else ():
        _with_common(part)
    return command


for command in (
    run,
    channels,
    report,
    export,
    up,
    web,
    worker,
    health,
    top,
    queues,
    jobs,
    scheduled,
    retries,
    dead,
    workers,
    schedules,
    why,
    enqueue,
    doctor,
    sessions,
    password,
    notifications,
    completion,
):
    cli.add_command(command)
_with_common(cli)


def main() -> None:
    """Run the command that the process was started with, and exit with its status."""
    end_process(run_command(cli, sys.argv[1:], expected=app.expected_errors))


if __name__ == "__main__":
    main()
