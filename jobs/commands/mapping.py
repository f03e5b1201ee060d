"""`pipeline mapping FILE`: a mapping file for a list, filled in as far as it can be."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from runner.commands.completion import files
from runner.commands.printing import echo
from runner.commands.run_command import run_async, tell

if TYPE_CHECKING:
    from jobs.commands.host import Host


@click.command
@click.argument("file", metavar="FILE", shell_complete=files)
@click.pass_obj
def mapping(host: Host, *, file: str) -> None:
    """
    Print a mapping file for FILE, a CSV of no known layout, and the command to run with it.

    It is a proposal: read it before you use it. Lines after a # say what could not be told.
    docs/sources.md has every key.
    """
    host.configure_logs()
    for line in run_async(_guess(host, file)).splitlines():
        echo(line)
    tell(f"save it as map.toml, read it, then: pipeline run {shlex.quote(file)} --mapping map.toml")


async def _guess(host: Host, file: str) -> str:
    async with host.sources() as access:
        return await access.guess_mapping(file)
