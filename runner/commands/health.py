"""`pipeline health`: run the health checks once, for a person or a container's probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.printing import echo
from runner.commands.run_command import run_async

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.processes.health import Finding


@click.command
@click.pass_context
def health(context: click.Context) -> None:
    """Run the health checks once. Exit status: 0 if all pass, else 1."""
    findings = run_async(_find(context.obj))
    for finding in findings:
        mark = "ok" if finding.ok else "failed"
        echo(f"{mark:<6}  {finding.name:<8}  {finding.reason}")
    context.exit(0 if all(finding.ok for finding in findings) else 1)


async def _find(host: Host) -> list[Finding]:
    from runner.processes.health import find

    async with host.look() as checks:
        return await find(checks)
