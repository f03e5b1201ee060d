"""`pipeline top`: queues, workers and jobs, live, and every action by a key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.commands.host import Host


@click.command
@click.pass_obj
def top(host: Host) -> None:
    """Watch queues, workers and jobs live, and act on them; ? lists the keys."""
    import textual  # noqa: F401 -- fail before Redis is reached

    # Not in uvloop: Textual starts tasks eagerly, and uvloop passes early releases of Python 3.13
    # an argument that they do not have.
    asyncio.run(_watch(host))


async def _watch(host: Host) -> None:
    from runner.terminal.app import Top

    async with host.operator_session() as session:
        await Top(session).run_async()
