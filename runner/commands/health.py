"""`pipeline health`: run the health checks once, for a person or a container's probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.tables import Remark

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.processes.health import Finding


@click.command
@shows
async def health(host: Host) -> Shown:
    """Run the health checks once. Exit status: 0 if all pass, else 1."""
    from runner.processes.health import find

    async with host.look() as checks:
        found = await find(checks)
    document = [
        {"name": one.name, "ok": one.ok, "reason": one.reason, "took_s": one.ms / 1000}
        for one in found
    ]
    status = 0 if all(one.ok for one in found) else 1
    return Shown(document, list(map(_part, found)), status=status)


def _part(one: Finding) -> Remark:
    mark, color = ("ok", "green") if one.ok else ("failed", "red")
    return Remark(mark, color, one.name, [one.reason])
