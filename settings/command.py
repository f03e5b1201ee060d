"""The `pipeline` command, put together from the runner's commands and those of the channels."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

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
from runner.commands.run_command import run_plainly
from runner.commands.schedules import schedules
from runner.commands.top import top
from runner.commands.up import up
from runner.commands.web import password, web
from runner.commands.why import why
from runner.commands.worker import worker
from runner.commands.workers import workers
from settings.application import Application
from settings.environment import CONFIG_VARIABLE, use_config_file

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
"""Taken before the command's name and after it: both are where people write them."""


class _InOrder(click.Group):
    """Lists its commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Give them as they were added."""
        return list(self.commands)


# Among the settings, since a shell that completes words runs no command.
@click.group(cls=_InOrder, epilog=_EPILOG, context_settings={"obj": Application()})
@click.version_option(version("channel-pipeline"), prog_name="pipeline")
def cli() -> None:
    """Sync channels, analyse them, draw their charts, recommend what to do, tell people."""


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
    password,
    notifications,
    completion,
):
    cli.add_command(command)
_with_common(cli)


def main() -> None:
    """Run the command that the process was started with, and exit with its status."""
    sys.exit(run_plainly(cli, sys.argv[1:], expected=_expected))


def _expected() -> tuple[type[BaseException], ...]:
    """What a person can mend: its message is shown as it is."""
    from redis.exceptions import RedisError

    from runner.errors import RunnerError

    found: list[type[Any]] = [RunnerError, RedisError]
    try:
        from jobs.sources import SourceError
        from jobs.store import StoreError
    except ImportError:
        return tuple(found)  # workers of other jobs need neither
    return (*found, SourceError, StoreError)


if __name__ == "__main__":
    main()
